"""Flat columns of any entry range, put together from the clusters that it touches."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .caching import CachedDecoder
from .decoding import Decoder
from .errors import CorruptFile
from .header import TreeHeader
from .loops import n_threads
from .table import Column

__all__ = ("EntryReader",)

Array = NDArray[Any]


def __dir__() -> tuple[str, ...]:
    return __all__


# Fewer values than this are decoded before a second thread has begun.
_WORTH_THREADS = 200_000


class EntryReader:
    """Reads columns by entries instead of clusters.

    Parameters
    ----------
    header
        Of the tree.
    decoder
        What decodes its clusters.
    """

    def __init__(self, header: TreeHeader, decoder: Decoder | CachedDecoder) -> None:
        self._header = header
        self._decoder = decoder
        self._columns = {column.key: column for column in header.schema.columns}
        self._home = header.table_of()

    def columns(self, keys: Collection[str], start: int, stop: int) -> dict[str, Array]:
        """Decode columns of an entry range that lies in the tree.

        Parameters
        ----------
        keys
            Keys of columns. Where a cluster is read in part, the counts that say where a list ends are decoded too.

        Returns
        -------
        dict
            Values of the rows that belong to these entries, by key; they may be shared and are not to be changed.

        Raises
        ------
        CorruptFile
            If the archive is damaged.
        """
        borders = self._header.borders
        clusters = range(bisect_right(borders, start) - 1, bisect_left(borders, stop)) if start < stop else range(0)

        def read(cluster: int) -> dict[str, Array]:
            return self._of_cluster(cluster, keys, start, stop)

        n_workers = min(n_threads(), len(clusters))
        if n_workers > 1 and self._rows(keys, clusters) >= _WORTH_THREADS:
            with ThreadPoolExecutor(n_workers) as executor:
                found = list(executor.map(read, clusters))
        else:
            found = [read(cluster) for cluster in clusters]
        pieces = {key: [columns[key] for columns in found] for key in keys}
        found.clear()
        out = {}
        for key in list(pieces):
            # one after the other, so that the pieces of a column go as soon as it is whole
            parts = pieces.pop(key)
            none = np.empty(0, self._columns[key].dtype)
            out[key] = parts[0] if len(parts) == 1 else np.concatenate(parts or [none])
        return out

    def _rows(self, keys: Collection[str], clusters: range) -> int:
        """Values that are to be read, all columns together."""
        rows = (self._header.rows[self._home[key]] for key in keys)
        return sum(sum(of_table[cluster] for cluster in clusters) for of_table in rows)

    def _of_cluster(self, cluster: int, keys: Collection[str], start: int, stop: int) -> dict[str, Array]:
        """Of one cluster the rows of the entries from `start` to `stop`."""
        borders = self._header.borders
        n = borders[cluster + 1] - borders[cluster]
        first, last = max(start - borders[cluster], 0), min(stop - borders[cluster], n)
        in_part = (first, last) != (0, n)
        above = [one for key in keys for one in _above(self._columns[key])] if in_part else []
        columns = self._decoder.columns([cluster], [*keys, *above])[0]
        self._check_counts(columns, cluster)
        if not in_part:
            return {key: columns[key] for key in keys}
        return {key: columns[key][_rows(self._columns[key], columns, first, last)] for key in keys}

    def _check_counts(self, columns: Mapping[str, Array], cluster: int) -> None:
        """Counts of a damaged file must not send a reader beyond the values."""
        for table in self._header.schema.tables:
            if table.kind != "list" or table.counts is None or table.counts not in columns:
                continue
            counts = columns[table.counts]
            rows = self._header.rows[table.index][cluster]
            if len(counts) and (counts.min() < 0 or int(counts.sum()) != rows):
                msg = f"counts of {table.name!r} in cluster {cluster} add up to {counts.sum()} instead of {rows}"
                raise CorruptFile(msg, section=f"cluster {cluster}", expected=rows, found=int(counts.sum()))


def _above(column: Column) -> list[str]:
    """Columns that say where the rows of an entry are: counts and tags on the way down."""
    return [step[1] for step in column.parents if step[0] != "regular"]


def _rows(column: Column, columns: Mapping[str, Array], first: int, last: int) -> slice:
    """Rows of a column that belong to the entries `first` to `last` of its cluster."""
    for step in column.parents:
        if step[0] == "regular":
            first, last = first * step[1], last * step[1]
            continue
        told = columns[step[1]]
        inner = told if step[0] == "list" else told == step[2]
        before = int(inner[:first].sum(dtype=np.int64))
        first, last = before, before + int(inner[first:last].sum(dtype=np.int64))
    return slice(first, last)
