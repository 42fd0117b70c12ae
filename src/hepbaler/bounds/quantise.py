"""Values to integers under a promise that is checked, and back.

::

    values -- grid.to_integers --> q -- grid.to_values --> x' -- within the bound? --+-- yes --> q
                                                                                     +-- no  --> exception: row, raw bits
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import BoundError, CorruptFile, InputError
from .bound import Bound
from .floats import bit_patterns, float_format, is_float
from .grids import Grid, IntegerGrid, UniformGrid, grid_from_dict

__all__ = ("Choice", "Quantised", "holds", "quantise", "restore")


def __dir__() -> tuple[str, ...]:
    return __all__


_BLOCK = 1 << 15  # rows worked on together, so that temporaries stay in the processor's cache


@dataclass(frozen=True)
class Choice:
    """How a column is quantised, and what is promised of it.

    Attributes
    ----------
    grid
        The grid.
    bound
        The promise.
    scale
        `s` of a ``bits`` bound, in the column's unit; 0 where the bound needs none.
    exact
        Whether every value comes back bit for bit, whatever the bound would allow.
    """

    grid: Grid
    bound: Bound
    scale: float
    exact: bool

    def __post_init__(self) -> None:
        if not _is_scale(self.scale):
            msg = f"the scale of a column must be a finite number from 0, not {self.scale!r}"
            raise BoundError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file header."""
        return {
            "grid": self.grid.to_dict(),
            "bound": self.bound.to_dict(),
            "scale": self.scale,
            "exact": self.exact,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Choice:
        """Build the choice that `to_dict` described.

        Raises
        ------
        BoundError
            A key is missing, or the description makes no sense.
        """
        try:
            grid, bound = grid_from_dict(data["grid"]), Bound.from_dict(data["bound"])
            return cls(grid, bound, data["scale"], bool(data["exact"]))
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"{data!r} does not describe the grid and bound of a column: {error!r}"
            raise BoundError(msg) from None


@dataclass(frozen=True)
class Quantised:
    """Values on their grid, and the few that could not be put there.

    Attributes
    ----------
    integers
        Shape ``(n_rows,)``, int64. In the rows of exceptions it repeats the row before, which is cheap to code.
    positions
        Shape ``(n_exceptions,)``, int64, ascending: rows of exceptions.
    patterns
        Shape ``(n_exceptions,)``, uint64: their bit patterns.
    """

    integers: NDArray[np.int64]
    positions: NDArray[np.int64]
    patterns: NDArray[np.uint64]


def holds(
    values: NDArray[Any], restored: NDArray[Any], bound: Bound, scale: float, *, exact: bool = False
) -> NDArray[np.bool_]:
    """Say of each value whether the promise holds.

    Normal values must be within the bound, compared in exact arithmetic. Zeros of either sign, NaN, infinities and
    denormals must have the same bits.

    Parameters
    ----------
    values, restored
        Shape ``(n_rows,)``, of the same dtype.
    bound, scale
        The promise; `scale` is `s` of ``bits``.
    exact
        Ask for the same bits everywhere.
    """
    if not is_float(values.dtype):
        return np.asarray(values == restored, dtype=np.bool_)
    patterns = bit_patterns(values)
    same = patterns == bit_patterns(restored)
    if exact or bound.is_exact:
        return np.asarray(same, dtype=np.bool_)
    form = float_format(values.dtype)
    one = patterns.dtype.type
    # One comparison for smallest normal <= |x| < inf: in unsigned numbers what is below wraps around to the top.
    sizes = patterns & one(form.sign - 1)
    normal = sizes - one(form.smallest_normal) < one(form.infinity - form.smallest_normal)
    with np.errstate(all="ignore"):
        before = values.astype(np.float64)
        after = restored.astype(np.float64)
        error = np.abs(before - after)
        allowed = bound.allowed(before, scale)
        within = error <= allowed
        # The difference is rounded to float64, which matters where it equals the bound: there look at what was lost.
        touching = error == allowed
        if touching.any():
            within[touching] = _not_beyond(before[touching], after[touching])
    return np.asarray(same | (normal & within), dtype=np.bool_)


def _not_beyond(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say whether ``|before - after|`` is not larger than its own rounded value (D. Knuth's two-sum gives the rest)."""
    difference = before - after
    back = difference + after
    rest = (before - back) + ((back - difference) - after)
    return np.asarray((rest == 0.0) | ((rest < 0.0) == (difference > 0.0)), dtype=np.bool_)


def quantise(values: NDArray[Any], choice: Choice) -> Quantised:
    """Put values on their grid and check every one of them.

    Parameters
    ----------
    values
        Shape ``(n_rows,)``, of the column's dtype.
    choice
        Grid and promise of the column.

    Raises
    ------
    InputError
        The values are of another dtype than the grid, or not flat.
    """
    values = np.asarray(values)
    _check_dtype(values.dtype, choice.grid)
    if values.ndim != 1:
        msg = f"values of a column must be flat, not of shape {values.shape}"
        raise InputError(msg)
    if isinstance(choice.grid, IntegerGrid):
        return Quantised(choice.grid.to_integers(values), np.empty(0, np.int64), np.empty(0, np.uint64))
    integers = np.empty(len(values), np.int64)
    positions: list[NDArray[np.int64]] = []
    patterns: list[NDArray[np.uint64]] = []
    last = np.int64(0)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        found = choice.grid.to_integers(block)
        bad = np.flatnonzero(~_good(block, found, choice))
        if len(bad):
            positions.append(bad + start)
            patterns.append(bit_patterns(block)[bad].astype(np.uint64))
            _repeat_the_last_good(found, bad, last)
        integers[start : start + len(block)] = found
        last = found[-1]
    if not positions:
        return Quantised(integers, np.empty(0, np.int64), np.empty(0, np.uint64))
    return Quantised(integers, np.concatenate(positions), np.concatenate(patterns))


def restore(
    integers: NDArray[np.int64],
    positions: NDArray[np.int64],
    patterns: NDArray[np.uint64],
    choice: Choice,
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Return the values of a column from what `quantise` made of it.

    Parameters
    ----------
    integers, positions, patterns
        As in `Quantised`.
    choice
        The same as given to `quantise`.
    dtype
        The column's dtype.

    Raises
    ------
    CorruptFile
        The exceptions do not fit the rows.
    InputError
        The grid is of another dtype.
    """
    _check_dtype(np.dtype(dtype), choice.grid)
    if len(positions) != len(patterns):
        msg = f"{len(positions)} rows of exceptions, but {len(patterns)} bit patterns for them"
        raise CorruptFile(msg, expected=len(positions), found=len(patterns))
    if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < len(integers):
        worst = int(positions.min()) if int(positions.min()) < 0 else int(positions.max())
        msg = f"an exception in row {worst} of a page with {len(integers)} rows"
        raise CorruptFile(msg, expected=f"0 to {len(integers) - 1}", found=worst)
    values = np.empty(len(integers), choice.grid.dtype)
    for start in range(0, len(integers), _BLOCK):
        block = integers[start : start + _BLOCK]
        values[start : start + len(block)] = choice.grid.to_values(block)
    if len(positions):
        if not is_float(values.dtype):
            msg = f"{len(positions)} exceptions in a column of {values.dtype}, whose grid needs none"
            raise CorruptFile(msg, expected=0, found=len(positions))
        bits = bit_patterns(values)
        bits[positions] = patterns.astype(bits.dtype)
    return values


def _good(block: NDArray[Any], found: NDArray[np.int64], choice: Choice) -> NDArray[np.bool_]:
    grid = choice.grid
    restored = grid.to_values(found)
    good = holds(block, restored, choice.bound, choice.scale, exact=choice.exact)
    if isinstance(grid, UniformGrid):
        doubtful = grid.doubtful(found)
        if doubtful is not None and doubtful.any():
            # What is stored must come back unchanged when it is compressed once more.
            once = restored[doubtful]
            again = grid.to_values(grid.to_integers(once))
            good[doubtful] &= bit_patterns(once) == bit_patterns(again)
    return good


def _repeat_the_last_good(found: NDArray[np.int64], bad: NDArray[np.int64], last: np.int64) -> None:
    source = np.arange(len(found))
    source[bad] = -1
    source = np.maximum.accumulate(source)
    found[:] = np.where(source < 0, last, found[source])


def _is_scale(scale: object) -> bool:
    return isinstance(scale, int | float) and 0.0 <= scale < np.inf


def _check_dtype(dtype: np.dtype[Any], grid: Grid) -> None:
    if dtype.newbyteorder("=").name != grid.dtype:
        msg = f"values of {dtype} do not fit a grid of {grid.dtype}; use the grid that was chosen for this column"
        raise InputError(msg)
