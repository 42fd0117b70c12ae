"""What a table may look at, judged from a sample: index columns, the event, lists beside it, nearest rows, mothers.

An index column is an integer column whose values are -1 or a place in the list that the same event has in another table.
Many columns are that by chance, so a link must also tell something about the row: judged by mutual information.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .context import PLACE, ContextInput, ContextKind, context_column
from .encoding import family_of, known_columns, value_functions
from .lineage import Lineage
from .nearest import Nearest, direction_of, nearest_places
from .preparing import Prepared
from .table import Table

__all__ = ("Sight", "Way", "promise_of", "sample_context", "sample_places")

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# Rows of the sample from which relations are judged; the cost grows with them, the noise falls.
_ROWS = 6_000
_BINS = 64
# What a link must tell of some column that its index does not, in bits: more where the name does not speak for it.
_LINK_BITS, _UNNAMED_LINK_BITS = 0.5, 1.5
_LEAST_LINKED = 0.02
# A column of another table must tell this much of some column beyond what its own table tells.
_LEAST_BITS = 0.05
# What is looked at must be read as well: other ways than links must save this share, see columns of no more bytes than
# their own table has, and be few.
_LEAST_SHARE = 0.025
_MOST_OTHER_WAYS = 1
_MOST_LOOKED_AT = 24
_ITEMS = (0, 1)
# Of the ways to a nearest row so many are offered; one is taken.
_MOST_NEAREST = 3
# A column of fewer bits is not worth seeing in a mother.
_LEAST_MOTHER_BITS = 0.1


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Way:
    """A way from a table to another, with what it seems to save.

    Attributes
    ----------
    table, target
        Indices of the tables.
    inputs
        What is seen.
    saved_bytes, seen_bytes
        What it seems to save, and what the columns seen take.
    told
        Bits that it seems to tell of each column of the table, by key.
    nearest
        By what the row is found, where that is how.
    """

    table: int
    target: int
    inputs: tuple[ContextInput, ...]
    saved_bytes: float
    seen_bytes: float
    told: Mapping[str, float]
    nearest: Nearest | None = None


class Sight:
    """One table, with a part of the sample from which its relations are judged."""

    def __init__(self, prepared: Prepared, table: Table) -> None:
        self._table = table
        self._prepared = _part(prepared, table)
        sample = self._prepared.sample
        self._own = [key for key in table.columns if _varies(sample.get(key))]
        self._ranks = {key: _ranks(sample[key]) for key in self._own}
        self._inside = self._information(self._own, [self._ranks[key] for key in self._own])
        if self._own:
            np.fill_diagonal(self._inside, 0.0)
        self._bytes = sum(prepared.plain_bits[key] for key in self._own) * prepared.rows[table.index] / 8
        self.lineage, self.lineage_bytes, self._from_rows = self._lineage()

    def promise(self) -> float:
        """About how many bytes the columns of the table tell about each other."""
        plain_bits = [self._prepared.plain_bits[key] for key in self._own]
        return _promised_bytes(self._inside, plain_bits, self._prepared.rows[self._table.index])

    def ways(self) -> list[Way]:
        """The ways that this table may look and that seem to save something."""
        tables = self._prepared.schema.tables
        if len(self._own) < 2:
            return []
        out: list[Way | None] = []
        if self._table.kind in ("list", "regular"):
            out.append(self._way(tables[self._table.parent], "parent"))
        siblings = [
            other
            for other in tables
            if other.kind == self._table.kind == "list"
            and other.parent == self._table.parent
            and other.index != self._table.index
            and any(_varies(self._prepared.sample.get(key)) for key in other.columns)
        ]
        links: list[Way] = []
        for index in self._own:
            found = [way for other in siblings if (way := self._link(index, other)) is not None]
            if found:
                links.append(max(found, key=lambda way: (_named(way, tables), way.saved_bytes)))
        linked = {way.target for way in links}
        for other in siblings:
            if other.index not in linked:
                out.append(self._way(other, "aligned"))
                out.append(self._way(other, "item"))
        others = [
            way
            for way in out
            if way is not None and way.saved_bytes > _LEAST_SHARE * self._bytes and way.seen_bytes <= self._bytes
        ]
        told = {key: max((way.told[key] for way in links), default=0.0) for key in self._own}
        near = [
            way for other in siblings if other.index not in linked and (way := self._nearest(other, told)) is not None
        ]
        return (
            links
            + sorted(others, key=lambda way: -way.saved_bytes)[:_MOST_OTHER_WAYS]
            + sorted(near, key=lambda way: -way.saved_bytes)[:_MOST_NEAREST]
        )

    def _lineage(self) -> tuple[Lineage | None, float, FloatArray]:
        """The index column by which rows tell most about later rows of their list, if any does.

        With the bytes it seems to save, and the bits that it tells of each column.
        """
        best: tuple[Lineage | None, float, FloatArray] = (None, 0.0, np.zeros(len(self._own)))
        if self._table.kind != "list" or not self._own or self._table.index not in self._prepared.sample_counts:
            return best
        counts = self._prepared.sample_counts[self._table.index]
        own = self._worth_showing()
        for index in self._own:
            place = self._prepared.sample[index]
            position = known_columns(counts, ("@index",))["@index"]
            earlier = (place >= 0) & (place < position)
            if not bool(np.all(earlier | (place == -1))) or int(np.count_nonzero(earlier)) < _LEAST_LINKED * place.size:
                continue
            found = Lineage(index, tuple(key for key in own if key != index), self._vector(index))
            family = family_of(found, counts, self._prepared.sample.__getitem__, self._prepared.choices)
            seen = family.all_inputs(self._prepared.sample.__getitem__)
            across = self._information(self._own, [_ranks(seen[name]) for name in seen if np.ptp(seen[name])])
            number = self._own.index(index)
            more = across.max(axis=1, initial=0.0) - self._inside[:, number]
            more[number] = 0.0
            saved = float(np.maximum(more, 0.0).sum()) * self._prepared.rows[self._table.index] / 8
            cost = self._prepared.plain_bits[index] * self._prepared.rows[self._table.index] / 8
            if float(more.max()) >= _LINK_BITS and saved > cost + best[1]:
                best = found, saved, across.max(axis=1, initial=0.0)
        return best

    def before(self, least_share: float) -> tuple[Lineage, float] | None:
        """What rows see of the row before them, and the bytes that this seems to save, if it is this share of the table's."""
        sample, counts = self._prepared.sample, self._prepared.sample_counts.get(self._table.index)
        if self._table.kind != "list" or counts is None or int(counts.max(initial=0)) < 2:
            return None
        own = self._worth_showing()
        found = Lineage(None, tuple(own), self._vector(own[0]) if own else ())
        seen = family_of(found, counts, sample.__getitem__, self._prepared.choices).all_inputs(sample.__getitem__)
        across = self._information(self._own, [_ranks(seen[name]) for name in seen])
        place = [_ranks(values) for values in known_columns(counts, ("@index", "@counts")).values()]
        more = across - self._information(self._own, place).max(axis=1, initial=0.0)[:, None]
        telling = [name for name, worth in zip(seen, more.max(axis=0, initial=0.0), strict=True) if worth > _LEAST_BITS]
        lineage = found.only(telling)
        gain = float(np.maximum(more.max(axis=1, initial=0.0), 0.0).sum()) * self._prepared.rows[self._table.index] / 8
        return None if lineage is None or gain <= least_share * self._bytes else (lineage, gain)

    def _worth_showing(self) -> list[str]:
        """Columns that later rows of a list may see, those of most bits first."""
        own = [key for key in self._own if self._prepared.plain_bits[key] > _LEAST_MOTHER_BITS]
        return sorted(own, key=lambda key: -self._prepared.plain_bits[key])[:_MOST_LOOKED_AT]

    def _vector(self, of: str) -> tuple[str, ...]:
        """Columns pt, eta, phi, mass with the stem of a column, if the table has them."""
        stem = of.rpartition("_")[0]
        keys = tuple(f"{stem}_{part}" for part in ("pt", "eta", "phi", "mass"))
        return keys if all(key in self._own and key in self._prepared.choices for key in keys) else ()

    def _link(self, index: str, other: Table) -> Way | None:
        """A link by one column, if its values are places in the lists of the other table."""
        place = self._prepared.sample[index]
        column = next(column for column in self._prepared.schema.columns if column.key == index)
        if column.role != "values" or column.dtype == "bool" or column.dtype.startswith("float"):
            return None
        counts = self._prepared.sample_counts
        inside = (place >= 0) & (place < np.repeat(counts[other.index], counts[self._table.index]))
        if not bool(np.all(inside | (place == -1))) or int(np.count_nonzero(inside)) < _LEAST_LINKED * place.size:
            return None
        way = self._way(other, "link", index)
        cost = self._prepared.plain_bits[index] * self._prepared.rows[self._table.index] / 8
        return way if way is not None and way.saved_bytes > cost else None

    def _nearest(self, other: Table, told: Mapping[str, float]) -> Way | None:
        """The way to the nearest row of another list, if it tells more than its place costs and than is `told` anyway."""
        sample = self._prepared.sample
        own = direction_of([key for key in self._own if key in self._prepared.choices])
        there = [key for key in other.columns if _varies(sample.get(key)) and key in self._prepared.choices]
        direction = direction_of(there)
        if own is None or direction is None:
            return None
        nearest = Nearest(own, direction)
        places = sample_places(self._prepared, self._table, {other.index: nearest})
        place = places[other.index]
        if int(np.count_nonzero(place >= 0)) < _LEAST_LINKED * place.size:
            return None
        way = self._way(other, "nearest", places=places, told=told)
        counts = np.unique(place, return_counts=True)[1] / max(place.size, 1)
        cost = -float((counts * np.log2(counts)).sum()) * self._prepared.rows[self._table.index] / 8
        if way is None or way.saved_bytes - cost < _LEAST_SHARE * self._bytes:
            return None
        return replace(way, saved_bytes=way.saved_bytes - cost, nearest=nearest)

    def _way(
        self,
        other: Table,
        kind: ContextKind,
        index: str | None = None,
        places: Mapping[int, IntArray] | None = None,
        told: Mapping[str, float] | None = None,
    ) -> Way | None:
        prepared = self._prepared
        columns = [key for key in other.columns if _varies(prepared.sample.get(key))]
        columns = sorted(columns, key=lambda key: -prepared.plain_bits[key])[:_MOST_LOOKED_AT]
        items = _ITEMS if kind == "item" else (0,)
        inputs = [ContextInput(kind, key, index, item) for key in columns for item in items]
        if not inputs:
            return None
        across = self._information(
            self._own, [_ranks(sample_context(prepared, self._table, one, places)) for one in inputs]
        )
        if index is None:
            # What the best column of the own table, an earlier row or a link tells is had without looking further.
            known = [max((told or {}).get(key, 0.0), float(self._from_rows[i])) for i, key in enumerate(self._own)]
            more = across - np.maximum(0.5 * self._inside.max(axis=1), known)[:, None]
        else:
            # Behind an index that points nowhere in particular is nothing that the index itself does not tell.
            number = self._own.index(index)
            more = across - self._inside[:, number][:, None]
            more[number] = 0.0
            named = _named(Way(0, other.index, tuple(inputs[:1]), 0.0, 0.0, {}), prepared.schema.tables)
            if float(more.max()) < (_LINK_BITS if named else _UNNAMED_LINK_BITS):
                return None
        worth = more.max(axis=0)
        kept = [i for i in np.argsort(-worth, kind="stable") if worth[i] > _LEAST_BITS]
        if not kept:
            return None
        gain = np.minimum(more[:, kept].max(axis=1), [prepared.plain_bits[key] for key in self._own])
        saved = float(np.maximum(gain, 0.0).sum()) * prepared.rows[self._table.index] / 8
        chosen = tuple(inputs[i] for i in kept)
        seen = sum(prepared.plain_bits[key] for key in {one.column for one in chosen}) * prepared.rows[other.index] / 8
        telling = dict(zip(self._own, across[:, kept].max(axis=1).tolist(), strict=True))
        return Way(self._table.index, other.index, chosen, saved, seen, telling)

    def _information(self, own: Sequence[str], others: Sequence[IntArray]) -> FloatArray:
        from .training.structure import cross_information

        if not own or not others:
            return np.zeros((len(own), len(others)))
        return cross_information([self._ranks[key] for key in own], others)


