"""Which other tables the rows of a table shall look at, of what `sight.py` finds.

Whatever looks further must not go in circles: of two tables that tell about each other, one is decoded first. Nor may it look so far
that a few columns of a small table take most of the file to decode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .context import ContextInput
from .lineage import Lineage
from .nearest import Nearest
from .preparing import Prepared
from .sight import Sight, Way
from .table import Table

__all__ = ("Links", "find_links")

_MOST_INPUTS = 24
# A column of fewer bits costs next to nothing to decode.
_LEAST_BITS = 0.1


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
    lineage
        How the rows of a table descend from each other, where that tells something.
    nearest
        By what a table finds the nearest rows of other tables, by its index and theirs.
    """

    context: Mapping[int, tuple[ContextInput, ...]] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    promise: Mapping[int, float] = field(default_factory=dict)
    lineage: Mapping[int, Lineage] = field(default_factory=dict)
    nearest: Mapping[int, Mapping[int, Nearest]] = field(default_factory=dict)

    def indices(self, table: int) -> tuple[str, ...]:
        """Index columns of a table: they are coded plainly, since they must be known first."""
        own = self.lineage[table].index if table in self.lineage else None
        every = [own, *(one.index for one in self.context.get(table, ()))]
        return tuple(dict.fromkeys(key for key in every if key is not None))


def find_links(
    prepared: Prepared, tables: Sequence[Table], reach: float = math.inf, least_before: float = 0.0
) -> Links:
    """Choose what each of some tables sees of others.

    Parameters
    ----------
    prepared
        The tree.
    tables
        Those that are trained.
    reach
        So many values of other tables may have to be decoded for a row of one.
    least_before
        Share of a table's bytes that seeing the row before must seem to save.
    """
    ways: list[Way] = []
    promise: dict[int, float] = {}
    lineages: dict[int, Lineage] = {}
    before: dict[int, tuple[Lineage, float]] = {}
    for table in tables:
        sight = Sight(prepared, table)
        ways += sight.ways()
        promise[table.index] = sight.promise()
        if sight.lineage is not None:
            lineages[table.index] = sight.lineage
            promise[table.index] += sight.lineage_bytes
        elif (found := sight.before(least_before)) is not None:
            before[table.index] = found
    first = _Order({table.index for table in tables}, prepared, reach)
    chosen: dict[int, list[Way]] = {}
    nearest: dict[int, dict[int, Nearest]] = {}
    for way in sorted(ways, key=lambda way: (-way.saved_bytes, way.table, way.target)):
        # One nearest row is enough: the next one would mostly tell the same again, and its place costs a page.
        second = way.nearest is not None and way.table in nearest
        if first.allows(way.table, way.target) and not second:
            if way.nearest is not None:
                nearest[way.table] = {way.target: way.nearest}
            first.add(way.table, way.target)
            chosen.setdefault(way.table, []).append(way)
            promise[way.table] += way.saved_bytes
    for table in tables:
        # What a link tells of a row, the row before tells mostly again, and reading rows one after the other takes its time.
        if table.index in before and not any(way.nearest or way.inputs[0].index for way in chosen.get(table.index, ())):
            lineages[table.index], saved = before[table.index]
            promise[table.index] += saved
    context = {}
    for table in tables:
        inputs = [one for way in chosen.get(table.index, ()) for one in way.inputs]
        context[table.index] = tuple(inputs[:_MOST_INPUTS])
    return Links(context, first.order(), promise, lineages, nearest)


class _Order:
    """Which table is decoded before which, and how much that is."""

    def __init__(self, tables: set[int], prepared: Prepared, reach: float) -> None:
        # Counts are needed for whatever a row asks of others, so parents come first.
        self._needs: dict[int, set[int]] = {
            table.index: {table.parent} if table.parent >= 0 else set() for table in prepared.schema.tables
        }
        self._tables = tables
        self._sees: dict[int, set[int]] = {table: set() for table in self._needs}
        self._rows, self._reach = prepared.rows, reach
        self._values = {
            table.index: prepared.rows[table.index]
            * sum(prepared.plain_bits.get(key, 0.0) > _LEAST_BITS for key in table.columns)
            for table in prepared.schema.tables
        }

    def allows(self, table: int, target: int) -> bool:
        """Whether `table` may look at `target` without going in circles, and without making any table look too far."""
        if table in {target} | _behind(target, self._needs):
            return False
        sees = self._sees | {table: self._sees[table] | {target}}
        return all(
            sum(self._values[other] for other in _behind(one, sees)) <= self._reach * self._rows[one]
            for one in sees
            if sees[one]
        )

    def add(self, table: int, target: int) -> None:
        self._needs[table].add(target)
        self._sees[table].add(target)

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


def _behind(table: int, edges: Mapping[int, set[int]]) -> set[int]:
    """All tables that a table leads to."""
    todo, seen = list(edges[table]), set()
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(edges[one])
    return seen
