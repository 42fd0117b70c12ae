"""The bins of a relative bound: centres that grow by a constant ratio, computed alike on every machine.

The centre of bin `i` is ``first * ratio^i``. A power function would round differently from one C library to the next, so
the powers are products of two table entries, and the tables are made by repeated multiplication in a fixed order::

    centre(i) = coarse[i // 4096] * fine[i % 4096]
    fine   = 1, ratio, ratio^2, ...  each the one before times ratio
    coarse = first, then each the one before times (fine[4095] * ratio)
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ("centres", "ladder")


def __dir__() -> tuple[str, ...]:
    return __all__


_SHIFT = 12
_FINE = 1 << _SHIFT
_MOST = 1 << (30 - _SHIFT)  # entries of the coarse table, so that codes stay below 2^30


@lru_cache(maxsize=32)
def ladder(first: float, ratio: float, largest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Build the coarse and the fine table.

    Parameters
    ----------
    first
        Centre of bin 0; positive.
    ratio
        Centre of a bin over the centre of the one before; above 1.
    largest
        The tables end beyond this value, or at 2^30 bins.

    Returns
    -------
    coarse, fine
        Shapes ``(n_coarse,)`` and ``(4096,)``.
    """
    with np.errstate(over="ignore"):
        fine = np.full(_FINE, ratio)
        fine[0] = 1.0
        np.multiply.accumulate(fine, out=fine)
        stride = float(fine[-1]) * ratio
        # The length of the table is free, only its entries must be alike everywhere; so a logarithm may set it.
        length = 2 if math.isinf(stride) else int((math.log(largest) - math.log(first)) / math.log(stride)) + 2
        coarse = np.full(min(max(length, 1), _MOST), stride)
        coarse[0] = first
        np.multiply.accumulate(coarse, out=coarse)
    coarse.flags.writeable = False
    fine.flags.writeable = False
    return coarse, fine


def centres(bins: NDArray[np.int64], tables: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[Any]:
    """Return the centres of bins; numbers outside the tables count as the nearest bin inside.

    Parameters
    ----------
    bins
        Shape ``(n_rows,)``.
    tables
        What `ladder` returned.
    """
    coarse, fine = tables
    bins = np.clip(bins, 0, (len(coarse) << _SHIFT) - 1)
    return coarse[bins >> _SHIFT] * fine[bins & (_FINE - 1)]
