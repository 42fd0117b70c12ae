"""A fitted spectrum, or why it was not fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ("MassFit",)

Array = NDArray[np.float64]


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
        Goodness of fit, in the bins where all masses have full weight: the likelihood ratio to the saturated model, which
        follows a chi-square (S. Baker and R. D. Cousins, NIM 221 (1984) 437). The fit has not seen these bins, so that the
        p-value is rather too small than too large (H. Chernoff and E. L. Lehmann, Ann. Math. Statist. 25 (1954) 579).
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


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
