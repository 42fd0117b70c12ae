"""The whole chain on real ROOT files: what comes back, however it is asked for, keeps its promise."""

from __future__ import annotations

import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import hepbaler
from hepbaler.bounds import Bound, Plan, Rule, holds
from hepbaler.errors import ColumnNotFound, InputError, ModelError, OutputError

FLOATS = {"float32": 32, "float64": 64}
BOUNDS = st.one_of(
    st.integers(2, 20).map(lambda p: Bound("bits", p)),
    st.sampled_from([1e-6, 1e-3, 0.5]).map(lambda e: Bound("abs", e)),
    st.sampled_from([1e-5, 1e-3, 0.1]).map(lambda r: Bound("rel", r)),
    st.just(Bound.parse("exact")),
)


def everything(width):
    """Floats of all kinds: NaN, infinities, denormals, both zeros, and runs of ordinary values."""
    return st.one_of(
        st.floats(width=width),
        st.floats(-1000, 1000, width=width),
        st.sampled_from([0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1.0, -1.0]),
    )


def plan_of(*rules):
    return Plan(tuple(Rule(pattern, Bound.parse(text)) for pattern, text in rules))


def bits_of(array):
    values = np.asarray(ak.flatten(array, axis=None))
    return values.view(f"i{values.dtype.itemsize}") if values.dtype.kind == "f" else values


@pytest.fixture(scope="module")
def learned(tmp_path_factory, nano_writer):
    """A file of correlated jets and its archive with a model."""
    folder = tmp_path_factory.mktemp("learned")
    source = nano_writer(folder / "jets.root", 6000, seed=5, baskets=3)
    report = hepbaler.compress(source, folder / "jets.hbal", train_steps=60)
    assert any(table.learned for table in report.tables), "the sample is there to show a model"
    return source, folder / "jets.hbal", report


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(sorted(FLOATS)), BOUNDS)
def test_every_value_keeps_its_bound(tmp_path, data, dtype, bound):
    counts = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=30))
    rows = sum(counts)
    element = everything(FLOATS[dtype])
    flat = data.draw(npst.arrays(dtype, len(counts), elements=element))
    jagged = data.draw(npst.arrays(dtype, rows, elements=element))
    source, target = tmp_path / "any.root", tmp_path / "any.root.hbal"
    with uproot.recreate(source) as file:
        file.mktree("t", {"x": dtype, "y": f"var * {dtype}", "n": "int64"})
        file["t"].extend({"x": flat, "y": ak.unflatten(jagged, counts), "n": np.arange(len(counts))})
    hepbaler.compress(source, target, plan=Plan((Rule("*", bound),)), force=True)
    with hepbaler.open(target) as archive, uproot.open(source) as file:
        back, truth = archive["t"].arrays(), file["t"].arrays()
        choices = archive["t"].header.choices
    assert ak.type(back) == ak.type(truth)
    assert back.n.to_list() == truth.n.to_list()
    assert ak.num(back.y).to_list() == counts
    for name, values in (("x", flat), ("y", jagged)):
        found = np.asarray(ak.flatten(back[name], axis=None)).astype(dtype)
        same_as = archive["t"].header.schema.same_as
        choice = choices[same_as.get(name, name)]
        assert choice.bound == bound
        assert holds(values, found, bound, choice.scale).all()


@settings(max_examples=25, deadline=None)
@given(first=st.integers(-450, 450), last=st.integers(-450, 450))
def test_any_entry_range_gives_what_the_whole_gives(nano_archive, first, last):
    with hepbaler.open(nano_archive) as archive:
        tree = archive["Events"]
        whole = tree.arrays(["Jet_pt", "event", "LHEScaleWeight"])
        part = tree.arrays(["Jet_pt", "event", "LHEScaleWeight"], entry_start=first, entry_stop=last)
    first, last, _ = slice(first, last).indices(400)
    assert ak.array_equal(part, whole[first : max(first, last)], dtype_exact=True)


@pytest.fixture(scope="module")
def nano_archive(nano_file, tmp_path_factory):
    target = tmp_path_factory.mktemp("archive") / "nano.root.hbal"
    hepbaler.compress(nano_file, target, use_model=False)
    return target


