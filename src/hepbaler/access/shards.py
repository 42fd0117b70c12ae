"""Entries of archives as batches of numpy arrays: clusters in some order, shared out, mixed, cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError
from ..filters import Filter
from ..manyfiles import Files, opened_tree
from ..table import Layout, ListLayout, RegularLayout, Values
from .addresses import archives_of

if TYPE_CHECKING:
    import awkward as ak

    from ..tree import Tree

__all__ = ("Batch", "Jagged", "Shard", "ShardReader", "Shards", "as_batch")

Batch = dict[str, NDArray[Any]]
Jagged = Literal["flat", "pad"] | int

# Archives that a reader keeps open: shuffled clusters jump between them.
_MAX_OPEN = 16
# torch does not compute with these.
_WIDER = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Shard:
    """A cluster of an archive: what is decoded at once, and belongs to one worker."""

    path: str
    tree: str
    start: int
    stop: int


@dataclass(frozen=True)
class Shards:
    """Clusters of trees with the same branches in several archives.

    Attributes
    ----------
    branches
        Names of the branches that are read.
    shards
        In the order of the files.
    """

    branches: tuple[str, ...]
    shards: tuple[Shard, ...]

    @classmethod
    def find(cls, files: Files, filter_name: Filter) -> Shards:
        """Look into the archives.

        Parameters
        ----------
        files
            As for `hepbaler.iterate`, and ``hepbaler://`` URLs.
        filter_name
            Branches to take, as in `hepbaler.tree.Tree.keys`: numbers, fixed-size arrays, or lists of these.

        Raises
        ------
        ColumnNotFound
            If no branch is chosen, or an archive lacks one.
        InputError
            If a branch holds anything but numbers, or is of another type than in the first archive.
        """
        first: dict[str, Layout] | None = None
        shards: list[Shard] = []
        for path, name in archives_of(files):
            with opened_tree(path, name) as tree:
                layouts = {branch.name: branch.layout for branch in tree.header.schema.branches}
                if first is None:
                    first = {chosen: layouts[chosen] for chosen in tree.keys(filter_name=filter_name)}
                    _check_kinds(first, tree, path)
                for branch, layout in first.items():
                    if branch not in layouts:
                        msg = f"tree {tree.object_path!r} of {path} has no branch {branch!r}"
                        raise ColumnNotFound(msg)
                    if layouts[branch] != layout:
                        msg = f"branch {branch!r} is {tree[branch].typename} in {path}, unlike in the first archive"
                        raise InputError(msg)
                shards += [Shard(path, tree.object_path, *ends) for ends in pairwise(tree.common_entry_offsets())]
        return cls(tuple(first or ()), tuple(shards))

    @property
    def num_entries(self) -> int:
        """Of all clusters."""
        return sum(shard.stop - shard.start for shard in self.shards)

    def batches(
        self, size: int, order: Sequence[int] | NDArray[np.intp], rng: np.random.Generator | None, buffer_entries: int
    ) -> Iterator[ak.Array]:
        """Entries of some clusters, `size` at a time; the last batch may be smaller.

        Parameters
        ----------
        order
            Numbers of the clusters.
        rng
            Mixes entries; None leaves them in order.
        buffer_entries
            Among how many is mixed.
        """
        import awkward as ak

        # Without mixing there is no reason to hold back more than a batch.
        keep = buffer_entries if rng is not None else 0
        buffer = ak.Array([])
        with ShardReader(self.branches) as reader:
            for number in order:
                new = reader.read(self.shards[number])
                buffer = ak.concatenate([buffer, new]) if len(buffer) else new
                if rng is not None:
                    buffer = buffer[rng.permutation(len(buffer))]
                n_out = max(len(buffer) - keep, 0) // size * size
                for first in range(0, n_out, size):
                    yield buffer[first : first + size]
                buffer = buffer[n_out:]
        for first in range(0, len(buffer), size):
            yield buffer[first : first + size]


class ShardReader:
    """Reads clusters, and keeps the archives open that it read last. A context manager.

    Parameters
    ----------
    branches
        Names of what to read.
    """

    def __init__(self, branches: Sequence[str]) -> None:
        self._branches = list(branches)
        self._open: dict[tuple[str, str], tuple[Tree, ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1][1].close()

    def read(self, shard: Shard) -> ak.Array:
        """A record array of a cluster's entries."""
        key = shard.path, shard.tree
        if key not in self._open:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open)))[1].close()
            stack = ExitStack()
            self._open[key] = stack.enter_context(opened_tree(*key)), stack
        return self._open[key][0].arrays(self._branches, entry_start=shard.start, entry_stop=shard.stop)


def as_batch(entries: ak.Array, jagged: Jagged, padding: float) -> Batch:
    """Entries as plain arrays, by branch.

    A list branch becomes two: its values, and under ``NAME@counts`` how many each entry has.

    Parameters
    ----------
    jagged
        ``"flat"``: values of all entries one after the other, shape ``(n_values, ...)``. ``"pad"``: shape
        ``(n_entries, longest, ...)``, filled up with `padding`. A number is the length to fill up and to cut to.

    Raises
    ------
    InputError
        If an unsigned value is too large for torch.
    """
    import awkward as ak

    batch: Batch = {}
    for name in entries.fields:
        array = ak.to_packed(entries[name])
        if not array.layout.is_list or array.layout.is_regular:
            batch[name] = _for_torch(name, np.asarray(ak.to_numpy(array)))
            continue
        counts = np.asarray(ak.num(array), np.int64)
        values = _for_torch(name, np.asarray(ak.to_numpy(ak.flatten(array, axis=1))))
        if jagged == "flat":
            batch[name], batch[f"{name}@counts"] = values, counts
            continue
        length = int(jagged) if jagged != "pad" else int(counts.max(initial=0))
        inside = np.arange(counts.max(initial=0))[None, :] < counts[:, None]
        padded = np.full((len(counts), max(inside.shape[1], length), *values.shape[1:]), padding).astype(values.dtype)
        padded[:, : inside.shape[1]][inside] = values
        batch[name] = np.ascontiguousarray(padded[:, :length])
        batch[f"{name}@counts"] = np.minimum(counts, length)
    return batch


def _for_torch(name: str, values: NDArray[Any]) -> NDArray[Any]:
    wider = _WIDER.get(values.dtype.name)
    if values.dtype == np.uint64 and len(values) and values.max() > np.iinfo(np.int64).max:
        msg = f"branch {name!r} holds {values.max()}, which is too large for torch's integers; leave it out"
        raise InputError(msg)
    return values if wider is None else values.astype(wider)


def _check_kinds(layouts: dict[str, Layout], tree: Tree, path: str) -> None:
    if not layouts:
        msg = f"no branch of tree {tree.object_path!r} of {path} is chosen; it holds {', '.join(list(tree)[:8])} ..."
        raise ColumnNotFound(msg)
    for name, layout in layouts.items():
        inside = layout.content if isinstance(layout, ListLayout) else layout
        while isinstance(inside, RegularLayout):
            inside = inside.content
        text = isinstance(layout, ListLayout) and layout.text is not None
        if not isinstance(inside, Values) or inside.dtype == "unknown" or text:
            msg = f"branch {name!r} ({tree[name].typename}) is neither numbers nor lists of numbers; leave it out"
            raise InputError(msg)
