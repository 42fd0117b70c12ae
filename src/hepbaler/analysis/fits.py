"""Fits of a mass peak: extended likelihood, and the reasons for which a fit is refused.

A fit that did not converge, or ran into a limit, or does not describe its spectrum, gives numbers too. They mean nothing,
so they are not taken: `hepbaler.analysis.result.MassFit.refused` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from .filling import Spectrum
from .result import MassFit
from .settings import POINTS_PER_BIN, FitSettings
from .shapes import Model, background_basis, find_model

__all__ = ("MassFitter",)

Array = NDArray[np.float64]

BELOW_LIMIT = 1e-3  # share of a parameter's range that counts as its limit
NEGLIGIBLE = 1e-4  # share of the entries below which a term of the background is zero
TYPICAL_MASS = 172.5
TOLERANCE = 1e-3  # of Minuit: what is left to gain is far less than a paired error can see
TINY = 1e-12  # entries; the likelihood takes their logarithm


def __dir__() -> tuple[str, ...]:
    return __all__


class MassFitter:
    """Fits spectra with one model in one window.

    The likelihood is extended and needs no bins (see `hepbaler.analysis.filling`). Masses at the ends of the window count
    less, down to nothing: a local likelihood (J. B. Copas, J. R. Statist. Soc. B 57 (1995) 221). It has the same mean as
    one in a window with hard ends, and errors that take the weights into account.

    Parameters
    ----------
    settings
        Model, window and bins.

    Examples
    --------
    >>> import numpy as np
    >>> from hepbaler.analysis.filling import Spectrum
    >>> rng = np.random.default_rng(1)
    >>> masses = np.concatenate([rng.normal(172.0, 4.0, 20_000), rng.uniform(100.0, 225.0, 20_000)])
    >>> settings = FitSettings(model="voigt")
    >>> fit = MassFitter(settings).fit(Spectrum(masses, settings))
    >>> fit.ok, abs(fit.mass - 172.0) < 0.2
    (True, True)
    """

    def __init__(self, settings: FitSettings) -> None:
        self._settings = settings
        self._model: Model = find_model(settings.model)
        self._edges = settings.fine_edges
        self._weights = settings.weights
        self._basis = background_basis(self._edges, self._model.degree)
        self._shape_names = tuple(parameter.name for parameter in self._model.parameters)
        self._background_names = tuple(f"background_{k}" for k in range(self._model.degree + 1))
        self._names = ("signal", "mass", "width", *self._shape_names, *self._background_names)

    @property
    def settings(self) -> FitSettings:
        """Model, window and bins."""
        return self._settings

    def expected(self, values: NDArray[Any]) -> tuple[Array, Array]:
        """Entries at each point of the likelihood, and those of the background alone, each of shape (n_points,).

        Parameters
        ----------
        values
            All parameters in the order of the fit.
        """
        n_shape = len(self._shape_names)
        background = self._basis @ np.asarray(values[3 + n_shape :], np.float64)
        peak = values[0] * self._model.fractions(self._edges, *values[1 : 3 + n_shape])
        return peak + background, background

    def fit(self, spectrum: Spectrum, near: MassFit | None = None) -> MassFit:
        """Fit a spectrum.

        Parameters
        ----------
        spectrum
            Of the same settings.
        near
            A fit of nearly the same spectrum, to start from; its fixed parameters stay fixed.

        Returns
        -------
        MassFit
            Also where it is refused.
        """
        counts = spectrum.points()
        entries = len(spectrum.inside)
        if entries < self._settings.min_entries:
            reason = f"only {entries} entries between {self._settings.low:g} and {self._settings.high:g} GeV; {self._settings.min_entries} are needed"
            return self._nothing(entries, reason)
        if near is not None and near.values:
            minuit = self._minimise(counts, dict(near.values), set(near.fixed))
        else:
            minuit = self._search(counts)
        return self._result(minuit, counts, spectrum)

    def find_peak(self, spectrum: Spectrum) -> tuple[float, float] | None:
        """Mass and width in GeV, whether or not the model describes the spectrum; None without a minimum."""
        if len(spectrum.inside) < self._settings.min_entries:
            return None
        minuit = self._search(spectrum.points(), errors=False)
        return (float(minuit.values["mass"]), float(minuit.values["width"])) if minuit.valid else None

    def refit(self, counts: Array, near: MassFit, *, hold: bool = False) -> tuple[float, float] | None:
        """Fit a replica of a spectrum.

        Parameters
        ----------
        counts
            At the points of the likelihood, shape (n_points,).
        near
            The fit of the spectrum.
        hold
            Whether all but mass and width stay as they are in `near`.

        Returns
        -------
        tuple or None
            Mass and width in GeV; None if the fit did not converge.
        """
        fixed = set(self._names) - {"mass", "width"} if hold else set(near.fixed)
        minuit = self._minimise(np.asarray(counts, np.float64), dict(near.values), fixed, errors=False, again=not hold)
        values = float(minuit.values["mass"]), float(minuit.values["width"])
        return values if minuit.valid else None

    def _search(self, counts: Array, *, errors: bool = True) -> Any:
        tried = [
            self._minimise(counts, self._start(counts, mass), set(), errors=errors) for mass in self._masses(counts)
        ]
        return min(tried, key=lambda result: (not result.valid, result.fval))

    def _masses(self, counts: Array) -> tuple[float, ...]:
        """Where to start: at the top's mass, and where the spectrum stands out above a line between its ends."""
        centres = (self._edges[:-1] + self._edges[1:]) / 2
        wide = max(len(counts) // 25, 1)
        smooth = np.convolve(counts, np.ones(wide) / wide, mode="same")
        inner = slice(wide, len(counts) - wide)
        line = np.interp(centres, centres[[wide, -wide - 1]], smooth[[wide, -wide - 1]])
        peak = float(centres[inner][np.argmax((smooth - line)[inner])])
        typical = TYPICAL_MASS if self._settings.low < TYPICAL_MASS < self._settings.high else peak
        return (peak,) if abs(peak - typical) < self._settings.width[0] else (peak, typical)

    def _start(self, counts: Array, mass: float) -> dict[str, float]:
        total = float(counts.sum())
        # A window around the peak is a few widths wide.
        width = min(self._settings.width[0], (self._settings.high - self._settings.low) / 5)
        start = {"signal": 0.4 * total, "mass": mass, "width": width}
        start |= {parameter.name: parameter.start for parameter in self._model.parameters}
        share = 0.6 * total / len(self._background_names)
        return start | dict.fromkeys(self._background_names, share)

    def _limits(self, total: float) -> dict[str, tuple[float, float]]:
        limits = {
            "signal": (0.0, 2.0 * total),
            "mass": (self._settings.low, self._settings.high),
            "width": self._settings.width[1:],
        }
        limits |= {parameter.name: (parameter.low, parameter.high) for parameter in self._model.parameters}
        return limits | dict.fromkeys(self._background_names, (0.0, 10.0 * total))

    def _cost(self, counts: Array) -> Callable[[Array], float]:
        weights, weighted = self._weights, self._weights * counts
        # The smallest that it could be is taken away: Minuit's precision is relative.
        least = float(np.sum(weighted * (1.0 - np.log(np.maximum(counts, TINY)))))

        def cost(values: Array) -> float:
            expected = np.maximum(self.expected(values)[0], TINY)
            return 2.0 * (float(weights @ expected - weighted @ np.log(expected)) - least) + self._penalty(values)

        return cost

    def _penalty(self, values: NDArray[Any]) -> float:
        """How far the shape's parameters are from what is expected of them, as a chi-square."""
        shape = zip(self._model.parameters, values[3:], strict=False)
        return sum((math.log(float(value) / parameter.start) / parameter.spread) ** 2 for parameter, value in shape)

    def _minimise(
        self, counts: Array, start: dict[str, float], fixed: set[str], *, errors: bool = True, again: bool = True
    ) -> Any:
        iminuit = need("iminuit", extra="analysis")
        minuit = iminuit.Minuit(self._cost(counts), np.array([start[name] for name in self._names]), name=self._names)
        minuit.errordef = iminuit.Minuit.LEAST_SQUARES  # twice the logarithm of a likelihood is a chi-square, too
        minuit.tol = TOLERANCE
        total = float(counts.sum())
        for name, limits in self._limits(total).items():
            minuit.limits[name] = limits
        for name in fixed:
            minuit.fixed[name] = True
        minuit.migrad()
        # A term that ended where it no longer acts makes the error matrix meaningless: repeat the fit without it.
        while again and (gone := self._idle(minuit, total)):
            for name, value in gone.items():
                minuit.values[name] = value
                minuit.fixed[name] = True
            minuit.migrad()
        if not minuit.valid:
            minuit.simplex().migrad()
        if errors:
            minuit.hesse()
        return minuit

    def _idle(self, minuit: Any, total: float) -> dict[str, float]:
        """Free parameters that no longer act, and where."""
        gone = {
            parameter.name: parameter.idle
            for parameter in self._model.parameters
            if parameter.idle is not None
            and not minuit.fixed[parameter.name]
            and _at_limit(minuit, parameter.name, parameter.idle)
        }
        return gone | {
            name: 0.0
            for name in self._background_names
            if not minuit.fixed[name] and minuit.values[name] < NEGLIGIBLE * total
        }

    def _without_peak(self, counts: Array, values: dict[str, float]) -> float:
        """The smallest cost of the background alone."""
        flat = dict.fromkeys(self._background_names, float(counts.sum()) / len(self._background_names))
        fixed = set(self._names) - set(self._background_names)
        return float(self._minimise(counts, values | flat | {"signal": 0.0}, fixed).fval)

    def _result(self, minuit: Any, counts: Array, spectrum: Spectrum) -> MassFit:
        values = {name: float(minuit.values[name]) for name in self._names}
        points = self.expected(np.array(list(values.values())))
        expected, background = (each.reshape(-1, POINTS_PER_BIN).sum(axis=1) for each in points)
        errors = self._errors(minuit, points[0])
        chi2, n_dof, p_value = self._goodness(spectrum.bins, expected, int(minuit.nfit))
        significance = math.sqrt(max(self._without_peak(counts, values) - float(minuit.fval), 0.0))
        return MassFit(
            entries=len(spectrum.inside),
            mass=values["mass"],
            mass_error=errors["mass"],
            width=values["width"],
            width_error=errors["width"],
            signal=values["signal"],
            signal_error=errors["signal"],
            significance=significance,
            chi2=chi2,
            n_dof=n_dof,
            p_value=p_value,
            refused=tuple(self._objections(minuit, values, errors, significance, p_value)),
            values=values,
            fixed=tuple(name for name in self._names if minuit.fixed[name]),
            expected=expected,
            background=background,
        )

    def _goodness(self, bins: Array, expected: Array, n_fitted: int) -> tuple[float, int, float]:
        """Of the bins in which all masses have their full weight."""
        stats = need("scipy.stats", extra="analysis")
        special = need("scipy.special", extra="analysis")
        full = slice(self._settings.ends, len(bins) - self._settings.ends)
        found, curve = bins[full], np.maximum(expected[full], TINY)
        chi2 = 2.0 * float(np.sum(curve - found + special.xlogy(found, found / curve)))
        n_dof = len(found) - n_fitted
        return chi2, n_dof, float(stats.chi2.sf(chi2, n_dof))

    def _errors(self, minuit: Any, expected: Array) -> dict[str, float]:
        """Errors of a likelihood whose terms have weights: by the spread of its slope (P. J. Huber, 1967).

        Both the curvature and the spread are those that the fitted curve expects. Those of the very masses are themselves
        uncertain where parameters are hard to tell apart.
        """
        values = np.array(minuit.values)
        free = [i for i, name in enumerate(self._names) if not minuit.fixed[name]]
        slopes = np.zeros((len(expected), len(free)))
        for k, i in enumerate(free):
            step = np.zeros(len(values))
            step[i] = max(abs(values[i]), 1.0) * 1e-5
            slopes[:, k] = (self.expected(values + step)[0] - self.expected(values - step)[0]) / (2 * step[i])
        weights = (self._weights / np.maximum(expected, TINY))[:, None]
        curvature = slopes.T @ (weights * slopes)
        spread = slopes.T @ (weights * self._weights[:, None] * slopes)
        for k, i in enumerate(free):
            if 3 <= i < 3 + len(self._shape_names):
                # What is expected of a tail is as good as a measurement of it.
                known = 1.0 / (self._model.parameters[i - 3].spread * values[i]) ** 2
                curvature[k, k] += known
                spread[k, k] += known
        inverse = np.linalg.pinv(curvature, hermitian=True)
        covariance = inverse @ spread @ inverse
        found = {self._names[i]: math.sqrt(max(covariance[k, k], 0.0)) for k, i in enumerate(free)}
        return dict.fromkeys(self._names, 0.0) | found

    def _objections(
        self, minuit: Any, values: dict[str, float], errors: dict[str, float], significance: float, p_value: float
    ) -> list[str]:
        settings = self._settings
        reasons = []
        if not minuit.valid:
            reasons.append("the minimiser did not converge")
        if not minuit.accurate:
            reasons.append("the error matrix is not accurate")
        reasons += [
            f"{name} = {values[name]:.4g} is at its limit {limit:g}"
            for name in ("signal", "mass", "width", *self._shape_names)
            for limit in minuit.limits[name]
            if not minuit.fixed[name] and _at_limit(minuit, name, limit)
        ]
        if not errors["mass"] < settings.high - settings.low or not errors["width"] < values["width"]:
            reasons.append(
                f"mass and width are not determined: errors of {errors['mass']:.3g} and {errors['width']:.3g} GeV"
            )
        if not significance >= settings.min_significance:
            reasons.append(f"no peak: {significance:.1f} standard errors, {settings.min_significance:g} are needed")
        if not p_value >= settings.min_p_value:
            reasons.append(
                f"the model does not describe the spectrum: p = {p_value:.2g} is below {settings.min_p_value:g}; take another model or window, or a lower least p-value"
            )
        return reasons

    def _nothing(self, entries: int, reason: str) -> MassFit:
        nan = math.nan
        empty = np.empty(0)
        return MassFit(entries, nan, nan, nan, nan, nan, nan, nan, nan, 0, nan, (reason,), {}, (), empty, empty)


def _at_limit(minuit: Any, name: str, limit: float) -> bool:
    low, high = minuit.limits[name]
    return bool(abs(float(minuit.values[name]) - limit) < BELOW_LIMIT * (high - low))
