from __future__ import annotations

import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.layouts import layout_of
from hepbaler.restoring import RootWriter
from hepbaler.restoring.ntuples import plan_fields
from hepbaler.table import Branch, RecordLayout, Values
from hepbaler.testing.strategies import ntuple_contents


@settings(deadline=None, max_examples=40)
@given(data=st.data(), n_rows=st.integers(0, 8), step=st.integers(1, 9))
def test_round_trip(data: st.DataObject, n_rows: int, step: int) -> None:
    names = ["a", "b"]
    arrays = {name: ak.Array(data.draw(ntuple_contents(n_rows))) for name in names}
    branches = [Branch(name, "", f"about {name}", layout_of(name, array)) for name, array in arrays.items()]
    clusters = ({name: array[at : at + step] for name, array in arrays.items()} for at in range(0, n_rows, step))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "back.root"
        with RootWriter(target, rntuple=True) as writer:
            report = writer.write_tree("one/Events", "title", branches, clusters, n_rows)
        with uproot.open(target) as file:
            events = file["one/Events"]
            assert events.num_entries == n_rows
            assert events.description == "title"
            typenames = {one.branch: one.restored for one in report.differences if one.kind == "type"}
            for name, array in arrays.items():
                back = events[name].array()
                assert events[name].description == f"about {name}"
                assert events[name].typename == typenames.get(name, "")
                assert ak.array_equal(back, array, equal_nan=True)
                assert back.type.content == array.type.content
    assert report.missing == ()


def test_layouts_that_a_tree_cannot_hold(branch, write) -> None:
    arrays = {
        "nested": ak.Array([[[1.5], []], [], [[2.5, 3.5]]]),
        "texts": ak.Array([["a", "bc"], [], [""]]),
        "maybe": ak.Array([1.5, None, 2.5]),
        "half": np.array([0.5, 1.5, 2.5], np.float16),
        "pair": ak.Array([(1, "a"), (2, "b"), (3, "c")]),
        "a.b/c": [1, 2, 3],
        "a_b_c": [4, 5, 6],
    }
    target, report = write([branch(name, array) for name, array in arrays.items()], arrays, step=2, rntuple=True)
    with uproot.open(target) as file:
        events = file["Events"]
        for name in ("nested", "texts", "maybe", "half", "pair", "a_b_c"):
            assert events[name].array().to_list() == ak.Array(arrays[name]).to_list()
        assert events["a_b_c_2"].array().to_list() == [1, 2, 3]
        types = {one.branch: one.restored for one in report.differences if one.kind == "type"}
        assert {name: events[name].typename for name in types if name != "a.b/c"} == {
            name: typename for name, typename in types.items() if name != "a.b/c"
        }
    assert [(one.branch, one.restored) for one in report.differences if one.kind == "name"] == [("a.b/c", "a_b_c_2")]


def test_variants_are_written_where_uproot_reads_them_back(branch, write) -> None:
    arrays = {"x": [1, 2, 3], "either": ak.Array([1, "two", "three"])}
    branches = [branch(name, array) for name, array in arrays.items()]
    target, report = write(branches, arrays, rntuple=True)
    assert report.missing == ()
    with uproot.open(target) as file:
        read_again = file["Events/either"].array()
        assert read_again.to_list() == [1, "two", "three"]
    # and once more, with what uproot makes of variants: a type for those without a value, and all optional
    target, report = write([branch("either", read_again)], {"either": read_again}, rntuple=True)
    assert report.missing == ()
    with uproot.open(target) as file:
        assert file["Events/either"].array().to_list() == [1, "two", "three"]
    target, report = write(branches, arrays, step=2, rntuple=True)
    assert [one.branch for one in report.missing] == ["either"]


def test_what_no_rntuple_can_hold_is_named(branch, write) -> None:
    arrays = {"nothing": ak.Array(ak.contents.RecordArray([], [], 2)), "untyped": ak.Array([[], []])}
    _, report = write([branch(name, array) for name, array in arrays.items()], arrays, rntuple=True)
    assert [one.branch for one in report.missing] == ["nothing", "untyped"]
    assert report.kind == "RNTuple"
    assert report.not_written is not None


def test_empty_rntuple(branch, tmp_path: Path) -> None:
    branches = [branch("x", [1.5]), branch("jets", [[1]]), branch("s", ["a"]), branch("p", [{"a": [1]}])]
    with RootWriter(tmp_path / "back.root", rntuple=True) as writer:
        writer.write_tree("Events", "", branches, [], 0)
    with uproot.open(tmp_path / "back.root") as file:
        assert file["Events"].num_entries == 0
        assert file["Events"].keys(recursive=False) == ["x", "jets", "s", "p"]
        assert file["Events/jets"].array().to_list() == []


def test_what_is_only_described_keeps_names_and_empty_records():
    branches = [Branch("Aux:pt", "float", "", Values("float32", "pt")), Branch("Info:", "Info", "", RecordLayout(()))]
    fields, differences = plan_fields(branches, one_cluster=True, described=True)
    assert list(fields) == ["Aux:pt", "Info:"]
    assert {one.kind for one in differences} == {"type"}
    fields, differences = plan_fields(branches, one_cluster=True)
    assert list(fields) == ["Aux_pt"]
    assert [one.branch for one in differences if one.kind == "missing"] == ["Info:"]
