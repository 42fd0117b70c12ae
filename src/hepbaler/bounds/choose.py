"""From a bound and a look at the column to a grid.

- exact bound, or nothing to gain from a lossy one: the column's own grid, bit for bit;
- ``abs``: equal steps; ``rel``: equal ratios; ``bits``: equal steps up to the column's scale, then equal ratios.

Compressing a decompressed file again must change no value, although its median, and so the scale, is another. So a grid
on which all sampled values already lie is taken before any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .bound import Bound
from .facts import ColumnFacts
from .floats import FloatFormat, bit_patterns, float_format, is_float
from .grids import LIMIT, FixedGrid, Grid, HybridGrid, IntegerGrid, LogGrid, MantissaGrid, UniformGrid
from .quantise import Choice, quantise, restore

__all__ = ("choose_grid",)


def __dir__() -> tuple[str, ...]:
    return __all__


# An exception costs about 100 bits; a column with more of them than this is better kept exactly.
_MOST_EXCEPTIONS = 0.03
# Bit patterns that would be exceptions get codes of their own from this share of the sample on.
_FREQUENT = 0.005
# A part of a column with fewer values to judge from says too little about the rest.
_FEWEST = 32
# Sampled values that are enough to count exceptions and distinct values.
_ENOUGH = 1 << 16
# Plain coders give so many values a bin each, however far apart their integers are.
_SHORT_LIST = 64
# Bins of a log grid are counted below 2^30: finer relative bounds round mantissas instead.
_FINEST_BITS = 20
# Share of a uniform grid's step that is left to the rounding of the stored value, by the dtype's size.
_STEP_MARGIN = {2: 2.0**-5, 4: 2.0**-9, 8: 2.0**-20}


def choose_grid(bound: Bound, facts: ColumnFacts, sample: NDArray[Any]) -> Choice:
    """Choose the grid of a column.

    Parameters
    ----------
    bound
        What is asked for. Integers and bools stay exact whatever it says.
    facts
        Facts about all rows.
    sample
        Shape ``(n_sample,)``: values from all over the column, of its dtype.

    Raises
    ------
    InputError
        The sample is of another dtype than the facts.
    """
    sample = np.asarray(sample)
    if sample.dtype.newbyteorder("=").name != facts.dtype or sample.ndim != 1:
        msg = f"a sample of {sample.dtype} with shape {sample.shape} does not belong to a flat column of {facts.dtype}"
        raise InputError(msg)
    if not is_float(facts.dtype):
        return Choice(IntegerGrid(facts.dtype), bound, 0.0, exact=True)
    own = Choice(_own_grid(facts, sample), bound, 0.0, exact=True)
    if bound.is_exact or _own_grid_suffices(bound, facts):
        return own
    sizes = _normal_sizes(sample)
    if not len(sizes) or (len(sizes) < _FEWEST and len(sample) < facts.count):
        return own
    if bound.kind == "abs":
        choice = Choice(_uniform(bound.value, facts.dtype, _specials(sample)), bound, 0.0, exact=False)
    elif bound.kind == "rel":
        choice = Choice(_log(bound.value, facts.dtype, _specials(sample)), bound, 0.0, exact=False)
    else:
        choice = _hybrid_choice(bound, facts, sample, sizes)
    return choice if _pays(choice, sample) else own


def _own_grid(facts: ColumnFacts, sample: NDArray[Any]) -> Grid:
    """Return the smaller of the two grids that hold every value of the column."""
    # A NaN is on the grid of mantissas only if there is a mantissa bit to tell it from an infinity.
    mantissa = MantissaGrid(facts.dtype, max(facts.mantissa_bits, min(facts.n_nan, 1)))
    exponent = facts.lsb_exponent
    if exponent is None or facts.min is None or facts.max is None or not -1000 <= exponent <= 1000:
        return mantissa
    if facts.largest_size * 2.0**-exponent > LIMIT:
        return mantissa
    ends = mantissa.to_integers(np.array([facts.min, facts.max], dtype=facts.dtype))
    codes = float(facts.max - facts.min) * 2.0**-exponent
    if codes > float(ends[1]) - float(ends[0]):
        return mantissa
    return FixedGrid(facts.dtype, _specials(sample), exponent)


def _own_grid_suffices(bound: Bound, facts: ColumnFacts) -> bool:
    """Whether the column is no finer than the bound asks, or has nothing that a bound could make coarser."""
    form = float_format(facts.dtype)
    exponent = facts.lsb_exponent
    if facts.constant or exponent is None:
        return True
    if facts.n_denormal > _MOST_EXCEPTIONS * facts.count:
        return True
    unit = math.ldexp(1.0, exponent)
    if bound.kind == "abs":
        return unit >= 2.0 * bound.value
    if bound.kind == "rel":
        bits = _bits_of_ratio(bound.value)
    else:
        bits = int(bound.value)
        # Whole numbers kept as floats may be ids. A bound that does not name the column's unit must not change them.
        if exponent >= 0 and facts.largest_size <= 2.0 ** (form.mantissa + 1):
            return True
    if bits >= form.mantissa - 1 or facts.mantissa_bits <= bits:
        return True
    return unit >= 2.0 * math.ldexp(facts.largest_size, -bits - 1)


def _bits_of_ratio(ratio: float) -> int:
    """Return the number of mantissa bits that, rounded, keep a relative error."""
    return math.ceil(-math.log2(ratio)) - 1


def _uniform(largest_error: float, dtype: str, specials: tuple[int, ...]) -> Grid:
    margin = _STEP_MARGIN[np.dtype(dtype).itemsize]
    return UniformGrid(dtype, specials, 2.0 * largest_error * (1.0 - margin))


def _log(ratio: float, dtype: str, specials: tuple[int, ...]) -> Grid:
    form = float_format(dtype)
    if _bits_of_ratio(ratio) > _FINEST_BITS:
        return MantissaGrid(dtype, min(_bits_of_ratio(ratio), form.mantissa))
    r = ratio * (1.0 - _rounding_margin(0.5 / ratio, form))
    return LogGrid(dtype, specials, first=form.smallest * (1.0 + r), ratio=(1.0 + r) / (1.0 - r))


def _hybrid(bits: int, scale: float, dtype: str, specials: tuple[int, ...]) -> Grid:
    """Return the grid of a ``bits`` bound; its steps reach to the scale, its first log bin begins there."""
    form = float_format(dtype)
    margin = _rounding_margin(2.0**bits, form)
    r = 2.0 ** (-bits - 1) * (1.0 - margin)
    levels = 1 << bits
    step = 2.0 * r * scale
    first = (levels + 0.5) * step * (1.0 + r)
    return HybridGrid(dtype, specials, first=first, ratio=(1.0 + r) / (1.0 - r), step=step, levels=levels)


def _rounding_margin(fineness: float, form: FloatFormat) -> float:
    """Return the share of a relative bound that rounding the stored value and the centres' tables can use up."""
    return min(fineness * (2.0**-form.mantissa + 2.0**-34), 0.5)


