"""Which column sees which, and in which order: found from the sample, without names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

__all__ = ("choose_parents", "mutual_information")


def __dir__() -> tuple[str, ...]:
    return __all__


_CELLS = 16


def mutual_information(ranks: Sequence[IntArray]) -> FloatArray:
    """Mutual information of each pair of columns, in bits, after cutting each into 16 parts of its rank.

    Parameters
    ----------
    ranks
        One array a column, shape (n_rows,), parts of 2^28.

    Returns
    -------
    Shape (n_columns, n_columns); what chance alone would give is subtracted (Miller, 1955), and nothing is below 0.
    """
    cells = [(rank >> 24).astype(np.int64) for rank in ranks]
    n_columns, n_rows = len(cells), cells[0].size if cells else 0
    shared = np.zeros((n_columns, n_columns))
    for i in range(n_columns):
        for j in range(i):
            joint = np.bincount(cells[i] * _CELLS + cells[j], minlength=_CELLS**2).reshape(_CELLS, _CELLS) / n_rows
            rows, columns = joint.sum(axis=1), joint.sum(axis=0)
            product = np.outer(rows, columns)
            some = joint > 0
            bits = float((joint[some] * np.log2(joint[some] / product[some])).sum())
            chance = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1) / (2 * n_rows * np.log(2))
            shared[i, j] = shared[j, i] = max(bits - chance, 0.0)
    return shared


def choose_parents(
    target: int, candidates: Sequence[int], shared: FloatArray, *, most: int, least_bits: float = 0.002
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
