"""A ROOT file without its baskets: everything that a reader wants to know before it reads values.

The baskets are only described: their sizes follow from the numbers of rows, and their places lie behind the end of what
is written here. Who serves the file makes a basket when somebody asks for its bytes.
"""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from hepbaler.errors import OutputError
from hepbaler.restoring.baskets import BasketForm
from hepbaler.restoring.counters import ListGroup
from hepbaler.restoring.leaves import Leaf
from hepbaler.restoring.ntuplepages import PageColumn
from hepbaler.restoring.objects import copy_objects
from hepbaler.restoring.pagelists import AnnouncedPages
from hepbaler.restoring.timeless import without_times
from hepbaler.restoring.trees import AnnouncedBaskets, TreeSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.restoring.plan import TreePlan
    from hepbaler.table import Branch

__all__ = ("GAP", "AnnouncedNTuple", "AnnouncedTree", "Skeleton", "SkeletonBranch", "build_skeleton")


def __dir__() -> tuple[str, ...]:
    return __all__


# Bytes between baskets that belong to none of them. uproot asks for ranges that lie closer than 32 KiB at once, with
# what is between them; a basket between two others would be decoded for nothing.
GAP = 40_000
_LARGEST_BASKET = (1 << 31) - (1 << 16)


@dataclass(frozen=True)
class AnnouncedTree:
    """A tree to describe.

    Attributes
    ----------
    path, title
        Of the tree.
    plan
        Its leaves and counters.
    borders
        First entry of each basket, and the number of entries at the end.
    elements
        For each leaf by name the numbers in each of its baskets, as `BasketForm.num_bytes` counts them; shape
        ``(n_baskets,)``.
    streams
        How the objects of a branch are written, by the branch's name.
    """

    path: str
    title: str
    plan: TreePlan
    borders: tuple[int, ...]
    elements: Mapping[str, NDArray[np.int64]]
    streams: Mapping[str, Stream]


@dataclass(frozen=True)
class AnnouncedNTuple:
    """An RNTuple to describe.

    Attributes
    ----------
    path, title
        Of the RNTuple.
    fields
        Name in the file -> branch.
    borders
        First entry of each cluster, and the number of entries at the end.
    columns
        Of all fields, in their order.
    elements
        Of each page; shape ``(n_columns, n_clusters)``.
    """

    path: str
    title: str
    fields: Mapping[str, Branch]
    borders: tuple[int, ...]
    columns: tuple[PageColumn, ...]
    elements: NDArray[np.int64]


@dataclass(frozen=True)
class SkeletonBranch:
    """A branch of the file, and where its values come from.

    Attributes
    ----------
    form
        What its baskets have in common.
    leaf
        The leaf that it holds; `None` for a counter.
    group
        The lists that it counts; `None` for a leaf.
    parent
        Where the key of its tree's directory is.
    """

    form: BasketForm
    leaf: Leaf | None
    group: ListGroup | None
    parent: int


@dataclass(frozen=True)
class Skeleton:
    """A file without its baskets.

    Attributes
    ----------
    data
        Its beginning: everything but baskets. A function of trees, objects and UUID alone, whenever it is made.
    size
        Bytes of the whole file.
    branches
        For each tree its branches in the file's order; for an RNTuple its columns.
    starts, stops
        Where each basket or page is in the file, ascending; shape ``(n_baskets,)``.
    places
        Tree, branch (position in `branches`) and cluster of each basket; shape ``(n_baskets, 3)``.
    """

    data: bytes
    size: int
    branches: tuple[tuple[SkeletonBranch, ...] | tuple[PageColumn, ...], ...]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    places: NDArray[np.int64]


def build_skeleton(
    trees: Sequence[AnnouncedTree | AnnouncedNTuple], mini_root: bytes | None, file_id: uuid.UUID
) -> Skeleton:
    """Describe a file with these trees, and write its other objects.

    Parameters
    ----------
    trees
        In the order wanted.
    mini_root
        A ROOT file with the objects besides trees, or None if there are none.
    file_id
        The file's UUID: the same for the same contents.

    Raises
    ------
    OutputError
        If the trees and objects do not fit one file.
    """
    buffer = _KeptBuffer()
    root = uproot.recreate(buffer, compression=None, uuid_function=lambda: file_id)
    if mini_root is not None:
        copy_objects(root, mini_root, end=0)
    parts = [_TreePart(root, tree) if isinstance(tree, AnnouncedTree) else _NTuplePart(root, tree) for tree in trees]
    root.file.sink.flush()
    end = buffer.seek(0, io.SEEK_END)
    starts: list[NDArray[np.int64]] = []
    stops: list[NDArray[np.int64]] = []
    places: list[NDArray[np.int64]] = []
    branches = []
    for number, part in enumerate(parts):
        # a cluster's baskets together, so that readers who ask for ranges in order get them cluster by cluster
        flat = part.sizes.T.ravel()
        stop = end + np.cumsum(flat + GAP)
        start = stop - flat
        end = int(stop[-1]) if len(stop) else end
        n_branches, n_baskets = part.sizes.shape
        cluster, branch = np.divmod(np.arange(flat.size), max(n_branches, 1))
        starts.append(start)
        stops.append(stop)
        places.append(np.stack([np.full(flat.size, number), branch, cluster], axis=1))
        branches.append(part.describe(start.reshape(n_baskets, n_branches).T))
    root.file.sink.flush()
    data = without_times(buffer.getvalue(), [record for part in parts for record in part.records])
    root.close()
    return Skeleton(
        data,
        max(end, len(data)),
        tuple(branches),
        np.concatenate([np.zeros(0, np.int64), *starts]),
        np.concatenate([np.zeros(0, np.int64), *stops]),
        np.concatenate([np.zeros((0, 3), np.int64), *places]),
    )


