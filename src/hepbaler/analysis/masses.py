"""The top mass before and after: two fits, and the paired error of their difference.

Both spectra come from the same events, so that their fluctuations are shared and the error of a shift is far smaller than
the errors of the two fits. It is found by a paired bootstrap (B. Efron, Ann. Statist. 7 (1979) 1): each replica gives
every event one Poisson weight, the same in both files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidates
from .filling import Filler
from .fits import MassFit, MassFitter
from .settings import FitSettings

__all__ = ("MassComparison", "PeakErrors", "Shift", "compare_masses")

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

ONE_SIGMA = (15.8655, 84.1345)  # percent
MAX_FAILED = 0.1  # share of replicas that may fail
MARGIN = 0.15  # of the window
PEAK_WIDTHS = 2.0  # around the fitted mass


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Shift:
    """After minus before, in GeV.

    Attributes
    ----------
    mass, width
        Differences of the two fits.
    mass_error, width_error
        Paired: half of the central 68 % of the replicas.
    mass_error_independent, width_error_independent
        What they would be for different events; for comparison.
    replicas, failed
        How many were fitted, and how many of these failed.
    """

    mass: float
    mass_error: float
    width: float
    width_error: float
    mass_error_independent: float
    width_error_independent: float
    replicas: int
    failed: int


@dataclass(frozen=True)
class PeakErrors:
    """What became of each mass in the peak. A fit can be good by luck; this cannot.

    Attributes
    ----------
    candidates
        In the peak (two widths around the fitted mass) of the file before, with a partner in the file after.
    lost
        Without a partner.
    bias, rms
        Mean and root mean square of after minus before, in GeV.
    """

    candidates: int
    lost: int
    bias: float
    rms: float


@dataclass(frozen=True)
class MassComparison:
    """The whole result.

    Attributes
    ----------
    settings
        Of both fits.
    before_counts, after_counts
        Spectra, shape (n_bins,).
    before_step, after_step
        Step of the grid on which the masses lie, in GeV; 0 for none, or where values are not spread over their cells.
    shift, shift_refused
        None where a fit is refused or too many replicas failed, and why.
    peak
        None where the fit before is refused.
    """

    settings: FitSettings
    before: MassFit
    after: MassFit
    before_counts: Array
    after_counts: Array
    before_step: float
    after_step: float
    shift: Shift | None
    shift_refused: str | None
    peak: PeakErrors | None

    @property
    def ok(self) -> bool:
        """Whether both fits may be used and the shift has its error."""
        return self.shift is not None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        settings = self.settings
        return {
            "ok": self.ok,
            "model": settings.model,
            "window": [settings.low, settings.high],
            "bins": settings.n_bins,
            "grid_step": {"before": self.before_step, "after": self.after_step},
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "shift": None if self.shift is None else _finite(vars(self.shift)),
            "shift_refused": self.shift_refused,
            "peak": None if self.peak is None else _finite(vars(self.peak)),
            "counts": {"before": self.before_counts.tolist(), "after": self.after_counts.tolist()},
        }


def compare_masses(
    before: Candidates,
    after: Candidates,
    settings: FitSettings,
    *,
    replicas: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> MassComparison:
    """Fit both spectra, and find the paired error of the shifts.

    Parameters
    ----------
    before, after
        Candidates of the same events.
    settings
        Of the fits, the same for both.
    replicas
        Of the bootstrap.
    seed
        Of its weights.
    progress
        Called with what is done, how many replicas are, and how many there are.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> event = np.arange(20_000)
    >>> mass = np.where(event % 2 == 0, rng.normal(172.0, 4.0, 20_000), rng.uniform(100.0, 225.0, 20_000))
    >>> one = Candidates(event, 0 * event, mass)
    >>> other = Candidates(event, 0 * event, mass + 1.0)
    >>> result = compare_masses(one, other, FitSettings(model="gauss-line"), replicas=20)
    >>> round(result.shift.mass, 1)
    1.0
    """
    fitter = MassFitter(settings)
    spectra = (_Spectrum(before, settings), _Spectrum(after, settings))
    before_counts, after_counts = (spectrum.filler.fill() for spectrum in spectra)
    first = fitter.fit(before_counts)
    # A fit of what is nearly the same spectrum could end in another minimum if it started elsewhere.
    same = np.array_equal(before_counts, after_counts)
    second = first if same else fitter.fit(after_counts, near=first if first.ok else None)
    if first.ok and not second.ok:
        second = fitter.fit(after_counts)
    first, second = (
        _resolved(fit, spectrum.filler.step) for fit, spectrum in zip((first, second), spectra, strict=True)
    )
    shift: Shift | None = None
    refused: str | None = None
    if not first.ok or not second.ok:
        refused = " and ".join(
            f"the fit {word} is refused" for word, fit in (("before", first), ("after", second)) if not fit.ok
        )
    else:
        shift, refused = _bootstrap(fitter, spectra, (first, second), replicas, seed, progress)
    peak = _peak_errors(before, after, first) if first.ok else None
    return MassComparison(
        settings,
        first,
        second,
        before_counts,
        after_counts,
        spectra[0].filler.step,
        spectra[1].filler.step,
        shift,
        refused,
        peak,
    )


class _Spectrum:
    """The candidates of one file in the window, and near enough for their rounding to reach it."""

    def __init__(self, candidates: Candidates, settings: FitSettings) -> None:
        margin = MARGIN * (settings.high - settings.low) if settings.spread else 0.0
        inside = (candidates.mass >= settings.low - margin) & (candidates.mass < settings.high + margin)
        self.event = candidates.event[inside]
        self.filler = Filler(candidates.mass[inside], settings.edges, spread=settings.spread)


def _resolved(fit: MassFit, step: float) -> MassFit:
    """The fit, refused if its peak is narrower than the grid on which the masses lie."""
    if not fit.ok or step <= fit.width:
        return fit
    reason = f"the masses lie {step:.3g} GeV apart, further than the peak is wide ({fit.width:.3g} GeV)"
    return replace(fit, refused=(reason,))


def _bootstrap(
    fitter: MassFitter,
    spectra: tuple[_Spectrum, _Spectrum],
    fits: tuple[MassFit, MassFit],
    replicas: int,
    seed: int,
    progress: Progress | None,
) -> tuple[Shift | None, str | None]:
    first, second = fits
    events, numbers = np.unique(np.concatenate([spectrum.event for spectrum in spectra]), return_inverse=True)
    numbered = np.split(numbers, [len(spectra[0].event)])
    rng = np.random.default_rng(seed)
    shifts = []
    for replica in range(replicas):
        weights = rng.poisson(1.0, len(events)).astype(np.float64)
        counts = [spectrum.filler.fill(weights[number]) for spectrum, number in zip(spectra, numbered, strict=True)]
        one = fitter.refit(counts[0], first)
        # Equal spectra of equal fits have equal results; there is no need to find them twice.
        same = np.array_equal(counts[0], counts[1]) and first.values == second.values
        other = one if same else fitter.refit(counts[1], second)
        if one is not None and other is not None:
            shifts.append((other[0] - one[0], other[1] - one[1]))
        if progress is not None:
            progress("bootstrap", replica + 1, replicas)
    failed = replicas - len(shifts)
    if len(shifts) < 2 or failed > MAX_FAILED * replicas:
        return None, f"{failed} of {replicas} fits of the bootstrap did not converge"
    low, high = np.percentile(np.array(shifts), ONE_SIGMA, axis=0)
    mass_error, width_error = (high - low) / 2
    shift = Shift(
        mass=second.mass - first.mass,
        mass_error=float(mass_error),
        width=second.width - first.width,
        width_error=float(width_error),
        mass_error_independent=math.hypot(first.mass_error, second.mass_error),
        width_error_independent=math.hypot(first.width_error, second.width_error),
        replicas=replicas,
        failed=failed,
    )
    return shift, None


def _peak_errors(before: Candidates, after: Candidates, fit: MassFit) -> PeakErrors:
    inside = np.abs(before.mass - fit.mass) < PEAK_WIDTHS * fit.width
    slots = 1 + max((int(c.slot.max()) for c in (before, after) if len(c.slot)), default=0)
    keys = before.event[inside] * slots + before.slot[inside]
    _, mine, theirs = np.intersect1d(keys, after.event * slots + after.slot, assume_unique=True, return_indices=True)
    errors = after.mass[theirs] - before.mass[inside][mine]
    errors = errors[np.isfinite(errors)]
    n = len(errors)
    bias, rms = (float(errors.mean()), float(np.sqrt(np.mean(errors**2)))) if n else (math.nan, math.nan)
    return PeakErrors(n, len(keys) - n, bias, rms)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
