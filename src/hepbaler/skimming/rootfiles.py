"""A ROOT file seen through a cut: what reads trees reads the chosen entries alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layouts import columns_of, flatten, unflatten
from ..reading import SourceTree
from .choosing import Chosen
from .gathering import Gathered

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("chosen_entries",)


def __dir__() -> tuple[str, ...]:
    return __all__


def chosen_entries(tree: SourceTree, chosen: Chosen) -> SourceTree:
    """The tree as if it held the chosen entries only."""
    return replace(tree, num_entries=chosen.num_entries, reader=_ChosenReader(tree, chosen))


class _ChosenReader:
    """Reads ranges of the tree one after the other, and keeps of each what was chosen."""

    def __init__(self, tree: SourceTree, chosen: Chosen) -> None:
        self._tree = tree
        self._chosen = chosen
        self._starts = chosen.starts()
        self._branches = {branch.name: branch for branch in tree.branches}

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """As `TreeReader.read`; entries count the chosen ones."""
        columns = [column for name in names for column in columns_of(self._branches[name])]
        gathered = Gathered(columns)
        number = max(bisect_right(self._starts, start) - 1, 0)
        while number < len(self._chosen.ranges) and self._starts[number] < stop:
            first, last = max(start - self._starts[number], 0), stop - self._starts[number]
            places = np.flatnonzero(self._chosen.mask(number))[first:last]
            if len(places):
                begin, end = self._chosen.ranges[number]
                mask = np.zeros(end - begin, np.bool_)
                mask[places] = True
                arrays = self._tree.reader.read(names, begin, end)
                flat: dict[str, Any] = {}
                for name in names:
                    flat |= flatten(self._branches[name].layout, arrays.pop(name))
                gathered.add(flat, mask)
            number += 1
        taken, n_entries = gathered.take()
        return {name: unflatten(self._branches[name].layout, taken, n_entries) for name in names}

    def borders(self, names: Sequence[str]) -> list[int]:  # noqa: ARG002 - as the protocol has it
        """Entries at which the ranges of the first look begin."""
        return self._starts

    def uncompressed_bytes(self, names: Sequence[str]) -> int:
        """In proportion to the entries."""
        total = self._tree.reader.uncompressed_bytes(names)
        return total * self._chosen.num_entries // max(self._tree.num_entries, 1)
