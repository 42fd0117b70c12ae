"""Columns with the same rows become tables."""

from __future__ import annotations

import awkward as ak
import numpy as np
from hypothesis import given

from hepbaler.grouping import group_tables
from hepbaler.layouts import columns_of, flatten, layout_of
from hepbaler.table import Branch, Table
from hepbaler.testing.strategies import branch_arrays


def group(
    arrays: dict[str, ak.Array], count_branches: dict[str, str] | None = None
) -> tuple[tuple[Table, ...], dict[str, str], dict[str, np.ndarray]]:
    branches = [
        Branch(name, "", "", layout_of(name, array), (count_branches or {}).get(name)) for name, array in arrays.items()
    ]
    columns = [column for branch in branches for column in columns_of(branch)]
    values: dict[str, np.ndarray] = {}
    for branch in branches:
        values |= flatten(branch.layout, ak.Array(arrays[branch.name]))
    digests = {
        column.key: hash(
            values[column.key].tobytes()
            if column.dtype.startswith("float")
            else values[column.key].astype(np.int64, casting="unsafe").tobytes()
        )
        for column in columns
    }
    return *group_tables("dir/Events", branches, columns, digests), values


def jagged(*counts: int) -> ak.Array:
    return ak.unflatten(np.random.default_rng(sum(counts)).normal(size=sum(counts)), counts)


def test_equal_counts_are_one_table() -> None:
    tables, same_as, _ = group(
        {
            "nJet": ak.Array(np.array([2, 0, 1], np.uint32)),
            "Jet_pt": jagged(2, 0, 1),
            "Jet_eta": jagged(2, 0, 1) * 2,
            "Muon_pt": jagged(0, 1, 1),
            "met": ak.Array([1.0, 2.0, 3.0]),
        }
    )
    assert [(t.name, t.parent, t.kind, t.counts, t.columns) for t in tables] == [
        ("Events", -1, "entries", None, ("nJet", "Jet_pt@counts", "Jet_eta@counts", "Muon_pt@counts", "met")),
        ("Jet", 0, "list", "nJet", ("Jet_pt", "Jet_eta")),
        ("Muon_pt", 0, "list", "Muon_pt@counts", ("Muon_pt",)),
    ]
    assert same_as == {"Jet_pt@counts": "nJet", "Jet_eta@counts": "nJet"}


def test_equal_counts_of_other_tables_stay_apart() -> None:
    tables, _, _ = group(
        {"a": ak.Array([[[1.0], []], [[2.0]]]), "b": ak.Array([[[1.0]], [[2.0], []]]), "c": jagged(1, 0, 1)[:2]}
    )
    assert sorted((t.name, t.parent, t.columns) for t in tables[1:]) == [
        ("a", 0, ("a[]@counts",)),
        ("a 2", 1, ("a[]",)),
        ("b", 0, ("b[]@counts",)),
        ("b 2", 3, ("b[]",)),
        ("c", 0, ("c",)),
    ]


def test_the_counter_that_root_names_is_kept() -> None:
    arrays = {"flag": ak.Array([1, 0]), "n": ak.Array([1, 0]), "x": jagged(1, 0)}
    assert group(arrays)[1] == {"n": "flag", "x@counts": "flag"}
    assert group(arrays, {"x": "n"})[1] == {"flag": "n", "x@counts": "n"}


def test_equal_numbers_are_kept_once_and_equal_floats_only_with_equal_bits() -> None:
    _, same_as, _ = group(
        {
            "i": ak.Array(np.array([1, 0], np.int8)),
            "b": ak.Array(np.array([True, False])),
            "f": ak.Array(np.array([1, 0], np.float32)),
            "d": ak.Array(np.array([1, 0], np.float64)),
            "g": ak.Array(np.array([1, 0], np.float32)),
            "zero": ak.Array(np.array([1, -0.0], np.float32)),
        }
    )
    assert same_as == {"b": "i", "g": "f"}


def test_c_arrays_of_one_size_are_one_table() -> None:
    tables, _, _ = group(
        {
            "PDF_up": ak.Array(np.zeros((2, 3))),
            "PDF_down": ak.Array(np.ones((2, 3))),
            "cov": ak.Array(np.ones((2, 4))),
            "txt": ak.Array(["a", "bc"]),
        }
    )
    assert [(t.name, t.kind, t.size, t.columns) for t in tables[1:]] == [
        ("PDF[3]", "regular", 3, ("PDF_up", "PDF_down")),
        ("cov[4]", "regular", 4, ("cov",)),
        ("txt", "list", 0, ("txt",)),
    ]


def test_names_are_unique() -> None:
    tables, _, _ = group({"Jet_pt": jagged(1, 2), "Jet_eta": jagged(1, 2), "Jet": jagged(2, 1), "Events": jagged(0, 1)})
    assert [t.name for t in tables] == ["Events", "Jet", "Jet 2", "Events 2"]


def test_without_digests_nothing_is_alike() -> None:
    branches = [Branch(name, "", "", layout_of(name, jagged(1, 2))) for name in "xy"]
    columns = [column for branch in branches for column in columns_of(branch)]
    tables, same_as = group_tables("t", branches, columns, {})
    assert len(tables) == 3
    assert same_as == {}


@given(branch_arrays(), branch_arrays())
def test_every_column_is_in_the_table_that_has_its_rows(one: ak.Array, other: ak.Array) -> None:
    n = min(len(one), len(other))
    tables, same_as, values = group({"one": one[:n], "other": other[:n]})
    assert sorted(key for table in tables for key in table.columns) == sorted(values)
    rows = [n]
    for index, table in enumerate(tables):
        if index:
            assert table.index == index
            assert table.parent < index
            inside = values[table.counts] if table.counts is not None else None
            rows.append(
                int(inside.sum())
                if table.kind == "list"
                else rows[table.parent] * table.size
                if table.kind == "regular"
                else int(np.count_nonzero(inside == table.size))
            )
            assert table.counts is None or (
                table.counts in tables[table.parent].columns and table.counts not in same_as
            )
        assert {len(values[key]) for key in table.columns} <= {rows[index]}
    home = {key: table.index for table in tables for key in table.columns}
    for key, stored in same_as.items():
        assert stored not in same_as
        assert home[key] == home[stored]
        np.testing.assert_array_equal(values[stored].astype(values[key].dtype), values[key])
