"""What a TTree can hold comes back as it was; what it cannot is named."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.layouts import layout_of
from hepbaler.restoring import RootWriter
from hepbaler.table import Branch, Values

NUMBERS = ["bool", "float32", "float64", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))]


@st.composite
def columns(draw: st.DrawFn, n_rows: int) -> ak.Array:
    """One of the kinds that a TTree holds unchanged: numbers, C arrays, lists of both, strings."""
    if draw(st.booleans()) and draw(st.booleans()):
        return ak.Array(["", *draw(st.lists(st.text(max_size=300), min_size=n_rows, max_size=n_rows))])[1:]
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    dtype = np.dtype(draw(st.sampled_from(NUMBERS)))
    if draw(st.booleans()):
        return ak.Array(ak.contents.NumpyArray(draw(hnp.arrays(dtype, (n_rows, *shape)))))
    counts = draw(st.lists(st.integers(0, 4), min_size=n_rows, max_size=n_rows))
    content = draw(hnp.arrays(dtype, (sum(counts), *shape)))
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), ak.contents.NumpyArray(content)))


@st.composite
def trees(draw: st.DrawFn) -> tuple[dict[str, ak.Array], int]:
    n_rows = draw(st.integers(0, 12))
    names = draw(
        st.lists(st.sampled_from(["Jet_pt", "nJet_pt", "Jet", "x", "a.b", "nx", "é"]), unique=True, min_size=1)
    )
    return {name: draw(columns(n_rows)) for name in names}, n_rows


@settings(deadline=None, max_examples=30)
@given(tree=trees(), step=st.integers(1, 13))
def test_round_trip(tree: tuple[dict[str, ak.Array], int], step: int) -> None:
    arrays, n_rows = tree
    branches = [Branch(name, "", f"about {name}", layout_of(name, array)) for name, array in arrays.items()]
    clusters = ({name: array[at : at + step] for name, array in arrays.items()} for at in range(0, n_rows, step))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "back.root"
        with RootWriter(target) as writer:
            report = writer.write_tree("Events", "title", branches, clusters, n_rows)
        with uproot.open(target) as file:
            events = file["Events"]
            assert events.num_entries == n_rows
            assert events.keys() == list(report.branches)
            typenames = {one.branch: one.restored for one in report.differences if one.kind == "type"}
            for name, array in arrays.items():
                back = events[name].array()
                assert events[name].title == f"about {name}"
                assert events[name].typename == typenames[name]
                assert back.to_list() == array.to_list() or ak.array_equal(back, array, equal_nan=True)
                assert (
                    np.asarray(ak.flatten(back, axis=None)).tobytes()
                    == np.asarray(ak.flatten(array, axis=None)).tobytes()
                )
    assert report.missing == ()


def test_shared_counters_keep_names_order_types_and_titles(branch, write, same) -> None:
    jets = ak.Array([[1.5, 2.5], [], [3.5]])
    arrays = {
        "run": np.array([1, 1, 1], np.uint32),
        "nJet": np.array([2, 0, 1], np.int32),
        "Jet_pt": ak.values_astype(jets, "float32"),
        "MET_pt": np.array([10, 11, 12], np.float32),
        "Jet_id": ak.values_astype(jets, "uint8"),
        "nLHEPdfWeight": np.array([1, 2, 3], np.uint32),
        "LHEPdfWeight": ak.Array([[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]]),
    }
    types = ["uint32_t", "int32_t", "float[]", "float", "uint8_t[]", "uint32_t", "double[]"]
    counters = {"Jet_pt": "nJet", "Jet_id": "nJet", "LHEPdfWeight": "nLHEPdfWeight"}
    branches = [
        branch(name, arrays[name], typename, f"doc of {name}", counters.get(name))
        for name, typename in zip(arrays, types, strict=True)
    ]
    target, report = write(branches, arrays, step=2)
    assert report.differences == ()
    with uproot.open(target) as file:
        events = file["Events"]
        assert events.title == "the events"
        assert events.keys() == list(arrays) == list(report.branches)
        assert [events[name].title for name in arrays] == [f"doc of {name}" for name in arrays]
        assert [events[name].typename for name in arrays] == types
        assert {name: events[name].count_branch.name for name in counters} == counters
        for name, array in arrays.items():
            assert same(events[name].array(), array)


def test_leaf_lists_of_other_leaves_are_no_titles(branch, write) -> None:
    arrays = {"x": np.array([1], np.int32), "y": np.array([2.5], np.float32), "z": ak.Array([[1.5]])}
    branches = [
        branch("x", arrays["x"], "int32_t", "x/i"),
        branch("y", arrays["y"], "float", "energy/F"),
        branch("z", arrays["z"], "double[]", "z[ngone]/D"),
    ]
    target, _ = write(branches, arrays)
    with uproot.open(target) as file:
        assert [file["Events"][name].title for name in "xyz"] == ["x/I", "energy/F", "z[nz]/D"]


def test_objects_become_a_branch_a_member(branch, write) -> None:
    vectors = ak.zip(
        {"fP": ak.zip({"fX": [[1.0], [2.0, 3.0]], "fY": [[0.5], [0.25, 0.125]]}), "fE": [[4.0], [5.0, 6.0]]}
    )
    one = ak.Array([{"first": 1, "second": [1.5, 2.5]}, {"first": 2, "second": []}])
    branches = [branch("p4", vectors, "std::vector<TLorentzVector>"), branch("pair", one, "std::pair<...>")]
    target, report = write(branches, {"p4": vectors, "pair": one})
    with uproot.open(target) as file:
        events = file["Events"]
        assert events["p4.fP.fX"].array().to_list() == [[1.0], [2.0, 3.0]]
        assert events["p4.fE"].count_branch.name == events["p4.fP.fY"].count_branch.name == "np4"
        assert events["pair.first"].array().to_list() == [1, 2]
        assert events["pair.second"].array().to_list() == [[1.5, 2.5], []]
    assert [(d.branch, d.kind) for d in report.differences] == [
        ("p4", "type"), ("p4", "added"), ("pair", "type"), ("pair", "added"),
    ]  # fmt: skip


def test_missing_values_become_zeros_with_a_branch_that_tells(branch, write) -> None:
    arrays = {
        "x": ak.Array([1.5, None, 2.5]),
        "lists": ak.Array([[1, None], None, [3]]),
        "text": ak.Array([None, "b", "c"]),
        "arrays": ak.Array([None, np.array([1, 2]), np.array([3, 4])]),
    }
    arrays["arrays"] = ak.to_regular(arrays["arrays"], axis=1)
    target, report = write([branch(name, array) for name, array in arrays.items()], arrays, step=2)
    with uproot.open(target) as file:
        events = file["Events"]
        assert events["x"].array().to_list() == [1.5, 0, 2.5]
        assert events["x_present"].array().to_list() == [True, False, True]
        assert events["lists"].array().to_list() == [[1, 0], [], [3]]
        assert [events[name].array().to_list() for name in ("lists_present", "lists_present_2")] == [
            [[True, False], [], [True]],
            [True, False, True],
        ]
        assert events["text"].array().to_list() == ["", "b", "c"]
        assert events["arrays"].array().to_list() == [[0, 0], [1, 2], [3, 4]]
    assert report.missing == ()


def test_float16_and_bytes_are_reported(branch, write) -> None:
    arrays = {"half": np.array([0.5, np.inf], np.float16), "raw": ak.Array([b"ab", b""])}
    target, report = write([branch("half", arrays["half"], "float16"), branch("raw", arrays["raw"], "bytes")], arrays)
    with uproot.open(target) as file:
        assert file["Events/half"].array().to_list() == [0.5, np.inf]
        assert file["Events/raw"].array().to_list() == ["ab", ""]
    assert [(d.branch, d.kind, d.restored) for d in report.differences] == [
        ("half", "type", "float"), ("raw", "type", "char*"),
    ]  # fmt: skip


def test_what_no_tree_can_hold_is_named_with_the_way_out(branch, write) -> None:
    arrays = {
        "x": [1, 2],
        "nested": [[[1.5]], []],
        "texts": [["a", "b"], []],
        "either": ak.Array([1, "a"]),
        "nothing": ak.Array(ak.contents.RecordArray([], [], 2)),
        "untyped": ak.Array([[], []]),
    }
    target, report = write([branch(name, array) for name, array in arrays.items()], arrays)
    assert [one.branch for one in report.missing] == ["nested", "texts", "either", "nothing", "untyped"]
    assert all("--rntuple" in str(one) for one in report.missing[:3])
    with uproot.open(target) as file:
        assert file["Events"].keys() == ["x"] == list(report.branches)


def test_tree_of_nothing_writable_is_reported(branch, write) -> None:
    for branches in ([], [branch("nested", [[[1.5]]])]):
        target, report = write(branches, {"nested": [[[1.5]]]})
        assert "no branch that could be written" in (report.not_written or "")
        assert [one.branch for one in report.missing] == [one.name for one in branches]
        with uproot.open(target) as file:
            assert file.keys() == []


def test_names_of_split_branches(branch, write) -> None:
    names = {
        "evt/Beg": "Beg",
        "Jets./Jets.pt": "Jets.pt",
        "a/x": "a.x",
        "b/x": "b.x",
        "arr/I16[10]": "I16",
        "plain": "plain",
        "c/plain": "c.plain",
    }
    arrays = {name: [number] for number, name in enumerate(names)}
    target, report = write([branch(name, array) for name, array in arrays.items()], arrays)
    assert {one.source: one.restored for one in report.differences if one.kind == "name"} == {
        name: short for name, short in names.items() if name != short
    }
    with uproot.open(target) as file:
        assert [file["Events"][short].array()[0] for short in names.values()] == list(range(len(names)))


def test_second_branch_of_a_name_is_reported(branch, write) -> None:
    target, report = write([branch("x", [1]), branch("x", [1])], {"x": [1]})
    assert [str(one) for one in report.missing] == ["x: not written: another branch of this tree has the same name"]
    with uproot.open(target) as file:
        assert file["Events"].keys() == ["x"]


def test_large_clusters_are_cut_into_baskets(branch, write, monkeypatch) -> None:
    monkeypatch.setattr("hepbaler.restoring.plan._MAX_BASKET_BYTES", 1000)
    arrays = {"x": np.arange(400.0), "jets": ak.unflatten(np.arange(900), [2, 1, 0, 6] * 100)}
    target, report = write([branch(name, array) for name, array in arrays.items()], arrays)
    with uproot.open(target) as file:
        assert file["Events/x"].num_baskets > 7
        assert file["Events/x"].array().to_list() == arrays["x"].tolist()
        assert file["Events/jets"].array().to_list() == arrays["jets"].to_list()
    assert report.num_entries == 400


def test_many_clusters_outgrow_the_first_guess(branch, write) -> None:
    values = np.arange(300)

    def clusters() -> Any:
        yield {"x": ak.Array(values[:100])}
        for at in range(100, 300):
            yield {"x": ak.Array(values[at : at + 1])}

    target, _ = write([branch("x", values)], {"x": values})
    with RootWriter(target) as writer:
        writer.write_tree("Events", "", [branch("x", values, title="kept")], clusters(), 300)
    with uproot.open(target) as file:
        assert file["Events/x"].array().to_list() == values.tolist()
        assert file["Events/x"].title == "kept"


def test_without_uproots_inside_only_titles_are_lost(branch, write, monkeypatch) -> None:
    def other_inside(*_: Any) -> Any:
        msg = "no such thing in this uproot"
        raise AttributeError(msg)

    monkeypatch.setattr("hepbaler.restoring.trees._described", other_inside)
    arrays = {"nJet": [1, 2], "Jet_pt": [[1.5], [2.5, 3.5]]}
    branches = [branch("nJet", [1, 2], "int32_t", "number"), branch("Jet_pt", arrays["Jet_pt"], "double[]", "", "nJet")]
    target, report = write(branches, arrays)
    assert [str(one) for one in report.differences if one.kind == "title"] == [
        "nJet: title 'number' -> '': this version of uproot writes no titles"
    ]
    with uproot.open(target) as file:
        assert set(file["Events"].keys()) == {"nJet", "Jet_pt"}
        assert file["Events/Jet_pt"].array().to_list() == arrays["Jet_pt"]


def test_empty_tree(branch, tmp_path: Path) -> None:
    branches = [Branch("x", "float", "about x", Values("float32", "x")), branch("jets", [[1.5]]), branch("s", ["a"])]
    with RootWriter(tmp_path / "back.root") as writer:
        report = writer.write_tree("Events", "", branches, [], 0)
    with uproot.open(tmp_path / "back.root") as file:
        assert file["Events"].num_entries == report.num_entries == 0
        assert file["Events"].typenames() == {"x": "float", "njets": "int32_t", "jets": "double[]", "s": "char*"}
        assert file["Events/jets"].array().to_list() == []
