"""Which column sees which, and in which order: found from the sample, without names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hepbaler.features.ranks import RANK_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

__all__ = ("choose_parents", "cross_information", "mutual_information", "related")


def __dir__() -> tuple[str, ...]:
    return __all__


# Cells a column: finer for few columns, so that the table of all pairs stays within some 100 MB.
_CELL_BITS = (4, 3, 2)
_MOST_CELLS = 4096


def mutual_information(ranks: Sequence[IntArray]) -> FloatArray:
    """Mutual information of each pair of columns, in bits, after cutting each into at most 16 parts of its rank.

    Parameters
    ----------
    ranks
        One array a column, shape (n_rows,), parts of 2^28.

    Returns
    -------
    Shape (n_columns, n_columns); what chance alone would give is subtracted (Miller, 1955), and nothing is below 0.
    """
    n_columns, n_rows = len(ranks), ranks[0].size if ranks else 0
    shared = np.zeros((n_columns, n_columns))
    if n_rows == 0:
        return shared
    bits = next((bits for bits in _CELL_BITS if n_columns << bits <= _MOST_CELLS), _CELL_BITS[-1])
    n_cells = 1 << bits
    marked = _marked(ranks, bits)
    # Counts of all pairs of cells by one matrix product, exact in float32 below 2^24 rows.
    share = marked.mean(axis=0, dtype=np.float64)
    entropy = _entropy(share.reshape(n_columns, n_cells)).sum(axis=1)
    filled = np.count_nonzero(share.reshape(n_columns, n_cells), axis=1)
    for number in range(n_columns):
        own = marked[:, number * n_cells : (number + 1) * n_cells]
        joint = (own.T @ marked).astype(np.float64).reshape(n_cells, n_columns, n_cells) / n_rows
        both = _entropy(joint).sum(axis=(0, 2))
        chance = (filled[number] - 1) * (filled - 1) / (2 * n_rows * np.log(2))
        shared[number] = np.maximum(entropy[number] + entropy - both - chance, 0.0)
    np.fill_diagonal(shared, 0.0)
    return shared


def cross_information(ranks: Sequence[IntArray], others: Sequence[IntArray]) -> FloatArray:
    """Mutual information of each column of one set with each of another, shape (n_columns, n_others); see above."""
    n_rows = ranks[0].size
    left, right = _marked(ranks, _CELL_BITS[0]), _marked(others, _CELL_BITS[0])
    n_cells = 1 << _CELL_BITS[0]
    shape = (len(ranks), n_cells, len(others), n_cells)
    joint = (left.T @ right).astype(np.float64).reshape(shape).transpose(0, 2, 1, 3) / n_rows
    p, q = joint[:, 0].sum(axis=2), joint[0].sum(axis=1)
    chance = np.outer(np.count_nonzero(p, axis=1) - 1, np.count_nonzero(q, axis=1) - 1) / (2 * n_rows * np.log(2))
    own, other = _entropy(p).sum(axis=1)[:, None], _entropy(q).sum(axis=1)
    shared: FloatArray = np.maximum(own + other - _entropy(joint).sum(axis=(2, 3)) - chance, 0.0)
    return shared


def _marked(ranks: Sequence[IntArray], bits: int) -> NDArray[np.float32]:
    """For each row and column a one in the cell of its rank, shape (n_rows, n_columns * n_cells)."""
    n_rows = ranks[0].size
    marked = np.zeros((n_rows, len(ranks) << bits), np.float32)
    for number, rank in enumerate(ranks):
        marked[np.arange(n_rows), (number << bits) + (rank >> (RANK_BITS - bits))] = 1.0
    return marked


def _entropy(share: FloatArray) -> FloatArray:
    """-p log2 p of each, 0 for 0."""
    result: FloatArray = -share * np.log2(share, out=np.zeros_like(share), where=share > 0)
    return result


def choose_parents(
    target: int, candidates: Sequence[int], shared: FloatArray, *, most: int, least_bits: float = 0.004
) -> tuple[int, ...]:
    """The columns that tell most about `target` and least about each other.

    Peng, Long and Ding, IEEE TPAMI 27 (2005) 1226: relevance less mean redundancy, greedily.

    Parameters
    ----------
    candidates
        Columns that are known before the target.
    shared
        As `mutual_information` gives it.
    most
        Most parents to take.
    least_bits
        A column that tells less than this is never taken.
    """
    left = [c for c in candidates if shared[target, c] >= least_bits]
    if len(left) <= most:
        return tuple(left)
    chosen: list[int] = []
    redundancy = np.zeros(shared.shape[0])
    while left and len(chosen) < most:
        scores = [shared[target, c] - redundancy[c] / max(len(chosen), 1) * 0.5 for c in left]
        best = left.pop(int(np.argmax(scores)))
        chosen.append(best)
        redundancy += shared[best]
    return tuple(sorted(chosen))


def related(target: int, candidates: Sequence[int], shared: FloatArray, most: int = 40) -> list[int]:
    """The candidates that tell most about `target`, at most so many, in their own order."""
    best = sorted(candidates, key=lambda slot: (-shared[target, slot], slot))[:most]
    return sorted(best)
