"""Columns of some rows -> columns of chosen rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.table import Column

__all__ = ("RowMasks", "keep_rows")

Mask = NDArray[np.bool_]


def __dir__() -> tuple[str, ...]:
    return __all__


class RowMasks:
    """Which rows of any column belong to the chosen entries.

    Parameters
    ----------
    columns
        Values by key: at least the counts and tags on the way to each column that is asked for.
    chosen
        Shape ``(n_entries,)``.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], chosen: Mask) -> None:
        self._columns = columns
        self._masks: dict[tuple[tuple[Any, ...], ...], Mask] = {(): chosen}

    def of(self, parents: tuple[tuple[Any, ...], ...]) -> Mask:
        """Mask of the rows to which this way leads, as in `Column.parents`."""
        if parents not in self._masks:
            above = self.of(parents[:-1])
            match parents[-1]:
                case ("list", counts):
                    mask = np.repeat(above, self._columns[counts])
                case ("regular", size):
                    mask = np.repeat(above, size)
                case (_, tags, tag):
                    mask = above[self._columns[tags] == tag]
            self._masks[parents] = mask
        return self._masks[parents]


def keep_rows(
    described: Sequence[Column], columns: Mapping[str, NDArray[Any]], chosen: Mask
) -> dict[str, NDArray[Any]]:
    """Columns of the chosen entries alone.

    Parameters
    ----------
    described
        What the columns are, by their keys.
    columns
        Their values in all entries.
    chosen
        Shape ``(n_entries,)``.
    """
    masks = RowMasks(columns, chosen)
    return {column.key: columns[column.key][masks.of(column.parents)] for column in described}
