"""A bound: how far a value may move, and the words it is written in.

========== ===================================== =========================================
written    promise                               use it for
========== ===================================== =========================================
`exact`    every bit comes back                  ids and flags kept as floats
`abs=e`    ``|x - x'| <= e``                     angles, times, anything with a resolution
`rel=r`    ``|x - x'| <= r |x|``                 strictly relative; costs bits near zero
`bits=p`   ``|x - x'| <= 2^-(p+1) max(|x|, s)``  everything else; `s` is the column's scale
========== ===================================== =========================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import BoundError

__all__ = ("DEFAULT", "EXACT", "Bound")


def __dir__() -> tuple[str, ...]:
    return __all__


Kind = Literal["exact", "abs", "rel", "bits"]
_WAY_OUT = "write 'exact', 'abs=0.001', 'rel=0.001' or 'bits=10'"


@dataclass(frozen=True)
class Bound:
    """The largest error that a column's values may have.

    Parameters
    ----------
    kind
        ``"exact"``, ``"abs"``, ``"rel"`` or ``"bits"``.
    value
        0 for ``exact``; the largest error in the column's unit for ``abs``; a ratio below 1 for ``rel``; a whole
        number from 1 to 52 for ``bits``.

    Raises
    ------
    BoundError
        The kind is unknown, or the value makes no sense for it.

    Examples
    --------
    >>> Bound.parse("bits=10")
    Bound(kind='bits', value=10.0)
    >>> str(Bound("abs", 0.25))
    'abs=0.25'
    """

    kind: Kind
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            msg = f"unknown kind of bound {self.kind!r}; {_WAY_OUT}"
            raise BoundError(msg)
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | np.integer | np.floating):
            msg = f"the value of a bound must be a number, not {self.value!r}; {_WAY_OUT}"
            raise BoundError(msg)
        value = float(self.value)
        object.__setattr__(self, "value", value)
        reason = _objection(self.kind, value)
        if reason:
            msg = f"bound {self.kind}={value!r} cannot hold: {reason}; {_WAY_OUT}"
            raise BoundError(msg)

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Read a bound as a user writes it; a bare whole number means ``bits``.

        Parameters
        ----------
        text
            ``"exact"``, ``"abs=1e-4"``, ``"rel=1e-3"``, ``"bits=10"`` or ``"10"``.

        Raises
        ------
        BoundError
            The text is none of these.
        """
        kind, equals, number = (part.strip() for part in text.partition("="))
        if kind == "exact" and not equals:
            return cls("exact")
        if not equals:
            kind, number = "bits", kind
        if kind not in ("abs", "rel", "bits"):
            msg = f"cannot read the bound {text!r}: {kind!r} is not a kind of bound; {_WAY_OUT}"
            raise BoundError(msg)
        try:
            value = float(number)
        except ValueError:
            msg = f"cannot read the bound {text!r}: {number!r} is not a number; {_WAY_OUT}"
            raise BoundError(msg) from None
        return cls(kind, value)  # type: ignore[arg-type]  # one of three literals, as just checked

    def __str__(self) -> str:
        if self.kind == "exact":
            return "exact"
        return f"bits={int(self.value)}" if self.kind == "bits" else f"{self.kind}={self.value!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file header."""
        return {"kind": self.kind, "value": self.value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bound:
        """Build the bound that `to_dict` described.

        Raises
        ------
        BoundError
            A key is missing, or the description makes no sense.
        """
        try:
            return _known(data["kind"], data["value"])
        except (KeyError, TypeError):
            msg = f"{data!r} does not describe a bound: it needs the keys 'kind' and 'value'"
            raise BoundError(msg) from None

    @property
    def is_exact(self) -> bool:
        """Whether no value may change at all."""
        return self.kind == "exact"

    def allowed(self, values: NDArray[np.floating[Any]], scale: float = 0.0) -> NDArray[np.float64]:
        """Return the largest allowed error of each value.

        Parameters
        ----------
        values
            Shape ``(n_rows,)``, any float dtype; taken as float64.
        scale
            `s` of ``bits``, in the column's unit; the other kinds ignore it.

        Returns
        -------
        NDArray[np.float64]
            Shape ``(n_rows,)``, in the column's unit. NaN where a relative bound meets NaN.
        """
        wide = np.asarray(values, dtype=np.float64)
        if self.kind == "exact":
            return np.zeros(wide.shape)
        if self.kind == "abs":
            return np.full(wide.shape, self.value)
        with np.errstate(all="ignore"):
            size = np.abs(wide)
            if self.kind == "rel":
                # The product is rounded, perhaps upwards; the float below it is never above the true product.
                return np.nextafter(self.value * size, 0.0)
            size = np.maximum(size, scale)
            factor = 2.0 ** -(int(self.value) + 1)
            allowed = size * factor
            # A power of two scales without rounding, unless the product is denormal.
            if scale < _SAFE and bool((size < _SAFE).any()):
                allowed = np.where(allowed / factor > size, np.nextafter(allowed, 0.0), allowed)
        return allowed


_SAFE = 2.0**-960


def _objection(kind: str, value: float) -> str | None:
    """Say why the value makes no sense, or None."""
    if not math.isfinite(value):
        return "the value must be finite"
    if kind == "exact":
        return None if value == 0.0 else "'exact' takes no value"
    if value < 0.0:
        return "the value must not be negative"
    if kind == "bits":
        return None if value.is_integer() and 1 <= value <= 52 else "bits must be a whole number from 1 to 52"
    if value == 0.0:
        return "zero means no error at all, which is written 'exact'"
    if kind == "rel" and value >= 1.0:
        return "a relative error of 1 or more would not even keep the sign"
    return None


EXACT = Bound("exact")
DEFAULT = Bound("bits", 10)


# Columns of a file share a few bounds, of which one of each is enough.
@lru_cache(maxsize=256, typed=True)
def _known(kind: Kind, value: float) -> Bound:
    return Bound(kind, value)
