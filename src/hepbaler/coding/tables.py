"""The probability tables of the learned coder: whole numbers, from whole numbers only.

A network says where in rank space a value lies (*location*) and how surely (*level*: the scale is 2^(-level/2) of the
whole). These tables turn that into probabilities in parts of 2^24:

- *wide*: over all bins of a column, for levels up to 20, location in steps of half a scale;
- *narrow*: a bin before, the bin of the location itself, a bin after, or none of them, for finer levels;
- *inner*: the leading bits of a value's place inside its bin, where the distribution is not flat across the bin.

All are a logistic distribution, restricted to where it can be, mixed with a small share of the column's own histogram.
The logistic is itself a table of integers: exact decimal arithmetic makes the same table on every machine.
"""

from __future__ import annotations

import decimal
import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.features.ranks import MASS_BITS, RANK_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hepbaler.features.ranks import RankTable

    IntArray = NDArray[np.int64]

__all__ = (
    "INNER_BITS",
    "INNER_LEVELS",
    "LAST_LEVEL",
    "NARROW_LEVELS",
    "PRECISION",
    "WIDE_LEVEL",
    "constants",
    "inner_index",
    "inner_weights",
    "mass_levels",
    "narrow_weights",
    "quantise_weights",
    "wide_index",
    "wide_levels",
    "wide_offsets",
    "wide_weights",
)


def __dir__() -> tuple[str, ...]:
    return __all__


PRECISION = 24  # probabilities are parts of 2^24, constriction's own
WIDE_LEVEL = 20  # finest level of the wide tables: a scale of 1/1024 of the column
LAST_LEVEL = 30  # finest level of all
NARROW_LEVELS = (4, 13)  # levels relative to the bin's own mass: from 1/4 of the bin to 1/90
INNER_LEVELS = (-3, 13)  # from 2.8 bins (flatter is raw bits) to 1/90
INNER_BITS = 5
NARROW_STEPS = 64
_INNER_MARGIN = 8  # steps of a location outside the bin that are told apart
_INNER_UNIFORM = 7
_CDF_BITS = 30
_STEP_BITS, _FRACTION_BITS, _HALF = 5, 10, 512


@cache
def _logistic() -> IntArray:
    """1 / (1 + exp(-x)) in parts of 2^30 at x = -16, -16 + 1/32, ..., 16; shape (1025,)."""
    with decimal.localcontext(decimal.Context(prec=40)) as context:
        one, top = decimal.Decimal(1), decimal.Decimal(1 << _CDF_BITS)
        points = [top / (one + context.exp(-decimal.Decimal(i - _HALF) / 32)) for i in range(2 * _HALF + 1)]
        return np.array([int(point.to_integral_value(decimal.ROUND_HALF_EVEN)) for point in points], np.int64)


def _cdf(x: IntArray) -> IntArray:
    """Cumulative logistic of x in parts of 1/1024, as parts of 2^30, linear between the points of the table."""
    table = _logistic()
    x = np.clip(x, -(_HALF << _STEP_BITS), (_HALF << _STEP_BITS) - 1)
    index = (x >> _STEP_BITS) + _HALF
    low = table[index]
    result: IntArray = low + (((table[index + 1] - low) * (x & ((1 << _STEP_BITS) - 1))) >> _STEP_BITS)
    return result


@cache
def _inverse_scale(level: int) -> int:
    """2^(level/2) in parts of 1/1024, rounded down."""
    return math.isqrt(1 << (level + 2 * _FRACTION_BITS)) if level >= -20 else 1


@cache
def wide_levels() -> IntArray:
    """2^(level/2) in parts of 1/1024 for each level, shape (LAST_LEVEL + 1,)."""
    return np.array([_inverse_scale(level) for level in range(LAST_LEVEL + 1)], np.int64)


@cache
def wide_offsets() -> IntArray:
    """Index of the first wide table of each level, and their number, shape (WIDE_LEVEL + 2,)."""
    steps = (2 * wide_levels()[: WIDE_LEVEL + 1] >> _FRACTION_BITS) + 2
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])


def wide_index(location: IntArray, level: IntArray) -> IntArray:
    """Which wide table serves a location (parts of 2^28) and a level (up to WIDE_LEVEL), shape (n_rows,)."""
    half_steps = (2 * location * wide_levels()[level] + (1 << (RANK_BITS + _FRACTION_BITS - 1))) >> (
        RANK_BITS + _FRACTION_BITS
    )
    return wide_offsets()[level] + half_steps


def wide_weights(index: IntArray, ranks: RankTable, uniform: int) -> IntArray:
    """Probabilities of a column's bins (last: escape) in the wide tables `index`.

    Parameters
    ----------
    index
        Shape (n_tables,).
    uniform
        2^-uniform of the probability follows the column's histogram.

    Returns
    -------
    Parts of 2^24, each at least 1, shape (n_tables, n_bins + 1).
    """
    level = np.searchsorted(wide_offsets(), index, side="right") - 1
    half_steps = index - wide_offsets()[level]
    edges = (ranks.cumulative[None, :] * wide_levels()[level][:, None]) >> MASS_BITS
    below = _cdf(edges - (half_steps << (_FRACTION_BITS - 1))[:, None])
    weights = np.diff(below, axis=1)
    total = np.maximum(below[:, -1:] - below[:, :1], 1)
    return quantise_weights(weights, total, ranks.mass[None, :], MASS_BITS, uniform)


