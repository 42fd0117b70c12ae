"""Rank space: a column's integers as intervals of the column's own cumulative distribution.

A `RankTable` cuts the integers of a column into at most 255 *bins*, atoms (one value) or intervals of 2^k values, and
gives each a mass of whole parts of 65536. A value's *rank* is the mass below it, in parts of 2^28, linear inside its
bin. Spikes, ids, flags and smooth spectra all become numbers between 0 and 1 that are spread evenly, so one kind of
distribution (`hepbaler.coding.tables`) serves every column::

    q       ... 0 0 0 0 | 17 18 | 19 20 | 21 22 23 24 | ...   outside
    bin       0 (atom)  |   1   |   2   |      3      | ...   escape
    mass        21000   |  250  |  260  |     255     | ...   1        (sum 65536)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.errors import CorruptFile, InputError
from hepbaler.loops import kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float32]

__all__ = ("MASS_BITS", "MAX_BINS", "MISSING", "RANK_BITS", "RankTable", "as_input", "at_rows", "fit_ranks")


def __dir__() -> tuple[str, ...]:
    return __all__


MASS_BITS = 16
RANK_BITS = 28
FEWEST_BINS = 16
MAX_BINS = 255
# Stands for a value that a row does not have; it lies in no bin, and so has the rank of the escape.
MISSING = -(1 << 62)
# Inside a bin the rank is linear in the leading bits of the offset only: mass * offset stays far below 2^63.
_OFFSET_BITS = RANK_BITS - MASS_BITS
# A direct lookup of the bin by value costs one byte or two a possible value; beyond this a search is used.
_LOOKUP_SPAN = 1 << 18


def as_input(rank: IntArray) -> FloatArray:
    """A rank (parts of 2^28) as a network sees it: -2048 to 2047, shape (n_rows,)."""
    return ((rank >> (RANK_BITS - 12)) - 2048).astype(np.float32)


def at_rows(column: IntArray, rows: IntArray) -> IntArray:
    """A column at some rows, `MISSING` where the row is -1; shape of `rows`."""
    loops = kernels()
    if loops is None:
        if column.size == 0:
            return np.full(rows.size, MISSING, np.int64)
        return np.where(rows < 0, MISSING, column[np.maximum(rows, 0)])
    seen = np.empty(rows.size, np.int64)
    loops.gather(np.ascontiguousarray(column), column.size, np.ascontiguousarray(rows), rows.size, seen)
    return seen


@dataclass(frozen=True, eq=False)
class RankTable:
    """The bins of a column and their masses.

    Attributes
    ----------
    base
        First value of each bin, shape (n_bins,), ascending; bins do not overlap.
    shift
        A bin holds the values base <= q < base + 2^shift, shape (n_bins,), 0 to 62.
    mass
        Parts of 65536, each at least 1, shape (n_bins + 1,); the last is the escape's: values in no bin.
    """

    base: IntArray
    shift: IntArray
    mass: IntArray

    def __post_init__(self) -> None:
        n_bins = self.base.size
        widths_fit = bool(np.all((self.shift >= 0) & (self.shift <= 62)))
        if not (1 <= n_bins <= MAX_BINS and self.shift.shape == (n_bins,) and self.mass.shape == (n_bins + 1,)):
            msg = f"rank table: {n_bins} bins with {self.shift.size} widths and {self.mass.size} masses do not fit together"
            raise CorruptFile(msg, section="model", expected=n_bins, found=self.mass.size)
        if not widths_fit or bool(np.any(self.mass < 1)) or int(self.mass.sum()) != 1 << MASS_BITS:
            msg = "rank table: widths must lie in 2^0..2^62 and masses be at least 1 with the sum 65536"
            raise CorruptFile(msg, section="model", found=int(self.mass.sum()))
        gaps = self.base[1:].view(np.uint64) - self.base[:-1].view(np.uint64)
        if bool(np.any(self.base[1:] <= self.base[:-1])) or bool(np.any(gaps < (np.uint64(1) << self._widths[:-1]))):
            msg = "rank table: bins overlap or are not in ascending order"
            raise CorruptFile(msg, section="model")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RankTable) and all(
            np.array_equal(mine, theirs)
            for mine, theirs in ((self.base, other.base), (self.shift, other.shift), (self.mass, other.mass))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_bins(self) -> int:
        """Number of bins without the escape; also the escape's own index."""
        return int(self.base.size)

    @cached_property
    def cumulative(self) -> IntArray:
        """Mass below each bin, shape (n_bins + 2,): 0, ..., start of the escape, 65536."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.mass)])

    @cached_property
    def arrays(self) -> tuple[IntArray, ...]:
        """Base, shift, cumulative mass and mass, the last three with the escape: as the compiled loops take them."""
        parts = (self.base, np.append(self.shift, 0), self.cumulative, self.mass)
        return tuple(np.ascontiguousarray(part, np.int64) for part in parts)

    @cached_property
    def _widths(self) -> NDArray[np.uint64]:
        return self.shift.astype(np.uint64)

    @cached_property
    def _lookup(self) -> NDArray[np.int16] | None:
        """Bin of each value from base[0] on, where the column's span is small."""
        end = int(self.base[-1]) + (1 << int(self.shift[-1]))
        span = end - int(self.base[0])
        if span > _LOOKUP_SPAN:
            return None
        table = np.full(span + 1, self.n_bins, np.int16)
        for index, (base, shift) in enumerate(zip(self.base.tolist(), self.shift.tolist(), strict=True)):
            start = base - int(self.base[0])
            table[start : start + (1 << shift)] = index
        return table

    def locate(self, q: IntArray) -> tuple[NDArray[np.int16], IntArray]:
        """Bin of each value, and its distance from the bin's first value (0 for escapes), both shape (n_rows,)."""
        lookup = self._lookup
        if lookup is not None:
            # One unsigned comparison covers both sides: values below base[0] wrap to the far end.
            distance = np.minimum(q.view(np.uint64) - self.base[:1].view(np.uint64), np.uint64(lookup.size - 1))
            bins = lookup[distance.view(np.int64)]
        else:
            candidate = np.searchsorted(self.base, q, side="right") - 1
            inside = np.maximum(candidate, 0)
            distance = q.view(np.uint64) - self.base[inside].view(np.uint64)
            fits = (candidate >= 0) & (distance < (np.uint64(1) << self._widths[inside]))
            bins = np.where(fits, candidate, self.n_bins).astype(np.int16)
        first = np.append(self.base, 0)[bins]
        return bins, np.where(bins < self.n_bins, q - first, 0)

    def values(self, bins: NDArray[np.int16], offset: IntArray) -> IntArray:
        """The inverse of `locate` for values that lie in a bin; escapes give 0."""
        values: IntArray = np.append(self.base, 0)[bins] + offset
        return values

    def centre(self, bins: NDArray[np.int16], offset: IntArray) -> IntArray:
        """Rank of the middle of each value's own interval, parts of 2^28, shape (n_rows,)."""
        shift = np.append(self.shift, 0)
        kept = np.minimum(shift, _OFFSET_BITS)
        leading = offset >> (shift - kept)[bins]
        mass = self.mass[bins]
        start = self.cumulative[bins] << _OFFSET_BITS
        rank: IntArray = start + ((mass * (2 * leading + 1)) << (_OFFSET_BITS - 1) >> kept[bins])
        return rank

    def ranks(self, q: IntArray) -> IntArray:
        """Rank of each value, parts of 2^28, shape (n_rows,)."""
        return self.centre(*self.locate(q))

    def inputs(self, q: IntArray) -> FloatArray:
        """How a network sees each value (`as_input` of its rank), shape (n_rows,)."""
        loops = kernels()
        if loops is None:
            return as_input(self.ranks(q))
        seen = np.empty(q.size, np.float32)
        loops.see_ranks(np.ascontiguousarray(q), q.size, self.arrays, seen)
        return seen


