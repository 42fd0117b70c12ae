"""How far two samples of the same column are from each other: distributions, correlations, combing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = (
    "Correlations",
    "combing_bins",
    "correlate",
    "error_quantiles",
    "ks_distance",
    "levy_excess",
    "spread_of",
    "wasserstein",
)

Array = NDArray[np.float64]

QUANTILES = (0.5, 0.68, 0.95, 0.99)
CENTRAL = (0.05, 0.95)  # part of a distribution in which combing is looked for
FEWEST_BINS = 32
ENTRIES_A_BIN = 10.0
COMBING_SIGMAS = 6.0
COMBING_EXCESS = 0.5  # of roughness over before: what is weaker than half a statistical fluctuation cannot be seen


def __dir__() -> tuple[str, ...]:
    return __all__


def spread_of(values: Array) -> float:
    """Half of the central 68 % of the distribution; the standard deviation where that is 0."""
    if not len(values):
        return 0.0
    low, high = np.quantile(values, (0.16, 0.84))
    return float(high - low) / 2 or float(values.std())


def ks_distance(before: Array, after: Array) -> float:
    """Largest difference of the cumulative distributions (Kolmogorov-Smirnov), from 0 to 1."""
    if not len(before) or not len(after):
        return 0.0 if len(before) == len(after) else 1.0
    one, other = np.sort(before), np.sort(after)
    points = np.concatenate([one, other])
    return float(
        np.max(
            np.abs(
                np.searchsorted(one, points, "right") / len(one) - np.searchsorted(other, points, "right") / len(other)
            )
        )
    )


def levy_excess(before: Array, after: Array, width: float) -> float:
    """What of the Kolmogorov-Smirnov distance remains if every value may move by `width`, from 0 to 1.

    Where many rows share one value, a rounding that nobody would see moves all of them, and the plain distance is large.
    """
    if not len(before) or not len(after):
        return 0.0 if len(before) == len(after) else 1.0
    one, other = np.sort(before), np.sort(after)
    points = np.concatenate([one, other])
    low, high = (np.searchsorted(one, points + move, "right") / len(one) for move in (-width, width))
    there = np.searchsorted(other, points, "right") / len(other)
    return float(max(np.max(low - there), np.max(there - high), 0.0))


def wasserstein(before: Array, after: Array) -> float:
    """Mean distance that values have to move to turn one distribution into the other, in the column's unit.

    Both have the same number of values.
    """
    return float(np.mean(np.abs(np.sort(before) - np.sort(after)))) if len(before) else 0.0


def error_quantiles(before: Array, after: Array) -> dict[str, float]:
    """Quantiles of ``|after - before| / |before|`` where before is not 0, by level (``"0.5"``)."""
    nonzero = before != 0
    if not nonzero.any():
        return {}
    with np.errstate(over="ignore"):
        errors = np.abs(after[nonzero] - before[nonzero]) / np.abs(before[nonzero])
    return {f"{level:g}": float(value) for level, value in zip(QUANTILES, np.quantile(errors, QUANTILES), strict=True)}


def combing_bins(before: Array, after: Array) -> int | None:
    """The smallest number of bins in which the values after show a comb that the values before do not.

    Rounded values fall unevenly into fine bins. In bins of equal width over the central 90 %, doubled until few entries
    are left in each, the roughness (squared second differences over their expectation) is compared with that before.

    Parameters
    ----------
    before, after
        Shape (n_rows,) each.

    Returns
    -------
    int or None
        None if there is no comb as far as statistics let one see.
    """
    if len(before) < FEWEST_BINS * ENTRIES_A_BIN:
        return None
    low, high = np.quantile(before, CENTRAL)
    if not low < high:
        return None
    inside = before[(before > low) & (before < high)]
    # A value that many rows share is a spike of the distribution, rounded or not, and would drown the comb.
    if len(np.unique(inside)) < len(inside) / 4:
        return None
    bins = FEWEST_BINS
    while len(inside) / bins >= ENTRIES_A_BIN:
        one, other = (_roughness(np.histogram(side, bins, (low, high))[0]) for side in (before, after))
        # Var of the mean of squared second differences of Poisson counts: 35/9 over the number of bins.
        error = math.sqrt(35 / 9 / bins) * max(one, 1.0)
        if other - one > max(COMBING_SIGMAS * error, COMBING_EXCESS * max(one, 1.0)):
            return bins
        bins *= 2
    return None


def _roughness(counts: NDArray[np.integer]) -> float:
    second = counts[1:-1] - (counts[:-2] + counts[2:]) / 2
    expected = counts[1:-1] + (counts[:-2] + counts[2:]) / 4
    return float(np.mean(second**2 / np.maximum(expected, 1.0)))


@dataclass(frozen=True)
class Correlations:
    """Linear correlation of columns with the same rows.

    Attributes
    ----------
    columns
        Names of those that vary, shape (n_columns,).
    rows
        From which they were found.
    before, after
        Shape (n_columns, n_columns).
    """

    columns: tuple[str, ...]
    rows: int
    before: Array
    after: Array

    @property
    def difference(self) -> Array:
        """After minus before."""
        return self.after - self.before

    def largest(self) -> tuple[str, str, float, float]:
        """The pair that changed most: names, correlation before, correlation after."""
        i, j = np.unravel_index(int(np.argmax(np.abs(self.difference))), self.before.shape)
        return self.columns[i], self.columns[j], float(self.before[i, j]), float(self.after[i, j])


def correlate(before: Mapping[str, Array], after: Mapping[str, Array]) -> Correlations | None:
    """Correlation matrices of columns.

    Parameters
    ----------
    before, after
        Values by column, all of shape (n_rows,). Rows in which any is not finite are left out.

    Returns
    -------
    Correlations or None
        None for fewer than two columns that vary.
    """
    if not before:
        return None
    good = np.logical_and.reduce([np.isfinite(values) for side in (before, after) for values in side.values()])
    names = [name for name in before if good.any() and all(np.ptp(side[name][good]) > 0 for side in (before, after))]
    if len(names) < 2 or int(good.sum()) < 3:
        return None
    one, other = (np.atleast_2d(np.corrcoef([side[name][good] for name in names])) for side in (before, after))
    return Correlations(tuple(names), int(good.sum()), one, other)
