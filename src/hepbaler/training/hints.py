"""Robust linear relations between a column's value and the values of earlier columns.

Sums of energies and of fractions, the energy of a four-vector, a product of a fraction and a momentum: found by least
absolute deviations (iteratively reweighted) in units of the column's own grid, then thinned to a few terms.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.features.hints import HintScale, LinearHint, Term, clean, term_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.features.ranks import RankTable

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

__all__ = ("fit_hint", "possible_gain", "possible_terms")


def __dir__() -> tuple[str, ...]:
    return __all__


_ROUNDS = 12
_MOST_TERMS = 8
# A hint costs the pages of its parents and a network input: it must take at least this off the spread.
_LEAST_GAIN_BITS = 1.0
_SIMPLE = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
MOMENTUM, ETA, PHI, MASS = ("pt", "fpt"), ("eta", "feta"), ("phi", "fphi"), ("mass", "fm", "m")
_FRACTION_LIMIT = 1.5
_MOST_PRODUCTS = 12
_LARGEST = 1e60


def possible_terms(names: Sequence[str], values: Mapping[int, FloatArray], earlier: Sequence[int]) -> list[Term]:
    """Terms that a hint may use: values, and what four-vectors and fractions make of them.

    Parameters
    ----------
    names
        Name of each slot. Only the last part (``_pt``, ``_fEta``) is looked at, to find four-vectors.
    values
        Values of the sample by slot, each shape (n_rows,).
    earlier
        Slots that are known before the column.
    """
    usable = [slot for slot in earlier if slot in values]
    terms = [Term("value", (slot,)) for slot in usable]

    def ending(slot: int) -> tuple[str, str]:
        stem, _, last = names[slot].rpartition("_")
        return stem, last.lower()

    endings = {slot: ending(slot) for slot in usable}
    for pt in (s for s in usable if endings[s][1] in MOMENTUM):
        for eta in (s for s in usable if endings[s][1] in ETA and endings[s][0] == endings[pt][0]):
            terms.append(Term("momentum", (pt, eta)))
            terms.extend(
                Term("energy", (pt, eta, mass))
                for mass in usable
                if endings[mass][1] in MASS and endings[mass][0] == endings[pt][0]
            )
    terms.extend(_daughters(names, usable))
    fractions = [slot for slot in usable if float(np.abs(values[slot]).max(initial=0.0)) <= _FRACTION_LIMIT]
    scales = [slot for slot in usable if slot not in fractions and endings[slot][1] in (*MOMENTUM, *MASS, "msoftdrop")]
    products = [Term("product", (scale, fraction)) for scale in scales for fraction in fractions]
    products += [Term("product", pair) for pair in combinations(fractions, 2)]
    return terms + products[:_MOST_PRODUCTS]


def _daughters(names: Sequence[str], usable: Sequence[int]) -> list[Term]:
    """For each four-vector of what a mother has left: the momentum of a daughter in a direction that is known."""
    slot_of = {names[slot]: slot for slot in usable}
    number = slot_of.get("@sibling")
    terms = []
    for name, slot in slot_of.items():
        stem, _, last = name.rpartition("_")
        if number is None or not stem.startswith("@rest/") or last.lower() not in MOMENTUM:
            continue
        own = stem.removeprefix("@rest/")
        left = [slot_of.get(f"{stem}_{part}") for part in ("eta", "phi", "mass")]
        direction = [slot_of.get(f"{own}_{part}") for part in ("eta", "phi", "mass")]
        slots = [number, slot, *left, *direction]
        if all(slot is not None for slot in slots):
            terms.append(Term("daughter", tuple(slot for slot in slots if slot is not None)))
    return terms


def fit_hint(
    target: FloatArray,
    ranks: RankTable,
    q: IntArray,
    scale: HintScale,
    terms: Sequence[Term],
    values: Mapping[int, FloatArray],
) -> LinearHint | None:
    """The linear relation that predicts a column best, or None where none is worth its price.

    Parameters
    ----------
    target
        Values of the column in the sample, shape (n_rows,).
    ranks, q, scale
        The column's rank table, its integers and the values at its bins' edges.
    terms, values
        What may be used, and the values it is made of.
    """
    problem = _problem(target, ranks, q, scale, terms, values)
    if problem is None:
        return None
    design, y, step = problem
    baseline = _spread_bits(y - np.median(y), step)
    alone = [_spread_bits(y - design[:, k], step) for k in range(len(terms))]
    best = int(np.argmin(alone))
    kept = np.arange(design.shape[1])
    weights = _absolute_fit(design, y, step)
    if alone[best] <= _spread_bits(y - design @ weights, step):
        # The value itself: what few rows obey exactly, a sum over all terms does not find.
        return LinearHint((terms[best],), (1.0,), 0.0) if baseline - alone[best] >= _LEAST_GAIN_BITS else None
    if kept.size > _MOST_TERMS + 1:
        kept = _largest(design, weights, step, _MOST_TERMS)
        weights = _absolute_fit(design[:, kept], y, step)
    kept, weights = _thin(design, y, step, kept, weights)
    if baseline - _spread_bits(y - design[:, kept] @ weights, step) < _LEAST_GAIN_BITS:
        return None
    constant = design.shape[1] - 1
    chosen = [(terms[int(k)], float(w)) for k, w in zip(kept, weights, strict=True) if k != constant]
    offset = sum(float(w) for k, w in zip(kept, weights, strict=True) if k == constant)
    if not chosen:
        return None
    return LinearHint(tuple(term for term, _ in chosen), tuple(weight for _, weight in chosen), offset)


def possible_gain(
    target: FloatArray,
    ranks: RankTable,
    q: IntArray,
    scale: HintScale,
    terms: Sequence[Term],
    values: Mapping[int, FloatArray],
) -> float:
    """About how many bits a value a hint over all terms would save; arguments as of `fit_hint`."""
    problem = _problem(target, ranks, q, scale, terms, values)
    if problem is None:
        return 0.0
    design, y, step = problem
    weights = _absolute_fit(design, y, step, rounds=5)
    alone = min(_spread_bits(y - design[:, k], step) for k in range(len(terms)))
    return _spread_bits(y - np.median(y), step) - min(_spread_bits(y - design @ weights, step), alone)


def _problem(
    target: FloatArray,
    ranks: RankTable,
    q: IntArray,
    scale: HintScale,
    terms: Sequence[Term],
    values: Mapping[int, FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Terms with a last column of ones, the column's values and the step of its grid, for rows that lie in a bin."""
    bins, _ = ranks.locate(q)
    rows = np.flatnonzero(bins < ranks.n_bins)
    if not terms or rows.size < 50:
        return None
    step = (np.diff(scale.edges) / np.ldexp(1.0, ranks.shift))[bins[rows]]
    made = [term_values(term.kind, [values[slot][rows] for slot in term.slots]) for term in terms]
    design = np.stack([*made, np.ones(rows.size)], axis=1)
    y = clean(target[rows])
    # Numbers so far apart that their squares leave binary64 obey no sum worth looking for.
    size = max(float(np.abs(design).max()), float(np.abs(y).max()))
    sane = bool(np.all(np.isfinite(step))) and size < _LARGEST and float(step.min()) > size / _LARGEST**0.5
    return (design, y, step) if sane else None


