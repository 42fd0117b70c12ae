"""Shapes of a mass peak and of what lies under it, as numbers of entries in bins.

Which one when:

- ``crystal-ball``: a Gaussian core with a power-law tail on each side. A reconstructed jet loses particles and picks up
  others, so its peak has tails; this is the default.
- ``voigt``: the natural (Breit-Wigner) line of fixed width, smeared by a Gaussian. For peaks without such tails.
- ``gauss-line``: a Gaussian on a straight line, for comparison with older studies. A peak with tails is no Gaussian, so
  that this describes its core only, and is fitted there only.

Formulas: double-sided Crystal Ball as in arXiv:1606.03833 (section 5), after J. E. Gaiser, SLAC-R-255 (1982);
Bernstein polynomials are sums of non-negative terms, so that a background never becomes negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from ..errors import InputError

__all__ = ("MODELS", "Model", "Parameter", "background_basis", "find_model")

Array = NDArray[np.float64]

# Powers of the Crystal Ball's tails, fixed: free powers and free borders of the tails say the same thing twice. Below the
# peak are tops that lost soft radiation, whose spectrum goes with the inverse of the energy lost; left free, this power
# goes there by itself.
LOW_POWER = 1.0
HIGH_POWER = 3.0
TOP_WIDTH = 1.42  # GeV, natural width of the top quark (PDG 2024), far below any jet's resolution
GAUSS_POINTS = 2  # per cell, far narrower than a peak, where a shape has no integral in closed form


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Parameter:
    """A free parameter of a shape beside mass and width.

    Attributes
    ----------
    start
        Where the fit starts, and what the parameter is expected to be; positive.
    spread
        How well that is expected: standard deviation of its logarithm. A weak constraint, which keeps tails and width
        apart where entries are few.
    low, high
        Limits.
    idle
        The limit at which the parameter no longer acts: a fit that ends there is repeated without it.
    """

    name: str
    start: float
    spread: float
    low: float
    high: float
    idle: float | None = None


@dataclass(frozen=True)
class Model:
    """A peak on a background.

    Attributes
    ----------
    name
        As on the command line.
    label
        For a plot's legend.
    cumulative
        ``cumulative(edges, mass, width, *parameters)``: integral of the peak up to each edge, shape (n_bins + 1,);
        any norm and any constant.
    parameters
        Those after mass and width.
    degree
        Of the background's Bernstein polynomial.
    reach
        Widths around the peak that the model describes; None for as far as one looks.
    """

    name: str
    label: str
    cumulative: Callable[..., Array]
    parameters: tuple[Parameter, ...]
    degree: int
    reach: float | None = None

    def fractions(self, edges: Array, mass: float, width: float, *rest: float) -> Array:
        """Share of the peak in each bin, shape (n_bins,); they add up to 1 in the window."""
        integral = self.cumulative(edges, mass, width, *rest)
        total = integral[-1] - integral[0]
        # A peak far outside the window has nothing in it; the minimiser may try that on its way.
        return np.diff(integral) / total if total > 0 else np.full(len(edges) - 1, 1.0 / (len(edges) - 1))


def background_basis(edges: Array, degree: int) -> Array:
    """Share of each Bernstein basis polynomial in each bin.

    Returns
    -------
    Array
        Shape (n_bins, degree + 1); each column adds up to 1.
    """
    special = need("scipy.special", extra="analysis")
    u = (edges - edges[0]) / (edges[-1] - edges[0])
    k = np.arange(degree + 1)
    # The integral of a Bernstein polynomial is an incomplete beta function.
    return np.asarray(np.diff(special.betainc(k + 1.0, degree - k + 1.0, u[:, None]), axis=0))


def _gauss(edges: Array, mass: float, width: float) -> Array:
    special = need("scipy.special", extra="analysis")
    return np.asarray(special.ndtr((edges - mass) / width))


def _crystal_ball(edges: Array, mass: float, width: float, alpha_low: float, alpha_high: float) -> Array:
    special = need("scipy.special", extra="analysis")
    t = (edges - mass) / width
    core = np.sqrt(np.pi / 2) * special.erf(np.clip(t, -alpha_low, alpha_high) / np.sqrt(2))
    return np.asarray(core - _tail(-t, alpha_low, LOW_POWER) + _tail(t, alpha_high, HIGH_POWER))


def _tail(t: Array, alpha: float, power: float) -> Array:
    """Integral of the power-law tail from `alpha` to `t`, in widths; 0 before the tail begins."""
    norm = (power / alpha) ** power * np.exp(-(alpha**2) / 2)
    start = power / alpha
    beyond = start - alpha + np.maximum(t, alpha)
    if power == 1.0:
        return np.asarray(norm * np.log(beyond / start))
    return np.asarray(norm / (power - 1) * (start ** (1 - power) - beyond ** (1 - power)))


def _voigt(edges: Array, mass: float, width: float) -> Array:
    special = need("scipy.special", extra="analysis")
    nodes, weights = np.polynomial.legendre.leggauss(GAUSS_POINTS)
    half = np.diff(edges)[:, None] / 2
    points = (edges[:-1] + edges[1:])[:, None] / 2 + half * nodes
    density = special.voigt_profile(points - mass, width, TOP_WIDTH / 2)
    return np.concatenate([[0.0], np.cumsum(np.sum(density * weights * half, axis=1))])


_TAILS = (Parameter("alpha_low", 1.0, 0.7, 0.1, 5.0, idle=5.0), Parameter("alpha_high", 1.0, 0.7, 0.1, 5.0, idle=5.0))

MODELS = {
    model.name: model
    for model in (
        Model("crystal-ball", "double-sided Crystal Ball + Bernstein", _crystal_ball, _TAILS, 2),
        Model("voigt", "Voigt + Bernstein", _voigt, (), 2),
        Model("gauss-line", "Gaussian + line", _gauss, (), 1, reach=3.0),
    )
}


def find_model(name: str) -> Model:
    """The model of this name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in MODELS:
        msg = f"unknown model {name!r} for a mass fit; choose one of {', '.join(MODELS)}"
        raise InputError(msg)
    return MODELS[name]