def promise_of(sample: Mapping[str, IntArray], plain_bits: Mapping[str, float], n_rows: int) -> float:
    """About how many bytes some columns of `n_rows` rows tell about each other, judged from the first rows of a sample."""
    from .training.structure import cross_information

    ranks = {key: _ranks(part) for key, values in sample.items() if _varies(part := values[:_ROWS])}
    if len(ranks) < 2:
        return 0.0
    told = cross_information(list(ranks.values()), list(ranks.values()))
    np.fill_diagonal(told, 0.0)
    return _promised_bytes(told, [plain_bits[key] for key in ranks], n_rows)


def _promised_bytes(told: FloatArray, plain_bits: Sequence[float], n_rows: int) -> float:
    """What columns tell about each other, shape (n_columns, n_columns), each no more than its own bits."""
    return float(np.minimum(told.max(axis=1, initial=0.0), plain_bits).sum()) * n_rows / 8


def _part(prepared: Prepared, table: Table) -> Prepared:
    """The same sample with only some rows of a table's parent, for the table, its parent and its siblings.

    Without samples where counts and columns do not fit together.
    """
    n_rows = max((prepared.sample[key].size for key in table.columns if key in prepared.sample), default=0)
    counts = prepared.sample_counts.get(table.index)
    n_parents = n_rows // table.size if table.kind == "regular" and table.size else 0
    n_parents = counts.size if counts is not None else n_parents
    rng = np.random.default_rng(0)
    if table.kind not in ("list", "regular") and n_rows:
        rows = np.sort(rng.permutation(n_rows)[:_ROWS])
        held = {key: prepared.sample[key] for key in table.columns if key in prepared.sample}
        return replace(prepared, sample={key: values[rows] for key, values in held.items()}, sample_counts={})
    if n_rows == 0 or n_parents == 0 or (counts is not None and int(counts.sum()) != n_rows):
        return replace(prepared, sample={}, sample_counts={})
    chosen = np.zeros(n_parents, np.bool_)
    chosen[rng.permutation(n_parents)[: max(1, n_parents * _ROWS // max(n_rows, _ROWS))]] = True
    sample: dict[str, IntArray] = {}
    some_counts: dict[int, IntArray] = {}
    for other in prepared.schema.tables:
        if other.index == table.parent:
            mask = chosen
        elif other.kind == "list" and other.parent == table.parent and other.index in prepared.sample_counts:
            some_counts[other.index] = prepared.sample_counts[other.index][chosen]
            mask = np.repeat(chosen, prepared.sample_counts[other.index])
        elif other.index == table.index:
            mask = np.repeat(chosen, table.size)
        else:
            continue
        held = {key: prepared.sample[key] for key in other.columns if key in prepared.sample}
        sample |= {key: values[mask] for key, values in held.items() if values.size == mask.size}
    return replace(prepared, sample=sample, sample_counts=some_counts)


def sample_places(prepared: Prepared, table: Table, nearest: Mapping[int, Nearest]) -> dict[int, IntArray]:
    """Where the nearest rows are in the tables `nearest` names, for each row of a table's sample."""

    def values(key: str) -> FloatArray:
        return np.asarray(value_functions([key], prepared.choices)[key](prepared.sample[key]), np.float64)

    counts = prepared.sample_counts
    return {target: nearest_places(one, values, counts[table.index], counts[target]) for target, one in nearest.items()}


def sample_context(
    prepared: Prepared, table: Table, one: ContextInput, places: Mapping[int, IntArray] | None = None
) -> IntArray:
    """What each row of a table's sample sees, shape ``(n_rows,)``; `places` are those of nearest rows, by their table."""
    counts = {str(prepared.schema.tables[index].counts): values for index, values in prepared.sample_counts.items()}
    n_rows = max(prepared.sample[key].size for key in table.columns if key in prepared.sample)

    def known(key: str) -> IntArray:
        if key.startswith(PLACE) and places is not None:
            return places[int(key.removeprefix(PLACE))]
        return counts[key] if key in counts else prepared.sample[key]

    return context_column(one, prepared.schema.tables, table.index, n_rows, known)


def _ranks(values: IntArray) -> IntArray:
    from .features.ranks import fit_ranks

    return fit_ranks(values, max_bins=_BINS).ranks(values)


def _varies(values: IntArray | None) -> bool:
    return values is not None and values.size > 0 and bool(values.min() < values.max())


def _named(way: Way, tables: Sequence[Table]) -> bool:
    """Whether an index column is named after the table it points to: ``Jet_genJetIdx`` and ``GenJet``."""
    last = str(way.inputs[0].index).rpartition("_")[2].lower().rstrip("0123456789")
    return last.removesuffix("index").removesuffix("idx") == tables[way.target].name.lower()
