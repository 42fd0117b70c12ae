"""What a read costs: the pages that are decoded for some branches, and what they are decoded for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .caching import ColumnCache
from .decoding import PageSource
from .errors import ColumnNotFound
from .filters import Filter
from .layouts import columns_of

if TYPE_CHECKING:
    from .archive import Archive
    from .tree import Tree

__all__ = ("CountedPages", "trace")


def __dir__() -> tuple[str, ...]:
    return __all__


class CountedPages:
    """Pages on their way from an archive to a decoder, counted; many threads may read.

    Parameters
    ----------
    source
        Where they come from.

    Attributes
    ----------
    number, size
        Pages that were handed out, and their bytes, by tree of the container and slot; what does not exist is not counted.
    """

    def __init__(self, source: PageSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self.number: Counter[tuple[int, int]] = Counter()
        self.size: Counter[tuple[int, int]] = Counter()

    def pages(self, tree: int, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `hepbaler.decoding.PageSource`."""
        pages = self._source.pages(tree, wanted)
        with self._lock:
            for (_, slot), page in zip(wanted, pages, strict=True):
                self.number[tree, slot] += bool(page)
                self.size[tree, slot] += len(page)
        return pages

    def section(self, name: str) -> bytes:
        """See `hepbaler.decoding.PageSource`."""
        return self._source.section(name)


def trace(archive: Archive, filter_name: Filter, entry_start: int | None, entry_stop: int | None) -> dict[str, Any]:
    """Read some branches, and tell what was decoded for them; see `hepbaler.archive.Archive.trace`."""
    chosen = {path: tree.keys(filter_name=filter_name) for path, tree in archive.trees.items()}
    if not any(chosen.values()):
        some = [name for tree in archive.trees.values() for name in tree][:8]
        msg = f"no branch of {archive.path} is chosen by {filter_name!r}; it holds {', '.join(some)} ..."
        raise ColumnNotFound(msg)
    before = archive.reader.requests
    trees = [
        _trace(archive, tree, chosen[path], slice(entry_start, entry_stop).indices(tree.num_entries)[:2])
        for path, tree in archive.trees.items()
        if chosen[path]
    ]
    return {"path": archive.path, "requests": archive.reader.requests - before, "trees": trees}


def _trace(archive: Archive, tree: Tree, names: Sequence[str], entries: tuple[int, int]) -> dict[str, Any]:
    start, stop = entries[0], max(entries)
    counted = CountedPages(archive.reader)
    reading = tree.reading_from(counted).cached(ColumnCache())
    # One cluster after the other, so that no more than one has to fit into memory.
    borders = [start, *(border for border in tree.header.borders if start < border < stop), stop]
    for first, last in pairwise(borders):
        reading.branch_arrays(names, first, last)
    chosen = set(names)
    asked = {c.key for branch in tree.header.schema.branches if branch.name in chosen for c in columns_of(branch)}
    decoded: dict[str, dict[str, Any]] = {}
    sizes = []
    for segment in tree.segments:
        same_as = segment.header.schema.same_as
        stored = {same_as.get(key, key) for key in asked}
        for name, slot in segment.header.slots().items():
            place = segment.number, slot
            if place in counted.number:
                one = decoded.setdefault(name, {"column": name, "asked": False, "pages": 0, "bytes": 0})
                one["asked"] |= name in stored
                one["pages"] += counted.number[place]
                one["bytes"] += counted.size[place]
        sizes.append(archive.reader.sizes(segment.number))
    return {
        "path": tree.object_path,
        "branches": list(names),
        "entry_start": start,
        "entry_stop": stop,
        "columns": list(decoded.values()),
        "all_columns": len(tree.header.schema.columns),
        "pages": sum(counted.number.values()),
        "all_pages": sum(int(np.count_nonzero(size)) for size in sizes),
        "bytes": sum(counted.size.values()),
        "all_bytes": sum(int(size.sum(dtype=np.int64)) for size in sizes),
    }
