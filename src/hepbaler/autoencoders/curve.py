"""A column's values as a network's feature, and back: one piecewise-linear curve, made of stored numbers only.

Spikes (a value that a good part of all rows has) take a stretch of the feature, not a point: whatever a decoder says
inside that stretch is restored as the very value. Whole numbers are rounded to whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..features.scaling import ColumnScaling, Kind, normal_scores

__all__ = ("Curve", "choose_kind")

Array = NDArray[Any]
FloatArray = NDArray[np.float64]

# Share of the rows from which a value is a spike.
_SPIKE = 0.004
_N_KNOTS = 257
# Whole numbers with more values than this are treated as any others, and rounded in the end.
_MOST_WHOLE = 1024
# Span between the 0.5 and 99.5 % quantiles in units of that between the quartiles; 1.98 for a flat distribution.
_FLAT = 2.5
_FEW = 2
# No feature is larger: one value out of all proportion must not be all that a network sees.
_FARTHEST = 1000.0


def __dir__() -> tuple[str, ...]:
    return __all__


def choose_kind(values: Array) -> Kind:
    """The scaling that suits a sample: ``minmax`` where it is flat and without spikes, ``normal`` otherwise.

    Parameters
    ----------
    values
        Finite numbers, shape ``(n_rows,)``.
    """
    if len(values) < _FEW:
        return "minmax"
    low, first, third, high = np.quantile(values, [0.005, 0.25, 0.75, 0.995])
    flat = bool(high - low < _FLAT * (third - first))
    return "minmax" if flat and not len(_spikes(values)) else "normal"


@dataclass(frozen=True)
class Curve:
    """Strictly rising scores, and the values that belong to them, which never fall.

    Beyond its ends the curve goes on as its outermost piece does.

    Attributes
    ----------
    scores, values
        The knots; at least two.
    lowest, highest
        What is restored stays within these; None for no limit.
    whole
        Whether what is restored is rounded to whole numbers.

    Raises
    ------
    InputError
        If the knots make no such curve.
    """

    scores: tuple[float, ...]
    values: tuple[float, ...]
    lowest: float | None = None
    highest: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        scores, values = np.asarray(self.scores), np.asarray(self.values)
        if len(scores) < _FEW or len(scores) != len(values):
            msg = f"a curve needs two knots or more, not {len(scores)} scores and {len(values)} values"
            raise InputError(msg)
        finite = bool(np.all(np.isfinite(scores)) and np.all(np.isfinite(values)))
        if not finite or np.any(np.diff(scores) <= 0) or np.any(np.diff(values) < 0) or values[0] == values[-1]:
            msg = f"scores of a curve must rise and its values must not fall, not {self.scores} and {self.values}"
            raise InputError(msg)

    @classmethod
    def fit(cls, values: Array, kind: Kind | None = None, *, whole: bool = False) -> Curve:
        """Fit to a sample that has at least two values; the feature has mean 0 and variance 1 on it.

        Parameters
        ----------
        values
            Finite numbers, shape ``(n_rows,)``.
        kind
            How the column is scaled, as in `hepbaler.features.scaling`; None chooses.
        whole
            Whether they are whole numbers.
        """
        x = np.asarray(values, np.float64)
        kind = kind or choose_kind(x)
        scaling = ColumnScaling.fit(kind, x)
        distinct = np.unique(x)
        if whole and len(distinct) <= _MOST_WHOLE:
            knots, scores = distinct, scaling.apply(distinct)
        elif kind in ("minmax", "standard", "none"):
            knots = distinct[[0, -1]]
            scores = scaling.apply(knots)
        elif kind == "log":
            first, last = scaling.apply(distinct[[0, -1]])
            scores = np.linspace(float(first), float(last), _N_KNOTS)
            knots = scaling.invert(scores)
            knots[[0, -1]] = distinct[[0, -1]]
        else:
            knots, scores = _with_spikes(x, kind, np.asarray(scaling.knots), np.asarray(scaling.ranks))
        rising = np.concatenate([[True], np.diff(scores) > 0])
        knots, scores = np.maximum.accumulate(knots[rising]), scores[rising]
        raw = cls(tuple(scores.tolist()), tuple(knots.tolist()))
        features = raw.scores_of(x)
        scores = (scores - features.mean()) / max(float(features.std()), 1e-12)
        lowest = None if distinct[0] < 0 else 0.0
        return cls(tuple(scores.tolist()), raw.values, lowest, None, whole)

    def within(self, lowest: float | None, highest: float | None) -> Curve:
        """The same curve with other limits."""
        return Curve(self.scores, self.values, lowest, highest, self.whole)

    def apply(self, values: Array) -> FloatArray:
        """Features of values, any shape. A spike's value becomes the middle of its stretch; what is not finite becomes 0."""
        return np.clip(self.scores_of(np.asarray(values, np.float64)), -_FARTHEST, _FARTHEST)

    def scores_of(self, x: FloatArray) -> FloatArray:
        """As `apply`, but however large."""
        scores, knots = np.asarray(self.scores), np.asarray(self.values)
        first = np.searchsorted(knots, x, side="left")
        last = np.searchsorted(knots, x, side="right") - 1
        left = np.clip(last, 0, len(knots) - 2)
        # The piece that holds x: flat ones belong to spikes, which come below.
        width = knots[left + 1] - knots[left]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            inside = scores[left] + (x - knots[left]) / width * (scores[left + 1] - scores[left])
            inside = np.where(x < knots[0], _beyond(x, knots, scores, 0), inside)
            inside = np.where(x > knots[-1], _beyond(x, knots, scores, -1), inside)
        top = len(knots) - 1
        middle = (scores[np.minimum(first, top)] + scores[np.clip(last, 0, top)]) / 2
        result = np.where((last >= first) & (first <= top), middle, inside)
        return np.where(np.isfinite(result), result, 0.0)

    def invert(self, features: Array) -> FloatArray:
        """Values of features, any shape."""
        y = np.asarray(features, np.float64)
        scores, knots = np.asarray(self.scores), np.asarray(self.values)
        left = np.clip(np.searchsorted(scores, y, side="right") - 1, 0, len(scores) - 2)
        slope = (knots[left + 1] - knots[left]) / (scores[left + 1] - scores[left])
        x = knots[left] + (y - scores[left]) * slope
        return limited(x, self.lowest, self.highest, whole=self.whole)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        data: dict[str, Any] = {"scores": list(self.scores), "values": list(self.values)}
        return data | {"lowest": self.lowest, "highest": self.highest, "whole": self.whole}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Curve:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no curve.
        """
        try:
            scores, values = (tuple(float(v) for v in data[key]) for key in ("scores", "values"))
            lowest, highest = (None if data[key] is None else float(data[key]) for key in ("lowest", "highest"))
            return cls(scores, values, lowest, highest, bool(data["whole"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"this is no curve of a column: {error}"
            raise InputError(msg) from error


def limited(values: FloatArray, lowest: float | None, highest: float | None, *, whole: bool) -> FloatArray:
    """Values within limits, and rounded where they are whole numbers."""
    if lowest is not None:
        values = np.maximum(values, lowest)
    if highest is not None:
        values = np.minimum(values, highest)
    return np.rint(values) if whole else values


def _beyond(x: FloatArray, knots: FloatArray, scores: FloatArray, end: int) -> FloatArray:
    """Scores of values beyond an end: on along the outermost piece that is not flat."""
    pieces: NDArray[np.intp] = np.flatnonzero(np.diff(knots) > 0)
    i = int(pieces[end])
    if (end == 0 and i > 0) or (end == -1 and i < len(knots) - 2):
        # A spike sits at this end; what lies beyond is restored as the spike, since the inverse is flat there.
        return np.full_like(x, scores[end])
    beyond: FloatArray = scores[end] + (x - knots[end]) * (scores[i + 1] - scores[i]) / (knots[i + 1] - knots[i])
    return beyond


def _spikes(x: FloatArray) -> FloatArray:
    """Values that more than `_SPIKE` of all rows have, ascending."""
    distinct, times = np.unique(x, return_counts=True)
    return distinct[times > max(_SPIKE * len(x), _FEW)]


def _with_spikes(x: FloatArray, kind: Kind, knots: FloatArray, ranks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots and scores of a rank curve, in which each spike has two knots, as far apart as its share of the rows."""
    spikes = _spikes(x)
    ordered = np.sort(x)
    keep = ~np.isin(knots, spikes)
    edges = np.stack([np.searchsorted(ordered, spikes, side) for side in ("left", "right")], axis=1)
    # Half a row at either end keeps normal scores finite.
    shares = np.clip(np.insert(edges, 1, edges.mean(axis=1), axis=1) / len(x), 0.5 / len(x), 1 - 0.5 / len(x))
    low, middle, high = (normal_scores(shares) if kind == "normal" else shares).T
    # The outer edge of a spike at an end lies where the spike's middle is that of its rows.
    low = np.where(edges[:, 0] == 0, 2 * middle - high, low)
    high = np.where(edges[:, 1] == len(x), 2 * middle - low, high)
    spike_scores = np.stack([low, high], axis=1)
    all_knots = np.concatenate([knots[keep], np.repeat(spikes, 2)])
    all_scores = np.concatenate([ranks[keep], spike_scores.ravel()])
    order = np.lexsort([all_scores, all_knots])
    all_knots, all_scores = all_knots[order], all_scores[order]
    rising = all_scores > np.concatenate([[-np.inf], np.maximum.accumulate(all_scores)[:-1]])
    return all_knots[rising], all_scores[rising]
