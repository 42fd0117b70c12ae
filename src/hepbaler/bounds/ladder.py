"""The bins of a relative bound: centres that grow by a constant ratio, computed alike on every machine.

The centre of bin `i` is ``first * ratio^i``. A power function would round differently from one C library to the next, so
the powers are products of two table entries, and the tables are made by repeated multiplication in a fixed order::

    centre(i) = coarse[i // n] * fine[i % n]         n = 4096, or 64 where ratio >= 1.125
    fine   = 1, ratio, ratio^2, ...                  each the one before times ratio
    coarse = first, ...                              each the one before times (fine[n - 1] * ratio)

A bin reaches from ``edge`` to ``edge * ratio``; where ``ratio = (1 + r) / (1 - r)`` its centre is ``edge * (1 + r)``,
which is within a relative error of `r` of either end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hepbaler.loops import kernels

__all__ = ("Ladder", "ladder")


def __dir__() -> tuple[str, ...]:
    return __all__


_MOST_BINS = 1 << 30
# A fine table of 4096 entries would overflow if the ratio were larger.
_LARGE_RATIO = 1.125


@dataclass(frozen=True, eq=False)
class Ladder:
    """Centres of bins, and the way from a value to its bin.

    Attributes
    ----------
    coarse, fine
        The two tables, shapes ``(n_coarse,)`` and ``(n,)``; `n` is a power of two.
    log2_edge, log2_ratio
        Logarithms of the first bin's lower end and of the ratio from bin to bin, as the tables have it.
    """

    coarse: NDArray[np.float64]
    fine: NDArray[np.float64]
    log2_edge: float
    log2_ratio: float

    def values(self, integers: NDArray[np.int64], step: float, levels: int) -> NDArray[np.float64]:
        """Multiples of `step` up to ``|q| = levels``, then centres of bins; beyond the tables that of the last bin.

        Parameters
        ----------
        integers
            Shape ``(n_rows,)``.
        """
        n = len(self.fine)
        bits = n.bit_length() - 1
        loops = kernels()
        if loops is not None:
            found = np.empty(len(integers), np.float64)
            q = np.ascontiguousarray(integers, np.int64)
            loops.climb_ladder(q, len(q), found, step, levels, self.coarse, self.fine, bits)
            return found
        above = np.abs(integers) - (levels + 1)
        bins = np.clip(above, 0, len(self.coarse) * n - 1)
        size = self.coarse[bins >> bits] * self.fine[bins & (n - 1)]
        return np.where(above < 0, integers * step, np.where(integers < 0, -size, size))

    def bin_of(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number of the bin that holds each magnitude, negative below the first bin.

        A logarithm that is wrong in its last place may put a value on a bin's very edge into the next bin, whose
        centre is as near.

        Parameters
        ----------
        sizes
            Shape ``(n_rows,)``, not negative.
        """
        bins: NDArray[np.float64] = np.floor((np.log2(sizes) - self.log2_edge) * (1.0 / self.log2_ratio))
        return bins


@lru_cache(maxsize=256)
def ladder(first: float, ratio: float, largest: float) -> Ladder:
    """Build a ladder.

    Parameters
    ----------
    first
        Centre of bin 0; positive.
    ratio
        Centre of a bin over the centre of the one before; above 1.
    largest
        The tables end beyond this value, or at 2^30 bins.
    """
    with np.errstate(over="ignore"):
        n = 4096 if ratio < _LARGE_RATIO else 64
        fine = np.full(n, ratio)
        fine[0] = 1.0
        np.multiply.accumulate(fine, out=fine)
        stride = float(fine[-1]) * ratio
        # The length of the table is free, only its entries must be alike everywhere; so a logarithm may set it.
        length = 2 if math.isinf(stride) else int((math.log(largest) - math.log(first)) / math.log(stride)) + 2
        coarse = np.full(min(max(length, 1), _MOST_BINS // n), stride)
        coarse[0] = first
        np.multiply.accumulate(coarse, out=coarse)
    coarse.flags.writeable = False
    fine.flags.writeable = False
    # Rounding makes the tables' own ratio a little different from the nominal one, which adds up over many bins.
    last = int(np.count_nonzero(np.isfinite(coarse))) - 1
    log2_ratio = math.log2(ratio)
    if last > 0:
        log2_ratio = (math.log2(coarse[last]) - math.log2(first)) / (last * n)
    # The edge is first / (1 + r).
    return Ladder(coarse, fine, math.log2(first) + math.log2((1.0 + ratio) / (2.0 * ratio)), log2_ratio)
