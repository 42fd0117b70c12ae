"""Grids: a column's values as integers, and back.

=========== ============================================ =================================================
kind        values                                       use it for
=========== ============================================ =================================================
`integer`   integers and bools themselves                everything that is not a float; exact
`fixed`     ``q 2^k``                                     floats with a common unit, such as whole numbers; exact
`mantissa`  floats with `m` mantissa bits                floats with a short mantissa; exact on its grid, else rounds
`uniform`   ``q step``                                    ``abs`` bounds
`log`       0 and centres that grow by a constant ratio  ``rel`` bounds
`hybrid`    uniform near zero, then log                  ``bits`` bounds
=========== ============================================ =================================================

``to_values`` gives the same bits on every machine: only additions, multiplications and table look-ups, in float64, then
one rounding to the column's dtype. ``to_integers`` is the writer's affair and may use logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import BoundError
from .floats import bit_patterns, float_format, is_float
from .ladder import Ladder, ladder

__all__ = (
    "FixedGrid",
    "Grid",
    "HybridGrid",
    "IntegerGrid",
    "LogGrid",
    "MantissaGrid",
    "UniformGrid",
    "grid_from_dict",
)


def __dir__() -> tuple[str, ...]:
    return __all__


IntArray = NDArray[np.int64]

LIMIT = (1 << 30) - 1  # largest |q| of the grids that compute with q
_SPECIAL = -(1 << 31) + 1  # code of the first special; the others follow


@dataclass(frozen=True)
class Grid:
    """What all grids have in common.

    Attributes
    ----------
    kind
        The word that names the grid in a file.
    dtype
        The column's dtype.
    """

    kind: ClassVar[str] = ""

    dtype: str

    def __post_init__(self) -> None:
        complaint = self._complaint()
        if complaint:
            msg = f"a grid of kind {self.kind!r} cannot be built: {complaint}"
            raise BoundError(msg)

    def _complaint(self) -> str | None:
        return None if is_float(self.dtype) else f"{self.dtype!r} is not a float dtype"

    def to_integers(self, values: NDArray[Any]) -> IntArray:
        """Return the integers of values; shape ``(n_rows,)`` both. Values off the grid go to the nearest point."""
        raise NotImplementedError

    def to_values(self, integers: IntArray, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the values of integers as a reader gets them.

        Parameters
        ----------
        integers
            Shape ``(n_rows,)``.
        dtype
            Convert the finished values to this dtype; None leaves the column's own.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file header."""
        data: dict[str, Any] = {"kind": self.kind}
        for one in fields(self):
            value = getattr(self, one.name)
            data[one.name] = list(value) if isinstance(value, tuple) else value
        return data


