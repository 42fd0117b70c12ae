"""A skim read is the whole read and masked: every value as it was, every count that of its list."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepbaler
from hepbaler.bounds import Bound, Plan, Rule
from hepbaler.cli import main
from hepbaler.errors import ColumnNotFound, InputError, OutputError
from hepbaler.skimming.selection import cuts_of

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
LEARNED = GOLDEN / "archive_learned.hbal"
# Its particles see their mothers, its jets the nearest particle.
ROWS = GOLDEN / "archive_rows.hbal"
CUT = "nJet >= 3 and any(Jet_pt > 40)"


@pytest.fixture(scope="module")
def archive_path(tmp_path_factory, nano_file):
    path = tmp_path_factory.mktemp("skim") / "nano.hbal"
    hepbaler.compress(nano_file, path, use_model=False)
    return path


def arrays_of(path):
    with hepbaler.open(path) as archive:
        return archive["Events"].arrays()


def passing(arrays):
    return (arrays["nJet"] >= 3) & ak.any(arrays["Jet_pt"] > 40, axis=-1)


@pytest.mark.parametrize("keep", [(), ("Jet_pt", "MET_*")])
def test_an_archive_keeps_every_value_of_the_chosen_entries(archive_path, tmp_path, keep):
    whole = arrays_of(archive_path)
    report = hepbaler.skim(archive_path, tmp_path / "out.hbal", cut=CUT, keep=keep)
    part = arrays_of(tmp_path / "out.hbal")
    expected = whole[passing(whole)]
    assert 0 < len(part) < len(whole)
    assert ak.array_equal(part, expected[part.fields])
    assert report.trees[0].after == len(part) == report.flow[-1][1]
    assert report.flow[0] == ("nJet >= 3", int(ak.sum(whole["nJet"] >= 3)))
    if keep:
        assert part.fields == ["MET_pt", "MET_phi", "nJet", "Jet_pt"]


def test_bounds_are_those_of_the_input(archive_path, tmp_path, nano_file):
    hepbaler.skim(archive_path, tmp_path / "out.hbal", cut=CUT)
    with hepbaler.open(archive_path) as before, hepbaler.open(tmp_path / "out.hbal") as after:
        assert before["Events"].header.choices == after["Events"].header.choices
        assert "bounds hold against the original" in after.info()["notes"][-1]
    kept = passing(arrays_of(archive_path))
    original = uproot.open(nano_file)["Events"].arrays()[kept]
    found = arrays_of(tmp_path / "out.hbal")
    for name, choice in after["Events"].header.choices.items():
        truth, got = (np.asarray(ak.flatten(one[name], axis=None)) for one in (original, found))
        assert np.all(np.abs(truth.astype(float) - got) <= choice.bound.allowed(truth, choice.scale))


def test_models_stay_in_use_and_lose_what_is_dropped(tmp_path):
    whole = arrays_of(LEARNED)
    mask = whole["nJet"] >= 3
    for keep in ((), ("*GenJet*", "*Jet_*"), ("Jet_pt", "Jet_eta")):
        hepbaler.skim(LEARNED, tmp_path / "out.hbal", cut="nJet >= 3", keep=keep, force=True)
        part = arrays_of(tmp_path / "out.hbal")
        assert ak.array_equal(part, whole[mask][part.fields], equal_nan=True)
    hepbaler.skim(LEARNED, tmp_path / "all.hbal", cut="nJet >= 0 and nMuon < 3")
    with hepbaler.open(tmp_path / "all.hbal") as archive:
        assert archive["Events"].header.models
    # Of a few entries a model would be larger than what it saves.
    hepbaler.skim(LEARNED, tmp_path / "few.hbal", cut="nJet > 12")
    with hepbaler.open(tmp_path / "few.hbal") as archive:
        assert not archive["Events"].header.models
        assert ak.array_equal(archive["Events"].arrays(), whole[whole["nJet"] > 12], equal_nan=True)


@pytest.fixture(scope="module")
def rows():
    return arrays_of(ROWS)


def codes(path):
    """Columns that models code, by the table; whether the model sees earlier rows, and nearest ones."""
    with hepbaler.open(path) as archive:
        header = archive["Events"].header
    return {
        header.schema.tables[model.table].name: (set(model.columns), model.lineage is not None, len(model.nearest))
        for model in header.models
    }


ALL_PARTICLES = {"GenPart_pt", "GenPart_eta", "GenPart_phi", "GenPart_mass"}


@pytest.mark.parametrize(
    ("drop", "particles", "jets"),
    [
        ((), ALL_PARTICLES, 6),
        (("GenJet_*",), ALL_PARTICLES, 0),
        # The nearest particle was found by this, and is known without it.
        (("GenJet_phi",), ALL_PARTICLES, 5),
        (("GenPart_genPartIdxMother",), set(), 0),
    ],
)
def test_rows_still_see_their_mothers_and_the_nearest(tmp_path, rows, drop, particles, jets):
    whole = rows
    report = hepbaler.skim(ROWS, tmp_path / "out.hbal", cut="nGenJet >= 4", drop=drop)
    part = arrays_of(tmp_path / "out.hbal")
    assert ak.array_equal(part, whole[whole["nGenJet"] >= 4][part.fields], equal_nan=True)
    found = codes(tmp_path / "out.hbal")
    assert (found["GenPart"][:2] if particles else found.get("GenPart")) == ((particles, True) if particles else None)
    assert len(found.get("GenJet", ((),))[0]) == jets
    if jets:
        assert found["GenJet"][2] == 1
    told = {model.table: model for model in report.models}
    assert set(told["GenPart"].columns) == particles
    for model in told.values():
        assert bool(model.plain) == bool(model.reason)
        assert not set(model.plain) & set(model.columns)
    if not particles:
        assert drop[0] in told["GenPart"].reason


def test_what_was_learned_stays_small(tmp_path, rows):
    hepbaler.skim(ROWS, tmp_path / "out.hbal", cut="nGenJet >= 4")
    with hepbaler.open(tmp_path / "out.hbal") as archive:
        left = archive["Events"].num_entries / 3000
    assert (tmp_path / "out.hbal").stat().st_size < (left + 0.02) * ROWS.stat().st_size
    # A page alone, and a second skim of what was skimmed.
    report = hepbaler.skim(tmp_path / "out.hbal", tmp_path / "twice.hbal", cut="nGenJet >= 6")
    whole = rows
    assert ak.array_equal(arrays_of(tmp_path / "twice.hbal"), whole[whole["nGenJet"] >= 6], equal_nan=True)
    assert [len(model.columns) for model in report.models] == [4, 6]
    with hepbaler.open(tmp_path / "twice.hbal") as archive:
        alone = archive["Events"]["GenJet_mass"].array(entry_start=10, entry_stop=20)
    assert ak.array_equal(alone, whole[whole["nGenJet"] >= 6]["GenJet_mass"][10:20])


def test_the_command_says_what_became_of_models(tmp_path, capsys):
    out = tmp_path / "out.hbal"
    assert main(["skim", str(ROWS), "-o", str(out), "--cut", "nGenJet >= 4", "--drop", "GenJet_mass"]) == 0
    shown = capsys.readouterr().out
    assert "2 models in use as before, for 7 columns" in shown
    assert "coded plainly now: 2 columns of the model of GenJet, tree Events" in shown
    assert "is not kept: GenJet_mass" in shown


def test_root_files_come_out_of_both(archive_path, nano_file, tmp_path):
    for i, source in enumerate((archive_path, nano_file)):
        hepbaler.skim(source, tmp_path / f"{i}.root", cut=CUT, drop=["Jet_mass"])
        back = uproot.open(tmp_path / f"{i}.root")["Events"].arrays()
        whole = arrays_of(source) if i == 0 else uproot.open(source)["Events"].arrays()
        expected = whole[passing(whole)]
        assert "Jet_mass" not in back.fields
        for name in back.fields:
            assert ak.all(back[name] == expected[name], axis=None)
            assert len(back) == len(expected)


def test_a_root_file_becomes_an_archive_in_one_step(nano_file, tmp_path):
    out = tmp_path / "out.hbal"
    keep = ["Jet_*", "MET_pt"]
    plan = Plan((Rule("Jet_eta", Bound.parse("exact")),), Bound.parse("bits=8"))
    report = hepbaler.skim(nano_file, out, cut=CUT, keep=keep, settings={"plan": plan, "use_model": False})
    whole = uproot.open(nano_file)["Events"].arrays()
    expected = whole[passing(whole)]
    found = arrays_of(out)
    assert found.fields == ["MET_pt", "nJet", *(name for name in whole.fields if name.startswith("Jet_"))]
    assert len(found) == len(expected) == report.trees[0].after == report.flow[-1][1]
    assert report.trees[0].before == len(whole)
    assert report.compressed.entries == len(expected)
    for name in found.fields:
        truth, got = (np.asarray(ak.flatten(one[name], axis=None)) for one in (expected, found))
        if truth.dtype.kind == "f":
            with hepbaler.open(out) as archive:
                choice = archive["Events"].header.choices[name]
            assert choice.bound == (Bound.parse("exact") if name == "Jet_eta" else Bound.parse("bits=8"))
            assert np.all(np.abs(truth.astype(float) - got) <= choice.bound.allowed(truth, choice.scale))
        else:
            assert np.array_equal(truth, got)
        assert ak.array_equal(ak.num(expected["Jet_pt"]), ak.num(found["Jet_pt"]))
    # As if the cut had been a file of its own.
    hepbaler.skim(nano_file, tmp_path / "cut.root", cut=CUT, keep=keep)
    hepbaler.compress(tmp_path / "cut.root", tmp_path / "cut.hbal", plan=plan, use_model=False)
    assert ak.array_equal(arrays_of(tmp_path / "cut.hbal"), found)
    with hepbaler.open(out) as archive:
        assert CUT.split(" and ", maxsplit=1)[0] in archive.info()["notes"][0]
        assert archive.meta["settings"]["skim"]["keep"] == keep


def test_the_command_takes_bounds_where_a_root_file_becomes_an_archive(nano_file, archive_path, tmp_path, capsys):
    command = ["--cut", CUT, "--bits", "8", "--exact", "Jet_eta", "--no-model"]
    assert main(["skim", str(nano_file), "-o", str(tmp_path / "out.hbal"), *command]) == 0
    assert "every one checked against its bound" in capsys.readouterr().out
    with hepbaler.open(tmp_path / "out.hbal") as archive:
        choices = archive["Events"].header.choices
    assert [str(choices[name].bound) for name in ("Jet_pt", "Jet_eta")] == ["bits=8", "exact"]
    assert main(["skim", str(archive_path), "-o", str(tmp_path / "two.hbal"), *command]) == 1
    assert "here values stay as they are" in capsys.readouterr().err
    assert not (tmp_path / "two.hbal").exists()


@pytest.mark.parametrize(
    ("more", "error", "reason"),
    [
        ({"cut": "any(Jte_pt > 30)"}, ColumnNotFound, "nearest: 'Jet_pt'"),
        ({"keep": ["Jte_*"]}, InputError, "matches 'Jte_"),
        ({"settings": {"bits": 8}}, InputError, "'bits' is no setting of compression; there are plan, "),
    ],
)
def test_nothing_is_left_of_a_root_file_that_cannot_be_skimmed(nano_file, tmp_path, more, error, reason):
    with pytest.raises(error, match=reason):
        hepbaler.skim(nano_file, tmp_path / "out.hbal", **({"settings": {"use_model": False}} | more))
    assert not list(tmp_path.iterdir())


def test_bounds_are_not_chosen_where_values_stay(archive_path, nano_file, tmp_path):
    for source, out in ((archive_path, "out.hbal"), (archive_path, "out.root"), (nano_file, "out.root")):
        with pytest.raises(InputError, match="here values stay as they are"):
            hepbaler.skim(source, tmp_path / out, settings={"plan": Plan()})
    assert not list(tmp_path.iterdir())


def test_nothing_may_pass(archive_path, tmp_path):
    for name in ("none.hbal", "none.root"):
        report = hepbaler.skim(archive_path, tmp_path / name, cut="nJet > 1000")
        assert report.trees[0].after == 0
    assert len(arrays_of(tmp_path / "none.hbal")) == 0
    assert uproot.open(tmp_path / "none.root")["Events"].num_entries == 0


def test_a_merged_archive_is_skimmed_segment_by_segment(archive_path, other_nano_file, tmp_path):
    hepbaler.compress(other_nano_file, tmp_path / "other.hbal", use_model=False)
    hepbaler.merge(tmp_path / "both.hbal", [archive_path, tmp_path / "other.hbal"])
    hepbaler.skim(tmp_path / "both.hbal", tmp_path / "out.hbal", cut=CUT, keep=["Jet_*"])
    whole = arrays_of(tmp_path / "both.hbal")
    part = arrays_of(tmp_path / "out.hbal")
    assert ak.array_equal(part, whole[passing(whole)][part.fields])


@given(
    entries=st.lists(
        st.tuples(st.integers(-2, 2), st.lists(st.floats(width=32, allow_nan=False), max_size=3)),
        min_size=1,
        max_size=20,
    ),
    cut=st.sampled_from(["i > 0", "i != 0 and any(x > 0)", "count(x) >= 2", "not i", "sum(x > 1) == 1 or i == 2"]),
    keep=st.sampled_from([(), ("x",), ("y",), ("i", "z")]),
)
@settings(max_examples=25)
def test_skimming_then_reading_is_reading_then_masking(tmp_path_factory, entries, cut, keep):
    folder = tmp_path_factory.mktemp("property")
    i = np.array([entry[0] for entry in entries], np.int32)
    x = ak.values_astype(ak.Array([*(entry[1] for entry in entries), [0.0]])[:-1], np.float32)
    with uproot.recreate(folder / "in.root") as file:
        file.mktree("t", {"i": "int32", "x": "var * float32", "y": "float64", "z": "int64"})
        file["t"].extend({"i": i, "x": x, "y": i / 3.0, "z": i.astype(np.int64)})
    hepbaler.compress(folder / "in.root", folder / "in.hbal", use_model=False)
    hepbaler.skim(folder / "in.hbal", folder / "out.hbal", cut=cut, keep=keep)
    with hepbaler.open(folder / "in.hbal") as archive:
        whole = archive["t"].arrays()
    i, x = np.asarray(whole["i"]), whole["x"]
    mask = {
        "i > 0": i > 0,
        "i != 0 and any(x > 0)": (i != 0) & ak.any(x > 0, axis=-1),
        "count(x) >= 2": ak.num(x) >= 2,
        "not i": i == 0,
        "sum(x > 1) == 1 or i == 2": (ak.sum(x > 1, axis=-1) == 1) | (i == 2),
    }[cut]
    with hepbaler.open(folder / "out.hbal") as archive:
        part = archive["t"].arrays()
    assert ak.array_equal(part, whole[mask][part.fields])


@pytest.mark.parametrize(
    ("cut", "error", "reason"),
    [
        ("nJet >=", InputError, "cannot read the cut"),
        ("Jet_pt > 30", InputError, "one number an entry; a cut says yes or no|cannot be computed"),
        ("any(MET_pt > 30)", InputError, r"any\(\) takes a list for each entry"),
        ("Jte_pt > 3", ColumnNotFound, "nearest: 'Jet_pt'"),
        ("1 / 0", InputError, "division by zero"),
    ],
)
def test_a_cut_that_cannot_be_is_refused(archive_path, tmp_path, cut, error, reason):
    with pytest.raises(error, match=reason):
        hepbaler.skim(archive_path, tmp_path / "out.hbal", cut=cut)
    assert not list(tmp_path.iterdir())


def test_cuts_joined_by_and_are_counted_one_by_one():
    assert [cut.text for cut in cuts_of(["a > 1 and (b and c)", "(d > 1) & (e < 2)", "flags & 4", "f or g"])] == [
        "a > 1",
        "b",
        "c",
        "d > 1",
        "e < 2",
        "flags & 4",
        "f or g",
    ]


def test_outputs_are_what_their_names_say(archive_path, nano_file, tmp_path):
    with pytest.raises(OutputError, match="end in .hbal or .root"):
        hepbaler.skim(archive_path, tmp_path / "out")
    with pytest.raises(OutputError, match="holds no RNTuple"):
        hepbaler.skim(archive_path, tmp_path / "out.hbal", rntuple=True)
    with pytest.raises(OutputError, match="the input itself"):
        hepbaler.skim(archive_path, archive_path, force=True)
    with pytest.raises(InputError, match="matches 'Jte_"):
        hepbaler.skim(archive_path, tmp_path / "out.hbal", keep=["Jte_*"])


def test_the_command_shows_the_cut_flow(archive_path, tmp_path, capsys):
    out = tmp_path / "out.hbal"
    assert main(["skim", str(archive_path), "-o", str(out), "--cut", CUT, "--keep", "Jet_*"]) == 0
    shown = capsys.readouterr().out
    assert "any(Jet_pt > 40)" in shown
    assert "of those before" in shown
    assert main(["skim", str(archive_path), "-o", str(out)]) == 1
    assert "exists" in capsys.readouterr().err
