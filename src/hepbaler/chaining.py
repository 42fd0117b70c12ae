"""The same tree of several files as one, entries one after the other, as a TChain has them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import InputError
from .table import Branch

if TYPE_CHECKING:
    import awkward as ak

    from .reading import SourceTree, Unreadable

__all__ = ("ChainedTree", "chain")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ChainedTree:
    """Trees of equal branches, read like a `hepbaler.reading.SourceTree`.

    Attributes
    ----------
    members
        The trees, in order.
    """

    members: tuple[SourceTree, ...]

    @property
    def path(self) -> str:
        """Directory and name."""
        return self.members[0].path

    @property
    def cycle(self) -> int:
        """Cycle of the first."""
        return self.members[0].cycle

    @property
    def title(self) -> str:
        """Title of the first."""
        return self.members[0].title

    @property
    def kind(self) -> str:
        """``TTree`` or ``RNTuple``."""
        return self.members[0].kind

    @property
    def num_entries(self) -> int:
        """Entries of all together."""
        return sum(tree.num_entries for tree in self.members)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Branches of the first, which all have."""
        return self.members[0].branches

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """What cannot be read in the first."""
        return self.members[0].unreadable

    def clusters(self, target_bytes: int) -> list[tuple[int, int]]:
        """Entry ranges of about `target_bytes`, none across the border of two files."""
        out, first = [], 0
        for tree in self.members:
            out += [(first + start, first + stop) for start, stop in tree.clusters(target_bytes)]
            first += tree.num_entries
        return out

    def read(self, start: int, stop: int, names: Sequence[str] | None = None) -> dict[str, ak.Array]:
        """Read a range of `clusters`."""
        starts = [0]
        for tree in self.members:
            starts.append(starts[-1] + tree.num_entries)
        # Of members without entries the last one with this start holds the entry.
        i = min(bisect_right(starts, start) - 1, len(self.members) - 1)
        return self.members[i].read(start - starts[i], stop - starts[i], names)


def chain(trees: Sequence[tuple[str, SourceTree]]) -> ChainedTree:
    """Chain trees of several files.

    Parameters
    ----------
    trees
        Path of the file and tree.

    Raises
    ------
    InputError
        If branches differ, naming the first that does.
    """
    first_path, first = trees[0]
    layouts = {branch.name: branch.layout for branch in first.branches}
    for path, tree in trees[1:]:
        others = {branch.name: branch.layout for branch in tree.branches}
        for name in (*layouts, *others):
            if layouts.get(name) != others.get(name):
                msg = f"branch {name!r} of tree {first.path!r} differs between {first_path} and {path}; compress them one by one, or use --keep"
                raise InputError(msg)
    return ChainedTree(tuple(tree for _, tree in trees))
