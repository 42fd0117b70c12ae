"""Fits of a mass peak: extended binned likelihood, and the reasons for which a fit is refused.

A fit that did not converge, or ran into a limit, or does not describe its spectrum, gives numbers too. They mean nothing,
so they are not taken: `MassFit.refused` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from .settings import FitSettings
from .shapes import Model, background_basis, find_model

__all__ = ("MassFit", "MassFitter")

Array = NDArray[np.float64]

BELOW_LIMIT = 1e-3  # share of a parameter's range that counts as its limit
NEGLIGIBLE = 1e-4  # share of the entries below which a term of the background is zero
TYPICAL_MASS = 172.5


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class MassFit:
    """A fitted spectrum.

    Attributes
    ----------
    entries
        In the window.
    mass, mass_error, width, width_error
        In GeV; width is the Gaussian's. NaN where nothing could be fitted.
    signal, signal_error
        Entries in the peak.
    significance
        Of the peak: root of the improvement over the background alone, in standard errors.
    chi2, n_dof, p_value
        Goodness of fit: the likelihood ratio to the saturated model, which follows a chi-square (S. Baker and
        R. D. Cousins, NIM 221 (1984) 437). Of a fit by least squares Pearson's chi-square, and no p-value.
    refused
        Why the fit must not be used; empty for a good one.
    values
        All parameters by name.
    fixed
        Parameters that no longer acted at their limit and were fixed there.
    expected, background
        Entries that the fit expects in each bin, shape (n_bins,); empty where nothing could be fitted.
    """

    entries: int
    mass: float
    mass_error: float
    width: float
    width_error: float
    signal: float
    signal_error: float
    significance: float
    chi2: float
    n_dof: int
    p_value: float
    refused: tuple[str, ...]
    values: dict[str, float]
    fixed: tuple[str, ...]
    expected: Array
    background: Array

    @property
    def ok(self) -> bool:
        """Whether the fit may be used."""
        return not self.refused

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is not a number becomes None."""
        numbers = (
            "mass",
            "mass_error",
            "width",
            "width_error",
            "signal",
            "signal_error",
            "significance",
            "chi2",
            "p_value",
        )
        plain = {name: _plain(getattr(self, name)) for name in numbers}
        return {
            "ok": self.ok,
            "refused": list(self.refused),
            "entries": self.entries,
            **plain,
            "n_dof": self.n_dof,
            "parameters": {name: _plain(value) for name, value in self.values.items()},
            "fixed": list(self.fixed),
        }