def test_the_archive_reads_as_uproot_reads_the_file(nano_file, nano_archive):
    with hepbaler.open(nano_archive) as archive, uproot.open(nano_file) as file:
        tree, truth = archive["Events"], file["Events"]
        assert tree.keys() == truth.keys()
        assert tree.typenames() == truth.typenames()
        assert tree.num_entries == truth.num_entries
        assert tree.keys(filter_name="Jet_*") == truth.keys(filter_name="Jet_*")
        assert tree.keys(filter_name="/jet_.*/i") == truth.keys(filter_name="/jet_.*/i")
        assert tree.keys(filter_name=["run", "HLT_*"]) == truth.keys(filter_name=["run", "HLT_*"])
        assert tree.keys(filter_name=lambda name: "pt" in name) == ["MET_pt", "Jet_pt"]
        assert ak.type(tree.arrays()) == ak.type(truth.arrays())
        assert ak.type(tree["Jet_pt"].array()) == ak.type(truth["Jet_pt"].array())
        assert tree["Jet_pt"].array(entry_stop=7).to_list() == tree.arrays(entry_stop=7).Jet_pt.to_list()
        mine, theirs = tree.arrays(library="np"), truth.arrays(library="np")
        assert {k: v.dtype for k, v in mine.items()} == {k: v.dtype for k, v in theirs.items()}
        assert mine["LHEScaleWeight"].shape == theirs["LHEScaleWeight"].shape
        steps = list(tree.iterate("event", step_size=150))
        assert [len(step) for step in steps] == [150, 150, 100]
        assert ak.concatenate(steps).event.to_list() == truth["event"].array().to_list()
        assert sum(len(step) for step in tree.iterate(step_size="10 kB")) == 400


def test_names_that_do_not_exist_are_told_with_the_nearest(nano_archive):
    with hepbaler.open(nano_archive) as archive:
        with pytest.raises(ColumnNotFound, match=r"'Jet_pT' not found .* nearest: 'Jet_pt'"):
            archive["Events"].arrays("Jet_pT")
        with pytest.raises(KeyError, match="'Event' not found .* 'Events'"):
            archive["Event"]
        with pytest.raises(ValueError, match="step_size"):
            next(archive["Events"].iterate(step_size="ten"))


def test_a_model_changes_no_value(learned, tmp_path):
    source, target, _ = learned
    hepbaler.compress(source, tmp_path / "plain.hbal", use_model=False)
    with hepbaler.open(target) as one, hepbaler.open(tmp_path / "plain.hbal") as other:
        assert ak.array_equal(one["Events"].arrays(), other["Events"].arrays(), dtype_exact=True)
    assert hepbaler.verify(target, source).violations == 0


def test_a_model_is_smaller_than_plain_coding(learned):
    report = learned[2]
    for table in report.tables:
        if table.learned:
            assert table.archive_bytes < table.plain_bytes


def test_one_column_of_a_model_can_be_read_alone(learned):
    with hepbaler.open(learned[1]) as archive:
        tree = archive["Events"]
        whole = tree.arrays()
        for name in tree:
            alone = tree[name].array(entry_start=1990, entry_stop=2010)
            assert np.array_equal(bits_of(alone), bits_of(whole[name][1990:2010])), name


def test_the_same_seed_and_steps_give_the_same_bytes(learned, tmp_path):
    source, target, _ = learned
    hepbaler.compress(source, tmp_path / "again.hbal", train_steps=60)
    assert (tmp_path / "again.hbal").read_bytes() == target.read_bytes()


def test_reading_a_model_needs_no_torch(learned):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import hepbaler\n"
        "tree = hepbaler.open(sys.argv[1])['Events']\n"
        "print(len(tree.arrays(filter_name='Jet_*')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(learned[1])], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "6000", done.stderr


def test_a_model_serves_another_file_of_its_kind(learned, tmp_path, nano_writer):
    source, _, _ = learned
    other = nano_writer(tmp_path / "other.root", 3000, seed=77)
    hepbaler.train(source, tmp_path / "jets.hbmodel", train_steps=60)
    report = hepbaler.compress(other, tmp_path / "other.hbal", model=tmp_path / "jets.hbmodel")
    assert any(table.learned for table in report.tables)
    assert hepbaler.verify(tmp_path / "other.hbal", other).violations == 0


