"""`hepbaler.open(...)[tree]` and uproot's tree, asked the same."""

from __future__ import annotations

import io

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

import hepbaler
from hepbaler.errors import ColumnNotFound, InputError
from hepbaler.layouts import flatten, form_of, layout_of, unflatten
from hepbaler.listing import BranchNames
from hepbaler.table import Branch, Values
from hepbaler.testing.strategies import branch_arrays
from hepbaler.tracing import CountedPages


@pytest.fixture(scope="module")
def archive(nano_file, tmp_path_factory):
    target = tmp_path_factory.mktemp("like_uproot") / "nano.root.hbal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", 8_000)
        hepbaler.compress(nano_file, target, use_model=False)
    return target


@pytest.fixture(scope="module")
def tree(archive):
    with hepbaler.open(archive) as opened:
        yield opened["Events"]


@pytest.fixture(scope="module")
def truth(archive):
    """The same values as a ROOT file."""
    back = archive.with_name("back.root")
    hepbaler.decompress(archive, back)
    with uproot.open(back) as file:
        yield file["Events"]


QUESTIONS = {
    "expression": {"expressions": "sqrt(MET_pt**2) + nJet"},
    "expressions and branches": {"expressions": ["MET_pt", "MET_pt * cos(MET_phi)"]},
    "jagged expression": {"expressions": ["Jet_pt", "Jet_mass / Jet_pt"]},
    "cut": {"expressions": ["Jet_pt", "event"], "cut": "(MET_pt > 40) & HLT_IsoMu24"},
    "jagged cut": {"expressions": "Jet_pt", "cut": "Jet_pt > 50"},
    "aliases": {"expressions": "px", "cut": "big", "aliases": {"px": "MET_pt*cos(MET_phi)", "big": "px > 10"}},
    "range": {"expressions": ["Jet_pt", "nJet"], "cut": "nJet > 2", "entry_start": 33, "entry_stop": -17},
    "cut of everything": {"cut": "MET_pt > 20"},
    "nothing left": {"cut": "MET_pt < 0", "filter_name": "MET_*"},
    "filter by type": {"filter_typename": "float[]"},
    "filters": {"filter_name": ["/met_.*/i", "nJet"], "filter_typename": "float"},
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("how", [None, "zip", dict, tuple, list])
def test_arrays(question, how, tree, truth):
    asked = QUESTIONS[question]
    one, other = tree.arrays(**asked, how=how), truth.arrays(**asked, how=how)
    if isinstance(other, ak.Array):
        one, other = ({name: array[name] for name in ak.fields(array)} for array in (one, other))
    if isinstance(other, dict):
        assert set(one) == set(other)
        one, other = [one[name] for name in other], list(other.values())
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert ak.array_equal(a, b, dtype_exact=False, check_parameters=False)


def test_a_filter_that_nothing_passes(tree):
    assert ak.fields(tree.arrays(filter_name="Muon_*")) == []
    assert tree.arrays(filter_name="Muon_*", library="np") == {}
    assert tree.keys(filter_name="Muon_*") == []


def test_numpy_and_pandas(tree, truth):
    asked = {"expressions": ["event", "MET_pt"], "cut": "nJet > 3"}
    for name, values in truth.arrays(**asked, library="np").items():
        np.testing.assert_array_equal(tree.arrays(**asked, library="np")[name], values)
    pandas = pytest.importorskip("pandas")
    frame = tree.arrays(**asked, entry_start=100, library="pd")
    pandas.testing.assert_frame_equal(
        frame, truth.arrays(**asked, entry_start=100, library="pd"), check_index_type=False
    )


def test_iterate_with_report(tree, truth):
    mine = list(tree.iterate(["Jet_pt"], "nJet > 1", step_size=90, entry_start=20, report=True))
    uproots = list(truth.iterate(["Jet_pt"], "nJet > 1", step_size=90, entry_start=20, report=True))
    assert len(mine) == len(uproots)
    for (one, step), (other, told) in zip(mine, uproots, strict=True):
        assert ak.array_equal(one, other)
        assert (step.tree_entry_start, step.tree_entry_stop) == (told.tree_entry_start, told.tree_entry_stop)


def test_errors_name_what_is_near(tree):
    with pytest.raises(ColumnNotFound, match="nearest: 'Jet_pt'"):
        tree.arrays(["Jet_PT"])
    with pytest.raises(KeyError, match="'MET_p', named in 'MET_p > 3'"):
        tree.arrays("Jet_pt", "MET_p > 3")
    with pytest.raises(ValueError, match="how should be"):
        tree.arrays("Jet_pt", how="sideways")
    with pytest.raises(ValueError, match="library should be"):
        tree.arrays("Jet_pt", library="root")


def test_show_and_filters(tree, truth):
    screen = io.StringIO()
    tree.show(stream=screen, filter_name="MET_*")
    assert [line.split(" | ")[0].strip() for line in screen.getvalue().splitlines()[2:]] == ["MET_pt", "MET_phi"]
    assert tree.keys(filter_branch=lambda branch: branch.title.startswith("MET")) == ["MET_pt", "MET_phi"]
    assert tree.keys(filter_field=lambda branch: branch.name == "MET_pt") == ["MET_pt"]
    assert list(tree.arrays(filter_field=lambda branch: branch.name == "MET_pt").fields) == ["MET_pt"]
    assert [name for name, _ in tree.items(filter_typename="/float.*/")] == truth.keys(filter_typename="/float.*/")
    assert [branch.name for branch in tree.values()] == tree.keys()


def test_names_and_types_in_every_shape(tree, truth):
    assert next(iter(tree.iteritems(filter_name="MET_*")))[0] == "MET_pt"
    assert dict(tree.itertypenames(filter_name="/met_.*/i")) == truth.typenames(filter_name="/met_.*/i")
    assert [branch.name for branch in tree.itervalues()] == list(tree.iterkeys()) == tree.keys(recursive=False)
    screen = io.StringIO()
    tree.show(stream=screen, name_width=5, typename_width=40)
    assert "Je... | float[]" in screen.getvalue()


def test_bytes_of_trees_and_branches(tree, archive):
    with hepbaler.open(archive) as opened:
        (described,) = opened.info()["trees"]
    for name, branch in tree.items():
        mine = [
            column["bytes"]
            for column in described["columns"]
            if column["branch"] == name and column["role"] != "counts"
        ]
        assert branch.compressed_bytes >= sum(mine)
        assert branch.uncompressed_bytes == ak.to_packed(branch.array()).nbytes or branch.typename.endswith("]")
    assert tree.compressed_bytes == sum(column["bytes"] for column in described["columns"])
    assert tree.compression_ratio > 1
    dear = tree.keys(filter_branch=lambda branch: branch.compression_ratio < 2)
    assert set(dear) < set(tree.keys())
    assert tree.num_entries_for("10 kB", filter_name="MET_*") == 10_000 // 8


def test_arguments_by_position(tree, truth):
    assert ak.array_equal(tree["Jet_pt"].array(None, 3, 9), truth["Jet_pt"].array(None, 3, 9))
    with pytest.raises(ValueError, match="no other interpretation"):
        tree["Jet_pt"].array(truth["Jet_pt"].interpretation)


def test_opening_a_tree(archive, truth, tmp_path):
    for path in (f"{archive}:Events", {archive: "Events"}, f"file://{archive}:Events"):
        with hepbaler.open(path) as tree:
            assert tree.keys() == truth.keys()
    with pytest.raises(ColumnNotFound, match="'Evts' not found"):
        hepbaler.open(f"{archive}:Evts")
    with pytest.raises(InputError, match="one file, not 2"):
        hepbaler.open({"a.root.hbal": "Events", "b.root.hbal": "Events"})
    odd = tmp_path / "a.hbal:b"
    odd.write_bytes(archive.read_bytes())
    assert hepbaler.open(str(odd))["Events"].num_entries == truth.num_entries


def test_directories(crowded_file, tmp_path):
    target = tmp_path / "crowded.root.hbal"
    hepbaler.compress(crowded_file, target, use_model=False)
    with hepbaler.open(target) as one, uproot.open(crowded_file) as other:
        assert set(one.keys()) == set(other.keys(cycle=False))
        assert one.classnames() == other.classnames(cycle=False)
        assert one.keys(filter_classname="TTree", cycle=True) == [f"{path};1" for path in one.trees]
        assert set(one.keys(recursive=False)) == set(other.keys(cycle=False, recursive=False))
        assert set(one["a"].keys()) == set(other["a"].keys(cycle=False))
        assert one["a"]["b"]["tree"].num_entries == one["a"]["b/tree;1"].num_entries == 7
        assert ak.to_list(one["a/b/tree/x"].array()) == ak.to_list(other["a/b/tree/x"].array())
        assert one["a"].object_path == "a"
        assert "b/tree" in one["a"]
        assert "tree" not in one["empty"]
        np.testing.assert_array_equal(one["a"]["number"].values(), other["a"]["number"].values())
        with pytest.raises(ColumnNotFound, match="it holds: 'a/b/tree'"):
            one["a"]["b"]["treee"]


def test_branches_inside_others():
    names = ["evt/Beg", "evt/P3/P3.Px", "Jet/P3.Px", "Jet/Jet.pt[3]", "n"]
    layout = Values("b", "float32")
    listed = BranchNames([Branch(name, "float", "", layout) for name in names], ("f.root.hbal", "t"))
    assert listed["P3.Px"].name == listed["P3/P3.Px"].name == "evt/P3/P3.Px"
    assert "Jet.pt[3]" in listed
    assert listed.chosen("P3.*") == ["evt/P3/P3.Px", "Jet/P3.Px"]
    assert listed.chosen("/Jet/.*/") == listed.chosen("Jet/*") == ["Jet/P3.Px", "Jet/Jet.pt[3]"]
    assert listed.chosen(recursive=False) == ["n"]
    with pytest.raises(ColumnNotFound, match="nearest: 'P3.Px'"):
        listed.check(["n", "P3.Py"])


def test_cached_trees_give_the_same(tree):
    from hepbaler.caching import ColumnCache

    cached = tree.cached(ColumnCache(20_000))
    for _ in range(2):
        assert ak.array_equal(cached.arrays(), tree.arrays())


def test_many_files(archive, other_nano_file, tree, tmp_path):
    other = tmp_path / "other.root.hbal"
    hepbaler.compress(other_nano_file, other, use_model=False)
    ids = np.concatenate(
        [tree["event"].array(library="np"), np.asarray(hepbaler.open(other)["Events"]["event"].array())]
    )
    files = [f"{archive}:Events", {other: "Events"}]
    np.testing.assert_array_equal(np.asarray(hepbaler.concatenate(files, "event").event), ids)
    np.testing.assert_array_equal(hepbaler.concatenate([archive, other], "event", library="np")["event"], ids)
    assert [n for *_, n in hepbaler.num_entries(files)] == [400, 200]
    steps = list(hepbaler.iterate(files, "event", step_size=150, report=True))
    assert steps[-1][1].global_entry_stop == 600
    np.testing.assert_array_equal(ak.to_numpy(ak.concatenate([step.event for step, _ in steps])), ids)
    assert next(iter(hepbaler.num_entries(f"{tmp_path}/*.root.hbal:Events")))[0] == str(other)
    with pytest.raises(InputError, match="no archive matches"):
        hepbaler.concatenate(f"{tmp_path}/*.none")


def test_which_tree(crowded_file, tmp_path):
    target = tmp_path / "crowded.root.hbal"
    hepbaler.compress(crowded_file, target, use_model=False)
    with pytest.raises(InputError, match="say which one"):
        hepbaler.concatenate(target)
    assert len(hepbaler.concatenate(f"{target}:a/b/tree")) == 7


@pytest.mark.parametrize(("start", "stop"), [(None, None), (33, -17), (100, 200), (120, 121), (50, 50)])
def test_virtual_arrays_are_the_same_in_the_end(start, stop, tree):
    lazy = tree.arrays(entry_start=start, entry_stop=stop, virtual=True)
    assert not lazy.layout.is_any_materialized
    eager = tree.arrays(entry_start=start, entry_stop=stop)
    assert lazy.type == eager.type
    assert ak.array_equal(ak.materialize(lazy), eager)


def test_virtual_arrays_decode_what_is_touched(archive):
    with hepbaler.open(archive) as opened:
        touched: list[tuple[str, str]] = []
        pages = CountedPages(opened.reader)
        events = opened["Events"].reading_from(pages).arrays(virtual=True, access_log=touched)
        assert events.Jet_pt.ndim == 2
        assert touched == []
        assert not pages.number
        assert len(ak.num(events.Jet_pt)) == 400
        assert touched == [("Jet_pt", "Jet_pt@counts-offsets")]
        high = events.Jet_pt[events.MET_pt > 40]
        assert ak.all(high > 0)
        slots = opened["Events"].header.slots()
        assert {branch for branch, _ in touched} == {"Jet_pt", "MET_pt"}
        assert set(pages.number) == {(0, slots[name]) for name in ("nJet", "Jet_pt", "MET_pt")}


@pytest.mark.parametrize(
    "options",
    [{"expressions": "MET_pt"}, {"cut": "nJet > 2"}, {"aliases": {}}, {"library": "np"}, {"how": "zip"}],
)
def test_virtual_arrays_cannot_be_computed(tree, truth, options):
    for one in (tree, truth):
        with pytest.raises(ValueError, match=f"{next(iter(options))}.*cannot be used with"):
            one.arrays(**options, virtual=True)
    with pytest.raises(ValueError, match="access_log"):
        tree.arrays("MET_pt", access_log=[])


@given(branch_arrays(), st.integers(0, 8), st.integers(0, 8))
def test_virtual_arrays_of_any_layout(array, start, stop):
    layout = layout_of("b", array)
    form, buffers = form_of(layout)
    columns = flatten(layout, array)
    lazy = ak.from_buffers(
        form,
        len(array),
        {name: (lambda key=key, made=made: made(columns[key])) for name, (key, made) in buffers.items()},
    )
    whole = unflatten(layout, columns, len(array))
    assert lazy.type == whole.type
    assert ak.materialize(lazy).to_list() == whole.to_list() or ak.array_equal(lazy, whole, equal_nan=True)


def test_trace_tells_what_is_decoded(archive):
    with hepbaler.open(archive) as opened:
        traced = opened.trace(["MET_pt", "Jet_e*"], entry_start=10, entry_stop=20)
        assert opened.trace("MET_pt")["trees"][0]["pages"] > 1
        with pytest.raises(ColumnNotFound, match="no branch of .* is chosen by 'Muon"):
            opened.trace("Muon_*")
    (one,) = traced["trees"]
    assert one["branches"] == ["MET_pt", "Jet_eta"]
    assert {(column["column"], column["asked"], column["pages"]) for column in one["columns"]} == {
        ("nJet", True, 1),
        ("MET_pt", True, 1),
        ("Jet_eta", True, 1),
    }
    assert (one["pages"], one["entry_start"], one["entry_stop"]) == (3, 10, 20)
    assert 0 < one["bytes"] < one["all_bytes"]
    assert one["pages"] < one["all_pages"]
