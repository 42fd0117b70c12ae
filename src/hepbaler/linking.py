"""Which other tables the rows of a table shall look at: found from the sample.

An index column is an integer column whose values are -1 or a place in the list that the same event has in another table.
Many columns are that by chance, so a link must also tell something about the row: judged by mutual information.
Whatever looks further must not go in circles: of two tables that tell about each other, one is decoded first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .context import ContextInput, ContextKind, context_column
from .preparing import Prepared
from .table import Table

__all__ = ("Links", "find_links")

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
_MOST_INPUTS = 24
_MOST_LOOKED_AT = 24
_ITEMS = (0, 1)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Links:
    """What each table looks at.

    Attributes
    ----------
    context
        Inputs from other tables, by the index of the table that sees them.
    order
        Indices of the tables that were asked for, each behind those that it needs.
    promise
        Bytes that columns seem to tell about each other, by table: where training may pay most.
    """

    context: Mapping[int, tuple[ContextInput, ...]] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    promise: Mapping[int, float] = field(default_factory=dict)

    def indices(self, table: int) -> tuple[str, ...]:
        """Index columns of a table: they are coded plainly, since they must be known first."""
        return tuple(dict.fromkeys(one.index for one in self.context.get(table, ()) if one.index is not None))


@dataclass(frozen=True)
class _Way:
    """A way from a table to another, with what it seems to save."""

    table: int
    target: int
    inputs: tuple[ContextInput, ...]
    saved_bytes: float
    seen_bytes: float


def find_links(prepared: Prepared, tables: Sequence[Table]) -> Links:
    """Choose what each of some tables sees of others.

    Parameters
    ----------
    prepared
        The tree.
    tables
        Those that are trained.
    """
    ways: list[_Way] = []
    promise: dict[int, float] = {}
    for table in tables:
        sight = _Sight(prepared, table)
        ways += sight.ways()
        promise[table.index] = sight.promise()
    first = _Order({table.index for table in tables}, prepared)
    chosen: dict[int, list[_Way]] = {}
    for way in sorted(ways, key=lambda way: (-way.saved_bytes, way.table, way.target)):
        if first.allows(way.table, way.target):
            first.add(way.table, way.target)
            chosen.setdefault(way.table, []).append(way)
            promise[way.table] += way.saved_bytes
    context = {}
    for table in tables:
        inputs = [one for way in chosen.get(table.index, ()) for one in way.inputs]
        context[table.index] = tuple(inputs[:_MOST_INPUTS])
    return Links(context, first.order(), promise)


class _Order:
    """Which table is decoded before which."""

    def __init__(self, tables: set[int], prepared: Prepared) -> None:
        # Counts are needed for whatever a row asks of others, so parents come first.
        self._needs: dict[int, set[int]] = {
            table.index: {table.parent} if table.parent >= 0 else set() for table in prepared.schema.tables
        }
        self._tables = tables

    def allows(self, table: int, target: int) -> bool:
        """Whether `table` may need `target` without going in circles."""
        todo, seen = [target], set()
        while todo:
            one = todo.pop()
            if one == table:
                return False
            if one not in seen:
                seen.add(one)
                todo.extend(self._needs[one])
        return True

    def add(self, table: int, target: int) -> None:
        self._needs[table].add(target)

    def order(self) -> tuple[int, ...]:
        """All tables with a model, each behind those that it needs, otherwise as in the tree."""
        done: dict[int, None] = {}

        def visit(table: int) -> None:
            if table not in done:
                for other in sorted(self._needs[table]):
                    visit(other)
                done[table] = None

        for table in sorted(self._needs):
            visit(table)
        return tuple(table for table in done if table in self._tables)


class _Sight:
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

    def promise(self) -> float:
        """About how many bytes the columns of the table tell about each other."""
        told = np.minimum(self._inside.max(axis=1, initial=0.0), [self._prepared.plain_bits[key] for key in self._own])
        return float(told.sum()) * self._prepared.rows[self._table.index] / 8

    def ways(self) -> list[_Way]:
        """The ways that this table may look and that seem to save something."""
        tables = self._prepared.schema.tables
        if len(self._own) < 2:
            return []
        out: list[_Way | None] = []
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
        links: list[_Way] = []
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
        return links + sorted(others, key=lambda way: -way.saved_bytes)[:_MOST_OTHER_WAYS]

    def _link(self, index: str, other: Table) -> _Way | None:
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

    def _way(self, other: Table, kind: ContextKind, index: str | None = None) -> _Way | None:
        prepared = self._prepared
        columns = [key for key in other.columns if _varies(prepared.sample.get(key))]
        columns = sorted(columns, key=lambda key: -prepared.plain_bits[key])[:_MOST_LOOKED_AT]
        items = _ITEMS if kind == "item" else (0,)
        inputs = [ContextInput(kind, key, index, item) for key in columns for item in items]
        if not inputs:
            return None
        across = self._information(self._own, [_ranks(sample_context(prepared, self._table, one)) for one in inputs])
        if index is None:
            # What the best column of the own table tells is had without looking further.
            more = across - 0.5 * self._inside.max(axis=1)[:, None]
        else:
            # Behind an index that points nowhere in particular is nothing that the index itself does not tell.
            number = self._own.index(index)
            more = across - self._inside[:, number][:, None]
            more[number] = 0.0
            named = _named(_Way(0, other.index, tuple(inputs[:1]), 0.0, 0.0), prepared.schema.tables)
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
        return _Way(self._table.index, other.index, chosen, saved, seen)

    def _information(self, own: Sequence[str], others: Sequence[IntArray]) -> FloatArray:
        from .training.structure import cross_information

        if not own or not others:
            return np.zeros((len(own), len(others)))
        return cross_information([self._ranks[key] for key in own], others)


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


def sample_context(prepared: Prepared, table: Table, one: ContextInput) -> IntArray:
    """What each row of a table's sample sees, shape ``(n_rows,)``."""
    counts = {str(prepared.schema.tables[index].counts): values for index, values in prepared.sample_counts.items()}
    n_rows = max(prepared.sample[key].size for key in table.columns if key in prepared.sample)

    def known(key: str) -> IntArray:
        return counts[key] if key in counts else prepared.sample[key]

    return context_column(one, prepared.schema.tables, table.index, n_rows, known)


def _ranks(values: IntArray) -> IntArray:
    from .features.ranks import fit_ranks

    return fit_ranks(values, max_bins=_BINS).ranks(values)


def _varies(values: IntArray | None) -> bool:
    return values is not None and values.size > 0 and bool(values.min() < values.max())


def _named(way: _Way, tables: Sequence[Table]) -> bool:
    """Whether an index column is named after the table it points to: ``Jet_genJetIdx`` and ``GenJet``."""
    last = str(way.inputs[0].index).rpartition("_")[2].lower().rstrip("0123456789")
    return last.removesuffix("index").removesuffix("idx") == tables[way.target].name.lower()
