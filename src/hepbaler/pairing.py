"""Two files of the same events, ROOT or archive, read side by side in steps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .archive import Archive, open_archive
from .bounds import Choice
from .errors import FormatError, InputError, NotHepbalerFile
from .layouts import columns_of, flatten
from .table import Branch, Column
from .tree import Tree

if TYPE_CHECKING:
    import awkward as ak

    from .reading import Source, SourceTree

__all__ = ("EventFile", "EventTree", "TreePair", "pair_trees")

# Uncompressed data that is read in one step where the file itself has no clusters of ours.
STEP_BYTES = 32 * 10**6


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class EventTree:
    """A tree of either kind of file.

    Attributes
    ----------
    path
        Directory and name.
    branches
        By name.
    """

    path: str
    num_entries: int
    branches: Mapping[str, Branch]
    _tree: Tree | SourceTree

    @property
    def archived(self) -> Tree | None:
        """The tree as an archive holds it, or None if it is a ROOT file's."""
        return self._tree if isinstance(self._tree, Tree) else None

    def ranges(self) -> list[tuple[int, int]]:
        """Entry ranges that are cheap to read, from first to last."""
        if isinstance(self._tree, Tree):
            return list(pairwise(self._tree.common_entry_offsets()))
        return self._tree.clusters(STEP_BYTES)

    def read(self, start: int, stop: int, names: Sequence[str]) -> dict[str, ak.Array]:
        """Arrays of some branches, by name."""
        if isinstance(self._tree, Tree):
            return self._tree.branch_arrays(names, start, stop)
        return self._tree.read(start, stop, list(names))

    def choice(self, column: Column) -> Choice | None:
        """Bound of a column, where the tree is an archive's and the column has one."""
        if not isinstance(self._tree, Tree):
            return None
        header = self._tree.header
        return header.choices.get(header.schema.same_as.get(column.key, column.key))


class EventFile:
    """A ROOT file or an archive, open for reading. A context manager.

    Parameters
    ----------
    path
        ``events.root``, ``events.root:Events``, ``events.root.hbal``, or a URL of one of them.

    Raises
    ------
    InputError
        It is neither, or holds no tree.
    FormatError
        It is a damaged archive.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._opened: Archive | Source = _open(os.fspath(path))
        self.path = self._opened.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    @property
    def trees(self) -> dict[str, EventTree]:
        """Trees by path."""
        if isinstance(self._opened, Archive):
            return {
                path: EventTree(path, tree.num_entries, {b.name: b for b in tree.header.schema.branches}, tree)
                for path, tree in self._opened.trees.items()
            }
        return {
            tree.path: EventTree(tree.path, tree.num_entries, {b.name: b for b in tree.branches}, tree)
            for tree in self._opened.trees
        }


def _open(path: str) -> Archive | Source:
    try:
        return open_archive(path)
    except NotHepbalerFile:
        pass
    except FileNotFoundError:
        # Perhaps a tree behind a colon; uproot's reader knows how to tell.
        if path.endswith(".hbal"):
            raise
    except FormatError:
        # Too short to say what it is, or truly a damaged archive.
        if not path.endswith((".root", ".root:")):
            raise
    from .reading import open_source

    return open_source(path)


@dataclass(frozen=True)
class TreePair:
    """The same tree of both files.

    Attributes
    ----------
    before, after
        The trees, with the same number of entries.
    names
        Branches that both have.
    missing
        Branches that only one of them has.
    """

    before: EventTree
    after: EventTree
    names: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def path(self) -> str:
        """Directory and name."""
        return self.before.path

    def steps(self) -> Iterator[tuple[int, int]]:
        """Entry ranges from first to last."""
        # An archive decodes whole clusters, so its own ranges are the cheapest for it.
        for tree in (self.after, self.before):
            if tree.archived is not None:
                yield from tree.ranges()
                return
        yield from self.before.ranges()

    def arrays(self, start: int, stop: int, names: Sequence[str]) -> tuple[dict[str, ak.Array], dict[str, ak.Array]]:
        """Arrays of branches in an entry range, before and after."""
        return self.before.read(start, stop, names), self.after.read(start, stop, names)

    def column_pairs(self, name: str) -> list[tuple[Column, Column]]:
        """Columns of a branch that correspond; none where the branch has another type in the other file."""
        columns = [columns_of(tree.branches[name]) for tree in (self.before, self.after)]
        if [(c.role, len(c.parents)) for c in columns[0]] != [(c.role, len(c.parents)) for c in columns[1]]:
            return []
        return list(zip(*columns, strict=True))

    def flat(
        self, arrays: tuple[dict[str, ak.Array], dict[str, ak.Array]], name: str
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Columns of a branch by key, before and after."""
        return (
            flatten(self.before.branches[name].layout, arrays[0][name]),
            flatten(self.after.branches[name].layout, arrays[1][name]),
        )

    def allowed(self, columns: tuple[Column, Column], original: NDArray[Any]) -> NDArray[np.float64] | None:
        """Largest allowed error of each value, or None where neither file promises one.

        Parameters
        ----------
        columns
            The column before and after.
        original
            Its values in the file that is not the archive.
        """
        bound = self.bound_of(columns)
        if bound is None:
            return None
        choice = self._choice(columns)
        if choice is None or choice.exact:
            return np.zeros(len(original))
        return choice.bound.allowed(original.astype(np.float64), choice.scale)

    def bound_of(self, columns: tuple[Column, Column]) -> str | None:
        """The promise about a column in words (``bits=10``), or None where neither file is an archive."""
        choice = self._choice(columns)
        if choice is not None:
            return "exact" if choice.exact else str(choice.bound)
        archived = self.after.archived is not None or self.before.archived is not None
        # Everything but floats is exact in every archive.
        return "exact" if archived and not columns[0].dtype.startswith("float") else None

    def _choice(self, columns: tuple[Column, Column]) -> Choice | None:
        return self.after.choice(columns[1]) or self.before.choice(columns[0])

    @property
    def reversed(self) -> bool:
        """Whether the archive is the file before: the promise is then about the values after."""
        return self.after.archived is None and self.before.archived is not None


def pair_trees(before: EventFile, after: EventFile, tree: str | None = None) -> list[TreePair]:
    """Trees that both files have.

    Parameters
    ----------
    before, after
        The files.
    tree
        Only this one.

    Raises
    ------
    InputError
        There is none, or a tree has not the same number of entries in both.
    """
    ours, theirs = before.trees, after.trees
    common = [path for path in ours if path in theirs and (tree is None or path == tree)]
    if not common:
        wanted = f"a tree {tree!r}" if tree is not None else "a tree in common"
        msg = f"{before.path} (with {', '.join(ours)}) and {after.path} (with {', '.join(theirs)}) have not {wanted}"
        raise InputError(msg)
    pairs = []
    for path in common:
        one, other = ours[path], theirs[path]
        if one.num_entries != other.num_entries:
            msg = f"tree {path!r} has {one.num_entries} entries in {before.path} and {other.num_entries} in {after.path}: these are not the same events"
            raise InputError(msg)
        names = tuple(name for name in one.branches if name in other.branches)
        missing = tuple(sorted(one.branches.keys() ^ other.branches.keys()))
        pairs.append(TreePair(one, other, names, missing))
    return pairs
