"""What is true of a whole column, gathered in one pass and constant memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xxhash
from numpy.typing import DTypeLike, NDArray

from ..errors import InputError
from .floats import FloatFormat, bit_patterns, float_format, is_float

__all__ = ("ColumnFacts",)


def __dir__() -> tuple[str, ...]:
    return __all__


# Mantissa bits that the scale of a bound keeps: few scales are possible, so that one in use is found again.
SCALE_BITS = 5
_BLOCK = 1 << 16  # rows looked at together, so that temporaries stay in the processor's cache


class ColumnFacts:
    """Facts about a column, true of all rows that `update` has seen.

    Parameters
    ----------
    dtype
        The column's dtype: bool, an integer, or float16, float32, float64.

    Attributes
    ----------
    count, n_zero, n_nan, n_inf, n_negative_zero, n_denormal
        Numbers of rows; both zeros count in `n_zero`. The last four are 0 for integers.
    min, max
        Smallest and largest finite value (`int` for integers and bools, else `float`); None if there is none.

    Raises
    ------
    InputError
        The dtype is no column's dtype.

    Examples
    --------
    >>> facts = ColumnFacts("float32")
    >>> facts.update(np.array([0.5, -1.25], dtype=np.float32))
    >>> facts.mantissa_bits, facts.lsb_exponent
    (2, -2)
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("=").name
        self._format: FloatFormat | None = None
        if is_float(dtype):
            self._format = float_format(self.dtype)
        elif np.dtype(dtype).kind not in "biu":
            msg = f"dtype {self.dtype!r} is not one that a column can have; use bool, an integer or a float dtype"
            raise InputError(msg)
        self.count = 0
        self.n_zero = 0
        self.n_nan = 0
        self.n_inf = 0
        self.n_negative_zero = 0
        self.n_denormal = 0
        self.min: float | None = None
        self.max: float | None = None
        self._first: NDArray[Any] | None = None
        self._all_equal = True
        self._mantissas = 0
        self._lsb = math.inf
        # How many non-zero finite magnitudes share their exponent and leading mantissa bits.
        self._sizes: dict[int, int] = {}
        self._digest = xxhash.xxh3_64()

    def update(self, values: NDArray[Any]) -> None:
        """Take in the next rows of the column, in the order of the file.

        Parameters
        ----------
        values
            Shape ``(n_rows,)``, of the column's dtype.

        Raises
        ------
        InputError
            The values have another dtype than the column, or more than one dimension.
        """
        values = np.asarray(values)
        if values.dtype.newbyteorder("=").name != self.dtype or values.ndim != 1:
            msg = (
                f"a column of {self.dtype} was given values of {values.dtype} with {values.ndim} dimensions; "
                "pass flat values of the column's own dtype"
            )
            raise InputError(msg)
        for start in range(0, len(values), _BLOCK):
            block = values[start : start + _BLOCK]
            if self._format is None:
                self._update_integers(block)
            else:
                self._update_floats(block, self._format)
            self.count += len(block)

    @property
    def digest(self) -> int:
        """xxh3-64 of all rows: of int64 for integers and bools, of the raw little-endian bits for floats."""
        return self._digest.intdigest()

    @property
    def constant(self) -> bool:
        """Whether there is at least one row and all are bitwise equal."""
        return self._first is not None and self._all_equal

    @property
    def constant_value(self) -> Any:
        """The numpy scalar that all rows are; None if the column is not constant."""
        return self._first[0] if self._first is not None and self._all_equal else None

    @property
    def largest_size(self) -> float:
        """The largest finite magnitude; 0 if there is none."""
        return max(abs(self.min), abs(self.max)) if self.min is not None and self.max is not None else 0.0

    @property
    def median_size(self) -> float:
        """Lower median of the magnitudes of all non-zero finite values, rounded down to 5 mantissa bits; 0 without any."""
        if self._format is None:
            return 0.0
        half = (sum(self._sizes.values()) + 1) // 2
        for code in sorted(self._sizes):
            half -= self._sizes[code]
            if half <= 0:
                pattern = np.array([code << (self._format.mantissa - SCALE_BITS)]).astype(self._format.unsigned)
                return float(pattern.view(self._format.dtype)[0])
        return 0.0

    @property
    def mantissa_bits(self) -> int:
        """The smallest number of explicit mantissa bits that holds every finite value; 0 for integers."""
        if self._format is None or self._mantissas == 0:
            return 0
        return self._format.mantissa - _trailing_zeros(self._mantissas)

    @property
    def lsb_exponent(self) -> int | None:
        """The largest `k` such that every finite value is a multiple of ``2^k``; None if all are zero or none is."""
        if self._format is None:
            return None
        return None if math.isinf(self._lsb) else math.frexp(self._lsb)[1] - 1

    def describe(self) -> str:
        """Say in a few words how precise the column is, as `hepbaler plan` shows it."""
        if self.count == 0:
            return "empty"
        if self.constant:
            return f"constant {self.constant_value}"
        if self._format is None:
            return f"{self.min} to {self.max}"
        if self.lsb_exponent is None:
            return "no finite value other than 0"
        if self.lsb_exponent >= 0:
            return "whole numbers"
        bits = self.mantissa_bits
        return f"{bits} mantissa bits" if bits < self._format.mantissa else "full precision"

    def _update_integers(self, block: NDArray[Any]) -> None:
        if self._first is None:
            self._first = block[:1].astype(self.dtype)
        low, high = int(block.min()), int(block.max())
        self.min = low if self.min is None else min(self.min, low)
        self.max = high if self.max is None else max(self.max, high)
        self._all_equal = self.min == self.max
        self.n_zero += len(block) - int(np.count_nonzero(block))
        self._digest.update(block.astype("<i8").data)

    def _update_floats(self, block: NDArray[Any], form: FloatFormat) -> None:
        patterns = bit_patterns(block)
        values = patterns.view(form.dtype)
        if self._first is None:
            self._first = values[:1].copy()
        if self._all_equal:
            self._all_equal = bool((patterns == bit_patterns(self._first)[0]).all())
        self._digest.update(patterns.astype(patterns.dtype.newbyteorder("<"), copy=False).data)

        one = patterns.dtype.type
        sizes = patterns & one(form.sign - 1)
        finite = sizes < one(form.infinity)
        n_finite = int(np.count_nonzero(finite))
        if n_finite < len(block):
            n_inf = int(np.count_nonzero(sizes == one(form.infinity)))
            self.n_inf += n_inf
            self.n_nan += len(block) - n_finite - n_inf
            values, sizes, patterns = values[finite], sizes[finite], patterns[finite]
            if n_finite == 0:
                return
        low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # + 0.0: -0.0 and 0.0 are the same minimum
        self.min = low if self.min is None else min(self.min, low)
        self.max = high if self.max is None else max(self.max, high)
        n_small = int(np.count_nonzero(sizes < one(form.smallest_normal)))
        if n_small:
            n_zero = int(np.count_nonzero(sizes == 0))
            self.n_zero += n_zero
            self.n_denormal += n_small - n_zero
            self.n_negative_zero += int(np.count_nonzero(patterns == one(form.sign)))
        self._count_sizes(sizes, form)
        self._mantissas |= int(np.bitwise_or.reduce(sizes)) & (form.smallest_normal - 1)
        self._lsb = min(self._lsb, _smallest_unit(sizes, form))

    def _count_sizes(self, sizes: NDArray[Any], form: FloatFormat) -> None:
        codes = (sizes[sizes > 0] >> sizes.dtype.type(form.mantissa - SCALE_BITS)).astype(np.int64)
        if not len(codes):
            return
        lowest = int(codes.min())
        counts = np.bincount(codes - lowest)
        for i in np.flatnonzero(counts).tolist():
            self._sizes[lowest + i] = self._sizes.get(lowest + i, 0) + int(counts[i])


def _smallest_unit(sizes: NDArray[Any], form: FloatFormat) -> float:
    """Return the smallest power of two that is the last set bit of a magnitude; inf if all are zero."""
    sizes = sizes[sizes != 0]
    if not len(sizes):
        return math.inf
    one = sizes.dtype.type
    # Clearing the last set bit of the mantissa takes exactly that bit's value away. Without set bits in the mantissa
    # the value is itself a power of two.
    mantissa = sizes & one(form.smallest_normal - 1)
    cleared = (mantissa & (mantissa - one(1))) | (sizes & one(form.infinity))
    powers = mantissa == 0
    unit = math.inf
    if powers.any():
        unit = float(sizes[powers].min().view(form.dtype))
        keep = ~powers
        sizes, cleared = sizes[keep], cleared[keep]
    if len(sizes):
        unit = min(unit, float((sizes.view(form.dtype) - cleared.view(form.dtype)).min()))
    return unit


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
