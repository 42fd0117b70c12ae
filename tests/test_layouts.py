"""Awkward arrays to columns and back: same values, same bits, same type."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.errors import CorruptFile, InputError
from hepbaler.layouts import columns_of, flatten, layout_of, slice_columns, unflatten
from hepbaler.table import Branch, Column, ListLayout, RegularLayout, Values
from hepbaler.testing.strategies import branch_arrays


def assert_same(left: ak.Array, right: ak.Array) -> None:
    """Equal type, and equal to the bit (`==` on values would lose -0.0 and NaN)."""
    assert left.type == right.type, f"{left.type} is not {right.type}"
    layout = layout_of("x", left)
    a, b = flatten(layout, left), flatten(layout, right)
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        assert a[key].tobytes() == b[key].tobytes(), key


def branch(name: str, array: ak.Array) -> Branch:
    return Branch(name, "", "", layout_of(name, array))


@given(branch_arrays())
def test_unflatten_is_the_inverse_of_flatten(array: ak.Array) -> None:
    layout = layout_of("x", array)
    columns = flatten(layout, array)
    back = unflatten(layout, columns, len(array))
    assert_same(array, back)
    assert ak.to_list(ak.is_none(array, axis=0)) == ak.to_list(ak.is_none(back, axis=0))


@given(branch_arrays())
def test_columns_are_told_as_they_are(array: ak.Array) -> None:
    told = columns_of(branch("x", array))
    columns = flatten(layout_of("x", array), array)
    assert [column.key for column in told] == list(dict.fromkeys(column.key for column in told))
    assert {column.key: column.dtype for column in told} == {key: str(values.dtype) for key, values in columns.items()}
    assert all(values.flags.c_contiguous for values in columns.values())


@given(branch_arrays())
def test_the_way_down_gives_the_number_of_rows(array: ak.Array) -> None:
    columns = flatten(layout_of("x", array), array)
    for column in columns_of(branch("x", array)):
        n_rows = len(array)
        for kind, what, *tag in column.parents:
            if kind == "list":
                n_rows = int(columns[what].sum())
            elif kind == "regular":
                n_rows *= what
            else:
                n_rows = int(np.count_nonzero(columns[what] == tag[0]))
        assert len(columns[column.key]) == n_rows


@given(branch_arrays(max_rows=8), st.integers(-10, 10), st.integers(-10, 10))
def test_a_slice_of_the_columns_is_a_slice_of_the_array(array: ak.Array, start: int, stop: int) -> None:
    layout = layout_of("x", array)
    columns, n_rows = slice_columns(layout, flatten(layout, array), len(array), start, stop)
    first, last, _ = slice(start, stop).indices(len(array))
    # awkward itself cannot slice rows of no elements backwards
    assert_same(array[first : max(first, last)], unflatten(layout, columns, n_rows))


def test_keys_of_common_branches() -> None:
    def keys(array: ak.Array) -> list[str]:
        return [column.key for column in columns_of(branch("b", array))]

    assert keys(ak.Array([1.5])) == ["b"]
    assert keys(ak.Array([[1.5], []])) == ["b@counts", "b"]
    assert keys(ak.Array([[[1.5]], []])) == ["b@counts", "b[]@counts", "b[]"]
    assert keys(ak.Array(["x"])) == ["b@counts", "b"]
    assert keys(ak.Array([["x"]])) == ["b@counts", "b[]@counts", "b[]"]
    assert keys(ak.Array([[{"pt": 1.0, "hits": [1]}]])) == ["b@counts", "b.pt", "b.hits@counts", "b.hits"]
    assert keys(ak.Array([1, None])) == ["b@mask", "b"]
    assert keys(ak.Array([1, "x"])) == ["b@tags", "b#0", "b#1@counts", "b#1"]


def test_roles_and_parents() -> None:
    array = ak.Array([[{"name": "mu", "cov": np.zeros((2,))}]])
    array = ak.with_field(array, ak.to_regular(array["cov"], axis=2), "cov")
    assert columns_of(branch("b", array)) == (
        Column("b@counts", "b", "int64", "counts"),
        Column("b.name@counts", "b", "int64", "counts", (("list", "b@counts"),)),
        Column("b.name", "b", "uint8", "text", (("list", "b@counts"), ("list", "b.name@counts"))),
        Column("b.cov", "b", "float64", "values", (("list", "b@counts"), ("regular", 2))),
    )


def test_keys_of_other_branches_are_left_alone() -> None:
    record = ak.Array([{"x": 1}])
    assert layout_of("a", record).fields[0][1] == Values("int64", "a.x")  # type: ignore[union-attr]
    assert layout_of("a", record, {"a.x"}).fields[0][1] == Values("int64", "a.x[]")  # type: ignore[union-attr]


def test_numpy_shapes_are_c_arrays() -> None:
    array = ak.Array(np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    assert layout_of("c", array) == RegularLayout(3, RegularLayout(2, Values("int16", "c")))
    assert_same(array, unflatten(layout_of("c", array), flatten(layout_of("c", array), array), 2))


def test_missing_rows_are_zeros() -> None:
    array = ak.Array([[1.5], None, [2.5, 3.5]])
    columns = flatten(layout_of("x", array), array)
    assert columns["x@mask"].tolist() == [True, False, True]
    assert columns["x@counts"].tolist() == [1, 0, 2]


def test_an_empty_cluster_without_a_type_fits_every_layout() -> None:
    layout = layout_of("x", ak.Array([[[1.5, 2.5]], []]))
    columns = flatten(layout, ak.Array([[], []]))
    assert {key: (values.dtype.name, len(values)) for key, values in columns.items()} == {
        "x@counts": ("int64", 2),
        "x[]@counts": ("int64", 0),
        "x[]": ("float64", 0),
    }
    assert unflatten(layout, columns, 2).type == ak.Array([[[1.5]], []]).type


def test_values_of_no_type_are_never_taken_for_zeros() -> None:
    layout = layout_of("x", ak.Array([[], []]))
    assert layout == ListLayout("x@counts", Values("unknown", "x"))
    assert unflatten(layout, flatten(layout, ak.Array([[], []])), 2).type == ak.Array([[], []]).type
    with pytest.raises(InputError, match="the type of a branch changes inside the file: 'x'"):
        flatten(layout, ak.Array([[1.5], []]))


def test_other_types_are_refused() -> None:
    with pytest.raises(InputError, match="'t' holds values of type 'datetime64\\[s\\]', which is not a number"):
        layout_of("t", ak.Array(np.array(["2026-01-01"], "datetime64[s]")))
    with pytest.raises(InputError, match="complex128"):
        layout_of("z", ak.Array(np.array([1j])))


@pytest.mark.parametrize("later", [ak.Array([1, 2]), ak.Array([[1], []]), ak.Array([{"x": 1.5}]), ak.Array(["x"])])
def test_a_type_that_changes_is_told(later: ak.Array) -> None:
    with pytest.raises(InputError, match="the type of a branch changes inside the file: 'x'"):
        flatten(layout_of("x", ak.Array([1.5, 2.5])), later)


def test_columns_that_do_not_fit_are_corrupt() -> None:
    layout = ListLayout("x@counts", Values("float32", "x"))
    values = np.zeros(2, np.float32)
    with pytest.raises(CorruptFile, match="column 'x' should have 3 rows and has 2"):
        unflatten(layout, {"x@counts": np.array([1, 2]), "x": values}, 2)
    with pytest.raises(CorruptFile, match="holds the negative number -1"):
        unflatten(layout, {"x@counts": np.array([3, -1]), "x": values}, 2)
    with pytest.raises(CorruptFile, match="column 'x@counts' should have 2 rows and has none at all"):
        unflatten(layout, {"x": values}, 2)
    union = layout_of("u", ak.Array([1, "x"]))
    with pytest.raises(CorruptFile, match="should choose among 2 types"):
        unflatten(union, {"u@tags": np.array([0, 7], np.int8)}, 2)