class _KeptBuffer(io.BytesIO):
    """Memory that stays readable: uproot closes what it has written to."""

    def close(self) -> None:
        """Do nothing."""


def _home(root: uproot.WritableDirectory, path: str) -> tuple[Any, str]:
    """The directory of a tree, and its name."""
    folder, _, name = path.rpartition("/")
    try:
        return root.mkdir(folder) if folder else root, name
    except TypeError as error:
        msg = f"the directory {folder!r} of tree {name!r} has the name of an object in the same file"
        raise OutputError(msg) from error


class _TreePart:
    """A TTree without its baskets. It may be described once the sizes of everything are known."""

    records: tuple[int, ...] = ()

    def __init__(self, root: uproot.WritableDirectory, tree: AnnouncedTree) -> None:
        self._tree = tree
        directory, name = _home(root, tree.path)
        self._sink = TreeSink(
            directory, name, tree.title, tree.plan.leaves, tree.plan.groups, baskets=len(tree.borders) - 1
        )
        self._forms = _forms(tree, self._sink)
        self.sizes = _sizes(tree, self._forms)

    def describe(self, seeks: NDArray[np.int64]) -> tuple[SkeletonBranch, ...]:
        return _describe(self._tree, self._sink, self._forms, self.sizes, seeks)


class _NTuplePart:
    """An RNTuple without its pages."""

    def __init__(self, root: uproot.WritableDirectory, tree: AnnouncedNTuple) -> None:
        self._columns = tree.columns
        sizes = [
            [column.num_bytes(n) for n in elements]
            for column, elements in zip(tree.columns, tree.elements.tolist(), strict=True)
        ]
        self.sizes = np.array(sizes, np.int64).reshape(tree.elements.shape)
        _refuse_large(self.sizes, [column.key for column in tree.columns], tree.path)
        directory, name = _home(root, tree.path)
        self._pages = AnnouncedPages(directory, name, tree.title, tree.fields, tree.borders, tree.elements, self.sizes)
        self.records = self._pages.records

    def describe(self, seeks: NDArray[np.int64]) -> tuple[PageColumn, ...]:
        self._pages.place(seeks)
        return self._columns


_Forms = dict[str, tuple[BasketForm, Leaf | None, ListGroup | None]]


def _forms(tree: AnnouncedTree, sink: TreeSink) -> _Forms:
    name = tree.path.rpartition("/")[2]
    groups = {group.counter: group for group in tree.plan.groups}
    leaves = {leaf.name: leaf for leaf in tree.plan.leaves}
    forms: _Forms = {}
    for branch in sink.branches:
        leaf = leaves.get(branch)
        short = branch if leaf is None else leaf.short_name
        if branch in groups:
            forms[branch] = BasketForm(short, name, groups[branch].dtype), None, groups[branch]
        elif leaf is not None:
            offsets = not leaf.members if leaf.streamed else leaf.counts is not None
            stream = tree.streams.get(leaf.branch) if leaf.streamed else None
            form = BasketForm(short, name, leaf.dtype, leaf.shape, offsets, leaf.text, stream)
            forms[branch] = form, leaf, None
    return forms


def _sizes(tree: AnnouncedTree, forms: _Forms) -> NDArray[np.int64]:
    """Bytes of each basket, shape ``(n_branches, n_baskets)``."""
    entries = np.diff(np.asarray(tree.borders, np.int64))
    sizes = np.zeros((len(forms), len(entries)), np.int64)
    for i, (form, leaf, _) in enumerate(forms.values()):
        numbers = entries if leaf is None else tree.elements[leaf.name]
        sizes[i] = [form.num_bytes(n, m) for n, m in zip(entries.tolist(), numbers.tolist(), strict=True)]
    _refuse_large(sizes, list(forms), tree.path)
    return sizes


def _refuse_large(sizes: NDArray[np.int64], names: Sequence[str], path: str) -> None:
    if sizes.size and sizes.max() > _LARGEST_BASKET:
        branch = names[int(sizes.max(axis=1).argmax())]
        msg = f"branch {branch!r} of {path!r} has {sizes.max()} bytes in a cluster, and a basket holds less than 2 GiB"
        raise OutputError(msg)


def _describe(
    tree: AnnouncedTree,
    sink: TreeSink,
    forms: _Forms,
    sizes: NDArray[np.int64],
    seeks: NDArray[np.int64],
) -> tuple[SkeletonBranch, ...]:
    announced = {
        name: AnnouncedBaskets(sizes[i], seeks[i], _longest(tree.elements, leaf, group), form.lists or form.text)
        for i, (name, (form, leaf, group)) in enumerate(forms.items())
    }
    parent = sink.announce(announced, tree.borders)
    return tuple(SkeletonBranch(form, leaf, group, parent) for form, leaf, group in forms.values())


def _longest(elements: Mapping[str, NDArray[np.int64]], leaf: Leaf | None, group: ListGroup | None) -> int:
    """No list is longer than all lists of a basket together; ROOT makes room for the longest."""
    of = group.leaves[0] if group is not None else leaf
    if of is None or not (of.text or group is not None):
        return 1
    return int(max(elements[of.name].tolist(), default=0)) // max(int(np.prod(of.shape, dtype=np.int64)), 1)
