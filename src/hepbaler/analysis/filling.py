"""Histograms of masses whose values lie on a grid.

Rounded values (of 10 mantissa bits, say 0.15 GeV apart) beat with the edges of bins: a bin holds four grid points or five,
and a fit of the same masses in bins of 0.6 GeV moves by up to 0.1 GeV, though no mass moved by more than 0.08 and their
mean not at all. A stored value stands for all those that are rounded to it, so it is spread evenly over its cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ("Filler",)

Array = NDArray[np.float64]

NEIGHBOURS = 15  # gaps among which the smallest is the grid's step there
NEXT_POINT = 1.5  # steps; a neighbour further away is not the next point of the grid
SMALL_GAP = 0.05  # of the mean gap: values that lie anywhere have smaller ones


def __dir__() -> tuple[str, ...]:
    return __all__


class Filler:
    """Fills the masses of one file into bins, also with other weights.

    Parameters
    ----------
    masses
        In GeV, shape (n_candidates,). Those a little outside the bins count, too: their cells may reach inside.
    edges
        Of the bins, shape (n_bins + 1,).
    spread
        Whether values on a grid are spread over their cells.

    Attributes
    ----------
    step
        Typical step of the grid in GeV, 0 where the values lie on none.
    """

    def __init__(self, masses: NDArray[np.floating], edges: Array, *, spread: bool = True) -> None:
        self._edges = edges
        values, self._index = np.unique(np.asarray(masses, np.float64), return_inverse=True)
        steps = _steps(values, len(self._index)) if spread else None
        self.step = 0.0 if steps is None else float(np.median(steps))
        # Bin 0 and the last are for what lies outside.
        self._bins = np.searchsorted(edges, values, side="right")[self._index]
        self._knots = np.empty(0) if steps is None else _cells(values, steps)

    def fill(self, weights: Array | None = None) -> Array:
        """Entries in each bin, shape (n_bins,).

        Parameters
        ----------
        weights
            Of the masses, shape (n_candidates,).
        """
        if not len(self._knots):
            return np.bincount(self._bins, weights, len(self._edges) + 1)[1:-1].astype(np.float64)
        n_values = len(self._knots) // 2
        total = np.cumsum(np.bincount(self._index, weights, n_values))
        below = np.concatenate([[0.0], total[:-1]])
        cumulative = np.stack([below, total], axis=1).ravel()
        return np.diff(np.interp(self._edges, self._knots, cumulative))


def _cells(values: Array, steps: Array) -> Array:
    """Left and right border of each value's cell in turn, shape (2 n_values,)."""
    gaps = np.diff(values)
    # Half way to the neighbour, unless points between them are empty.
    left = np.minimum(np.insert(gaps, 0, steps[0]), steps * NEXT_POINT)
    right = np.minimum(np.append(gaps, steps[-1]), steps * NEXT_POINT)
    left = np.where(left < steps * NEXT_POINT, left, steps)
    right = np.where(right < steps * NEXT_POINT, right, steps)
    return np.stack([values - left / 2, values + right / 2], axis=1).ravel()


def _steps(values: Array, n_masses: int) -> Array | None:
    """The grid's step around each value, or None where the values lie on no grid."""
    gaps = np.diff(values)
    # Of few values one cannot tell a grid by their gaps, but if they repeat they lie on one.
    on_grid = (
        n_masses >= 2 * len(values) if len(gaps) < NEIGHBOURS else np.quantile(gaps, 0.01) > SMALL_GAP * gaps.mean()
    )
    if not len(gaps) or not on_grid:
        return None
    # A coarse grid changes its step from one gap to the next but one; and it has no empty points that would hide it.
    near = NEIGHBOURS if len(gaps) > 8 * NEIGHBOURS else 3
    padded = np.pad(gaps, near // 2, mode="edge")
    smallest = np.lib.stride_tricks.sliding_window_view(padded, near).min(axis=1)
    steps: Array = np.minimum(np.append(smallest, smallest[-1]), np.insert(smallest, 0, smallest[0]))
    return steps