def narrow_weights(index: int, uniform: int) -> IntArray:
    """Probabilities of (bin before, bin of the location, bin after, none of them) in a narrow table; shape (4,).

    `index` is ``(relative level - 4) * 64 + place in the bin in parts of 64``.
    """
    level, step = NARROW_LEVELS[0] + index // NARROW_STEPS, index % NARROW_STEPS
    inverse = _inverse_scale(level)
    edges = np.array([-(2 * step + 1), 2 * NARROW_STEPS - 2 * step - 1], np.int64) * inverse // (2 * NARROW_STEPS)
    low, high = _cdf(edges).tolist()
    weights = np.array([[low, high - low, (1 << _CDF_BITS) - high, 0]], np.int64)
    none = np.array([[0, 0, 0, 1]], np.int64)
    parts: IntArray = quantise_weights(weights, np.array([[1 << _CDF_BITS]], np.int64), none, 0, uniform)[0]
    return parts


def _inner_grid(level: int) -> int:
    """A relative location is told in parts of 2^this: about half a scale."""
    return max(1, min(6, (level + 1) // 2 + 1))


@cache
def _inner_tables() -> tuple[IntArray, IntArray]:
    """Grid and first table of each relative level."""
    grids = np.array([_inner_grid(level) for level in range(*INNER_LEVELS)], np.int64)
    return grids, np.concatenate([np.zeros(1, np.int64), np.cumsum((1 << grids) + 2 * _INNER_MARGIN)])


@cache
def constants() -> tuple[IntArray, ...]:
    """All that the tables are made of: the logistic, 2^(level/2) and first table of each wide level, then of narrow and inner ones.

    Returns
    -------
    Logistic (1025,), wide levels (31,) and offsets (22,), narrow levels (9,), inner grids (16,), first tables (17,) and levels (16,).
    """
    grids, first = _inner_tables()
    narrow, inner = ([_inverse_scale(level) for level in range(*levels)] for levels in (NARROW_LEVELS, INNER_LEVELS))
    parts = (_logistic(), wide_levels(), wide_offsets(), narrow, grids, first, inner)
    return tuple(np.ascontiguousarray(part, np.int64) for part in parts)


def inner_index(location: IntArray, level: IntArray, start: IntArray, mass: IntArray, bits: IntArray) -> IntArray:
    """Which inner table serves a value whose bin is known.

    Parameters
    ----------
    location
        Parts of 2^28, shape (n_rows,).
    level
        Level relative to the bin, within INNER_LEVELS.
    start, mass
        The bin's cumulative mass and mass, parts of 2^16.
    bits
        How many leading bits of the offset the table gives, 1 to 5.
    """
    grids, first = _inner_tables()
    row = level - INNER_LEVELS[0]
    grid = grids[row]
    away = location - (start << (RANK_BITS - MASS_BITS))
    place = (away << grid) // (mass << (RANK_BITS - MASS_BITS))
    step = np.clip(place, -_INNER_MARGIN, (1 << grid) + _INNER_MARGIN - 1) + _INNER_MARGIN
    index: IntArray = ((first[row] + step) << 3) | bits
    return index


def inner_weights(index: int) -> IntArray:
    """Probabilities of the leading bits of an offset in an inner table, shape (2^bits,)."""
    grids, first = _inner_tables()
    bits, table = index & 7, index >> 3
    row = int(np.searchsorted(first, table, side="right")) - 1
    grid, inverse = int(grids[row]), _inverse_scale(INNER_LEVELS[0] + row)
    doubled_place = 2 * (table - int(first[row]) - _INNER_MARGIN) + 1  # parts of 2^(grid + 1)
    edges = (np.arange((1 << bits) + 1, dtype=np.int64) << (grid + 1)) - (doubled_place << bits)
    below = _cdf((edges * inverse) >> (grid + 1 + bits))[None, :]
    weights = np.diff(below, axis=1)
    total = np.maximum(below[:, -1:] - below[:, :1], 1)
    parts: IntArray = quantise_weights(weights, total, np.ones_like(weights), bits, _INNER_UNIFORM)[0]
    return parts


def quantise_weights(weights: IntArray, total: IntArray, share: IntArray, share_bits: int, uniform: int) -> IntArray:
    """Mix and round: parts of 2^24, each at least 1, the rest to the (first) largest; shape as `weights`."""
    free = (1 << PRECISION) - weights.shape[1]
    flat = free >> uniform
    parts = weights * (free - flat) // total + ((share * flat) >> share_bits)
    best = np.argmax(parts, axis=1)
    rows = np.arange(parts.shape[0])
    parts[rows, best] += free - parts.sum(axis=1)
    result: IntArray = parts + 1
    return result


def mass_levels(mass: IntArray) -> IntArray:
    """-2 log2(mass / 65536), rounded down: what a level must lose to be relative to a bin of that mass."""
    # The exponent of a whole number as float64, which is exact here, is its length in bits.
    lengths = np.frexp((mass * mass - 1).astype(np.float64))[1]
    return 2 * MASS_BITS - lengths.astype(np.int64)
