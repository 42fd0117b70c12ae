"""From masses to what is fitted: shares of points for the likelihood, entries of bins for figures and goodness of fit.

Bins are bad for small shifts. A mass that crosses the edge of a bin of 0.6 GeV looks as if it had moved by 0.6 GeV, and one
that moved inside of a bin as if it had not. So the likelihood knows no bins: it is a sum over masses, whose logarithm is
interpolated between points that lie much closer than a peak is wide. Each mass gives its share to the points on both sides.

Bins remain for figures and for the goodness of fit. There, rounded values (of 10 mantissa bits, say 0.15 GeV apart) beat
with the edges: a bin holds four grid points or five. A stored value stands for all those that are rounded to it, so it is
spread evenly over its cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .settings import FitSettings

__all__ = ("Spectrum", "fill_bins")

Array = NDArray[np.float64]

NEIGHBOURS = 15  # gaps among which the smallest is the grid's step there
NEXT_POINT = 1.5  # steps; a neighbour further away is not the next point of the grid
SMALL_GAP = 0.05  # of the mean gap: values that lie anywhere have smaller ones
MARGIN = 1.0  # of the window: cells of masses outside may reach inside, and a coarse grid shows only there


def __dir__() -> tuple[str, ...]:
    return __all__


class Spectrum:
    """The masses of one file in a window.

    Parameters
    ----------
    masses
        In GeV, shape (n_masses,).
    settings
        Window, bins and points.

    Attributes
    ----------
    inside
        Which masses lie in the window, shape (n_inside,), ascending.
    bins
        Entries in each bin, shape (n_bins,); values on a grid are spread over their cells.
    step
        Typical step of the grid in GeV, 0 where the values lie on none.
    """

    def __init__(self, masses: NDArray[np.floating], settings: FitSettings) -> None:
        masses = np.asarray(masses, np.float64)
        edges = settings.fine_edges
        margin = MARGIN * (settings.high - settings.low)
        near = masses[(masses >= edges[0] - margin) & (masses < edges[-1] + margin)]
        self.bins, self.step = fill_bins(near, settings.edges)
        self.inside = np.flatnonzero((masses >= edges[0]) & (masses < edges[-1]))
        self._n_points = len(edges) - 1
        # Half a cell at each end lies beyond the last point, which takes all of it.
        place = (masses[self.inside] - edges[0]) / (edges[1] - edges[0]) - 0.5
        place = np.clip(place, 0.0, np.nextafter(self._n_points - 1.0, 0.0))
        self._point = place.astype(np.int64)
        self._share = place - self._point

    def points(self, weights: Array | None = None) -> Array:
        """Masses that each point of the likelihood stands for, shape (n_points,).

        Parameters
        ----------
        weights
            Of the masses inside, shape (n_inside,).
        """
        weights = np.ones(len(self.inside)) if weights is None else weights
        above = weights * self._share
        below = np.bincount(self._point, weights - above, self._n_points)
        return np.asarray(below + np.bincount(self._point + 1, above, self._n_points), np.float64)


def fill_bins(masses: NDArray[np.floating], edges: Array) -> tuple[Array, float]:
    """Entries in bins; values on a grid are spread over their cells.

    Parameters
    ----------
    masses
        In GeV, shape (n_masses,). Those a little outside the bins count, too: their cells may reach inside.
    edges
        Of the bins, shape (n_bins + 1,).

    Returns
    -------
    bins, step
        Shape (n_bins,), and the typical step of the grid between the edges in GeV, 0 where the values lie on none.
    """
    values, index = np.unique(np.asarray(masses, np.float64), return_inverse=True)
    steps = _steps(values, len(index))
    if steps is None:
        # Bin 0 and the last are for what lies outside.
        bins = np.searchsorted(edges, values, side="right")[index]
        return np.bincount(bins, minlength=len(edges) + 1)[1:-1].astype(np.float64), 0.0
    between = (values >= edges[0]) & (values < edges[-1])
    step = float(np.median(steps[between] if between.any() else steps))
    total = np.cumsum(np.bincount(index, minlength=len(values)))
    below = np.concatenate([[0.0], total[:-1]])
    cumulative = np.stack([below, total], axis=1).ravel()
    return np.diff(np.interp(edges, _cells(values, steps), cumulative)), step


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
