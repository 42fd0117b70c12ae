"""Chosen rows of many entry ranges as few large clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layouts import keep_rows
from ..table import Column

__all__ = ("Gathered",)

Array = NDArray[Any]


def __dir__() -> tuple[str, ...]:
    return __all__


class Gathered:
    """Takes columns of entry ranges in, and gives those of the chosen entries out together.

    Parameters
    ----------
    described
        What the columns are.

    Attributes
    ----------
    n_entries, n_bytes
        What is gathered so far.
    """

    def __init__(self, described: Sequence[Column]) -> None:
        self._described = described
        self._pieces: dict[str, list[Array]] = {}
        self.n_entries = 0
        self.n_bytes = 0

    def add(self, columns: Mapping[str, Array], chosen: NDArray[np.bool_]) -> None:
        """Take in the chosen entries of a range."""
        kept = dict(columns) if chosen.all() else keep_rows(self._described, columns, chosen)
        for column in self._described:
            self._pieces.setdefault(column.key, []).append(kept[column.key])
            self.n_bytes += kept[column.key].nbytes
        self.n_entries += int(np.count_nonzero(chosen))

    def take(self) -> tuple[dict[str, Array], int]:
        """All columns gathered, and their entries; the next ones are gathered anew."""
        columns = {
            column.key: np.concatenate(pieces)
            if len(pieces := self._pieces.pop(column.key, [])) > 1
            else pieces[0]
            if pieces
            else np.empty(0, column.dtype)
            for column in self._described
        }
        n_entries, self.n_entries, self.n_bytes = self.n_entries, 0, 0
        return columns, n_entries
