"""A column before and after, piece by piece: what can be summed up exactly, and a sample of rows for the rest.

Counts, the largest error, bias and RMS are of all values. Distributions, quantiles and correlations are of a sample of
rows (all of them, if there are few enough), the same rows in all columns of equal length, so that memory stays bounded.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("ColumnTally", "Sums")

Array = NDArray[np.float64]
Values = NDArray[np.generic]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Sums:
    """What is known of all values.

    Attributes
    ----------
    values
        Compared.
    changed
        Not the same number as before.
    nonfinite
        NaN or infinite on one side only, or infinite with another sign.
    outside
        Further away than allowed.
    largest_error
        In the column's unit, of finite values.
    largest_share
        Largest error as a share of what is allowed; None without a promise.
    bias, rms
        Mean and root mean square of after minus before.
    unpaired
        Why values could not be compared one by one; None if they could.
    """

    values: int
    changed: int
    nonfinite: int
    outside: int
    largest_error: float
    largest_share: float | None
    bias: float
    rms: float
    unpaired: str | None


class ColumnTally:
    """Collects a column.

    Parameters
    ----------
    sample_rows
        Rows of the sample.
    seed
        Of the choice of rows.
    """

    def __init__(self, sample_rows: int, seed: int = 0) -> None:
        self._sample_rows = sample_rows
        self._seed = seed
        self._lengths = hashlib.blake2b(digest_size=8)
        self._pieces = 0
        self._values = self._changed = self._nonfinite = self._outside = self._compared = 0
        self._largest = self._sum = self._sum_of_squares = 0.0
        self._share: float | None = None
        self._unpaired: str | None = None
        self._priority = np.empty(0)
        self._before: Values = np.empty(0)
        self._after: Values = np.empty(0)

    @property
    def signature(self) -> str:
        """Equal for columns whose pieces had the same lengths, whose samples are then of the same rows."""
        return self._lengths.hexdigest()

    @property
    def sample(self) -> tuple[Values, Values]:
        """Sampled values before and after, each of shape (n_sample,), in their own dtypes."""
        return self._before, self._after

    def add(self, before: Values, after: Values, allowed: Array | None = None) -> None:
        """Compare a piece of the column.

        Parameters
        ----------
        before, after
            Shape (n_rows,) each.
        allowed
            Largest allowed error of each value, in the column's unit, shape (n_rows,).
        """
        self._pieces += 1
        self._lengths.update(len(before).to_bytes(8, "little"))
        if len(before) != len(after):
            self._unpaired = self._unpaired or f"{len(after)} values where there were {len(before)}"
            return
        self._values += len(before)
        with np.errstate(all="ignore"):
            same = before == after
        if before.dtype.kind == after.dtype.kind == "f":
            same |= np.isnan(before) & np.isnan(after)
        if not bool(same.all()):
            self._compare(before, after, same, allowed)
        elif allowed is not None:
            self._share = max(self._share or 0.0, 0.0)
        self._sample(before, after)

    def _compare(self, before: Values, after: Values, same: NDArray[np.bool_], allowed: Array | None) -> None:
        differ = ~same
        self._changed += int(differ.sum())
        one, other = before[differ].astype(np.float64), after[differ].astype(np.float64)
        with np.errstate(all="ignore"):
            errors = other - one
        finite = np.isfinite(errors)
        self._nonfinite += int(len(errors) - finite.sum())
        errors = errors[finite]
        self._largest = max(self._largest, float(np.max(np.abs(errors), initial=0.0)))
        self._sum += float(errors.sum())
        self._sum_of_squares += float(np.sum(errors**2))
        if allowed is None:
            return
        limit = allowed[differ]
        with np.errstate(all="ignore"):
            # An error where none is allowed is infinitely many times what is allowed.
            shares = np.where(limit[finite] > 0, np.abs(errors) / limit[finite], math.inf)
        self._outside += int(np.count_nonzero(shares > 1)) + int(len(finite) - finite.sum())
        self._share = max(self._share or 0.0, float(np.max(shares, initial=0.0)))

    def _sample(self, before: Values, after: Values) -> None:
        """Keep the rows with the smallest of random numbers that depend on nothing but place and length."""
        n = len(before)
        priority = np.random.default_rng([self._seed, self._pieces, n]).random(n)
        if len(self._priority) == 0:
            self._before, self._after = before[:0], after[:0]
        if len(self._priority) >= self._sample_rows:
            better = np.flatnonzero(priority < self._priority.max())
            before, after, priority = before[better], after[better], priority[better]
        priority = np.concatenate([self._priority, priority])
        before, after = np.concatenate([self._before, before]), np.concatenate([self._after, after])
        if len(priority) > self._sample_rows:
            keep = np.sort(np.argpartition(priority, self._sample_rows)[: self._sample_rows])
            before, after, priority = before[keep], after[keep], priority[keep]
        self._before, self._after, self._priority = before, after, priority

    def sums(self) -> Sums:
        """What is known of all values so far."""
        n = max(self._values - self._nonfinite, 1)
        return Sums(
            values=self._values,
            changed=self._changed,
            nonfinite=self._nonfinite,
            outside=self._outside,
            largest_error=self._largest,
            largest_share=self._share,
            bias=self._sum / n,
            rms=math.sqrt(self._sum_of_squares / n),
            unpaired=self._unpaired,
        )
