"""The first look of a skim: which entries pass, how many after each cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError
from .selection import Cut

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("Chosen", "choose", "tree_of_cuts")

Read = Callable[[Sequence[str], int, int], Mapping[str, "ak.Array"]]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Chosen:
    """Entries of a tree that pass, a bit each.

    Attributes
    ----------
    ranges
        Entry ranges without gaps, as they were looked at.
    bits
        For each range its entries, eight to a byte.
    passing
        For each range how many pass.
    flow
        How many pass each cut and those before it.
    """

    ranges: tuple[tuple[int, int], ...]
    bits: tuple[bytes, ...]
    passing: tuple[int, ...]
    flow: tuple[int, ...]

    @property
    def num_entries(self) -> int:
        """How many pass."""
        return sum(self.passing)

    def starts(self) -> list[int]:
        """For each range, and for the end, how many pass before it."""
        return list(accumulate(self.passing, initial=0))

    def mask(self, number: int) -> NDArray[np.bool_]:
        """Which entries of a range pass."""
        start, stop = self.ranges[number]
        return np.unpackbits(np.frombuffer(self.bits[number], np.uint8), count=stop - start).astype(np.bool_)


def choose(
    read: Read,
    ranges: Sequence[tuple[int, int]],
    cuts: Sequence[Cut],
    branches: Sequence[str],
    place: tuple[str, str],
    progress: Callable[[int], None] | None = None,
) -> Chosen:
    """Apply cuts to a tree.

    Parameters
    ----------
    read
        Gives arrays of some branches in an entry range.
    ranges
        Entry ranges that cover the tree.
    branches
        All branches there are.
    place
        File and tree, for messages.
    progress
        Called with the number of entries done.
    """
    needed = list(dict.fromkeys(name for cut in cuts for name in cut.needs(branches, place)))
    needs = [cut.needs(branches, place) for cut in cuts]
    bits, passing, flow = [], [], np.zeros(len(cuts), np.int64)
    for start, stop in ranges:
        arrays = read(needed, start, stop)
        chosen = np.ones(stop - start, np.bool_)
        for number, (cut, names) in enumerate(zip(cuts, needs, strict=True)):
            chosen &= cut.passing({name: arrays[name] for name in names}, stop - start, place)
            flow[number] += np.count_nonzero(chosen)
        bits.append(np.packbits(chosen).tobytes())
        passing.append(int(np.count_nonzero(chosen)))
        if progress is not None:
            progress(stop)
    return Chosen(tuple(ranges), tuple(bits), tuple(passing), tuple(flow.tolist()))


def tree_of_cuts(cuts: Sequence[Cut], trees: Mapping[str, Sequence[str]], file: str, tree: str | None) -> str | None:
    """The tree that the cuts are about: the only one whose branches they name.

    Parameters
    ----------
    trees
        Names of the branches of each tree.
    file
        For messages.
    tree
        What the user says, if anything.

    Raises
    ------
    ColumnNotFound
        No tree has all the branches.
    InputError
        Several have.
    """
    if tree is not None and tree not in trees:
        msg = f"{file} has no tree {tree!r}; it has {', '.join(map(repr, trees))}"
        raise InputError(msg)
    if not cuts:
        return tree
    fitting, errors = [], {}
    for path in [tree] if tree is not None else trees:
        try:
            for cut in cuts:
                cut.needs(trees[path], (file, path))
            fitting.append(path)
        except ColumnNotFound as error:
            errors[path] = error
    if not fitting:
        # The largest tree is the one that was meant.
        raise errors[max(errors, key=lambda path: len(trees[path]))]
    if len(fitting) > 1:
        msg = f"the cut fits the trees {', '.join(map(repr, fitting))} of {file}: say which one with --tree"
        raise InputError(msg)
    return fitting[0]
