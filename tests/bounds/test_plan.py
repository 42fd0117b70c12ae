from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.bounds import DEFAULT, EXACT, Bound, Plan, PlanLine, Rule, write_plan
from hepbaler.errors import BoundError

BITS8 = Bound("bits", 8)
ABS = Bound("abs", 0.25)

names = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12)
bounds = st.sampled_from([EXACT, BITS8, ABS, Bound("rel", 1e-3)])


def test_last_match_wins():
    plan = Plan((Rule("Jet_*", BITS8), Rule("Jet_pt", ABS), Rule("*_mass", EXACT)))
    assert plan.bound_for("Jet_eta", "float32", "values") == BITS8
    assert plan.bound_for("Jet_pt", "float32", "values") == ABS
    assert plan.bound_for("Jet_mass", "float64", "values") == EXACT
    assert plan.bound_for("Muon_pt", "float32", "values") == DEFAULT
    assert Plan(default=EXACT).bound_for("Muon_pt", "float32", "values") == EXACT


@pytest.mark.parametrize(
    ("dtype", "role"),
    [
        ("int32", "values"),
        ("bool", "values"),
        ("uint8", "text"),
        ("int64", "counts"),
        ("bool", "mask"),
        ("int8", "tags"),
    ],
)
def test_what_is_no_float_is_exact_whatever_the_rules(dtype, role):
    assert Plan((Rule("*", ABS),)).bound_for("x", dtype, role) == EXACT


def test_rules_for_one_tree():
    plan = Plan((Rule("Events:Jet_*", ABS), Rule("AuxDyn:pt", BITS8)))
    assert plan.bound_for("Jet_pt", "float32", "values", tree="Events") == ABS
    assert plan.bound_for("Jet_pt", "float32", "values", tree="Runs") == DEFAULT
    assert plan.bound_for("Jet_pt", "float32", "values") == DEFAULT
    # Fields of an RNTuple have colons in their own names.
    assert plan.bound_for("AuxDyn:pt", "float32", "values", tree="EventData") == BITS8


def test_names_that_look_like_globs_match_themselves():
    plan = Plan((Rule("fMatrix[4]", ABS),))
    assert plan.bound_for("fMatrix[4]", "float32", "values", tree="T") == ABS


def test_patterns_without_a_branch_are_found():
    plan = Plan((Rule("Jet_*", ABS), Rule("Muon_*", ABS), Rule("Runs:*", ABS)))
    assert plan.unused([("Events", "Jet_pt"), ("Events", "nJet")]) == ("Muon_*", "Runs:*")


def test_an_empty_pattern_is_refused():
    with pytest.raises(BoundError, match="has no pattern"):
        Rule("", ABS)


@given(st.lists(st.tuples(names, bounds)), bounds)
def test_dict_gives_the_plan_back(rules, default):
    plan = Plan(tuple(Rule(*rule) for rule in rules), default)
    assert Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize("data", [{}, {"rules": [["x"]], "default": "exact"}, {"rules": [], "default": "loose"}])
def test_dicts_that_describe_no_plan(data):
    with pytest.raises(BoundError):
        Plan.from_dict(data)


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory):
    return tmp_path_factory.mktemp("plan") / "plan.toml"


@given(
    branches=st.dictionaries(
        st.tuples(st.sampled_from(["Events", "a/b", "odd [x]*", 'q"\\\n']), names), bounds, max_size=8
    ),
    remark=st.text(st.characters(blacklist_categories=("Cs",)), max_size=10),
)
def test_written_plan_gives_every_branch_its_bound(plan_file, branches, remark):
    lines = [PlanLine(tree, branch, "float[]", remark, bound) for (tree, branch), bound in sorted(branches.items())]
    plan_file.write_text(write_plan(lines), encoding="utf-8", newline="")
    plan = Plan.from_toml(plan_file)
    assert len(plan.rules) == len(lines)
    for line in lines:
        assert plan.bound_for(line.branch, "float32", "values", tree=line.tree) == line.bound


def test_written_plan_has_a_line_a_branch():
    text = write_plan(
        [
            PlanLine("Events", "Jet_pt", "float[]", "10 mantissa bits", DEFAULT),
            PlanLine("Events", "Aux.pt", "float", "full precision", ABS),
            PlanLine("Runs", "run", "uint32_t", "1 to 1", EXACT),
        ]
    )
    lines = [" ".join(line.split()) for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == [
        '["Events"]',
        'Jet_pt = "bits=10" # float[], 10 mantissa bits',
        '"Aux.pt" = "abs=0.25" # float, full precision',
        '["Runs"]',
        'run = "exact" # uint32_t, 1 to 1',
    ]


def test_files_as_people_write_them(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        '"*_phi" = "abs=0.25"\n\n[Events]\nJet_* = "exact"\n'.replace("Jet_*", '"Jet_*"') + 'Aux.pt = "8"\n'
    )
    plan = Plan.from_toml(path)
    assert plan.bound_for("Muon_phi", "float32", "values", tree="Other") == ABS
    assert plan.bound_for("Jet_phi", "float32", "values", tree="Events") == EXACT
    assert plan.bound_for("Aux.pt", "float32", "values", tree="Events") == BITS8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[Events]\na = "exact"\n\nJet_pt = "bits=99"\n', r"plan\.toml, line 4, key 'Events\.Jet_pt': .*bits=99"),
        ('["a.b"]\n"x.y" = "nonsense"\n', r"line 2, key 'a\.b\.x\.y': cannot read the bound 'nonsense'"),
        ("[Events]\nJet_pt = 10\n", r"line 2, key 'Events\.Jet_pt': .*in quotes.*not as 10"),
        ("[Events\n", r"plan\.toml is not a plan in TOML: .*line 1"),
        ('a = "exact"\na = "exact"\n', r"line 2"),
    ],
)
def test_mistakes_are_named_with_file_line_and_key(tmp_path, text, message):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BoundError, match=message):
        Plan.from_toml(path)
