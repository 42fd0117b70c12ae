"""Mantissa rounding, as NanoAOD does it: bits of a float that a bound does not need become zero."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.bounds import Bound

__all__ = ("kept_bits", "round_to_bound")

Array = NDArray[Any]

_MANTISSA = {4: 23, 8: 52}
_INTEGER = {4: np.uint32, 8: np.uint64}


def kept_bits(bound: Bound, itemsize: int) -> int:
    """Mantissa bits that keep a relative bound when values are rounded to them."""
    full = _MANTISSA[itemsize]
    if bound.kind == "bits":
        return min(int(bound.value), full)
    if bound.kind == "rel":
        return min(max(math.ceil(-math.log2(bound.value)) - 1, 1), full)
    return full


def round_to_bound(values: Array, bound: Bound) -> Array:
    """Round values as far as their bound allows.

    ``bits`` and ``rel`` shorten the mantissa, to nearest. ``abs`` rounds to multiples of a power of two. Values that are
    not finite, or would become infinite, stay as they are. float16 is left alone.

    Parameters
    ----------
    values
        Shape ``(n_rows,)``.
    bound
        The promise. A mantissa knows no scale: small values keep more than a ``bits`` bound asks for.
    """
    if bound.is_exact or values.dtype.itemsize not in _MANTISSA:
        return values
    if bound.kind == "abs":
        step = 2.0 ** math.floor(math.log2(2.0 * bound.value))
        with np.errstate(all="ignore"):
            rounded = (np.round(values.astype(np.float64) / step) * step).astype(values.dtype)
    else:
        itemsize = values.dtype.itemsize
        unsigned = _INTEGER[itemsize]
        drop = _MANTISSA[itemsize] - kept_bits(bound, itemsize)
        if drop == 0:
            return values
        patterns = values.view(unsigned)
        odd = (patterns >> unsigned(drop)) & unsigned(1)
        half = unsigned((1 << (drop - 1)) - 1)
        rounded = ((patterns + half + odd) >> unsigned(drop) << unsigned(drop)).view(values.dtype)
    return np.where(np.isfinite(values) & np.isfinite(rounded), rounded, values)
