"""The first look at a tree: facts of every column, and a sample drawn over the whole file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .bounds import ColumnFacts
from .layouts import columns_of, flatten, slice_columns
from .table import Column

if TYPE_CHECKING:
    from .chaining import ChainedTree
    from .reading import SourceTree

__all__ = ("FEW_BYTES", "SAMPLE_BYTES", "Scan", "read_columns", "scan")

Array = NDArray[Any]

# Enough rows for a model and for its column tables; a few hundred MB of memory while training.
SAMPLE_BYTES = 48_000_000
# Enough to choose how columns are coded, where nothing is trained.
FEW_BYTES = 16_000_000


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Scan:
    """What the first pass over a tree found.

    Attributes
    ----------
    columns
        All columns, in file order.
    facts
        Of each column, over every value of the tree.
    sample
        Values of each column in a subset of entries, aligned as in the tree.
    """

    columns: tuple[Column, ...]
    facts: Mapping[str, ColumnFacts]
    sample: Mapping[str, Array]


def read_columns(tree: SourceTree | ChainedTree, start: int, stop: int) -> dict[str, Array]:
    """Read an entry range of every branch and take it apart into columns."""
    arrays = tree.read(start, stop)
    columns: dict[str, Array] = {}
    for branch in tree.branches:
        columns |= flatten(branch.layout, arrays.pop(branch.name))
    return columns


def scan(
    tree: SourceTree | ChainedTree,
    clusters: Sequence[tuple[int, int]],
    *,
    seed: int,
    sample_bytes: int = SAMPLE_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Scan:
    """Read a tree once.

    Parameters
    ----------
    tree
        What to read.
    clusters
        Entry ranges that cover it, or some of them in order: facts are then of these only.
    seed
        Of the choice of entries for the sample.
    sample_bytes
        About how large the sample may be; a tree below that is taken whole.
    progress
        Called with the number of entries done.
    """
    random = np.random.default_rng(seed)
    columns = tuple(column for branch in tree.branches for column in columns_of(branch))
    facts = {column.key: ColumnFacts(column.dtype) for column in columns}
    pieces: dict[str, list[Array]] = {column.key: [] for column in columns}
    entries = sum(stop - start for start, stop in clusters)
    raw_bytes, entries_read = 0, 0
    sampled_bytes = 0
    for start, stop in clusters:
        read = read_columns(tree, start, stop)
        for key, values in read.items():
            facts[key].update(values)
        n = stop - start
        n_bytes = sum(values.nbytes for values in read.values())
        raw_bytes += n_bytes
        # Every cluster gives the same share. A tree's size is not known before its end (what its header says may be
        # wrong), so it is judged from the clusters seen so far.
        entries_read += n
        expected = raw_bytes / entries_read * entries if entries_read else 0
        share = min(1.0, sample_bytes / max(expected, 1))
        take = n if share == 1.0 else max(1, int(n * share))
        room = sample_bytes * 1.5 - sampled_bytes
        if n and n_bytes * take / n <= max(room, 0):
            first = start + int(random.integers(0, n - take + 1))
            sampled_bytes += _take(tree, read, n, first - start, take, pieces)
        if progress is not None:
            progress(stop)
    # Each column's pieces go as soon as they are one, or the sample would be in memory twice.
    sample = {
        column.key: np.concatenate(mine) if (mine := pieces.pop(column.key)) else np.empty(0, column.dtype)
        for column in columns
    }
    return Scan(columns, facts, sample)


def _take(
    tree: SourceTree | ChainedTree,
    read: Mapping[str, Array],
    n: int,
    first: int,
    take: int,
    pieces: dict[str, list[Array]],
) -> int:
    n_bytes = 0
    for branch in tree.branches:
        part = read if take == n else slice_columns(branch.layout, read, n, first, first + take)[0]
        for column in columns_of(branch):
            # A copy, or a slice would keep the whole cluster in memory.
            values = part[column.key] if take == n else part[column.key].copy()
            n_bytes += values.nbytes
            pieces[column.key].append(values)
    return n_bytes
