"""Bring the columns of a table to the numbers that a network likes, and back.

Which scaling to take:

- ``standard``: subtract the mean, divide by the standard deviation. For quantities that look like a bell.
- ``minmax``: to the interval from 0 to 1. For fractions, scores and angles.
- ``log``: signed logarithm above the median size, then ``standard``. For momenta, energies and masses with long tails.
- ``rank``: to the quantile, from 0 to 1. Makes any distribution flat; what to take when nothing is known.
- ``normal``: to the quantile, read as one of a standard normal distribution. Like ``rank``, but keeps tails apart.
- ``none``: as it is.

A plan is fitted once, is frozen, and can be written down and inverted: the same plan must serve training and use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError

__all__ = ("KINDS", "ColumnScaling", "Kind", "ScalingPlan", "normal_scores")

Kind = Literal["standard", "minmax", "log", "rank", "normal", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Array = NDArray[Any]
FloatArray = NDArray[np.float64]

# Knots of a rank table: quantiles in steps of 0.4 %.
_N_KNOTS = 257


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ColumnScaling:
    """Scaling of one column.

    With ``u = x`` (``log``: ``u = sign(x) log(1 + |x| / unit)``) the scaled value is ``(u - centre) / width``;
    ``rank`` and ``normal`` interpolate between `knots` instead.

    Attributes
    ----------
    kind
        One of `KINDS`.
    centre, width
        In the column's unit (``log``: without unit). The width of a constant column is 1.
    unit
        Where the logarithm begins, in the column's unit.
    knots, ranks
        Values, strictly increasing, and their quantiles (``normal``: as standard normal numbers).
    """

    kind: Kind
    centre: float = 0.0
    width: float = 1.0
    unit: float = 1.0
    knots: tuple[float, ...] = ()
    ranks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.centre, self.width, self.unit, *self.knots, *self.ranks)
        if self.kind not in KINDS:
            msg = f"unknown scaling {self.kind!r}; known: {', '.join(KINDS)}"
            raise InputError(msg)
        if not np.all(np.isfinite(numbers)) or self.width <= 0 or self.unit <= 0:
            msg = f"a scaling needs finite numbers and a positive width and unit, not {self}"
            raise InputError(msg)
        if len(self.knots) != len(self.ranks) or not (_increasing(self.knots) and _increasing(self.ranks)):
            msg = f"knots and ranks must be equally many and increasing, not {self.knots} and {self.ranks}"
            raise InputError(msg)

    @classmethod
    def fit(cls, kind: Kind, values: Array) -> ColumnScaling:
        """Fit to the finite ones of `values`; without any, the scaling changes nothing.

        Parameters
        ----------
        kind
            One of `KINDS`.
        values
            Numbers or bools, shape ``(n_rows,)``.

        Raises
        ------
        InputError
            If the kind is unknown, or the values span more than float64 holds.
        """
        if kind not in KINDS:
            msg = f"unknown scaling {kind!r}; known: {', '.join(KINDS)}"
            raise InputError(msg)
        x = np.asarray(values).astype(np.float64)
        x = x[np.isfinite(x)]
        if kind == "none" or not len(x):
            return cls("none")
        low, high = float(x.min()), float(x.max())
        with np.errstate(over="ignore"):
            span = high - low
        if not np.isfinite(span):
            msg = f"values from {low:g} to {high:g} span more than float64 holds; drop the column or clip it"
            raise InputError(msg)
        if kind == "minmax":
            return cls(kind, low, _width(span))
        if kind in ("rank", "normal"):
            knots, ranks = _rank_table(x) if kind == "rank" else _normal_table(x)
            return cls(kind, low, _width(span), knots=knots, ranks=ranks)
        unit = 1.0
        if kind == "log":
            unit = _log_unit(np.abs(x[x != 0]))
            x = _signed_log(x, unit)
        # Half of the span in front keeps squares of tiny and of huge values inside float64.
        half = _width(float(x.max() / 2 - x.min() / 2))
        centre = float(np.clip(x.min() + half * np.mean((x - x.min()) / half), x.min(), x.max()))
        return cls(kind, centre, _width(float(half * np.std((x - x.min()) / half))), unit)

    def apply(self, values: Array) -> FloatArray:
        """Scale; NaN stays NaN and infinities stay infinite.

        Parameters
        ----------
        values
            In the column's unit, any shape.
        """
        x = np.asarray(values).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == "none":
                return x
            if self.kind == "log":
                x = _signed_log(x, self.unit)
            if len(self.knots) > 1:
                return _interpolate(x, np.asarray(self.knots), np.asarray(self.ranks))
            return (x - self.centre) / self.width

    def invert(self, scaled: Array) -> FloatArray:
        """Back to the column's unit, as float64: the inverse of `apply` up to rounding."""
        y = np.asarray(scaled).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == "none":
                return y
            if len(self.knots) > 1:
                return _interpolate(y, np.asarray(self.ranks), np.asarray(self.knots))
            u = y * self.width + self.centre
            return np.copysign(self.unit * np.expm1(np.abs(u)), u) if self.kind == "log" else u

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        data: dict[str, Any] = {"kind": self.kind, "centre": self.centre, "width": self.width, "unit": self.unit}
        return data | ({"knots": list(self.knots), "ranks": list(self.ranks)} if self.knots else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColumnScaling:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no scaling.
        """
        try:
            return cls(
                data["kind"],
                float(data["centre"]),
                float(data["width"]),
                float(data["unit"]),
                knots=tuple(float(v) for v in data.get("knots", ())),
                ranks=tuple(float(v) for v in data.get("ranks", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f"this is no scaling of a column: {data!r} ({error})"
            raise InputError(msg) from error


@dataclass(frozen=True)
class ScalingPlan:
    """Scaling of every column of a table.

    Attributes
    ----------
    columns
        Scaling by the column's name.

    Examples
    --------
    >>> import numpy as np
    >>> plan = ScalingPlan.fit({"Jet_pt": np.array([30.0, 60.0, 90.0])}, "minmax")
    >>> plan.apply({"Jet_pt": np.array([60.0])})["Jet_pt"].tolist()
    [0.5]
    >>> plan.invert({"Jet_pt": np.array([0.5])})["Jet_pt"].tolist()
    [60.0]
    """

    columns: Mapping[str, ColumnScaling]

    @classmethod
    def fit(cls, columns: Mapping[str, Array], kinds: Kind | Mapping[str, Kind] = "standard") -> ScalingPlan:
        """Fit to a sample of rows.

        Parameters
        ----------
        columns
            A sample of each column, shape ``(n_rows,)``.
        kinds
            One kind for all columns, or a kind for each.

        Raises
        ------
        ColumnNotFound
            If `kinds` lacks a column, or names one that is not there.
        InputError
            If a kind is unknown, or a column spans more than float64 holds.
        """
        if not isinstance(kinds, str):
            for name in columns.keys() ^ kinds.keys():
                where = "has no kind of scaling" if name in columns else "has a kind of scaling but is not in the table"
                msg = f"column {name!r} {where}"
                raise ColumnNotFound(msg)
        fitted = {}
        for name, values in columns.items():
            try:
                fitted[name] = ColumnScaling.fit(kinds if isinstance(kinds, str) else kinds[name], values)
            except InputError as error:
                msg = f"column {name!r}: {error}"
                raise InputError(msg) from error
        return cls(fitted)

    def apply(self, columns: Mapping[str, Array]) -> dict[str, FloatArray]:
        """Scale each column given.

        Raises
        ------
        ColumnNotFound
            If the plan does not know one.
        """
        return {name: self._scaling(name).apply(values) for name, values in columns.items()}

    def invert(self, columns: Mapping[str, Array]) -> dict[str, FloatArray]:
        """Back to the columns' units, as float64.

        Raises
        ------
        ColumnNotFound
            If the plan does not know one.
        """
        return {name: self._scaling(name).invert(values) for name, values in columns.items()}

    def _scaling(self, name: str) -> ColumnScaling:
        if name not in self.columns:
            msg = f"the scaling plan has no column {name!r}; it has: {', '.join(self.columns)}"
            raise ColumnNotFound(msg)
        return self.columns[name]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {name: scaling.to_dict() for name, scaling in self.columns.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScalingPlan:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no plan.
        """
        return cls({str(name): ColumnScaling.from_dict(scaling) for name, scaling in data.items()})


def normal_scores(shares: Array) -> FloatArray:
    """Where a standard normal distribution has these shares below; each in (0, 1), any shape."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(share)) for share in np.ravel(shares)], np.float64).reshape(np.shape(shares))


def _width(span: float) -> float:
    """`span`, or 1 where dividing by it would say nothing: a constant column."""
    return span if span >= np.finfo(np.float64).tiny else 1.0


def _log_unit(sizes: FloatArray) -> float:
    """Median of `sizes`; 1 without any. Not so small beside the largest that dividing by it overflows."""
    return _width(max(float(np.median(sizes)), float(sizes.max()) * 1e-30)) if len(sizes) else 1.0


def _increasing(numbers: tuple[float, ...]) -> bool:
    return bool(np.all(np.diff(numbers) > 0))


def _signed_log(x: FloatArray, unit: float) -> FloatArray:
    return np.copysign(np.log1p(np.abs(x) / unit), x)


def _rank_table(x: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Quantiles of `x`: each knot lies at the middle of the ranks that its value takes."""
    ordered = np.sort(x)
    places = np.round(np.linspace(0, len(ordered) - 1, min(_N_KNOTS, len(ordered)))).astype(np.intp)
    knots = np.unique(ordered[places])
    left = np.searchsorted(ordered, knots, side="left")
    right = np.searchsorted(ordered, knots, side="right") - 1
    ranks = (left + right) / (2 * max(len(ordered) - 1, 1))
    if len(knots) > 1:
        # The ends of the table are the ends of the interval.
        ranks = (ranks - ranks[0]) / (ranks[-1] - ranks[0])
    return tuple(knots.tolist()), tuple(ranks.tolist())


def _normal_table(x: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Values and the standard normal numbers of their quantiles; half of the knots lie evenly in those numbers."""
    ordered = np.sort(x)
    n = len(ordered)
    gauss = NormalDist()
    reach = gauss.inv_cdf(1 - 0.5 / (n + 1))
    even = np.array([gauss.cdf(z) for z in np.linspace(-reach, reach, _N_KNOTS // 2)])
    shares = np.unique(np.concatenate([even, np.linspace(0, 1, _N_KNOTS // 2), [0.0, 1.0]]))
    knots = np.unique(ordered[np.round(shares * (n - 1)).astype(np.intp)])
    left, right = (np.searchsorted(ordered, knots, side=side) for side in ("left", "right"))
    ranks = normal_scores((left + right) / (2 * n))
    return tuple(knots.tolist()), tuple(ranks.tolist())


def _interpolate(x: FloatArray, xp: FloatArray, fp: FloatArray) -> FloatArray:
    """Linear between the knots, and on in the direction of the whole table beyond them."""
    inside = np.interp(x, xp, fp)
    # Beyond the table its last piece may be all but flat or upright; the mean slope is invertible either way.
    slope = (fp[-1] - fp[0]) / (xp[-1] - xp[0])
    below = fp[0] + (x - xp[0]) * slope
    above = fp[-1] + (x - xp[-1]) * slope
    return np.where(x < xp[0], below, np.where(x > xp[-1], above, inside))