def test_a_model_that_does_not_fit_names_the_columns(learned, tmp_path, odd_values_file):
    source, _, _ = learned
    hepbaler.train(source, tmp_path / "jets.hbmodel", train_steps=20)
    with pytest.raises(ModelError, match="Jet_"):
        hepbaler.compress(source, tmp_path / "x.hbal", model=tmp_path / "jets.hbmodel", drop=["Jet_mass"])
    with pytest.raises(ModelError, match=r"other bounds: .*Jet_"):
        hepbaler.compress(source, tmp_path / "x.hbal", model=tmp_path / "jets.hbmodel", plan=plan_of(("*", "bits=6")))
    with pytest.raises(ModelError, match="Events"):
        hepbaler.compress(odd_values_file, tmp_path / "x.hbal", model=tmp_path / "jets.hbmodel")
    assert not (tmp_path / "x.hbal").exists()


@pytest.mark.parametrize("bound", ["bits=10", "bits=4", "abs=0.01", "rel=0.001"])
def test_compressing_a_decompressed_file_changes_no_value(nano_file, tmp_path, bound):
    first, second = tmp_path / "1.hbal", tmp_path / "2.hbal"
    hepbaler.compress(nano_file, first, use_model=False, plan=plan_of(("*", bound)))
    hepbaler.decompress(first, tmp_path / "1.root")
    hepbaler.compress(tmp_path / "1.root", second, use_model=False, plan=plan_of(("*", bound)))
    with hepbaler.open(first) as one, hepbaler.open(second) as two:
        a, b = one["Events"].arrays(), two["Events"].arrays()
    for name in a.fields:
        assert np.array_equal(bits_of(a[name]), bits_of(b[name])), name


def test_odd_values_come_back_bit_for_bit(odd_values_file, tmp_path):
    hepbaler.compress(odd_values_file, tmp_path / "odd.hbal")
    with hepbaler.open(tmp_path / "odd.hbal") as archive, uproot.open(odd_values_file) as file:
        back, truth = archive["odd"].arrays(library="np"), file["odd"].arrays(library="np")
    for name, values in truth.items():
        if name not in ("single", "double"):
            assert np.array_equal(bits_of(ak.Array(back[name])), bits_of(ak.Array(values))), name
    odd = ~np.isfinite(truth["double"]) | (np.abs(truth["double"]) < 1e-300)
    assert back["double"][odd].tobytes() == truth["double"][odd].tobytes()
    assert back["single"][:-1].tobytes() == truth["single"][:-1].tobytes()


def test_all_trees_and_objects_survive(crowded_file, tmp_path):
    report = hepbaler.compress(crowded_file, tmp_path / "crowded.hbal")
    assert report.trees == 4
    assert any("twice" in note for note in report.notes)
    hepbaler.decompress(tmp_path / "crowded.hbal", tmp_path / "back.root")
    with uproot.open(crowded_file) as old, uproot.open(tmp_path / "back.root") as new:
        assert set(new.keys(cycle=False)) == set(old.keys(cycle=False))
        assert np.array_equal(new["mass"].values(), old["mass"].values())
        assert new["a/b/tree"]["x"].array().to_list() == old["a/b/tree"]["x"].array().to_list()
        assert str(new["remark"]) == "made by a test"
    with hepbaler.open(tmp_path / "crowded.hbal") as archive:
        assert archive["mass"].values().sum() == 500
        assert len(archive["twice"].arrays()) == 4


def test_a_tree_without_entries_survives_beside_another(tmp_path):
    with uproot.recreate(tmp_path / "two.root") as file:
        file.mktree("Events", {"x": "float32", "Jet_pt": "var * float32"})
        file.mktree("Runs", {"run": "int32"})
        file["Runs"].extend({"run": np.arange(3, dtype=np.int32)})
    report = hepbaler.compress(tmp_path / "two.root", tmp_path / "two.hbal")
    assert "tree 'Events' has no entries" in report.notes
    with hepbaler.open(tmp_path / "two.hbal") as archive, uproot.open(tmp_path / "two.root") as file:
        assert archive["Events"].num_entries == 0
        assert ak.type(archive["Events"].arrays()) == ak.type(file["Events"].arrays())
    hepbaler.decompress(tmp_path / "two.hbal", tmp_path / "back.root")
    with uproot.open(tmp_path / "back.root") as file:
        assert file["Events"].num_entries == 0


