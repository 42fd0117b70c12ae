"""The linear hint: a column's value predicted from the values of earlier columns, as a place in its rank space.

Energies and fractions obey sums that a small network in rank space cannot learn to eleven bits. A hint is a weighted
sum of *terms* made of earlier values, then looked up among the values at the edges of the column's bins.

This is part of the exact path: float64 ``+ - * /`` and ``sqrt`` only, each its own array operation in the order
written here, so that every IEEE machine computes the same bits (no fused multiply-add, no exp, no cosh).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hepbaler.features.ranks import MASS_BITS, RANK_BITS, RankTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]
    ToValues = Callable[[IntArray], FloatArray]

__all__ = ("TERM_KINDS", "HintScale", "LinearHint", "Term", "hyperbolic_cosine", "term_values")


def __dir__() -> tuple[str, ...]:
    return __all__


TermKind = Literal["value", "product", "momentum", "energy"]
TERM_KINDS: tuple[TermKind, ...] = get_args(TermKind)
_N_VALUES: dict[TermKind, int] = {"value": 1, "product": 2, "momentum": 2, "energy": 3}
_FAR = 1e100


@dataclass(frozen=True)
class Term:
    """One term of a hint.

    Attributes
    ----------
    kind
        ``value``: a; ``product``: a b; ``momentum``: |p| of (pt, eta); ``energy``: E of (pt, eta, mass).
    slots
        Which inputs or columns of the coder the values come from.
    """

    kind: TermKind
    slots: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind not in TERM_KINDS or len(self.slots) != _N_VALUES[self.kind]:
            msg = f"a hint's term of kind {self.kind!r} over {len(self.slots)} columns does not exist"
            raise ValueError(msg)


@dataclass(frozen=True)
class LinearHint:
    """``offset + sum of weight * term``, added up from left to right."""

    terms: tuple[Term, ...]
    weights: tuple[float, ...]
    offset: float

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot that a term needs, ascending."""
        return tuple(sorted({slot for term in self.terms for slot in term.slots}))

    def predict(self, values: Callable[[int], FloatArray], n_rows: int) -> FloatArray:
        """The predicted value of each row, shape (n_rows,); `values` gives the column of a slot."""
        total = np.full(n_rows, self.offset, np.float64)
        # Weights of a damaged model may be anything; what is not finite counts as 0 in the end.
        with np.errstate(over="ignore", invalid="ignore"):
            for term, weight in zip(self.terms, self.weights, strict=True):
                part = term_values(term.kind, [values(slot) for slot in term.slots])
                part = part * np.float64(weight)
                total = total + part
        return clean(total)


def clean(values: FloatArray) -> FloatArray:
    """Values with what is not finite set to 0 and the rest kept within 1e100, so that sums stay finite."""
    return np.clip(np.where(np.isfinite(values), values, 0.0), -_FAR, _FAR)


def term_values(kind: TermKind, values: Sequence[FloatArray]) -> FloatArray:
    """A term from the values of its columns, shape (n_rows,)."""
    if kind == "value":
        return values[0]
    if kind == "product":
        return clean(values[0] * values[1])
    momentum = clean(values[0] * hyperbolic_cosine(values[1]))
    if kind == "momentum":
        return momentum
    squared = clean(momentum * momentum)
    mass = clean(values[2] * values[2])
    return np.sqrt(squared + mass)


def hyperbolic_cosine(x: FloatArray) -> FloatArray:
    """cosh(x) for |x| up to 16 by a fixed recipe of products and sums, accurate to about 1e-13.

    cosh(2y) = 2 cosh(y)^2 - 1 is applied four times to the Taylor series of cosh(x / 16).
    """
    y = np.minimum(np.abs(x), 16.0) / 16.0
    square = y * y
    series = np.ones_like(square)
    for n in range(10, 0, -1):
        series = series * square
        series = series / np.float64((2 * n - 1) * (2 * n))
        series = series + 1.0
    for _ in range(4):
        series = series * series
        series = series * 2.0
        series = series - 1.0
    return series


@dataclass(frozen=True, eq=False)
class HintScale:
    """A column's values at the edges of its bins: from a predicted value to a rank.

    Attributes
    ----------
    edges
        Ascending, shape (n_bins + 1,): half-way between the last value of a bin and the first of the next.
    """

    edges: FloatArray
    ranks: RankTable

    @classmethod
    def of(cls, ranks: RankTable, to_values: ToValues) -> HintScale | None:
        """Edges of a column; None where there are fewer than two bins or values do not ascend with the integers."""
        if ranks.n_bins < 2:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            edges = cls._edges(ranks, to_values)
        if not bool(np.all(np.isfinite(edges))) or bool(np.any(np.diff(edges) <= 0)):
            return None
        return cls(edges, ranks)

    @staticmethod
    def _edges(ranks: RankTable, to_values: ToValues) -> FloatArray:
        last = ranks.base + ((np.int64(1) << ranks.shift) - 1)
        first_values = np.asarray(to_values(ranks.base), np.float64)
        last_values = np.asarray(to_values(last[:-1]), np.float64)
        between = last_values + first_values[1:]
        between = between * 0.5
        # The ends lie as far out as the edge next to them asks for: values beyond the sample are never evaluated.
        low = first_values[0] - (between[0] - last_values[0])
        # One value's width in the last bin, from the value before it, times the values in the bin.
        width = first_values[-1] - last_values[-1]
        high = between[-1] + width * np.ldexp(1.0, int(min(int(ranks.shift[-1]), 60)))
        return np.concatenate([[low], between, [high]])

    def rank(self, values: FloatArray) -> IntArray:
        """Rank (parts of 2^28) of predicted values, shape (n_rows,)."""
        bins = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, self.ranks.n_bins - 1)
        low, high = self.edges[bins], self.edges[bins + 1]
        inside = values - low
        inside = inside / (high - low)
        inside = np.clip(inside, 0.0, 1.0)
        unit = RANK_BITS - MASS_BITS
        within = np.floor(inside * (self.ranks.mass[bins] << unit).astype(np.float64)).astype(np.int64)
        rank: IntArray = np.minimum((self.ranks.cumulative[bins] << unit) + within, (1 << RANK_BITS) - 1)
        return rank
