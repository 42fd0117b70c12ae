from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.access.rows import Rows
from hepbaler.errors import ColumnNotFound, InputError


def all_rows(rows: Rows) -> dict[str, np.ndarray]:
    with rows.reader() as reader:
        parts = [reader.read(cluster) for cluster in rows.clusters]
    return {name: np.concatenate([part[name] for part in parts]) for name in rows.names}


def find(paths, filter_name, step_bytes=2_000):
    return Rows.find(paths, filter_name=filter_name, step_bytes=step_bytes)


def test_flat_branches_have_a_row_an_entry(nano_file):
    rows = all_rows(find(nano_file, ["MET_*", "event"]))
    truth = uproot.open(nano_file)["Events"].arrays(["event", "MET_pt", "MET_phi"], library="np")
    assert list(rows) == ["event", "MET_pt", "MET_phi"]
    for name, values in rows.items():
        assert values.dtype == truth[name].dtype
        np.testing.assert_array_equal(values, truth[name])


def test_jagged_branches_have_a_row_an_element(nano_file):
    rows = all_rows(find(nano_file, "Jet_*"))
    truth = uproot.open(nano_file)["Events"]
    assert set(rows) == {"Jet_pt", "Jet_eta", "Jet_mass", "Jet_jetId", "Jet_isTight"}
    for name, values in rows.items():
        np.testing.assert_array_equal(values, ak.to_numpy(ak.flatten(truth[name].array())))


def test_fixed_arrays_are_several_features(nano_file):
    rows = all_rows(find(nano_file, ["LHEScaleWeight", "MET_pt"]))
    truth = uproot.open(nano_file)["Events/LHEScaleWeight"].array(library="np")
    assert [name for name in rows if name.startswith("LHE")] == [f"LHEScaleWeight[{i}]" for i in range(9)]
    for i in range(9):
        np.testing.assert_array_equal(rows[f"LHEScaleWeight[{i}]"], truth[:, i])


def test_files_follow_each_other(nano_file, other_nano_file):
    rows = all_rows(find([nano_file, other_nano_file], "MET_pt"))
    truth = [uproot.open(path)["Events/MET_pt"].array(library="np") for path in (nano_file, other_nano_file)]
    np.testing.assert_array_equal(rows["MET_pt"], np.concatenate(truth))


def test_step_bytes_sets_the_clusters(nano_file):
    assert len(find(nano_file, "MET_pt").clusters) > len(find(nano_file, "MET_pt", 10**9).clusters) == 1


def test_text_is_no_number(strings_file):
    assert find(strings_file, "*").names == ("x",)
    with pytest.raises(InputError, match="hold text, not numbers"):
        find(strings_file, "name")


def test_doubly_jagged_lists(ntuple_file):
    rows = all_rows(find(ntuple_file, "hits"))
    truth = uproot.open(ntuple_file)["ntuple"]["hits"].array()
    np.testing.assert_array_equal(next(iter(rows.values())), ak.to_numpy(ak.flatten(truth, axis=None)))


def test_missing_values_are_nan(tmp_path):
    path = tmp_path / "options.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("t", {"x": ak.Array([1.5, None, 3.5]), "y": ak.Array([1, 2, 3])})
    rows = all_rows(find(path, "*"))
    np.testing.assert_array_equal(rows["x"], [1.5, np.nan, 3.5])
    np.testing.assert_array_equal(rows["y"], [1, 2, 3])


def test_branches_without_common_rows(nano_file):
    with pytest.raises(InputError, match="no rows in common: one an entry, one an element of a list"):
        find(nano_file, ["MET_pt", "Jet_pt"])


def test_lists_of_different_lengths(tmp_path):
    path = tmp_path / "two.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"a": "var * float32", "b": "var * float32"})
        file["t"].extend({"a": ak.Array([[1.0], [2.0]]), "b": ak.Array([[1.0, 2.0], []])})
    with pytest.raises(InputError, match="'a' and 'b' have lists of different lengths"):
        all_rows(find(path, ["a", "b"]))


def test_no_such_branch(nano_file):
    with pytest.raises(ColumnNotFound, match="no branch of .* is chosen; it holds run, event"):
        find(nano_file, "Muon_*")


def test_several_trees_ask_for_a_name(crowded_file):
    with pytest.raises(InputError, match="in several trees .* name one, as in"):
        find(crowded_file, "x")
    assert all_rows(find(f"{crowded_file}:a/b/tree", "x"))["x"].tolist() == list(range(7))


def test_files_must_agree(nano_file, strings_file, tmp_path):
    with pytest.raises(ColumnNotFound, match="has no tree 'Events'; it holds tree"):
        find([nano_file, strings_file], "MET_pt")
    other = tmp_path / "other.root"
    with uproot.recreate(other) as file:
        file.mktree("Events", {"MET_pt": "float64", "x": "int32"})
        file["Events"].extend({"MET_pt": np.zeros(3), "x": np.zeros(3, np.int32)})
    with pytest.raises(InputError, match="'MET_pt' is double in .* unlike in the first file"):
        find([nano_file, other], "MET_pt")
    with pytest.raises(ColumnNotFound, match="has no branch 'MET_phi'"):
        find([nano_file, other], "MET_phi")


def test_empty_tree_has_no_clusters(empty_tree_file):
    assert find(empty_tree_file, "x").clusters == ()
