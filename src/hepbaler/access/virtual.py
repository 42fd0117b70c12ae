"""A ROOT file that does not exist: its bytes are made from an archive when somebody reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hepbaler.access.skeleton import leaf_layout, skeleton_of
from hepbaler.archive import Archive
from hepbaler.caching import CACHE_BYTES, CachedDecoder, ColumnCache
from hepbaler.layouts import columns_of, unflatten
from hepbaler.restoring.arrays import leaf_values
from hepbaler.restoring.ntuplepages import PageColumn
from hepbaler.restoring.skeleton import SkeletonBranch
from hepbaler.table import Branch, Values
from hepbaler.tree import Tree

if TYPE_CHECKING:
    from hepbaler.restoring.counters import ListGroup

__all__ = ("VirtualFile",)


def __dir__() -> tuple[str, ...]:
    return __all__


class VirtualFile:
    """An archive as the bytes of an uncompressed ROOT file. Many threads may read it.

    ::

        |header, directories, objects, trees without baskets|    gap    |basket|    gap    |basket| ...
         made when the file is opened                                    made when their bytes are asked for

    A basket is a branch of a cluster, and only the columns that this branch depends on are decoded for it; a page of an
    RNTuple is a column of a cluster.

    Parameters
    ----------
    archive
        Stays open as long as this is used.
    cache_bytes
        What decoded columns may take in memory.

    Raises
    ------
    FormatError
        If the archive is damaged.
    """

    def __init__(self, archive: Archive, cache_bytes: int = CACHE_BYTES) -> None:
        self._archive = archive
        self._skeleton = skeleton_of(archive)
        cache = ColumnCache(cache_bytes)
        self._sources = [_TreeSource(tree, cache, number) for number, tree in enumerate(archive.trees.values())]

    @property
    def size(self) -> int:
        """Bytes of the ROOT file."""
        return self._skeleton.size

    def read(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """Bytes of some ranges ``(start, stop)``; what lies beyond the end is left out, as in a slice.

        Raises
        ------
        FormatError
            If the archive is damaged, or cannot be reached any more.
        """
        skeleton = self._skeleton
        clipped = [(max(start, 0), min(stop, skeleton.size)) for start, stop in ranges]
        touched = [
            range(
                int(np.searchsorted(skeleton.stops, start, side="right")),
                int(np.searchsorted(skeleton.starts, stop, side="left")),
            )
            for start, stop in clipped
        ]
        baskets = self._baskets({number for numbers in touched for number in numbers})
        return [
            self._assemble(start, stop, [(number, baskets[number]) for number in numbers])
            for (start, stop), numbers in zip(clipped, touched, strict=True)
        ]

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def _baskets(self, numbers: Iterable[int]) -> dict[int, bytes]:
        skeleton = self._skeleton
        clusters: dict[tuple[int, int], list[int]] = {}
        for number in sorted(numbers):
            tree, _, cluster = skeleton.places[number].tolist()
            clusters.setdefault((tree, cluster), []).append(number)
        baskets: dict[int, bytes] = {}
        for (tree, cluster), mine in clusters.items():
            branches = [skeleton.branches[tree][int(skeleton.places[number, 1])] for number in mine]
            contents = self._sources[tree].contents(branches, cluster)
            for number, branch, content in zip(mine, branches, contents, strict=True):
                start, stop = int(skeleton.starts[number]), int(skeleton.stops[number])
                baskets[number] = (
                    branch.pack(content, stop - start)
                    if isinstance(branch, PageColumn)
                    else branch.form.pack(content, seek=start, parent=branch.parent, num_bytes=stop - start)
                )
        return baskets

    def _assemble(self, start: int, stop: int, baskets: Sequence[tuple[int, bytes]]) -> bytes:
        skeleton = self._skeleton
        if stop <= len(skeleton.data) or stop <= start:
            return skeleton.data[start:stop]
        if len(baskets) == 1:
            number, data = baskets[0]
            first, last = int(skeleton.starts[number]), int(skeleton.stops[number])
            if first <= start and stop <= last:
                return data[start - first : stop - first]
        out = bytearray(stop - start)
        begin = skeleton.data[start:]
        out[: len(begin)] = begin
        for number, data in baskets:
            first = int(skeleton.starts[number])
            part = data[max(start - first, 0) : stop - first]
            place = max(first - start, 0)
            out[place : place + len(part)] = part
        return bytes(out)


def _counts_column(group: ListGroup | None) -> str | None:
    """Key of the column that a counter shows."""
    if group is None:
        return None
    first = group.leaves[0]
    told = None if group.source is None else group.source.layout
    # lists of objects that refer to others may have other lengths than there are objects
    if isinstance(told, Values) and first.group is not None and first.group.name == group.counter:
        return told.column
    return first.counts


class _TreeSource:
    """Values of a tree's branches."""

    def __init__(self, tree: Tree, cache: ColumnCache, number: int) -> None:
        self._tree = tree
        self._decoder = CachedDecoder(tree.decoder, cache, number)
        self._borders = tree.common_entry_offsets()
        self._branches = {branch.name: branch for branch in tree.header.schema.branches}

    def contents(self, branches: Sequence[SkeletonBranch | PageColumn], cluster: int) -> list[Any]:
        """Contents of branches in a cluster, decoded together; the columns that an RNTuple's column is made of."""
        parts = [self._part(branch) for branch in branches]
        keys = [key for _, wanted in parts for key in wanted]
        columns = self._decoder.columns([cluster], keys)[0]
        n_entries = self._borders[cluster + 1] - self._borders[cluster]
        return [
            columns if isinstance(branch, PageColumn) else self._content(branch, part, wanted, columns, n_entries)
            for branch, (part, wanted) in zip(branches, parts, strict=True)
        ]

    def _part(self, branch: SkeletonBranch | PageColumn) -> tuple[Branch | None, list[str]]:
        """The part of the source's branch that is needed, and its columns; a counter needs only the counts."""
        if isinstance(branch, PageColumn):
            return None, list(branch.wanted)
        if branch.leaf is None:
            return None, [_counts_column(branch.group) or ""]
        source = self._branches[branch.leaf.branch]
        part = replace(source, layout=leaf_layout(source.layout, branch.leaf.steps))
        return part, [column.key for column in columns_of(part)]

    def _content(
        self, branch: SkeletonBranch, part: Branch | None, keys: Sequence[str], columns: dict[str, Any], n: int
    ) -> Any:
        import awkward as ak

        if branch.leaf is None or part is None:
            return ak.contents.NumpyArray(columns[keys[0]].astype(branch.form.dtype))
        return leaf_values(unflatten(part.layout, columns, n), branch.leaf)
