"""The top mass before and after: two fits, and the paired error of their difference.

Both spectra come from the same events, so that their fluctuations are shared and the error of a shift is far smaller than
the errors of the two fits. It is found by a paired bootstrap (B. Efron, Ann. Statist. 7 (1979) 1): each replica gives
every event one Poisson weight, the same in both files.

Width and tails of a peak are hard to tell apart, so that free fits know changes of the width badly. The same shift is
therefore also found with all but mass and width held at what they were before: by how much did the peak move and widen,
if nothing else changed? That is far better known, and right only if nothing else did change, which is tested (J. A. Hausman,
Econometrica 46 (1978) 1251): then both ways give the same but for the error of their difference, which the bootstrap gives,
too. Where they do, the shift is that with the rest held; where they do not, that of the free fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from .candidates import Candidates
from .filling import Spectrum
from .fits import MassFitter
from .result import MassFit
from .settings import FitSettings
from .window import align, around_peak

__all__ = ("Difference", "MassComparison", "PeakErrors", "Shift", "compare_masses")

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

ONE_SIGMA = (15.8655, 84.1345)  # percent
MAX_FAILED = 0.1  # share of replicas that may fail
FEWEST_REPLICAS = 10  # that tell whether two shifts agree
LEAST_AGREEMENT = 0.05  # p-value
PEAK_WIDTHS = 2.0  # around the fitted mass
TINY = 1e-12  # GeV


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Difference:
    """After minus before, in GeV, found in one way.

    Attributes
    ----------
    mass, width
        Differences of two fits.
    mass_error, width_error
        Paired: half of the central 68 % of the replicas.
    """

    mass: float
    mass_error: float
    width: float
    width_error: float


@dataclass(frozen=True)
class Shift:
    """After minus before.

    Attributes
    ----------
    free
        All parameters free in both fits.
    held
        All but mass and width held at those of the fit before. Better known; and right if nothing else changed.
    agreement
        How probable it is that the two differ as much or more if nothing else changed: the smaller one of the p-values of
        mass and width, times two for the choice. NaN where too few replicas tell.
    mass_error_independent, width_error_independent
        What the errors of the free fits would be for different events; for comparison.
    replicas, failed
        How many were fitted, and how many of these failed.
    """

    free: Difference
    held: Difference
    agreement: float
    mass_error_independent: float
    width_error_independent: float
    replicas: int
    failed: int

    @property
    def rest_held(self) -> bool:
        """Whether the rest of the curve is seen to be as before, so that `held` is quoted."""
        return self.agreement >= LEAST_AGREEMENT

    @property
    def quoted(self) -> Difference:
        """The one to quote."""
        return self.held if self.rest_held else self.free

    @property
    def ways(self) -> dict[str, Difference]:
        """Both by the names that they have in tables and figures, the one to quote first."""
        other = {"all free": self.free} if self.rest_held else {"rest held": self.held}
        return {"shift": self.quoted, **other}

    @property
    def mass(self) -> float:
        """Of the mass, as quoted, in GeV."""
        return self.quoted.mass

    @property
    def mass_error(self) -> float:
        """Its paired error, in GeV."""
        return self.quoted.mass_error

    @property
    def width(self) -> float:
        """Of the width, as quoted, in GeV."""
        return self.quoted.width

    @property
    def width_error(self) -> float:
        """Its paired error, in GeV."""
        return self.quoted.width_error

    def to_dict(self) -> dict[str, Any]:
        """As plain data, with the shift to quote first; what is not a number becomes None."""
        return {
            **_finite(vars(self.quoted)),
            "rest_held": self.rest_held,
            "agreement": self.agreement if math.isfinite(self.agreement) else None,
            "free": _finite(vars(self.free)),
            "held": _finite(vars(self.held)),
            "mass_error_independent": self.mass_error_independent,
            "width_error_independent": self.width_error_independent,
            "replicas": self.replicas,
            "failed": self.failed,
        }


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
        Of both fits, with the window that was found.
    moved
        By how much the masses after were moved down, in GeV, so that their peak has its place in the window; what the fit
        gives for them is moved back.
    before_counts, after_counts
        Spectra, shape (n_bins,).
    before_step, after_step
        Step of the grid on which the masses lie, in GeV; 0 for none.
    shift, shift_refused
        None where a fit is refused or too many replicas failed, and why.
    peak
        None where the fit before is refused.
    """

    settings: FitSettings
    moved: float
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
            "moved": self.moved,
            "grid_step": {"before": self.before_step, "after": self.after_step},
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "shift": None if self.shift is None else self.shift.to_dict(),
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
    settings = around_peak(before.mass, settings)
    fitter = MassFitter(settings)
    spectrum = Spectrum(before.mass, settings)
    first = fitter.fit(spectrum)
    moved = align(after.mass, fitter, first) if first.ok else 0.0
    other = Spectrum(after.mass - moved, settings)
    # A fit of what is nearly the same spectrum could end in another minimum if it started elsewhere.
    same = np.array_equal(spectrum.points(), other.points())
    second = first if same else fitter.fit(other, near=first if first.ok else None)
    if first.ok and not second.ok:
        second = fitter.fit(other)
    first = _resolved(first, spectrum.step, first.width)
    second = _resolved(second, other.step, first.width if first.ok else second.width)
    shift: Shift | None = None
    refused: str | None = None
    if not first.ok or not second.ok:
        refused = " and ".join(
            f"the fit {word} is refused" for word, fit in (("before", first), ("after", second)) if not fit.ok
        )
    else:
        replicated = _Replicas((before, after), (spectrum, other), fitter, (first, second))
        shift, refused = replicated.shift(moved, replicas, seed, progress)
    return MassComparison(
        settings,
        moved,
        first,
        replace(second, mass=second.mass + moved),
        spectrum.bins,
        other.bins if not moved else Spectrum(after.mass, settings).bins,
        spectrum.step,
        other.step,
        shift,
        refused,
        _peak_errors(before, after, first) if first.ok else None,
    )


