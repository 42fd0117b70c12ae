"""Arrays -> columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepbaler.errors import InputError
from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

__all__ = ("flatten",)

Columns = dict[str, NDArray[Any]]


def __dir__() -> tuple[str, ...]:
    return __all__


def flatten(layout: Layout, array: ak.Array) -> Columns:
    """Take an array apart.

    Parameters
    ----------
    layout
        What `layout_of` gave for an array of the same type.
    array
        Shape (n_rows, ...); any kind of awkward layout: sliced, indexed, with offsets that start anywhere.

    Returns
    -------
    columns
        Contiguous arrays in native byte order by key, shape (rows of the column,) each; counts are int64.

    Raises
    ------
    InputError
        The array is of another type than the layout.
    """
    columns: Columns = {}
    _flatten(layout, array.layout, columns)
    return columns


def _flatten(layout: Layout, content: Any, columns: Columns) -> None:
    while content.is_indexed and not content.is_option:
        content = content.project()
    n_rows = content.length
    match layout:
        case Values("unknown", key) if content.is_unknown or not n_rows:
            columns[key] = np.zeros(n_rows, np.uint8)
        case Values(dtype, key) if content.is_unknown:
            columns[key] = np.zeros(0, dtype)
        case Values(dtype, key) if content.is_numpy and content.dtype.name == dtype:
            columns[key] = np.ascontiguousarray(content.data, dtype)
        case ListLayout(counts, inner) if content.is_list:
            content = content.to_ListOffsetArray64(True)
            offsets = np.asarray(content.offsets.data, np.int64)
            columns[counts] = np.diff(offsets)
            _flatten(inner, content.content[: offsets[-1]], columns)
        case RegularLayout(size, inner) if content.is_numpy or content.is_regular:
            if content.is_numpy:
                content = content.to_RegularArray()
            if content.size != size:
                raise InputError(_changed(layout, content))
            _flatten(inner, content.content[: size * n_rows], columns)
        case RecordLayout(fields) if content.is_record and len(fields) == len(content.fields):
            for name, inner in fields:
                if name not in content.fields:
                    raise InputError(_changed(layout, content))
                _flatten(inner, content.content(name), columns)
        case OptionLayout(mask, inner) if content.is_option:
            present = np.asarray(content.mask_as_bool(valid_when=True), bool)
            columns[mask] = present
            dense: Columns = {}
            _flatten(inner, content.project(), dense)
            _spread(inner, dense, present)
            columns.update(dense)
        case OptionLayout(mask, inner):
            # uproot leaves the option away where no value of the range is missing
            columns[mask] = np.ones(n_rows, bool)
            _flatten(inner, content, columns)
        case UnionLayout(tags, inners) if content.is_union and len(inners) == len(content.contents):
            columns[tags] = np.array(content.tags.data[:n_rows], np.int8)
            for tag, inner in enumerate(inners):
                _flatten(inner, content.project(tag), columns)
        case ListLayout() | RegularLayout() | RecordLayout() | UnionLayout() if content.is_unknown:
            columns.update(_zeros(layout, 0))
        case _:
            raise InputError(_changed(layout, content))


def _changed(layout: Layout, content: Any) -> str:
    where = next(iter(_keys(layout)), "?")
    return (
        f"the type of a branch changes inside the file: {where!r} begins as {type(layout).__name__} and is later "
        f"{content.form.type}; drop this branch"
    )


def _keys(layout: Layout) -> Iterator[str]:
    match layout:
        case Values(_, key):
            yield key
        case ListLayout(key, content) | OptionLayout(key, content):
            yield key
            yield from _keys(content)
        case RegularLayout(_, content):
            yield from _keys(content)
        case RecordLayout(fields):
            for _, content in fields:
                yield from _keys(content)
        case UnionLayout(key, contents):
            yield key
            for content in contents:
                yield from _keys(content)


def _zeros(layout: Layout, n_rows: int) -> Columns:
    """Return the columns of rows that hold nothing but zeros and empty lists; variants take their first type."""
    columns: Columns = {}
    match layout:
        case Values(dtype, key):
            columns[key] = np.zeros(n_rows, np.uint8 if dtype == "unknown" else dtype)
        case ListLayout(counts, content):
            columns[counts] = np.zeros(n_rows, np.int64)
            columns |= _zeros(content, 0)
        case RegularLayout(size, content):
            columns |= _zeros(content, size * n_rows)
        case RecordLayout(fields):
            for _, content in fields:
                columns |= _zeros(content, n_rows)
        case OptionLayout(mask, content):
            columns[mask] = np.zeros(n_rows, bool)
            columns |= _zeros(content, n_rows)
        case UnionLayout(tags, contents):
            columns[tags] = np.zeros(n_rows, np.int8)
            for tag, content in enumerate(contents):
                columns |= _zeros(content, 0 if tag else n_rows)
    return columns


def _spread(layout: Layout, columns: Columns, present: NDArray[np.bool_]) -> None:
    """Put a zero row (see `_zeros`) wherever `present` is False, so that the columns have a row for each of it."""

    def fill(key: str) -> None:
        wide = np.zeros(len(present), columns[key].dtype)
        wide[present] = columns[key]
        columns[key] = wide

    match layout:
        case Values(_, key) | ListLayout(key):
            fill(key)
        case RegularLayout(size, content):
            _spread(content, columns, np.repeat(present, size))
        case RecordLayout(fields):
            for _, content in fields:
                _spread(content, columns, present)
        case OptionLayout(mask, content):
            fill(mask)
            _spread(content, columns, present)
        case UnionLayout(tags, contents):
            fill(tags)
            first = columns[tags] == 0
            _spread(contents[0], columns, present[first])
