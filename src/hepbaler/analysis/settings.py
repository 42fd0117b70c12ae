"""How a mass spectrum is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .shapes import find_model

__all__ = ("FEWEST_BINS", "POINTS_PER_BIN", "FitSettings")

Array = NDArray[np.float64]

FEWEST_BINS = 20
POINTS_PER_BIN = 16
END_SHARE = 0.1  # of the window, on each side


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
        Bins of equal width in the window: of figures and of the goodness of fit. The fit itself needs none.
    width
        Where the fit starts, and its limits, in GeV.
    around_peak
        Whether a model that describes no more than the peak is fitted only around it (see `hepbaler.analysis.window`).
    min_entries
        Fewer entries in the window are not fitted.
    min_significance
        Of the peak, in standard errors.
    min_p_value
        Of the goodness of fit. A fit below it does not describe the spectrum, and is refused; 0 takes it as it is.

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
    around_peak: bool = True
    min_entries: int = 200
    min_significance: float = 5.0
    min_p_value: float = 1e-4

    def __post_init__(self) -> None:
        find_model(self.model)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            msg = f"the window of a fit should go upwards, not from {self.low} to {self.high} GeV"
            raise InputError(msg)
        if self.n_bins < FEWEST_BINS:
            msg = f"a peak on a background needs at least {FEWEST_BINS} bins, not {self.n_bins}"
            raise InputError(msg)
        if not 0 <= self.min_p_value < 1:
            msg = f"a p-value lies between 0 and 1, which {self.min_p_value} does not; 0 refuses no fit for it"
            raise InputError(msg)

    @property
    def edges(self) -> Array:
        """Edges of the bins, shape (n_bins + 1,), in GeV."""
        return np.linspace(self.low, self.high, self.n_bins + 1)

    @property
    def fine_edges(self) -> Array:
        """Edges of the cells around the points that the likelihood is summed over, shape (n_points + 1,), in GeV."""
        return np.linspace(self.low, self.high, self.n_bins * POINTS_PER_BIN + 1)

    @property
    def ends(self) -> int:
        """Bins at each end of the window in which masses count less and less."""
        return round(END_SHARE * self.n_bins)

    @property
    def weights(self) -> Array:
        """How much each point of the likelihood counts, shape (n_points,): 1, and at the ends of the window down to 0.

        A mass that leaves a window with a hard end takes its whole weight with it. Rounding moves many over such an end, all
        in the same direction if a cell of the grid lies across it.
        """
        n_points = self.n_bins * POINTS_PER_BIN
        place = (np.arange(n_points) + 0.5) / (self.ends * POINTS_PER_BIN)
        inwards = np.minimum(np.minimum(place, place[::-1]), 1.0)
        return np.asarray((1.0 - np.cos(np.pi * inwards)) / 2)
