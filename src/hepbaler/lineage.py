"""Rows that follow from earlier rows of their own list: daughters from their mother, or each row from the one before.

An index column names the place of a row's mother in the same list, always an earlier one. A daughter sees the mother's columns, and
where a table holds a four-vector also what the mother has left once her earlier daughters are subtracted::

    row     0: t    1: W+    2: b         mother of 1 and 2 is 0
    rest    -       p(t)     p(t) - p(W+)   which is p(b), if nothing else came out

So rows are decoded in *generations*: first those without a mother, then their daughters, one after the other, and so on. Rows without
a mother count as daughters of nothing, so that the second one sees the first one's recoil. Where no column tells of mothers, that is
all: a jet sees the jet before it, and the recoil of all that came before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .context import with_missing
from .features.elementary import (
    arc_tangent,
    cosine_and_sine,
    hyperbolic_arc_sine,
    hyperbolic_cosine,
    hyperbolic_sine,
)
from .features.hints import clean
from .features.ranks import MISSING, at_rows
from .fields import fail, typed
from .loops import kernels
from .table import Table

__all__ = ("MAX_GENERATIONS", "SIBLING", "Family", "Lineage", "lineage_from_dict", "lineage_to_dict")

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
ToValues = Callable[[IntArray], FloatArray]

# Rows of later generations are decoded with the last one and see nothing of each other.
MAX_GENERATIONS = 16
SIBLING = "@sibling"
# What is left is told in parts of 2^-16 of the column's unit.
_REST_BITS = 16
_LARGEST_REST = float(1 << 50)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Lineage:
    """How the rows of a table descend from each other.

    Attributes
    ----------
    index
        Key of the column that holds the place of a row's mother in its list; anything that is no earlier place means none.
        Without such a column rows have no mothers, and see the row before them.
    mother
        Keys of the columns that a row sees of its mother, or of the row before.
    vector
        Keys of the columns pt, eta, phi, mass, or nothing.
    """

    index: str | None
    mother: tuple[str, ...] = ()
    vector: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, str]:
        """Name of each input that rows take from earlier ones, and the column behind it; `SIBLING` stands behind itself."""
        seen = {self.shown_as(key): key for key in self.mother} | {f"@rest/{key}": key for key in self.vector}
        # The sisters of a row without mother are all rows before it, and their number its place.
        return seen if self.index is None else seen | {SIBLING: SIBLING}

    def shown_as(self, key: str) -> str:
        """Name of the input that shows a column of the mother, or of the row before."""
        return f"@before/{key}" if self.index is None else f"@mother/{key}"

    def behind(self, name: str) -> tuple[str, ...]:
        """Keys of the columns of the table from which one of the inputs follows."""
        index = () if self.index is None else (self.index,)
        if name == SIBLING:
            return index
        return (*index, *(self.vector if name.startswith("@rest/") else (self.inputs[name],)))

    def needs(self) -> tuple[str, ...]:
        """Keys of all columns of the table that the inputs need."""
        return tuple(dict.fromkeys(key for name in self.inputs for key in self.behind(name)))

    def only(self, names: Collection[str]) -> Lineage | None:
        """What is left when only some inputs are used; None where none is."""
        used = {self.inputs[name] for name in names if name in self.inputs}
        if not used:
            return None
        mother = tuple(key for key in self.mother if self.shown_as(key) in names)
        vector = self.vector if any(f"@rest/{key}" in names for key in self.vector) else ()
        return Lineage(self.index, mother, vector)

    def value_functions(self, to_values: Mapping[str, ToValues]) -> dict[str, ToValues]:
        """From the integers of the inputs to values; `to_values` gives those of the columns."""
        out: dict[str, ToValues] = {SIBLING: _as_float}
        out |= {f"@rest/{key}": _rest_values for key in self.vector}
        return out | {self.shown_as(key): with_missing(to_values[key]) for key in self.mother if key in to_values}


def _as_float(integers: IntArray) -> FloatArray:
    return integers.astype(np.float64)


def _rest_values(integers: IntArray) -> FloatArray:
    return np.where(integers == MISSING, 0.0, np.ldexp(integers.astype(np.float64), -_REST_BITS))


class Family:
    """The rows of one cluster of a table, and what they see of each other.

    Parameters
    ----------
    lineage
        Of the table.
    counts
        Lengths of the lists, shape ``(n_parent_rows,)``.
    place
        The index column, shape ``(n_rows,)``; -1 in every row where there is none.
    to_values
        For the columns of the vector, from integers to values.
    """

    def __init__(self, lineage: Lineage, counts: IntArray, place: IntArray, to_values: Mapping[str, ToValues]) -> None:
        self._lineage, self._to_values = lineage, to_values
        n_rows = place.size
        first = np.repeat(np.cumsum(counts) - counts, counts)
        own = np.arange(n_rows, dtype=np.int64) - first
        has_mother = (place >= 0) & (place < own)
        self._mother = np.where(has_mother, first + np.where(has_mother, place, 0), -1)
        self._before, self.siblings = _siblings(np.where(has_mother, self._mother, -1 - first), n_rows)
        generation = _generations(self._mother, self._before)
        self.generations = [np.flatnonzero(generation == g) for g in range(int(generation.max(initial=0)) + 1)]
        # Of its own generation, which is the last one then, a row sees nothing.
        for seen in (self._mother, self._before):
            seen[(seen >= 0) & (generation[seen] >= generation)] = -1
        self._momentum = np.zeros((4, n_rows)) if lineage.vector else None
        self._rest = np.zeros((4, n_rows)) if lineage.vector else None

    def inputs(self, rows: IntArray, known: Callable[[str], IntArray]) -> dict[str, IntArray]:
        """What some rows see.

        Parameters
        ----------
        rows
            One of `generations`; those before it have been asked for already.
        known
            A column of the cluster by its key, right in the rows of earlier generations.

        Returns
        -------
        Inputs by name, each of the shape of `rows`; `MISSING` where there is nothing to see.
        """
        lineage = self._lineage
        seen = (self._before if lineage.index is None else self._mother)[rows]
        out = {} if lineage.index is None else {SIBLING: self.siblings[rows]}
        out |= {lineage.shown_as(key): at_rows(known(key), seen) for key in lineage.mother}
        if self._momentum is not None and self._rest is not None:
            left = self._remainder(rows, self._momentum, self._rest)
            out |= {f"@rest/{key}": part for key, part in zip(self._lineage.vector, left, strict=True)}
        return out

    def learn(self, rows: IntArray, known: Callable[[str], IntArray]) -> None:
        """Take note of rows of a generation that are known now; their daughters will ask."""
        momentum, loops = self._momentum, kernels()
        if momentum is None:
            return
        values = [
            np.asarray(self._to_values[key](known(key)[rows]), np.float64) for key in self._lineage.vector
        ]  # pt, eta, phi, mass
        if loops is not None:
            loops.learn(
                rows, rows.size, tuple(np.ascontiguousarray(part) for part in values), momentum, momentum.shape[1]
            )
            return
        with np.errstate(over="ignore", invalid="ignore"):
            pt, eta, phi, mass = (clean(part) for part in values)
            cosine, sine = cosine_and_sine(phi)
            momentum[0, rows] = clean(pt * cosine)
            momentum[1, rows] = clean(pt * sine)
            momentum[2, rows] = clean(pt * hyperbolic_sine(eta))
            size = clean(pt * hyperbolic_cosine(eta))
            squared = clean(size * size)
            momentum[3, rows] = np.sqrt(squared + clean(mass * mass))

    def _remainder(self, rows: IntArray, momentum: FloatArray, rest: FloatArray) -> IntArray:
        """Four-vector of the mother less those of her earlier daughters, as pt, eta, phi and mass, shape ``(4, n)``."""
        loops = kernels()
        if loops is not None:
            out = np.empty((4, rows.size), np.int64)
            family = (self._mother, self._before, self.siblings)
            loops.what_is_left(rows, rows.size, family, momentum, rest, momentum.shape[1], out)
            return out
        mother, before = self._mother[rows], self._before[rows]
        later = before >= 0
        at_first = np.where(mother >= 0, momentum[:, np.maximum(mother, 0)], 0.0)
        left = rest[:, np.maximum(before, 0)] - momentum[:, np.maximum(before, 0)]
        now = np.where(later, left, at_first)
        rest[:, rows] = now
        # A later daughter whose sister is not known yet sees nothing, as does a first one without a mother.
        missing = ~later & ((mother < 0) | (self.siblings[rows] > 0))
        x, y, z, energy = now
        across = np.sqrt(clean(x * x) + clean(y * y))
        flat = across > 0
        eta = np.where(flat, hyperbolic_arc_sine(z / np.where(flat, across, 1.0)), 0.0)
        squared = clean(energy * energy) - clean(across * across)
        squared = squared - clean(z * z)
        parts = np.array([across, eta, arc_tangent(y, x), np.sqrt(np.maximum(squared, 0.0))])
        scaled = np.clip(np.ldexp(parts, _REST_BITS), -_LARGEST_REST, _LARGEST_REST)
        return np.where(missing, MISSING, np.floor(scaled).astype(np.int64))

    def all_inputs(self, known: Callable[[str], IntArray]) -> dict[str, IntArray]:
        """What every row sees where all columns are known, each shape ``(n_rows,)``."""
        names = self._lineage.inputs
        out = {name: np.empty(self.siblings.size, np.int64) for name in names}
        for rows in self.generations:
            for name, seen in self.inputs(rows, known).items():
                out[name][rows] = seen
            self.learn(rows, known)
        return out


def _siblings(group: IntArray, n_rows: int) -> tuple[IntArray, IntArray]:
    """The row before each with the same mother, or -1, and how many such rows there are."""
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    starts = np.ones(n_rows, np.bool_)
    starts[1:] = sorted_group[1:] != sorted_group[:-1]
    at = np.arange(n_rows, dtype=np.int64)
    number = at - np.maximum.accumulate(np.where(starts, at, 0))
    before, siblings = np.full(n_rows, -1, np.int64), np.empty(n_rows, np.int64)
    before[order[1:]] = np.where(starts[1:], -1, order[:-1])
    siblings[order] = number
    return before, siblings


def _generations(mother: IntArray, before: IntArray) -> IntArray:
    """1 + the later generation of mother and sister before; 0 without either; at most `MAX_GENERATIONS` - 1."""
    generation = np.zeros(mother.size, np.int64)
    for _ in range(MAX_GENERATIONS - 1):
        from_mother = np.where(mother >= 0, generation[np.maximum(mother, 0)] + 1, 0)
        from_sister = np.where(before >= 0, generation[np.maximum(before, 0)] + 1, 0)
        following = np.minimum(np.maximum(from_mother, from_sister), MAX_GENERATIONS - 1)
        if np.array_equal(following, generation):
            break
        generation = following
    return generation


def lineage_to_dict(lineage: Lineage, number: Mapping[str, int]) -> dict[str, Any]:
    """As plain data, columns by their numbers."""
    return {
        "index": None if lineage.index is None else number[lineage.index],
        "mother": [number[key] for key in lineage.mother],
        "vector": [number[key] for key in lineage.vector],
    }


def lineage_from_dict(data: object, table: Table, key_of: Callable[[object], str]) -> Lineage | None:
    """Inverse of `lineage_to_dict`, None for None; raises `CorruptFile`."""
    if data is None:
        return None
    node = typed(data, dict, "lineage")
    mother, vector = (
        tuple(key_of(item) for item in typed(node.get(name, []), list, "lineage")) for name in ("mother", "vector")
    )
    if "index" not in node:
        fail("a lineage does not say whether rows have mothers")
    index = node["index"]
    lineage = Lineage(None if index is None else key_of(index), mother, vector)
    if table.kind != "list" or not set(lineage.needs()) <= set(table.columns) or len(vector) not in (0, 4):
        fail(f"the rows of table {table.name!r} cannot descend from each other as the file says")
    if len(set(mother)) != len(mother) or len(set(vector)) != len(vector):
        fail(f"a model of table {table.name!r} sees the same column of a mother twice")
    return lineage