def _resolved(fit: MassFit, step: float, width: float) -> MassFit:
    """The fit, refused if the peak, which is `width` wide, is narrower than the grid on which the masses lie."""
    if not step > width:
        return fit
    reason = f"the masses lie {step:.3g} GeV apart, further than the peak is wide ({width:.3g} GeV)"
    return replace(fit, refused=(reason,))


class _Replicas:
    """A paired bootstrap of two fits."""

    def __init__(
        self,
        candidates: tuple[Candidates, Candidates],
        spectra: tuple[Spectrum, Spectrum],
        fitter: MassFitter,
        fits: tuple[MassFit, MassFit],
    ) -> None:
        self._spectra, self._fitter, self._fits = spectra, fitter, fits
        self._same = np.array_equal(spectra[0].points(), spectra[1].points())
        events = [each.event[spectrum.inside] for each, spectrum in zip(candidates, spectra, strict=True)]
        self._events, numbers = np.unique(np.concatenate(events), return_inverse=True)
        self._numbers = np.split(numbers, [len(events[0])])

    def shift(
        self, moved: float, replicas: int, seed: int, progress: Progress | None
    ) -> tuple[Shift | None, str | None]:
        """The shift with its errors, or why there is none."""
        first, second = self._fits
        free = (second.mass - first.mass + moved, second.width - first.width)
        held = (0.0, 0.0)
        if not self._same:
            found = self._fitter.refit(self._spectra[1].points(), first, hold=True)
            held = (math.nan, math.nan) if found is None else (found[0] - first.mass + moved, found[1] - first.width)
        rng = np.random.default_rng(seed)
        shifts = []
        for replica in range(replicas):
            one = self._replica(rng.poisson(1.0, len(self._events)).astype(np.float64))
            if one is not None:
                shifts.append(one)
            if progress is not None:
                progress("bootstrap", replica + 1, replicas)
        failed = replicas - len(shifts)
        if len(shifts) < 2 or failed > MAX_FAILED * replicas:
            return None, f"{failed} of {replicas} fits of the bootstrap did not converge"
        found_shifts = np.array(shifts)
        errors = [float(error) for error in _half_of_68(found_shifts)]
        shift = Shift(
            free=Difference(free[0], errors[0], free[1], errors[1]),
            held=Difference(held[0], errors[2], held[1], errors[3]),
            agreement=_agreement(np.subtract(free, held), found_shifts[:, :2] - found_shifts[:, 2:]),
            mass_error_independent=math.hypot(first.mass_error, second.mass_error),
            width_error_independent=math.hypot(first.width_error, second.width_error),
            replicas=replicas,
            failed=failed,
        )
        return shift, None

    def _replica(self, weights: Array) -> tuple[float, float, float, float] | None:
        """After minus before of mass and width, free and with the rest held; None if a fit did not converge."""
        if self._same:
            # Equal spectra have equal fits; there is no need to find them.
            return (0.0, 0.0, 0.0, 0.0)
        points = [
            spectrum.points(weights[number]) for spectrum, number in zip(self._spectra, self._numbers, strict=True)
        ]
        first, second = self._fits
        free = [self._fitter.refit(each, fit) for each, fit in zip(points, (first, second), strict=True)]
        held = [self._fitter.refit(each, first, hold=True) for each in points]
        (one, other), (held_one, held_other) = free, held
        if one is None or other is None or held_one is None or held_other is None:
            return None
        return (other[0] - one[0], other[1] - one[1], held_other[0] - held_one[0], held_other[1] - held_one[1])


def _half_of_68(replicas: Array) -> Array:
    """Half of the central 68 % of each column."""
    low, high = np.percentile(replicas, ONE_SIGMA, axis=0)
    return np.asarray((high - low) / 2)


def _agreement(difference: Array, replicas: Array) -> float:
    """P-value of a difference of two ways to find mass and width, shape (2,), with its replicas, shape (n_replicas, 2)."""
    special = need("scipy.special", extra="analysis")
    if len(replicas) < FEWEST_REPLICAS or not np.isfinite(difference).all():
        return math.nan
    errors = _half_of_68(replicas)
    # Spectra that are the same agree, though no error tells so.
    pulls = np.where(difference == 0.0, 0.0, np.abs(difference) / np.maximum(errors, TINY))
    return min(1.0, 2.0 * float(special.erfc(pulls.max() / math.sqrt(2.0))))


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
