"""The bit patterns of IEEE floats: where sign, exponent and mantissa sit in float16, float32 and float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import InputError

__all__ = ("FloatFormat", "bit_patterns", "float_format", "is_float")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class FloatFormat:
    """A binary floating point format.

    Attributes
    ----------
    dtype
        Name of the numpy dtype.
    mantissa
        Number of explicit mantissa bits.
    width
        Number of bits of the whole pattern.
    """

    dtype: str
    mantissa: int
    width: int

    @property
    def unsigned(self) -> np.dtype[Any]:
        """The unsigned dtype of the same width."""
        return np.dtype(f"u{self.width // 8}")

    @property
    def sign(self) -> int:
        """Pattern of -0.0."""
        return 1 << (self.width - 1)

    @property
    def infinity(self) -> int:
        """Pattern of +inf; larger magnitudes are NaN."""
        return self.sign - (1 << self.mantissa)

    @property
    def smallest_normal(self) -> int:
        """Pattern of the smallest normal value; smaller magnitudes other than 0 are denormal."""
        return 1 << self.mantissa

    @property
    def smallest(self) -> float:
        """The smallest normal value."""
        return float(np.finfo(self.dtype).smallest_normal)

    @property
    def largest(self) -> float:
        """The largest finite value."""
        return float(np.finfo(self.dtype).max)


_FORMATS = {
    f.dtype: f for f in (FloatFormat("float16", 10, 16), FloatFormat("float32", 23, 32), FloatFormat("float64", 52, 64))
}


def is_float(dtype: DTypeLike) -> bool:
    """Whether the dtype is one of the three floats that columns have."""
    # A header names the same few types over and over, and numpy takes its time to make a name of a dtype.
    known = isinstance(dtype, str) and dtype in _FORMATS
    return known or np.dtype(dtype).newbyteorder("=").name in _FORMATS


def float_format(dtype: DTypeLike) -> FloatFormat:
    """Look up the format of a float dtype.

    Raises
    ------
    InputError
        The dtype is not float16, float32 or float64.
    """
    name = dtype if isinstance(dtype, str) and dtype in _FORMATS else np.dtype(dtype).name
    if name not in _FORMATS:
        msg = f"dtype {name!r} is not a float that a column can have; known are {', '.join(_FORMATS)}"
        raise InputError(msg)
    return _FORMATS[name]


def bit_patterns(values: NDArray[Any]) -> NDArray[Any]:
    """View floats as unsigned integers of the same width.

    Parameters
    ----------
    values
        Shape ``(n_rows,)``, float16, float32 or float64.
    """
    contiguous = np.ascontiguousarray(values)
    if not contiguous.dtype.isnative:
        contiguous = contiguous.astype(contiguous.dtype.newbyteorder("="))
    return contiguous.view(float_format(contiguous.dtype).unsigned)
