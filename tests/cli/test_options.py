from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler import cli, pipeline
from hepbaler.cli.options import rules_in_order

KINDS = ("bits", "abs", "rel", "exact")


@pytest.fixture
def plans(monkeypatch):
    """Plans that `compress` was called with; nothing is compressed."""
    seen = []

    def compress(source, target, *, plan, **_):
        seen.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "compress", compress)
    return seen


def rules(plan):
    return [f"{rule.pattern} {rule.bound}" for rule in plan.rules]


def test_bounds_keep_their_order_across_options(plans, nano_file):
    before = ["--bits", "8", "--exact=Jet_*"]
    after = ["--abs", "*_phi=1e-3", "--bits", "Jet_pt=12", "--rel", "a=b=0.01", "--exact", "GenPart_*", "--abs=0.5"]
    cli.main(["compress", *before, str(nano_file), *after])
    assert rules(plans[0]) == [
        "* bits=8",
        "Jet_* exact",
        "*_phi abs=0.001",
        "Jet_pt bits=12",
        "a=b rel=0.01",
        "GenPart_* exact",
        "* abs=0.5",
    ]


def test_last_match_wins(plans, nano_file):
    for args, bound in ((["--bits", "8", "--exact", "*"], "exact"), (["--exact", "*", "--bits", "8"], "bits=8")):
        cli.main(["compress", str(nano_file), *args])
        assert str(plans.pop().bound_for("Jet_pt", "float32")) == bound


def test_options_go_over_the_plan_file(plans, nano_file, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text('[Events]\nJet_pt = "bits=6"\nJet_eta = "bits=7"\n')
    cli.main(["compress", "--bits", "Jet_pt=12", str(nano_file), "--plan", str(plan)])
    bounds = [str(plans[0].bound_for(name, "float32", tree="Events")) for name in ("Jet_pt", "Jet_eta", "Jet_mass")]
    assert bounds == ["bits=12", "bits=7", "bits=10"]


def test_no_bounds_leave_the_default(plans, nano_file):
    cli.main(["compress", str(nano_file)])
    assert rules(plans[0]) == []
    assert str(plans[0].bound_for("Jet_pt", "float32")) == "bits=10"


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text(max_size=4))))
def test_order_is_restored_from_what_click_keeps(given_bounds):
    values = {kind: [value for k, value in given_bounds if k == kind] for kind in KINDS}
    assert rules_in_order([kind for kind, _ in given_bounds], values) == given_bounds


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--bits", "ten"], "--bits"),
        (["--bits", "Jet_*="], "--bits"),
        (["--bits", "-3"], "--bits"),
        (["--bits", "=10"], "--bits"),
        (["--abs", "nan"], "--abs"),
        (["--abs", "Jet_pt=-1"], "--abs"),
        (["--rel", "inf"], "--rel"),
        (["--exact", ""], "--exact"),
        (["--train-steps", "0"], "--train-steps"),
        (["--train-time", "-1"], "--train-time"),
        (["--seed", "x"], "--seed"),
        (["--jobs", "0"], "--jobs"),
        (["--no-model", "--model", "m"], "--no-model and --model exclude each other"),
        (["--no-model", "--train-steps", "5"], "--no-model and --train-steps exclude each other"),
        (["--train-time", "5", "--train-steps", "5"], "--train-steps and --train-time exclude each other"),
        (["--colour"], "--colour"),
    ],
)
def test_wrong_usage(args, message, nano_file, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compress", str(nano_file), *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hepbaler: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args", [[], ["compress"], ["decompress"], ["train", "x.root"], ["info", "a", "b"], ["squeeze"]]
)
def test_incomplete_usage(args, capsys):
    assert cli.main(args) == 2
    assert capsys.readouterr().err


def test_broken_plan_file(nano_file, tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text('[Events]\nJet_pt = "bits=ten"\n')
    assert cli.main(["compress", str(nano_file), "--plan", str(plan)]) == 2
    assert "plan.toml" in capsys.readouterr().err
    assert cli.main(["compress", str(nano_file), "--plan", str(tmp_path / "none.toml")]) in (1, 2)
    assert "none.toml" in capsys.readouterr().err