class MassFitter:
    """Fits spectra with one model in one window.

    Parameters
    ----------
    settings
        Model, window and bins.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> masses = np.concatenate([rng.normal(172.0, 4.0, 20_000), rng.uniform(100.0, 225.0, 20_000)])
    >>> settings = FitSettings(model="gauss-line")
    >>> fit = MassFitter(settings).fit(np.histogram(masses, settings.edges)[0])
    >>> fit.ok, abs(fit.mass - 172.0) < 0.2
    (True, True)
    """

    def __init__(self, settings: FitSettings) -> None:
        self._settings = settings
        self._model: Model = find_model(settings.model)
        self._edges = settings.edges
        self._basis = background_basis(self._edges, self._model.degree)
        self._shape_names = tuple(parameter.name for parameter in self._model.parameters)
        self._background_names = tuple(f"background_{k}" for k in range(self._model.degree + 1))
        self._names = ("signal", "mass", "width", *self._shape_names, *self._background_names)

    @property
    def settings(self) -> FitSettings:
        """Model, window and bins."""
        return self._settings

    def expected(self, values: NDArray[Any]) -> tuple[Array, Array]:
        """Entries in each bin, and those of the background alone, each of shape (n_bins,).

        Parameters
        ----------
        values
            All parameters in the order of the fit.
        """
        n_shape = len(self._shape_names)
        background = self._basis @ np.asarray(values[3 + n_shape :], np.float64)
        peak = values[0] * self._model.fractions(self._edges, *values[1 : 3 + n_shape])
        return peak + background, background

    def fit(self, counts: NDArray[Any], near: MassFit | None = None) -> MassFit:
        """Fit a spectrum.

        Parameters
        ----------
        counts
            Entries in each bin, shape (n_bins,).
        near
            A fit of nearly the same spectrum, to start from; its fixed parameters stay fixed.

        Returns
        -------
        MassFit
            Also where it is refused.
        """
        counts = np.asarray(counts, np.float64)
        entries = int(counts.sum())
        if entries < self._settings.min_entries:
            reason = f"only {entries} entries between {self._settings.low:g} and {self._settings.high:g} GeV; {self._settings.min_entries} are needed"
            return self._nothing(entries, reason)
        if near is not None and near.values:
            minuit = self._minimise(counts, dict(near.values), set(near.fixed))
        else:
            tried = [self._minimise(counts, self._start(counts, mass), set()) for mass in self._masses(counts)]
            minuit = min(tried, key=lambda result: (not result.valid, result.fval))
        return self._result(minuit, counts)

    def refit(self, counts: NDArray[Any], near: MassFit) -> tuple[float, float] | None:
        """Fit a replica of a spectrum.

        Parameters
        ----------
        counts
            Shape (n_bins,).
        near
            The fit of the spectrum.

        Returns
        -------
        tuple or None
            Mass and width in GeV; None if the fit did not converge.
        """
        minuit = self._minimise(np.asarray(counts, np.float64), dict(near.values), set(near.fixed), errors=False)
        values = float(minuit.values["mass"]), float(minuit.values["width"])
        return values if minuit.valid else None

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
        start = {"signal": 0.4 * total, "mass": mass, "width": self._settings.width[0]}
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
        # A line may well become negative where the data are nothing: this is the older studies' own freedom.
        lowest = -10.0 * total if self._model.unweighted else 0.0
        return limits | dict.fromkeys(self._background_names, (lowest, 10.0 * total))

    def _cost(self, counts: Array) -> Callable[[Array], float]:
        cost = need("iminuit.cost", extra="analysis")
        if self._model.unweighted:
            centres = (self._edges[:-1] + self._edges[1:]) / 2
            # One error for all bins is no weight; of the usual size it makes the cost one that Minuit resolves well.
            error = math.sqrt(float(counts.mean()))
            squares = cost.LeastSquares(centres, counts, error, lambda _, values: self.expected(values)[0])
            return lambda values: float(squares(values))

        def cumulative(_: Array, values: Array) -> Array:
            # The likelihood takes the logarithm of every bin.
            return np.concatenate([[0.0], np.cumsum(np.maximum(self.expected(values)[0], 1e-12))])

        likelihood = cost.ExtendedBinnedNLL(counts, self._edges, cumulative)
        return lambda values: float(likelihood(values)) + self._penalty(values)

    def _penalty(self, values: NDArray[Any]) -> float:
        """How far the shape's parameters are from what is expected of them, as a chi-square."""
        shape = zip(self._model.parameters, values[3:], strict=False)
        return sum((math.log(float(value) / parameter.start) / parameter.spread) ** 2 for parameter, value in shape)

    def _minimise(self, counts: Array, start: dict[str, float], fixed: set[str], *, errors: bool = True) -> Any:
        iminuit = need("iminuit", extra="analysis")
        minuit = iminuit.Minuit(self._cost(counts), np.array([start[name] for name in self._names]), name=self._names)
        minuit.errordef = iminuit.Minuit.LEAST_SQUARES  # a likelihood ratio of iminuit is a chi-square, too
        total = float(counts.sum())
        for name, limits in self._limits(total).items():
            minuit.limits[name] = limits
        for name in fixed:
            minuit.fixed[name] = True
        minuit.migrad()
        # A term that ended where it no longer acts makes the error matrix meaningless: repeat the fit without it.
        while gone := self._idle(minuit, total):
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
        if not self._model.unweighted:
            gone |= {
                name: 0.0
                for name in self._background_names
                if not minuit.fixed[name] and minuit.values[name] < NEGLIGIBLE * total
            }
        return gone

    def _without_peak(self, counts: Array, values: dict[str, float]) -> float:
        """The smallest cost of the background alone."""
        flat = dict.fromkeys(self._background_names, float(counts.sum()) / len(self._background_names))
        fixed = set(self._names) - set(self._background_names)
        return float(self._minimise(counts, values | flat | {"signal": 0.0}, fixed).fval)

    def _result(self, minuit: Any, counts: Array) -> MassFit:
        stats = need("scipy.stats", extra="analysis")
        values = {name: float(minuit.values[name]) for name in self._names}
        expected, background = self.expected(np.array(list(values.values())))
        errors = {name: float(minuit.errors[name]) for name in self._names}
        n_dof = self._settings.n_bins - int(minuit.nfit)
        chi2, p_value, scatter = float(minuit.fval) - self._penalty(minuit.values), math.nan, 1.0
        if self._model.unweighted:
            # The errors are those of counts that scatter around the curve as they do here.
            scatter = math.sqrt(chi2 / n_dof)
            errors |= self._linear_errors(minuit, counts)
            chi2 = float(np.sum((counts - expected) ** 2 / np.maximum(counts, 1.0)))
        elif math.isfinite(chi2):
            p_value = float(stats.chi2.sf(chi2, n_dof))
        gain = max(self._without_peak(counts, values) - float(minuit.fval), 0.0)
        significance = math.sqrt(gain) / scatter
        return MassFit(
            entries=int(counts.sum()),
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

    def _linear_errors(self, minuit: Any, counts: Array) -> dict[str, float]:
        """Errors by the linear rule of least squares, from the scatter of the bins around the curve."""
        free = [i for i, name in enumerate(self._names) if not minuit.fixed[name]]
        values = np.array(minuit.values)
        columns = []
        for i in free:
            step = np.zeros(len(values))
            step[i] = max(abs(values[i]), 1.0) * 1e-5
            columns.append((self.expected(values + step)[0] - self.expected(values - step)[0]) / (2 * step[i]))
        slopes = np.stack(columns, axis=1)
        scatter = np.sum((counts - self.expected(values)[0]) ** 2) / (len(counts) - len(free))
        covariance = np.linalg.pinv(slopes.T @ slopes) * scatter
        return {self._names[i]: float(np.sqrt(covariance[k, k])) for k, i in enumerate(free)}

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
        if not self._model.unweighted and not p_value >= settings.min_p_value:
            reasons.append(
                f"the model does not describe the spectrum: p = {p_value:.2g} is below {settings.min_p_value:g}"
            )
        return reasons

    def _nothing(self, entries: int, reason: str) -> MassFit:
        nan = math.nan
        empty = np.empty(0)
        return MassFit(entries, nan, nan, nan, nan, nan, nan, nan, nan, 0, nan, (reason,), {}, (), empty, empty)


def _at_limit(minuit: Any, name: str, limit: float) -> bool:
    low, high = minuit.limits[name]
    return bool(abs(float(minuit.values[name]) - limit) < BELOW_LIMIT * (high - low))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
