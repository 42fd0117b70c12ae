"""Columns that follow from others: sums, copies, and energies that add up to that of a four-vector.

A column that is a sum of others (to the rounding of its dtype) needs no latents: it is computed from what was decoded.
Found by orthogonal matching pursuit (Y. Pati et al., Proc. 27th Asilomar Conf. (1993) 40): the term that explains most of
what is left is taken next, until nothing is left, or no short sum explains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..features.hints import LinearHint, Term, term_values
from ..training.hints import possible_terms

__all__ = ("Relation", "find_relations")

FloatArray = NDArray[np.float64]

_MOST_TERMS = 6
# What may be left of a sum, beside the sizes of its terms: ten bits of each, as NanoAOD stores them.
_LARGEST_REST = 2.0**-9
_TYPICAL_REST = 2.0**-11
_SIMPLE = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
_NEAR_SIMPLE = 2e-3
# Rows that are looked at; a relation is then checked on all.
_SAMPLE = 20_000
_FEW = 50


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Relation:
    """`target` (a column's place) is the sum."""

    target: int
    sum: LinearHint


def find_relations(names: Sequence[str], values: FloatArray, usable: Sequence[bool]) -> tuple[Relation, ...]:
    """Relations among columns, in the order in which they were found: restore them from the last to the first.

    A target never stands in a sum that was found after it.

    Parameters
    ----------
    names
        Names of the columns, from which four-vectors are recognised (``_pt``, ``_eta``, ``_mass``).
    values
        Shape ``(n_rows, n_columns)``; rows with a number that is not finite are left out.
    usable
        Whether a column may be part of a relation: not constant, and no whole numbers.
    """
    values = values[np.all(np.isfinite(values), axis=1)]
    if len(values) < _FEW:
        return ()
    sample = values[:: max(len(values) // _SAMPLE, 1)]
    free = [i for i in range(len(names)) if usable[i]]
    found = []
    # Widest first: what follows from others carries all their errors, which hurts a wide column least.
    for target in sorted(free, key=lambda i: -float(sample[:, i].std())):
        others = [i for i in free if i != target]
        columns = {i: sample[:, i] for i in others}
        terms = [term for term in possible_terms(names, columns, others) if term.kind in ("value", "energy")]
        made = np.stack([*(_term(term, sample) for term in terms), np.ones(len(sample))], axis=1)
        chosen = _pursue(sample[:, target], made)
        if chosen is None:
            continue
        places, weights = chosen
        constant = len(terms)
        offset = sum(w for k, w in zip(places, weights, strict=True) if k == constant)
        parts = [(terms[k], w) for k, w in zip(places, weights, strict=True) if k != constant]
        hint = LinearHint(tuple(term for term, _ in parts), tuple(w for _, w in parts), offset)
        if parts and target not in hint.slots and _holds(hint, values, target):
            found.append(Relation(target, hint))
            free.remove(target)
    return tuple(found)


def _term(term: Term, values: FloatArray) -> FloatArray:
    return term_values(term.kind, [values[:, slot] for slot in term.slots])


def _pursue(y: FloatArray, made: FloatArray) -> tuple[list[int], list[float]] | None:
    """Places of a few terms and their weights, of which `y` is the sum; None where there are none."""
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.sqrt((made**2).mean(axis=0))
    good = np.flatnonzero((size > 0) & np.isfinite(size))
    scale = float(np.abs(y).max())
    if not len(good) or scale == 0:
        return None
    scaled = made[:, good] / size[good]
    taken: list[int] = []
    rest = y / scale
    for _ in range(_MOST_TERMS):
        taken.append(int(np.argmax(np.abs(scaled.T @ rest))))
        solution = np.linalg.lstsq(scaled[:, taken], y / scale, rcond=1e-12)[0]
        rest = y / scale - scaled[:, taken] @ solution
        parts = np.abs(scaled[:, taken] * solution).sum(axis=1) + 1e-12
        if float(np.quantile(np.abs(rest) / parts, 0.99)) < _TYPICAL_REST:
            weights = solution * scale / size[good[taken]]
            return [int(k) for k in good[taken]], [_simple(float(w)) for w in weights]
    return None


def _simple(weight: float) -> float:
    nearest = min(_SIMPLE, key=lambda s: abs(s - weight))
    return nearest if abs(nearest - weight) < _NEAR_SIMPLE else weight


def _holds(hint: LinearHint, values: FloatArray, target: int) -> bool:
    """Whether every row obeys, up to the rounding of its terms."""
    sizes = np.abs(values[:, target]) + abs(hint.offset)
    for term, weight in zip(hint.terms, hint.weights, strict=True):
        sizes = sizes + np.abs(weight * _term(term, values))
    rest = np.abs(hint.predict(lambda slot: values[:, slot], len(values)) - values[:, target])
    typical = bool(np.sqrt((rest**2).mean()) <= _TYPICAL_REST * np.sqrt((sizes**2).mean()))
    return typical and bool(np.all(rest <= _LARGEST_REST * sizes))
