"""Columns -> arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepbaler.errors import CorruptFile
from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

__all__ = ("TEXTS", "offsets_of", "unflatten", "union_index")

# What awkward calls strings and their letters.
TEXTS = {"utf8": ("string", "char"), "bytes": ("bytestring", "byte")}


def __dir__() -> tuple[str, ...]:
    return __all__


def unflatten(layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int) -> ak.Array:
    """Put an array together again; the exact inverse of `flatten`.

    Parameters
    ----------
    columns
        The columns of the branch by key (more do not harm).
    n_rows
        Length of the array.

    Raises
    ------
    CorruptFile
        The columns do not fit each other.
    """
    return ak.Array(_unflatten(layout, columns, n_rows))


def _rows(columns: Mapping[str, NDArray[Any]], key: str, n_rows: int) -> NDArray[Any]:
    if key not in columns or len(columns[key]) != n_rows:
        found = len(columns[key]) if key in columns else "none at all"
        msg = f"column {key!r} should have {n_rows} rows and has {found}"
        raise CorruptFile(msg, section=key, expected=n_rows, found=found)
    return columns[key]


def offsets_of(counts: NDArray[Any], key: str) -> NDArray[np.int64]:
    """Where each list begins, and where the last one ends; shape ``(n_rows + 1,)``. `key` is for messages."""
    if len(counts) and counts.min() < 0:
        msg = f"column {key!r} counts the elements of lists and holds the negative number {counts.min()}"
        raise CorruptFile(msg, section=key, found=int(counts.min()))
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:], dtype=np.int64)
    return offsets


def _unflatten(layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int) -> Any:
    contents = ak.contents
    match layout:
        case Values("unknown"):
            return contents.EmptyArray()
        case Values(dtype, key):
            return contents.NumpyArray(np.ascontiguousarray(_rows(columns, key, n_rows), dtype))
        case ListLayout(counts, inner, text, array):
            offsets = offsets_of(_rows(columns, counts, n_rows), counts)
            content = _unflatten(inner, columns, int(offsets[-1]))
            parameters = None if array is None else {"__array__": array}
            if text is not None:
                outer, char = TEXTS[text]
                content = contents.NumpyArray(content.data, parameters={"__array__": char})
                parameters = {"__array__": outer}
            return contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters=parameters)
        case RegularLayout(size, inner):
            return contents.RegularArray(_unflatten(inner, columns, size * n_rows), size, zeros_length=n_rows)
        case RecordLayout(fields, name, is_tuple, array):
            given = {"__record__": name, "__array__": array}
            return contents.RecordArray(
                [_unflatten(content, columns, n_rows) for _, content in fields],
                None if is_tuple else [field for field, _ in fields],
                length=n_rows,
                parameters={key: value for key, value in given.items() if value is not None} or None,
            )
        case OptionLayout(mask, inner):
            present = np.asarray(_rows(columns, mask, n_rows), bool)
            if isinstance(inner, Values) and inner.dtype == "unknown":
                nothing = np.full(n_rows, -1, np.int64)
                return contents.IndexedOptionArray(ak.index.Index64(nothing), contents.EmptyArray())
            content = _unflatten(inner, columns, n_rows)
            return contents.ByteMaskedArray(ak.index.Index8(present.view(np.int8)), content, valid_when=True)
        case UnionLayout(tags, inners):
            chosen = _rows(columns, tags, n_rows)
            index, sizes = union_index(chosen, tags, len(inners))
            return contents.UnionArray(
                ak.index.Index8(np.ascontiguousarray(chosen, np.int8)),
                ak.index.Index64(index),
                [_unflatten(content, columns, size) for content, size in zip(inners, sizes, strict=True)],
            )


def union_index(tags: NDArray[Any], key: str, n_types: int) -> tuple[NDArray[np.int64], list[int]]:
    """Which element of its type each row is, shape ``(n_rows,)``, and how many rows each type has."""
    if len(tags) and (tags.min() < 0 or tags.max() >= n_types):
        msg = f"column {key!r} should choose among {n_types} types and holds {tags.min()} to {tags.max()}"
        raise CorruptFile(msg, section=key)
    index = np.zeros(len(tags), np.int64)
    sizes = []
    for tag in range(n_types):
        mine = tags == tag
        sizes.append(int(np.count_nonzero(mine)))
        index[mine] = np.arange(sizes[-1])
    return index, sizes
