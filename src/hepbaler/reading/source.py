"""A ROOT file: its trees, and what it holds besides."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import uproot

from hepbaler.errors import InputError
from hepbaler.reading.elements import needed_streamers
from hepbaler.reading.failures import attempt, nearest, reading_errors, reason_of
from hepbaler.reading.guards import bound_lengths
from hepbaler.reading.inputs import check_head, is_remote, split_input
from hepbaler.reading.ntuple import open_ntuple
from hepbaler.reading.objects import DIRECTORIES, Left, ObjectInfo, classes_inside, copy_objects, key_at
from hepbaler.reading.tree import SourceTree, Unreadable, matching
from hepbaler.reading.ttree import open_ttree
from hepbaler.table import Branch

__all__ = ("Source", "open_source")

TTREES = frozenset({"TTree", "TNtuple", "TNtupleD", "TChain"})


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class _Key:
    """An entry of a directory, newest cycle."""

    path: str
    classname: str
    cycle: int
    title: str

    @property
    def is_tree(self) -> bool:
        return self.classname in TTREES or self.classname.rpartition("::")[2] == "RNTuple"


@dataclass(frozen=True)
class Source:
    """An open ROOT file. A context manager; `close` when done.

    Attributes
    ----------
    path
        As it was given, without a tree behind the colon.
    size
        In bytes.
    uuid
        The file's own.
    objects
        Newest cycle of everything that is no tree; directories are among them.
    notes
        What a user should know: older cycles that are left out, trees that were not asked for.
    """

    path: str
    size: int
    uuid: str
    objects: tuple[ObjectInfo, ...]
    notes: tuple[str, ...]
    _directory: Any = field(repr=False)
    _tree_keys: tuple[_Key, ...] = field(repr=False)
    _executor: Any = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its trees cannot be read afterwards."""
        self._directory.file.close()
        self._executor.shutdown()

    @cached_property
    def _opened(self) -> tuple[tuple[SourceTree, ...], tuple[Unreadable, ...]]:
        trees: list[SourceTree] = []
        failed: list[Unreadable] = []
        for key in self._tree_keys:
            tree = attempt(lambda key=key: self._open_tree(key))  # type: ignore[misc]
            if isinstance(tree, SourceTree):
                trees.append(tree)
            else:
                failed.append(Unreadable(key.path, key.classname, reason_of(tree)))
        if failed and not trees:
            msg = f"no tree of {self.path} can be read: {failed[0].name!r} ({failed[0].typename}): {failed[0].reason}"
            raise InputError(msg)
        return tuple(trees), tuple(failed)

    def _open_tree(self, key: _Key) -> SourceTree:
        item = key_at(self._directory, key.path, key.cycle).get()
        if key.classname in TTREES:
            return open_ttree(item, key.path, key.cycle, self.path, self._executor)
        return open_ntuple(item, key.path, key.cycle, self.path)

    @property
    def trees(self) -> tuple[SourceTree, ...]:
        """Every TTree and RNTuple that can be opened, in all directories; of several cycles the newest.

        Raises
        ------
        InputError
            None of them can be opened.
        """
        return self._opened[0]

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Trees that cannot be opened."""
        return self._opened[1]

    def copy_objects(self) -> tuple[bytes, tuple[Left, ...]]:
        """Copy all `objects` into a small ROOT file, with the streamers of the classes that branches are of.

        Returns
        -------
        content, left
            The file's bytes, none where there is nothing to copy; and what cannot be carried: objects that could not be
            copied, and trees that cannot be opened.
        """
        trees = tuple(Left(tree.name, tree.typename, tree.reason) for tree in self.unreadable)
        branches = [branch for tree in self.trees for branch in tree.branches]
        with reading_errors(f"the objects of {self.path} cannot be copied"):
            inside = classes_inside(self._directory, self.objects)
            streamers = needed_streamers(branches, inside, _streamers(self._directory, branches, inside))
            if not self.objects and not streamers:
                return b"", trees
            content, left = copy_objects(self._directory, self.objects, streamers)
        return content, (*trees, *left)

    def select(self, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> tuple[SourceTree, ...]:
        """Return the trees with the branches that globs choose, without trees of which no branch is left.

        Parameters
        ----------
        keep, drop
            As for `SourceTree.select`, except that a pattern of `keep` has to match in one of the trees only.

        Raises
        ------
        InputError
            A pattern of `keep` matches no branch of any tree, naming the nearest.
        """
        names = {tree.path: [b.name for b in tree.branches] + [b.name for b in tree.unreadable] for tree in self.trees}
        every = [name for group in names.values() for name in group]
        for pattern in keep:
            if not matching([pattern], every):
                msg = f"no branch in {self.path} matches {pattern!r}{nearest(pattern, every)}"
                raise InputError(msg)
        chosen = []
        for tree in self.trees:
            mine = [pattern for pattern in keep if matching([pattern], names[tree.path])]
            if keep and not mine:
                continue
            selected = tree.select(mine, drop)
            if selected.branches or selected.unreadable:
                chosen.append(selected)
        return tuple(chosen)


def open_source(path: str | os.PathLike[str], *, need_trees: bool = True) -> Source:
    """Open a ROOT file.

    Parameters
    ----------
    path
        ``file.root``, ``file.root:dir/tree`` (one tree, or all trees of a directory), or a URL that fsspec or xrootd knows.
    need_trees
        Whether a file that holds other objects, but no tree, is of no use.

    Raises
    ------
    InputError
        There is no such file, it is no ROOT file or is truncated, or it holds no tree or not the one asked for.

    Examples
    --------
    >>> with open_source("events.root") as source:  # doctest: +SKIP
    ...     arrays = source.trees[0].read(0, 1000)
    """
    file, wanted = split_input(os.fspath(path))
    size = 0 if is_remote(file) else check_head(file)
    bound_lengths()
    # Bytes are read into buffers of our own: a memory map would count as memory, and grow with the file.
    local = {} if is_remote(file) else {"handler": uproot.source.file.MultithreadedFileSource, "num_workers": 1}
    with reading_errors(f"{file} cannot be opened as a ROOT file"):
        # As a dict, since uproot would look for a colon in a string.
        directory = uproot.open({file: None}, object_cache=None, array_cache=None, **local)
    executor = uproot.source.futures.ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))
    opened = attempt(lambda: _look_around(directory, file, wanted, size, executor, need_trees))
    if isinstance(opened, Exception):
        directory.file.close()
        executor.shutdown()
        raise opened
    return opened


def _streamers(directory: Any, branches: Sequence[Branch], classes: Sequence[str]) -> Any:
    """Streamers of the file, which are not looked at where nothing is of a class; a file may have none, or odd ones."""
    if not classes and all(branch.element is None and branch.group is None for branch in branches):
        return {}
    streamers = attempt(lambda: directory.file.streamers)
    return {} if isinstance(streamers, Exception) else streamers


def _look_around(directory: Any, file: str, wanted: str | None, size: int, executor: Any, need_trees: bool) -> Source:
    with reading_errors(f"{file} is damaged: its directory cannot be read"):
        size = size or int(directory.file.source.num_bytes)
        uuid = str(directory.file.uuid)
        keys = list(_walk(directory, ""))
    newest, notes = _newest(keys)
    trees = [key for key in newest if key.is_tree]
    others = [key for key in newest if not key.is_tree]
    if not trees and (need_trees or not others or wanted is not None):
        held = ", ".join(f"{key.path} ({key.classname})" for key in others[:6])
        msg = f"{file} holds no tree; {'it holds ' + held + (' ...' if len(others) > 6 else '') if held else 'it is empty'}"
        raise InputError(msg)
    if wanted is not None:
        trees, n_left = _asked_for(keys, trees, wanted, file)
        notes = [note for note in notes if note.startswith(tuple(f"{tree.path}:" for tree in trees))]
        if n_left or others:
            notes.append(
                f"only {wanted} was asked for: {n_left} other trees and {len(others)} other objects are left out"
            )
        others = []
    objects = tuple(ObjectInfo(key.path, key.classname, key.cycle, key.title) for key in others)
    return Source(file, size, uuid, objects, tuple(notes), directory, tuple(trees), executor)


def _walk(directory: Any, prefix: str) -> Iterator[_Key]:
    for name in directory.keys(recursive=False, cycle=True):
        key = directory.key(name)
        path = prefix + str(key.fName)
        yield _Key(path, str(key.fClassName), int(key.fCycle), str(key.fTitle))
        if key.fClassName in DIRECTORIES:
            yield from _walk(key.get(), f"{path}/")


def _newest(keys: Sequence[_Key]) -> tuple[list[_Key], list[str]]:
    """Keep the newest cycle of each name, in file order, and tell of the others."""
    cycles: dict[str, list[_Key]] = {}
    for key in keys:
        cycles.setdefault(key.path, []).append(key)
    newest = []
    notes = []
    for path, group in cycles.items():
        last, *older = sorted(group, key=lambda key: -abs(key.cycle))
        newest.append(last)
        if older and last.classname not in DIRECTORIES:
            told = ", ".join(str(key.cycle) for key in older)
            notes.append(
                f"{path}: cycle {last.cycle} is the newest; {'cycles' if len(older) > 1 else 'cycle'} {told} left out"
            )
    return newest, notes


def _asked_for(keys: Sequence[_Key], trees: Sequence[_Key], wanted: str, file: str) -> tuple[list[_Key], int]:
    path, _, cycle = wanted.partition(";")
    if cycle:
        found = [key for key in keys if key.is_tree and key.path == path and str(key.cycle) == cycle]
    else:
        found = [key for key in trees if key.path == path or key.path.startswith(f"{path}/")]
    if not found:
        names = [key.path for key in trees]
        held = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
        others = [key for key in keys if key.path == path]
        what = (
            f"{wanted!r} in {file} is a {others[0].classname}, not a tree"
            if others and not cycle
            else f"{file} holds no tree {wanted!r}"
        )
        msg = f"{what}; it holds the trees {held}{nearest(wanted, names)}"
        raise InputError(msg)
    return found, len([key for key in trees if key.path not in {tree.path for tree in found}])
