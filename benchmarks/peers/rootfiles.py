"""ROOT files as uproot writes them, of values rounded to the bits that the bound needs: what NanoAOD does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hepbaler.pipeline import CLUSTER_BYTES
from hepbaler.reading import open_source
from hepbaler.table import ListLayout, RegularLayout, Values

from ..rounding import round_to_bound
from ..workload import FloatColumn, Workload, flat_columns, tree_of
from .base import Folder, Made

__all__ = ("ROOT_FILES", "Collections", "RootPeer", "collections_of")

_NAME = "events.root"


@dataclass(frozen=True, eq=False)
class Collections:
    """A tree as ROOT's users write it: flat branches, and lists of records for branches with the same counts.

    Attributes
    ----------
    flat
        One value, or a fixed number, an entry; by branch.
    lists
        By the name of the collection, its branches.
    clusters
        Entry ranges to write at a time.
    left_out
        Branches of any other form.
    """

    flat: dict[str, ak.Array]
    lists: dict[str, dict[str, ak.Array]]
    clusters: tuple[tuple[int, int], ...]
    left_out: tuple[str, ...]


def rounded(column: FloatColumn) -> NDArray[Any]:
    """The values of a column, rounded as its bound allows."""
    return round_to_bound(column.values, column.bound)


def collections_of(work: Workload, store: Callable[[FloatColumn], NDArray[Any]] = rounded) -> Collections:
    """Read the tree, with what `store` makes of each float column."""
    floats = {column.key: column for column in work.columns}
    flat: dict[str, ak.Array] = {}
    groups: dict[bytes, dict[str, ak.Array]] = {}
    left_out = []
    with open_source(str(work.source)) as opened:
        tree = tree_of(opened.trees, work.tree)
        clusters = tuple(tree.clusters(CLUSTER_BYTES))
        arrays = tree.read(0, tree.num_entries)
        for branch in tree.branches:
            layout, array = branch.layout, arrays[branch.name]
            inner = layout.content if isinstance(layout, ListLayout | RegularLayout) else layout
            if not isinstance(inner, Values) or (isinstance(layout, ListLayout) and layout.text):
                left_out.append(branch.name)
                continue
            if inner.column in floats:
                array = _with_values(array, store(floats[inner.column]))
            if isinstance(layout, ListLayout):
                groups.setdefault(np.asarray(ak.num(array)).tobytes(), {})[branch.name] = array
            else:
                flat[branch.name] = array
    lists = {_common_name(members, number): members for number, members in enumerate(groups.values())}
    # The writer counts by itself.
    flat = {name: array for name, array in flat.items() if name not in {f"n{one}" for one in lists}}
    return Collections(flat, lists, clusters, tuple(left_out))


def _with_values(array: ak.Array, values: NDArray[Any]) -> ak.Array:
    if array.ndim == 1:
        return ak.Array(values)
    if array.type.content.__class__.__name__ == "RegularType":
        return ak.Array(values.reshape(len(array), -1))
    return ak.unflatten(values, ak.num(array))


def _common_name(members: dict[str, ak.Array], number: int) -> str:
    heads = {name.partition("_")[0] for name in members}
    return heads.pop() if len(heads) == 1 else f"list{number}"


@dataclass(frozen=True)
class RootPeer:
    """A TTree or an RNTuple, with one of ROOT's compressions."""

    name: str
    title: str
    compression: Any
    ntuple: bool = False
    bounded: bool = True

    def missing(self, folder: Folder) -> str | None:
        """See `Peer`."""
        return None

    def prepare(self, work: Workload) -> tuple[Workload, Collections]:
        """See `Peer`."""
        return work, collections_of(work)

    def encode(self, ready: tuple[Workload, Collections], folder: Folder) -> Made:
        """See `Peer`."""
        work, tree = ready
        path = folder.path / _NAME
        zipped = {name: _zipped(members) for name, members in tree.lists.items()}
        with uproot.recreate(path, compression=self.compression) as file:
            target: Any = None
            for start, stop in tree.clusters:
                piece = {name: array[start:stop] for name, array in (tree.flat | zipped).items()}
                if target is not None:
                    target.extend(piece)
                elif self.ntuple:
                    target = file.mkrntuple(work.tree, piece)
                else:
                    types = {name: array.type.content for name, array in piece.items()}
                    target = file.mktree(
                        work.tree, types, counter_name=lambda one: f"n{one}", field_name=lambda _, inner: inner
                    )
                    target.extend(piece)
        return Made(path.stat().st_size, complete=not tree.left_out, notes=_left_out(tree))

    def decode(self, ready: tuple[Workload, Collections], folder: Folder) -> Any:
        """See `Peer`."""
        work, tree = ready
        with uproot.open(folder.path / _NAME) as file:
            if not self.ntuple:
                return file[work.tree].arrays(work.float_branches, how=dict)
            wanted = set(work.float_branches)
            fields = [name for name in tree.flat if name in wanted]
            fields += [f"{one}.{name}" for one, members in tree.lists.items() for name in members if name in wanted]
            return file[work.tree].arrays(fields)

    def columns(self, decoded: Any, work: Workload) -> dict[str, NDArray[Any]]:
        """See `Peer`."""
        if not self.ntuple:
            return flat_columns(work, decoded)
        wanted = set(work.float_branches)
        arrays: dict[str, ak.Array] = {}
        for name in decoded.fields:
            members = decoded[name].fields
            arrays |= (
                {one: decoded[name, one] for one in members if one in wanted} if members else {name: decoded[name]}
            )
        return flat_columns(work, arrays)


def _zipped(members: dict[str, ak.Array]) -> ak.Array:
    return ak.zip(members, depth_limit=2)


def _left_out(tree: Collections) -> tuple[str, ...]:
    return (f"left out: {', '.join(tree.left_out)}",) if tree.left_out else ()


ROOT_FILES = (
    RootPeer("ttree-lzma", "mantissa rounding + LZMA 9 (TTree)", uproot.LZMA(9)),
    RootPeer("ttree-zstd", "mantissa rounding + ZSTD 5 (TTree)", uproot.ZSTD(5)),
    RootPeer("rntuple-zstd", "mantissa rounding + ZSTD 5 (RNTuple)", uproot.ZSTD(5), ntuple=True),
)
