"""Decoded columns that are kept for a while: readers come back for what was decoded on the way to something else."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from .decoding import Decoder

__all__ = ("CACHE_BYTES", "CachedDecoder", "ColumnCache")

CACHE_BYTES = 128_000_000

# Begins the key under which a column is kept as integers, for the columns of its model that depend on it.
_INTEGERS = "@integers/"

_log = logging.getLogger(__name__)


def __dir__() -> tuple[str, ...]:
    return __all__


class ColumnCache:
    """The columns used last, of any number of trees; many threads may use it.

    Parameters
    ----------
    max_bytes
        What all columns together may take. One that takes more by itself is not kept.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._lock = threading.Lock()
        self._columns: OrderedDict[tuple[int, int, str], NDArray[Any]] = OrderedDict()

    def get(self, tree: int, cluster: int, key: str) -> NDArray[Any] | None:
        """A column, or None if it is not there (any more)."""
        with self._lock:
            column = self._columns.get((tree, cluster, key))
            if column is not None:
                self._columns.move_to_end((tree, cluster, key))
            return column

    def put(self, tree: int, cluster: int, key: str, column: NDArray[Any]) -> None:
        """Keep a column, and forget what was used longest ago."""
        with self._lock:
            old = self._columns.pop((tree, cluster, key), None)
            self.num_bytes -= 0 if old is None else old.nbytes
            if column.nbytes > self.max_bytes:
                return
            self._columns[tree, cluster, key] = column
            self.num_bytes += column.nbytes
            while self.num_bytes > self.max_bytes:
                _, forgotten = self._columns.popitem(last=False)
                self.num_bytes -= forgotten.nbytes


class CachedDecoder:
    """A `ClusterDecoder` that decodes nothing twice while its cache holds it.

    What a model has to decode on the way to a column is kept as well: the next branch of the same object is likely to
    be asked for next.

    Parameters
    ----------
    decoder
        What decodes.
    cache
        What keeps.
    tree
        Number of the tree in the cache.
    """

    def __init__(self, decoder: Decoder, cache: ColumnCache, tree: int) -> None:
        self._decoder = decoder
        self._cache = cache
        self._tree = tree
        self._learned = decoder.learned
        self._guard = threading.Lock()
        self._locks: dict[int, threading.Lock] = {}

    def columns(self, clusters: Sequence[int], wanted: Iterable[str]) -> list[dict[str, NDArray[Any]]]:
        """As `ClusterDecoder.columns`; the arrays are shared and must not be written to."""
        keys = list(dict.fromkeys(wanted))
        return [self._cluster(cluster, keys) for cluster in clusters]

    def _cluster(self, cluster: int, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
        with self._guard:
            lock = self._locks.setdefault(cluster, threading.Lock())
        # Two threads that want columns of one model would both decode what these depend on.
        with lock:
            found = {key: self._cache.get(self._tree, cluster, key) for key in keys}
            missing = [key for key, column in found.items() if column is None]
            fresh: dict[str, NDArray[Any]] = {}
            if missing:
                before = {key: self._cache.get(self._tree, cluster, f"{_INTEGERS}{key}") for key in self._learned}
                fresh, integers = self._decoder.cluster(
                    cluster, missing, {key: column for key, column in before.items() if column is not None}
                )
                for key, column in integers.items():
                    self._cache.put(self._tree, cluster, f"{_INTEGERS}{key}", column)
                _log.debug("tree %d, cluster %d: decoded %s", self._tree, cluster, ", ".join(fresh))
            for key, column in fresh.items():
                column.flags.writeable = False
                self._cache.put(self._tree, cluster, key, column)
            return {key: fresh[key] if column is None else column for key, column in found.items()}