def fit_ranks(sample: IntArray, *, max_bins: int = MAX_BINS) -> RankTable:
    """Cut a column into bins of about the same mass, with atoms for values that hold more than a bin.

    Parameters
    ----------
    sample
        Values of the column, shape (n_rows,).
    max_bins
        Most bins to use, 16 to 255: eight of the widest cover all 64-bit integers, so that there is always a way.

    Notes
    -----
    `MISSING` gets no bin: its share of the sample becomes the mass of the escape.

    Raises
    ------
    InputError
        If the sample is empty or `max_bins` out of range.
    """
    if sample.size == 0 or not FEWEST_BINS <= max_bins <= MAX_BINS:
        msg = f"ranks need at least one value and {FEWEST_BINS} to {MAX_BINS} bins, got {sample.size} values and {max_bins} bins"
        raise InputError(msg)
    values, counts = np.unique(sample, return_counts=True)
    if values.size > 1 and values[0] == MISSING:
        return _with_missing(fit_ranks(sample[sample != MISSING], max_bins=max_bins), int(counts[0]) / sample.size)
    if values.size <= max_bins:
        base, shift = values.astype(np.int64), np.zeros(values.size, np.int64)
        return RankTable(base, shift, _masses(counts.astype(np.int64)))
    below = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    target = sample.size / max_bins
    while True:
        bins = _cut(values, counts, below, target, max_bins)
        if bins is not None:
            break
        target *= 1.15
    base, shift = np.array(bins[0], np.int64), np.array(bins[1], np.int64)
    first = np.searchsorted(values, base, side="left")
    ends = [start + (1 << width) - 1 for start, width in zip(bins[0], bins[1], strict=True)]
    last = np.array([np.searchsorted(values, min(end, np.iinfo(np.int64).max), side="right") for end in ends])
    return RankTable(base, shift, _masses(below[last] - below[first]))


