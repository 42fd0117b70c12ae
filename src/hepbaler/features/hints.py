"""The linear hint: a column's value predicted from the values of earlier columns, as a place in its rank space.

Energies and fractions obey sums that a small network in rank space cannot learn to eleven bits. A hint is a weighted
sum of *terms* made of earlier values, then looked up among the values at the edges of the column's bins.

This is part of the exact path: float64 ``+ - * /`` and ``sqrt`` only, each its own array operation in the order
written here, so that every IEEE machine computes the same bits (no fused multiply-add, no exp, no cosh).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hepbaler.features.elementary import cosine_and_sine, hyperbolic_cosine, hyperbolic_sine
from hepbaler.features.ranks import MASS_BITS, RANK_BITS, RankTable, as_input
from hepbaler.loops import elementwise, kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]
    ToValues = Callable[[IntArray], FloatArray]

__all__ = ("TERM_KINDS", "HintScale", "LinearHint", "Term", "clean", "term_values")


def __dir__() -> tuple[str, ...]:
    return __all__


TermKind = Literal["value", "product", "momentum", "energy", "daughter"]
TERM_KINDS: tuple[TermKind, ...] = get_args(TermKind)
_N_VALUES: dict[TermKind, int] = {"value": 1, "product": 2, "momentum": 2, "energy": 3, "daughter": 8}
_FAR = 1e100


@dataclass(frozen=True)
class Term:
    """One term of a hint.

    Attributes
    ----------
    kind
        ``value``: a; ``product``: a b; ``momentum``: |p| of (pt, eta); ``energy``: E of (pt, eta, mass); ``daughter``: pt of
        a daughter of known direction, of (number of earlier daughters; pt, eta, phi, mass of what they left; eta, phi, mass).
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

    @cached_property
    def _compiled(self) -> tuple[IntArray, FloatArray, tuple[int, ...]]:
        """Kind and columns of each term as the compiled loops take them, the weights, and the slots of the columns."""
        slots = self.slots
        kinds = np.full((len(self.terms), 1 + max(_N_VALUES.values())), -1, np.int64)
        for row, term in zip(kinds, self.terms, strict=True):
            row[: 1 + len(term.slots)] = [TERM_KINDS.index(term.kind), *(slots.index(slot) for slot in term.slots)]
        return kinds, np.array(self.weights, np.float64), slots

    def predict(self, values: Callable[[int], FloatArray], n_rows: int) -> FloatArray:
        """The predicted value of each row, shape (n_rows,); `values` gives the column of a slot."""
        loops = kernels()
        if loops is not None:
            kinds, weights, slots = self._compiled
            columns = tuple(np.ascontiguousarray(values(slot), np.float64) for slot in slots)
            found = np.empty(n_rows, np.float64)
            loops.predict_hint(len(self.terms), kinds, weights, self.offset, columns, n_rows, found)
            return found
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
    compiled = elementwise("clean", values)
    if compiled is not None:
        return compiled[0]
    return np.clip(np.where(np.isfinite(values), values, 0.0), -_FAR, _FAR)


def term_values(kind: TermKind, values: Sequence[FloatArray]) -> FloatArray:
    """A term from the values of its columns, shape (n_rows,)."""
    if kind == "value":
        return values[0]
    if kind == "product":
        return clean(values[0] * values[1])
    if kind == "daughter":
        return _daughter(values)
    momentum = clean(values[0] * hyperbolic_cosine(values[1]))
    return momentum if kind == "momentum" else _energy(momentum, values[2])


def _energy(momentum: FloatArray, mass: FloatArray) -> FloatArray:
    squared = clean(momentum * momentum)
    mass = clean(mass * mass)
    return np.sqrt(squared + mass)


def _daughter(values: Sequence[FloatArray]) -> FloatArray:
    """The transverse momentum of a daughter: what is left for the last ones, two-body kinematics for the first.

    A mother (E, P, M) decays to a daughter of mass m along n = (cos phi, sin phi, sinh eta) and one light particle:
    E sqrt(x^2 cosh^2 eta + m^2) - x P n = (M^2 + m^2) / 2, solved for x, the larger solution.
    """
    number, left_pt, left_eta, left_phi, left_mass, eta, phi, mass = values
    energy = _energy(clean(left_pt * hyperbolic_cosine(left_eta)), left_mass)
    left_cosine, left_sine = cosine_and_sine(left_phi)
    cosine, sine = cosine_and_sine(phi)
    along = left_cosine * cosine
    along = along + left_sine * sine
    along = along + hyperbolic_sine(left_eta) * hyperbolic_sine(eta)
    along = clean(along * left_pt)
    height = hyperbolic_cosine(eta)
    squared_mass = clean(mass * mass)
    k = clean(left_mass * left_mass) + squared_mass
    k = k * 0.5
    tall = clean(energy * height)
    a = clean(tall * tall) - clean(along * along)
    root = clean(k * height)
    root = clean(root * root) - clean(a * squared_mass)
    root = np.sqrt(np.maximum(root, 0.0))
    x = clean(along * k) + clean(energy * root)
    x = clean(x / np.where(a > 0, a, 1.0))
    return np.where(number > 0, left_pt, np.where(a > 0, np.maximum(x, 0.0), 0.0))


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

    def place(self, values: FloatArray) -> tuple[IntArray, NDArray[np.float32]]:
        """Rank (parts of 2^28) of predicted values, and how a network sees it, each shape (n_rows,)."""
        loops = kernels()
        if loops is None:
            rank = self.rank(values)
            return rank, as_input(rank)
        rank, seen = np.empty(values.size, np.int64), np.empty(values.size, np.float32)
        loops.place_values(np.ascontiguousarray(values), values.size, self.edges, self.ranks.arrays, rank, seen)
        return rank, seen

    def rank(self, values: FloatArray) -> IntArray:
        """Rank (parts of 2^28) of predicted values, shape (n_rows,)."""
        bins = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, self.ranks.n_bins - 1)
        low, high = self.edges[bins], self.edges[bins + 1]
        inside = values - low
        # Far beyond a narrow last bin the quotient may be infinite, which is 1 then.
        with np.errstate(over="ignore"):
            inside = inside / (high - low)
        inside = np.clip(inside, 0.0, 1.0)
        unit = RANK_BITS - MASS_BITS
        within = np.floor(inside * (self.ranks.mass[bins] << unit).astype(np.float64)).astype(np.int64)
        rank: IntArray = np.minimum((self.ranks.cumulative[bins] << unit) + within, (1 << RANK_BITS) - 1)
        return rank
