"""Columns of some rows -> columns of fewer rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

__all__ = ("slice_columns",)

Columns = dict[str, NDArray[Any]]


def __dir__() -> tuple[str, ...]:
    return __all__


def slice_columns(
    layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int, start: int, stop: int
) -> tuple[Columns, int]:
    """Cut the columns of a branch down to the rows `start` to `stop` (as in a Python slice of the array).

    Returns
    -------
    columns, n_rows
        Views where numpy allows it, and the number of rows that are left.
    """
    start, stop, _ = slice(start, stop).indices(n_rows)
    stop = max(start, stop)
    cut: Columns = {}
    _slice(layout, columns, start, stop, cut)
    return cut, stop - start


def _slice(layout: Layout, columns: Mapping[str, NDArray[Any]], start: int, stop: int, cut: Columns) -> None:
    def inside(is_inner: Callable[[NDArray[Any]], Any], key: str) -> tuple[int, int]:
        first = int(is_inner(columns[key][:start]))
        return first, first + int(is_inner(columns[key][start:stop]))

    match layout:
        case Values(_, key):
            cut[key] = columns[key][start:stop]
        case ListLayout(counts, content):
            cut[counts] = columns[counts][start:stop]
            _slice(content, columns, *inside(lambda counted: counted.sum(dtype=np.int64), counts), cut)
        case RegularLayout(size, content):
            _slice(content, columns, start * size, stop * size, cut)
        case RecordLayout(fields):
            for _, content in fields:
                _slice(content, columns, start, stop, cut)
        case OptionLayout(mask, content):
            cut[mask] = columns[mask][start:stop]
            _slice(content, columns, start, stop, cut)
        case UnionLayout(tags, contents):
            cut[tags] = columns[tags][start:stop]
            for tag, content in enumerate(contents):
                _slice(content, columns, *inside(lambda chosen, tag=tag: np.count_nonzero(chosen == tag), tags), cut)  # type: ignore[misc]