def _with_missing(table: RankTable, share: float) -> RankTable:
    """The same bins, with `share` of the mass in the escape."""
    n_bins = table.n_bins
    free = (1 << MASS_BITS) - n_bins - 1
    mass = np.append(table.mass[:-1] - 1, 0) * round((1.0 - share) * free) // free + 1
    mass[-1] += (1 << MASS_BITS) - int(mass.sum())
    return RankTable(table.base, table.shift, mass)


def _cut(
    values: IntArray, counts: IntArray, below: IntArray, target: float, max_bins: int
) -> tuple[list[int], list[int]] | None:
    """Walk upwards and take the widest power of two that holds at most `target` values; None if too many bins."""
    atoms = np.flatnonzero(counts > target)
    limits = [*values[atoms].tolist(), int(values[-1]) + (1 << 62)]
    n_values = values.size
    base: list[int] = []
    shift: list[int] = []
    position, at = int(values[0]), 0
    atom = 0
    while at < n_values:
        if len(base) == max_bins:
            return None
        following = int(values[at])
        width = 1 << shift[-1] if shift else 1
        # A smooth column continues where the last bin ended; across a wide hole the next bin starts at a real value.
        position = following if following - position > 4 * width else min(position, following)
        if position == limits[atom]:
            k, atom = 0, atom + 1
        else:
            k = 0
            while (
                k < 61
                and position + (2 << k) <= limits[atom]
                and below[np.searchsorted(values, position + (2 << k))] - below[at] <= target
            ):
                k += 1
                if position + (1 << k) > int(values[-1]):
                    break
        base.append(position)
        shift.append(k)
        position += 1 << k
        if position > np.iinfo(np.int64).max:
            break
        at = int(np.searchsorted(values, position))
    return base, shift


def _masses(counts: IntArray) -> IntArray:
    """Whole parts of 65536 for each bin and, last, the escape; each at least 1."""
    n_bins = counts.size
    free = (1 << MASS_BITS) - n_bins - 1
    total = int(counts.sum())
    parts = counts.astype(object) * free // total
    mass = np.append(np.array(parts, np.int64) + 1, 1)
    mass[int(np.argmax(mass))] += (1 << MASS_BITS) - int(mass.sum())
    return mass