@dataclass(frozen=True)
class IntegerGrid(Grid):
    """Integers and bools as they are; uint64 wraps around into int64."""

    kind = "integer"

    def _complaint(self) -> str | None:
        try:
            known = np.dtype(self.dtype).kind in "biu"
        except TypeError:
            known = False
        return None if known else f"{self.dtype!r} is not an integer dtype"

    def to_integers(self, values: NDArray[Any]) -> IntArray:
        """Return the values as int64."""
        return values.astype(np.int64)

    def to_values(self, integers: IntArray, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the integers in the column's dtype."""
        return _as(integers.astype(self.dtype), dtype)


@dataclass(frozen=True)
class MantissaGrid(Grid):
    """Floats with `bits` explicit mantissa bits, counted in the order of their values.

    ::

        ... -1.0  ...  -0.0   0.0   smallest  ...  1.0  ...  largest   inf   NaN
                         -1     0          1

    Every bit pattern whose other mantissa bits are zero comes back as it was, including -0.0, infinities and NaN. Other
    values are rounded to nearest.
    """

    kind = "mantissa"

    bits: int

    def _complaint(self) -> str | None:
        if not is_float(self.dtype):
            return f"{self.dtype!r} is not a float dtype"
        most = float_format(self.dtype).mantissa
        return None if _is_int(self.bits) and 0 <= self.bits <= most else f"{self.bits!r} mantissa bits in {self.dtype}"

    def to_integers(self, values: NDArray[Any]) -> IntArray:
        """Return the rank of each value on the grid."""
        form = float_format(self.dtype)
        shift = form.mantissa - self.bits
        patterns = bit_patterns(values)
        one = patterns.dtype.type
        sizes = patterns & one(form.sign - 1)
        if shift:
            sizes = (sizes + one(1 << (shift - 1))) >> one(shift)
        ranks: IntArray = sizes.astype(np.int64)
        ranks ^= -(patterns >> one(form.width - 1)).astype(np.int64)  # ~rank for negative values
        return ranks

    def to_values(self, integers: IntArray, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the floats of these ranks."""
        form = float_format(self.dtype)
        negative = integers >> 63  # -1 or 0
        patterns = (integers ^ negative) << (form.mantissa - self.bits) | negative << (form.width - 1)
        return _as(patterns.astype(form.unsigned).view(form.dtype), dtype)


@dataclass(frozen=True)
class _SteppedGrid(Grid):
    """A grid that computes with its integers, and has codes of their own for some bit patterns.

    Attributes
    ----------
    specials
        Bit patterns (NaN, -0.0, ...) that are frequent in the column. Pattern `i` has the code ``-2^31 + 1 + i``.
    """

    specials: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", tuple(self.specials))
        super().__post_init__()
        largest = 2 * float_format(self.dtype).sign
        if len(self.specials) > 256 or not all(_is_int(s) and 0 <= s < largest for s in self.specials):
            msg = f"the special values of a {self.kind} grid must be at most 256 bit patterns of {self.dtype}"
            raise BoundError(msg)

    def to_integers(self, values: NDArray[Any]) -> IntArray:
        """Return the nearest integers, within +-(2^30 - 1); the codes of specials are below."""
        with np.errstate(all="ignore"):
            # fmin and fmax turn NaN into a number, so that the conversion to integers is defined.
            rounded = np.fmin(np.fmax(self._rounded(values.astype(np.float64)), -LIMIT), LIMIT)
        integers = rounded.astype(np.int64)
        if self.specials:
            patterns = bit_patterns(values)
            for i, special in enumerate(self.specials):
                integers[patterns == patterns.dtype.type(special)] = _SPECIAL + i
        return integers

    def to_values(self, integers: IntArray, dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the values of integers as a reader gets them."""
        with np.errstate(all="ignore"):
            values = self._computed(integers).astype(self.dtype)
        if self.specials:
            patterns = bit_patterns(values)
            for i, special in enumerate(self.specials):
                patterns[integers == _SPECIAL + i] = special
        return _as(values, dtype)

    def doubtful(self, integers: IntArray) -> NDArray[np.bool_] | None:
        """Mark the integers whose values may, once rounded to the dtype, lie nearer to another integer.

        Returns
        -------
        NDArray[np.bool_] or None
            Shape ``(n_rows,)``; None if there can be none.
        """
        del integers
        return None

    def _rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def _computed(self, integers: IntArray) -> NDArray[np.float64]:
        raise NotImplementedError


@dataclass(frozen=True)
class FixedGrid(_SteppedGrid):
    """Multiples of ``2^exponent``, which floats hold exactly."""

    kind = "fixed"

    exponent: int = 0

    def _complaint(self) -> str | None:
        fine = _is_int(self.exponent) and -1000 <= self.exponent <= 1000
        return super()._complaint() or (None if fine else f"exponent {self.exponent!r} is not from -1000 to 1000")

    def _rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        rounded: NDArray[np.float64] = np.rint(values * 2.0**-self.exponent)
        return rounded

    def _computed(self, integers: IntArray) -> NDArray[np.float64]:
        values: NDArray[np.float64] = integers.astype(np.float64) * 2.0**self.exponent
        return values


@dataclass(frozen=True)
class UniformGrid(_SteppedGrid):
    """Multiples of `step`."""

    kind = "uniform"

    step: float = 1.0

    def _complaint(self) -> str | None:
        return super()._complaint() or _not_positive(step=self.step)

    def _rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        rounded: NDArray[np.float64] = np.rint(values / self.step)
        return rounded

    def _computed(self, integers: IntArray) -> NDArray[np.float64]:
        values: NDArray[np.float64] = integers.astype(np.float64) * self.step
        return values

    def doubtful(self, integers: IntArray) -> NDArray[np.bool_] | None:
        """Mark the integers so large that the dtype's own spacing comes near to the step."""
        large = 1 << max(float_format(self.dtype).mantissa - 2, 0)
        return None if large > LIMIT else np.abs(integers) >= large


@dataclass(frozen=True)
class _LadderGrid(_SteppedGrid):
    """A grid with centres ``first * ratio^i``."""

    first: float = 1.0
    ratio: float = 2.0

    def _complaint(self) -> str | None:
        return super()._complaint() or _not_positive(first=self.first) or _not_above_one(self.ratio)

    @property
    def _ladder(self) -> Ladder:
        return ladder(self.first, self.ratio, float_format(self.dtype).largest)


@dataclass(frozen=True)
class LogGrid(_LadderGrid):
    """Zero, and ``+-first * ratio^i`` for ``|q| = 1 + i``."""

    kind = "log"

    def _rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        bins = 1.0 + self._ladder.bin_of(np.abs(values))
        rounded: NDArray[np.float64] = np.copysign(np.where(bins < 1.0, 0.0, bins), values)
        return rounded

    def _computed(self, integers: IntArray) -> NDArray[np.float64]:
        # No multiples of a step but 0 itself.
        return self._ladder.values(integers, 0.0, 0)


@dataclass(frozen=True)
class HybridGrid(_LadderGrid):
    """Multiples of `step` up to ``|q| = levels``, and ``+-first * ratio^i`` for ``|q| = levels + 1 + i``.

    ::

        q   -levels   ...  -1   0   1  ...  levels | levels + 1    levels + 2  ...
        x                  -step 0 step            | first      first * ratio
                        equal absolute steps       |   equal relative steps
    """

    kind = "hybrid"

    step: float = 1.0
    levels: int = 0

    def _complaint(self) -> str | None:
        fine = _is_int(self.levels) and 0 <= self.levels < LIMIT
        return (
            super()._complaint()
            or _not_positive(step=self.step)
            or (None if fine else f"levels {self.levels!r} is not from 0 to 2^30")
        )

    def _rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        size = np.abs(values)
        above = self._ladder.bin_of(size)
        near = np.minimum(np.rint(size / self.step), self.levels)
        levels = np.where(above < 0.0, near, (self.levels + 1.0) + above)
        rounded: NDArray[np.float64] = np.copysign(levels, values)
        return rounded

    def _computed(self, integers: IntArray) -> NDArray[np.float64]:
        return self._ladder.values(integers, self.step, self.levels)


_KINDS: dict[str, type[Grid]] = {
    grid.kind: grid for grid in (IntegerGrid, FixedGrid, MantissaGrid, UniformGrid, LogGrid, HybridGrid)
}
_ARGUMENTS = {name: frozenset(one.name for one in fields(grid)) for name, grid in _KINDS.items()}


def grid_from_dict(data: Mapping[str, Any]) -> Grid:
    """Build the grid that `Grid.to_dict` described.

    Raises
    ------
    BoundError
        The kind is unknown, keys are missing or too many, or the numbers make no grid.
    """
    kind = _KINDS.get(str(data.get("kind")))
    if kind is None:
        msg = f"unknown kind of grid {data.get('kind')!r}; known are {', '.join(_KINDS)}"
        raise BoundError(msg)
    arguments = {str(key): value for key, value in data.items() if key != "kind"}
    names = _ARGUMENTS[kind.kind]
    if arguments.keys() != names:
        msg = f"a grid of kind {kind.kind!r} has the keys {sorted(names)}, not {sorted(arguments)}"
        raise BoundError(msg)
    try:
        return kind(**arguments)
    except TypeError as error:
        msg = f"a grid of kind {kind.kind!r} cannot be built: {error}"
        raise BoundError(msg) from None


def _as(values: NDArray[Any], dtype: DTypeLike | None) -> NDArray[Any]:
    if dtype is None:
        return values
    with np.errstate(all="ignore"):
        return values.astype(dtype, copy=False)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _not_positive(**numbers: object) -> str | None:
    for name, number in numbers.items():
        if not isinstance(number, float) or not 0.0 < number < np.inf:
            return f"{name} {number!r} is not a positive float"
    return None


def _not_above_one(ratio: object) -> str | None:
    if not isinstance(ratio, float) or not 1.0 + 2.0**-30 < ratio < np.inf:
        return f"ratio {ratio!r} is not a float above 1"
    return None