def _hybrid_choice(bound: Bound, facts: ColumnFacts, sample: NDArray[Any], sizes: NDArray[np.float64]) -> Choice:
    bits, dtype = int(bound.value), facts.dtype
    # Of all values, not of the sample: whoever takes the median of the file finds the promise kept.
    scale = facts.median_size
    if bits > _FINEST_BITS:
        return Choice(MantissaGrid(dtype, bits), bound, scale, exact=False)
    specials = _specials(sample)
    for candidate in _scales_already_used(bits, scale, dtype, sizes):
        choice = Choice(_hybrid(bits, candidate, dtype, specials), bound, min(scale, candidate), exact=False)
        if _changes_nothing(choice, sample[:256]) and _changes_nothing(choice, sample):
            return choice
    return Choice(_hybrid(bits, scale, dtype, specials), bound, scale, exact=False)


def _scale_codes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return values.view(np.int64) >> 47


def _scale_of_code(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    scales: NDArray[np.float64] = (codes << 47).view(np.float64)
    return scales


def _scales_already_used(bits: int, scale: float, dtype: str, sizes: NDArray[np.float64]) -> Iterator[float]:
    """Yield the scales on whose grid the smallest values of the sample seem to lie, nearest to the median first.

    Quantising turns the smallest values into zeros, so the median of what is left is larger than the scale in use, by
    how much depends on the column. But the smallest value is at least one step, the others are multiples of it, and
    the value that was the median lay on the scale or just above it.
    """
    smallest = np.unique(np.partition(sizes, min(64, len(sizes) - 1))[:64])[:8]
    ends = _scale_codes(np.array([smallest[0] * 0.5, min(scale * 1.5, smallest[0] * 2.0 ** (bits + 1))]))
    codes = np.arange(max(int(ends[0]), int(ends[1]) - 4096, 1), int(ends[1]) + 2)
    scales = _scale_of_code(codes)
    # A few of the smallest values may have been exceptions.
    scales = scales[_share_on_grid(bits, scales, dtype, smallest) >= 0.75]
    share = _share_on_grid(bits, scales, dtype, sizes[:: len(sizes) // 64 + 1])
    order = np.lexsort((np.abs(np.log2(scales / scale)), -share))
    yield from (float(scales[i]) for i in order[:64])


def _share_on_grid(
    bits: int, scales: NDArray[np.float64], dtype: str, sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each scale which share of some magnitudes lies on its grid."""
    form = float_format(dtype)
    r = 2.0 ** (-bits - 1) * (1.0 - _rounding_margin(2.0**bits, form))
    with np.errstate(all="ignore"):
        levels = sizes / (2.0 * r * scales[:, None])
        off_level = np.abs(levels - np.maximum(np.rint(levels), 1.0)) / levels
        first = np.log2((2.0**bits + 0.5) * 2.0 * r * (1.0 + r) * scales)
        bins = (np.log2(sizes) - first[:, None]) / math.log2((1.0 + r) / (1.0 - r))
        off_bin = np.abs(bins - np.rint(bins)) * 2.0 * r
        off = np.where(levels > 2.0**bits + 0.25, off_bin, off_level)
    # Stored values are rounded to their dtype, and the tables' ratio is not quite the nominal one.
    share: NDArray[np.float64] = np.mean(off <= 2.0**-form.mantissa + 2.0**-30, axis=1)
    return share


def _changes_nothing(choice: Choice, values: NDArray[Any]) -> bool:
    done = quantise(values, choice)
    restored = restore(done.integers, done.positions, done.patterns, choice, values.dtype)
    return bool((bit_patterns(restored) == bit_patterns(values)).all())


def _pays(choice: Choice, sample: NDArray[Any]) -> bool:
    """Whether few values are exceptions, and whether the grid makes any two values one."""
    sample = sample[:: len(sample) // _ENOUGH + 1]
    done = quantise(sample, choice)
    if len(done.positions) > _MOST_EXCEPTIONS * len(sample) + 1:
        return False
    before = len(np.unique(bit_patterns(sample)))
    # A short list of recurring values that all stay apart costs the same when it is kept exactly.
    return before > min(_SHORT_LIST, len(sample) // 16) or len(np.unique(done.integers)) < before


def _normal_sizes(sample: NDArray[Any]) -> NDArray[np.float64]:
    """Return the magnitudes of the values that are neither zero, denormal, infinite nor NaN."""
    form = float_format(sample.dtype)
    sizes = bit_patterns(sample) & bit_patterns(sample).dtype.type(form.sign - 1)
    keep = (sizes >= form.smallest_normal) & (sizes < form.infinity)
    wide: NDArray[np.float64] = sizes[keep].view(form.dtype).astype(np.float64)
    return wide


def _specials(sample: NDArray[Any]) -> tuple[int, ...]:
    """Return the patterns that a grid cannot compute and that are frequent in the sample."""
    form = float_format(sample.dtype)
    patterns = bit_patterns(sample)
    one = patterns.dtype.type
    sizes = patterns & one(form.sign - 1)
    odd = (sizes >= one(form.infinity)) | (patterns == one(form.sign))
    odd |= (sizes < one(form.smallest_normal)) & (sizes > 0)
    if not odd.any():
        return ()
    found, counts = np.unique(patterns[odd], return_counts=True)
    return tuple(int(pattern) for pattern in found[counts > _FREQUENT * len(sample)])