def test_a_file_of_empty_trees_keeps_its_branches(empty_tree_file, tmp_path):
    # one file of a campaign may well have no event that passed
    report = hepbaler.compress(empty_tree_file, tmp_path / "empty.hbal")
    assert report.entries == 0
    assert "tree 'Events' has no entries" in report.notes
    with uproot.open(empty_tree_file) as file, hepbaler.open(tmp_path / "empty.hbal") as archive:
        assert archive["Events"].typenames() == file["Events"].typenames()
        assert ak.type(archive["Events"].arrays()) == ak.type(file["Events"].arrays())
    with uproot.open(f"hepbaler://empty.root::{tmp_path / 'empty.hbal'}") as virtual:
        assert virtual["Events"].num_entries == 0
    assert hepbaler.verify(tmp_path / "empty.hbal", empty_tree_file).violations == 0
    with pytest.raises(InputError, match="nothing to compress: tree 'Events' has no entries"):
        hepbaler.train([empty_tree_file], tmp_path / "model.hbm")


def test_a_file_of_other_objects_alone_is_carried(no_tree_file, tmp_path):
    # as a campaign's histograms are
    report = hepbaler.compress(no_tree_file, tmp_path / "mass.root.hbal")
    assert (report.trees, report.entries) == (0, 0)
    assert hepbaler.verify(tmp_path / "mass.root.hbal", no_tree_file).ok
    hepbaler.decompress(tmp_path / "mass.root.hbal", tmp_path / "back.root")
    with uproot.open(no_tree_file) as file:
        for other in (tmp_path / "back.root", f"hepbaler://mass.root::{tmp_path / 'mass.root.hbal'}"):
            with uproot.open(other) as again:
                assert again.classnames() == file.classnames()
                assert np.array_equal(again["mass"].values(), file["mass"].values())
    with pytest.raises(InputError, match="no branch in .* matches 'x'"):
        hepbaler.compress(no_tree_file, tmp_path / "out.hbal", keep=["x"])
    with pytest.raises(InputError, match="holds no tree; it holds mass"):
        hepbaler.train(no_tree_file, tmp_path / "model.hbm")


def test_ntuples_and_text_survive(ntuple_file, strings_file, tmp_path):
    for path, tree in ((ntuple_file, "ntuple"), (strings_file, "tree")):
        target = tmp_path / f"{tree}.hbal"
        hepbaler.compress(path, target, plan=plan_of(("*", "exact")))
        with hepbaler.open(target) as archive, uproot.open(path) as file:
            assert ak.array_equal(archive[tree].arrays(), file[tree].arrays(), dtype_exact=True)


def test_a_failing_run_leaves_nothing_behind(nano_file, text_file, truncated_file, tmp_path):
    for path in (text_file, truncated_file, tmp_path / "absent.root"):
        with pytest.raises(InputError):
            hepbaler.compress(path, tmp_path / "out.hbal")
    with pytest.raises(InputError, match=r"matches 'Muon_\*'"):
        hepbaler.compress(nano_file, tmp_path / "out.hbal", keep=["Muon_*"])
    with pytest.raises(InputError, match="Jat_pt"):
        hepbaler.compress(nano_file, tmp_path / "out.hbal", plan=plan_of(("Jat_pt", "bits=8")))
    (tmp_path / "there.hbal").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        hepbaler.compress(nano_file, tmp_path / "there.hbal")
    with pytest.raises(OutputError, match="input itself"):
        hepbaler.compress(nano_file, nano_file, force=True)
    assert (tmp_path / "there.hbal").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["there.hbal"]


def test_an_interrupted_run_leaves_nothing_behind(nano_file, tmp_path):
    def stop(phase, done, total):
        if phase == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hepbaler.compress(nano_file, tmp_path / "out.hbal", use_model=False, progress=stop)
    assert list(tmp_path.iterdir()) == []
