"""Bounds of every kind as absolute ones: an axis on which the allowed error is the same everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .workload import FloatColumn

__all__ = ("Stretch",)

Array = NDArray[Any]


@dataclass(frozen=True)
class Stretch:
    """An axis t(x), odd in x: linear up to `linear`, logarithmic beyond; linear everywhere where that is infinite.

    Attributes
    ----------
    linear
        Where the logarithm begins, in the column's unit.
    tolerance
        Allowed error on the axis; a little below the bound, for the rounding to the column's dtype afterwards.
    dtype
        The column's.
    zero_below
        What comes back nearer to zero than this, on the axis, is zero: no relative bound lets a zero move.
    """

    linear: float
    tolerance: float
    dtype: np.dtype[Any]
    zero_below: float = 0.0

    @classmethod
    def of(cls, column: FloatColumn) -> Stretch | None:
        """The axis of a column; None where no error is allowed, or less than the dtype's own rounding."""
        bound, values = column.bound, column.values
        if bound.is_exact:
            return None
        rounding = float(np.finfo(values.dtype).eps)
        finite = np.abs(values[np.isfinite(values)].astype(np.float64))
        if bound.kind == "abs":
            tolerance = bound.value - rounding * float(finite.max(initial=0.0))
            return cls(math.inf, tolerance, values.dtype) if tolerance > 0.0 else None
        relative = bound.value if bound.kind == "rel" else 2.0 ** -(bound.value + 1)
        # Zero has no logarithm: a strictly relative axis is linear below the smallest size that occurs.
        smallest = float(finite[finite > 0].min(initial=1.0)) if finite.any() else 1.0
        linear = column.scale if bound.kind == "bits" and column.scale > 0 else smallest
        # exp(+t) - 1 is larger than 1 - exp(-t), so the upper side decides.
        tolerance = math.log1p(relative - rounding) if relative > 2.0 * rounding else 0.0
        # A column that is zero for the most part has a scale of 0: its bound is a relative one.
        strict = bound.kind == "rel" or column.scale == 0
        return cls(linear, tolerance, values.dtype, 0.5 * strict) if tolerance > 0.0 else None

    def forward(self, values: Array) -> NDArray[np.float64]:
        """Values on the axis, as float64."""
        wide = values.astype(np.float64)
        if math.isinf(self.linear):
            return wide
        size = np.abs(wide) / self.linear
        return np.copysign(np.where(size <= 1.0, size, 1.0 + np.log(np.maximum(size, 1.0))), wide)

    def backward(self, places: NDArray[np.float64]) -> Array:
        """The inverse, in the column's dtype."""
        if math.isinf(self.linear):
            return places.astype(self.dtype)
        size = np.abs(places)
        with np.errstate(over="ignore"):
            back = np.where(size <= 1.0, size, np.exp(size - 1.0)) * self.linear
        back[size < self.zero_below] = 0.0
        return np.copysign(back, places).astype(self.dtype)
