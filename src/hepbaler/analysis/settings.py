"""How a mass spectrum is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .shapes import find_model

__all__ = ("FitSettings",)

Array = NDArray[np.float64]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class FitSettings:
    """How a mass spectrum is fitted; the same for both files.

    Attributes
    ----------
    model
        Name of one of `hepbaler.analysis.shapes.MODELS`.
    low, high
        The window, in GeV.
    n_bins
        Bins of equal width in the window.
    width
        Where the fit starts, and its limits, in GeV.
    spread
        Whether masses on a grid are spread over its cells (see `hepbaler.analysis.filling`).
    min_entries
        Fewer entries in the window are not fitted.
    min_significance
        Of the peak, in standard errors.
    min_p_value
        Of the goodness of fit. A fit below it does not describe the spectrum.

    Raises
    ------
    InputError
        The window or the number of bins makes no sense, or there is no such model.
    """

    model: str = "crystal-ball"
    low: float = 100.0
    high: float = 225.0
    n_bins: int = 199
    width: tuple[float, float, float] = (5.0, 0.5, 40.0)
    spread: bool = True
    min_entries: int = 200
    min_significance: float = 5.0
    min_p_value: float = 1e-4

    def __post_init__(self) -> None:
        find_model(self.model)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            msg = f"the window of a fit should go upwards, not from {self.low} to {self.high} GeV"
            raise InputError(msg)
        if self.n_bins < 20:
            msg = f"a peak on a background needs at least 20 bins, not {self.n_bins}"
            raise InputError(msg)

    @property
    def edges(self) -> Array:
        """Edges of the bins, shape (n_bins + 1,), in GeV."""
        return np.linspace(self.low, self.high, self.n_bins + 1)