def _spread_bits(residual: FloatArray, step: FloatArray) -> float:
    """About what a residual costs, in bits: the mean logarithm of its size in steps of the grid."""
    return float(np.log2(1.0 + np.abs(residual) / step).mean())


def _absolute_fit(design: FloatArray, y: FloatArray, step: FloatArray, rounds: int = _ROUNDS) -> FloatArray:
    """Least absolute deviations in units of `step` by reweighted least squares (Schlossmacher, 1973)."""
    size = np.sqrt(((design / step[:, None]) ** 2).mean(axis=0))
    size[(size == 0) | ~np.isfinite(size)] = 1.0
    scaled = design / size
    weight = 1.0 / step**2
    solution = np.zeros(design.shape[1])
    for _ in range(rounds):
        weighted = scaled * weight[:, None]
        gram = weighted.T @ scaled
        if not (np.all(np.isfinite(gram)) and np.all(np.isfinite(weighted.T @ y))):
            break
        gram[np.diag_indices_from(gram)] *= 1.0 + 1e-12
        solution = np.linalg.lstsq(gram, weighted.T @ y, rcond=1e-13)[0]
        away = np.abs(y - scaled @ solution) / step
        # Residuals in steps are what bits are made of: log(1 + r) has the weight 1 / (r (1 + r)).
        weight = 1.0 / (step**2 * (0.5 + away) * (1.0 + away))
    result: FloatArray = solution / size
    return result


def _largest(design: FloatArray, weights: FloatArray, step: FloatArray, most: int) -> IntArray:
    """The constant and the `most` terms whose variation moves the prediction furthest."""
    moved = np.abs(weights) * np.std(design / step[:, None], axis=0)
    moved[-1] = np.inf
    return np.sort(np.argsort(-moved, kind="stable")[: most + 1])


def _thin(
    design: FloatArray, y: FloatArray, step: FloatArray, kept: IntArray, weights: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Drop terms, and round weights to 0, 1/2, 1 or 2, as long as the spread grows by less than a hundredth of a bit."""
    bits = _spread_bits(y - design[:, kept] @ weights, step)
    while kept.size > 1:
        moved = np.abs(weights) * np.std(design[:, kept] / step[:, None], axis=0)
        moved[kept == design.shape[1] - 1] = np.abs(weights[-1]) / np.median(step)
        fewer = np.delete(kept, int(np.argmin(moved)))
        fewer_weights = _absolute_fit(design[:, fewer], y, step)
        fewer_bits = _spread_bits(y - design[:, fewer] @ fewer_weights, step)
        if fewer_bits > bits + 0.01:
            break
        kept, weights, bits = fewer, fewer_weights, min(bits, fewer_bits)
    simple = _SIMPLE[np.argmin(np.abs(weights[:, None] - _SIMPLE[None, :]), axis=1)]
    rounded = np.where(np.abs(weights - simple) < 0.02, simple, weights)
    if _spread_bits(y - design[:, kept] @ rounded, step) <= bits + 0.01:
        weights = rounded
    return kept, weights
