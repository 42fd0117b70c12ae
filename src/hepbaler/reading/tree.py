"""A tree of a ROOT file, as branches with layouts and ranges of arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol

import awkward as ak

from hepbaler.errors import InputError
from hepbaler.layouts import columns_of, layout_of
from hepbaler.reading.clusters import cut_ranges
from hepbaler.reading.failures import attempt, nearest, reason_of
from hepbaler.table import Branch

__all__ = ("SourceTree", "TreeReader", "Unreadable", "branches_of", "matching")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Unreadable:
    """A branch (or a whole tree) that cannot be read, with uproot's reason in one line."""

    name: str
    typename: str
    reason: str


class TreeReader(Protocol):
    """What a TTree and an RNTuple have to do for a `SourceTree`."""

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Read entries of branches, each an array of ``stop - start`` rows."""

    def borders(self, names: Sequence[str]) -> list[int]:
        """Return entries at which the file begins new baskets or clusters for all of the branches."""

    def uncompressed_bytes(self, names: Sequence[str]) -> int:
        """Return the size of the branches, as well as the file tells."""


@dataclass(frozen=True)
class SourceTree:
    """A TTree or RNTuple.

    Attributes
    ----------
    path
        Directory and name without cycle, as in ``TreeSchema.path``.
    kind
        ``"TTree"`` or ``"RNTuple"``.
    branches
        All that can be read, with layouts. A split object is its members (``evt/fUniqueID``).
    unreadable
        Branches that cannot.
    file
        Path of the file, for messages.
    """

    path: str
    cycle: int
    title: str
    kind: Literal["TTree", "RNTuple"]
    num_entries: int
    branches: tuple[Branch, ...]
    unreadable: tuple[Unreadable, ...]
    file: str
    reader: TreeReader = field(repr=False, compare=False)

    @property
    def uncompressed_bytes(self) -> int:
        """Size of the readable branches, as well as the file tells."""
        return self.reader.uncompressed_bytes([branch.name for branch in self.branches])

    def read(self, start: int, stop: int, names: Sequence[str] | None = None) -> dict[str, ak.Array]:
        """Read entries `start` to `stop` of some branches, by default of all.

        Returns
        -------
        arrays
            By name, in the order of `names`; each has ``stop - start`` rows and uproot's own type.

        Raises
        ------
        InputError
            A name is not among the branches, the range lies outside of the tree, or uproot cannot read what is there.
        """
        if not 0 <= start <= stop <= self.num_entries:
            msg = (
                f"entries {start} to {stop} are not in tree {self.path!r} of {self.file}, which has {self.num_entries}"
            )
            raise InputError(msg)
        known = [branch.name for branch in self.branches]
        wanted = known if names is None else list(names)
        for name in set(wanted).difference(known):
            msg = f"tree {self.path!r} of {self.file} has no readable branch {name!r}{nearest(name, known)}"
            raise InputError(msg)
        arrays = self.reader.read(wanted, start, stop) if wanted else {}
        for name in wanted:
            if len(arrays[name]) != stop - start:
                msg = (
                    f"branch {name!r} of tree {self.path!r} in {self.file} has {len(arrays[name])} entries "
                    f"where it should have {stop - start}; drop it"
                )
                raise InputError(msg)
        return {name: arrays[name] for name in wanted}

    def clusters(self, target_bytes: int) -> list[tuple[int, int]]:
        """Return entry ranges of about `target_bytes` of uncompressed data that cover the tree; none for no entries."""
        names = [branch.name for branch in self.branches]
        if not self.num_entries:
            return []
        per_entry = self.reader.uncompressed_bytes(names) / self.num_entries
        return cut_ranges(self.num_entries, self.reader.borders(names), per_entry, target_bytes)

    def select(self, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> SourceTree:
        """Return the tree with fewer branches.

        Parameters
        ----------
        keep
            Globs on branch names, all by default. Branches that count the elements of a kept one stay too.
        drop
            Globs on what `keep` leaves.

        Raises
        ------
        InputError
            A pattern of `keep` matches no branch, naming the nearest.
        """
        names = [branch.name for branch in self.branches] + [branch.name for branch in self.unreadable]
        for pattern in keep:
            if not matching([pattern], names):
                msg = f"no branch of tree {self.path!r} in {self.file} matches {pattern!r}{nearest(pattern, names)}"
                raise InputError(msg)
        chosen = set(matching(keep, names) if keep else names).difference(matching(drop, names))
        counters = {b.count_branch for b in self.branches if b.name in chosen and b.count_branch is not None}
        chosen |= counters
        return replace(
            self,
            branches=tuple(branch for branch in self.branches if branch.name in chosen),
            unreadable=tuple(branch for branch in self.unreadable if branch.name in chosen),
        )


def matching(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names that any of the globs matches, upper and lower case told apart.

    A pattern that is itself a name (``pg[6]``) matches that name.
    """
    patterns = list(patterns)
    return [name for name in names if any(name == p or fnmatchcase(name, p) for p in patterns)]


def branches_of(
    arrays: Mapping[str, ak.Array], facts: Mapping[str, tuple[str, str, str | None]], taken: Collection[str]
) -> tuple[list[Branch], list[Unreadable]]:
    """Find the layouts of branches.

    Parameters
    ----------
    arrays
        Some rows of each branch, in file order.
    facts
        Typename, title and count branch of each.
    taken
        Names of all branches of the tree: keys that no other branch may use.

    Returns
    -------
    branches, unreadable
        Those whose values have a layout, and those that hold anything else.
    """
    branches: list[Branch] = []
    unreadable: list[Unreadable] = []
    keys = set(taken)
    for name, array in arrays.items():
        typename, title, count_branch = facts[name]
        layout: Any = attempt(lambda name=name, array=array: layout_of(name, array, keys - {name}))  # type: ignore[misc]
        if isinstance(layout, Exception):
            unreadable.append(Unreadable(name, typename, reason_of(layout)))
            continue
        branch = Branch(name, typename, title, layout, count_branch)
        keys.update(column.key for column in columns_of(branch))
        branches.append(branch)
    return branches, unreadable
