"""Where a model is fitted that describes no more than the peak.

A Gaussian on a line is fitted within three widths of the peak. As both are to be found, this is repeated until the window
stays. It follows from the file before; the file after is fitted in the same window, with its peak at the same place in it:
else a peak that moved as a whole would seem to have moved less.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .filling import Spectrum
from .fits import MassFitter
from .result import MassFit
from .settings import FEWEST_BINS, FitSettings
from .shapes import find_model

__all__ = ("align", "around_peak")

Array = NDArray[np.float64]

MOST_TURNS = 30
DIGITS = 1  # of the window, in GeV
ALIGNED = 1e-4  # GeV


def __dir__() -> tuple[str, ...]:
    return __all__


def around_peak(masses: Array, settings: FitSettings) -> FitSettings:
    """The window for a model that describes no more than the peak; other settings as they are.

    Parameters
    ----------
    masses
        Of the file before, in GeV, shape (n_masses,).
    settings
        With the window in which the peak is looked for.

    Returns
    -------
    FitSettings
        With the same width of bins, if that makes enough of them. The settings unchanged where no peak is found.
    """
    reach = find_model(settings.model).reach
    if reach is None or not settings.around_peak:
        return settings
    here, seen = settings, set()
    for _ in range(MOST_TURNS):
        peak = MassFitter(here).find_peak(Spectrum(masses, here))
        if peak is None:
            return settings
        low = max(round(peak[0] - reach * peak[1], DIGITS), settings.low)
        high = min(round(peak[0] + reach * peak[1], DIGITS), settings.high)
        if (low, high) in seen or not low < high:
            break
        seen.add((low, high))
        n_bins = round(settings.n_bins * (high - low) / (settings.high - settings.low))
        here = replace(settings, low=low, high=high, n_bins=max(n_bins, FEWEST_BINS))
    return here


def align(masses: Array, fitter: MassFitter, before: MassFit) -> float:
    """How far masses have to be moved down for their peak to be where it was before, in GeV.

    Parameters
    ----------
    masses
        Of the file after, in GeV, shape (n_masses,).
    fitter
        Of the window.
    before
        The fit of the file before.

    Returns
    -------
    float
        0 for a model that needs no window of its own, and where a fit does not converge.
    """
    settings = fitter.settings
    if find_model(settings.model).reach is None or not settings.around_peak:
        return 0.0
    moved = 0.0
    for _ in range(MOST_TURNS):
        spectrum = Spectrum(masses - moved, settings)
        if len(spectrum.inside) < settings.min_entries:
            return 0.0
        found = fitter.refit(spectrum.points(), before)
        if found is None:
            return 0.0
        moved += found[0] - before.mass
        if abs(found[0] - before.mass) < ALIGNED:
            break
    return moved
