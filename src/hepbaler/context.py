"""Context of a row: what a coder may see of other tables.

::

    parent    the event of a jet                        MET_phi -> every jet of the event
    link      what an index column of the row points to  GenJet_pt[Jet_genJetIdx]
    aligned   the row at the same place in its list     GenJetAK8_pt[0, 1, ...] -> FatJet 0, 1, ...
    item      a row at a fixed place                    FatJet_eta[0] -> every jet of the event
    nearest   the row whose place the writer stored      GenPart_eta -> the jet of that parton

Lists that a row can look at hang on the same parent as its own. Where there is nothing to look at, the column says
`hepbaler.features.ranks.MISSING`, whose value is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptFile
from .features.ranks import MISSING, at_rows
from .fields import fail, index_of, typed
from .table import Table

__all__ = (
    "CONTEXT_KINDS",
    "MAX_ITEM",
    "PLACE",
    "ContextInput",
    "ContextKind",
    "checked_counts",
    "context_column",
    "context_columns",
    "context_from_list",
    "context_to_list",
    "with_missing",
)

Array = NDArray[Any]
IntArray = NDArray[np.int64]
ToValues = Callable[[IntArray], NDArray[np.float64]]
ContextKind = Literal["parent", "link", "aligned", "item", "nearest"]
CONTEXT_KINDS: tuple[ContextKind, ...] = get_args(ContextKind)

# What the places of rows in another table are called where columns are asked for by key.
PLACE = "@nearest/"
# Places in a list that an `item` may name.
MAX_ITEM = 255
_MOST_INPUTS = 1024


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ContextInput:
    """One input of a coder that comes from another table.

    Attributes
    ----------
    kind
        How a row finds what it looks at; see the module.
    column
        Key of the column it looks at.
    index
        Key of the index column of a ``link``.
    item
        Place in the list of an ``item``, from 0.
    """

    kind: ContextKind
    column: str
    index: str | None = None
    item: int = 0

    @property
    def name(self) -> str:
        """Name of the input in the model; ends in the column's own name, as hints look for ``_pt``."""
        where = {"link": f"/{self.index}", "item": f"/{self.item}"}.get(self.kind, "")
        return f"@{self.kind}{where}/{self.column}"

    def target(self, tables: Sequence[Table]) -> Table:
        """The table of the column that is looked at."""
        return next(table for table in tables if self.column in table.columns)

    def needs(self, tables: Sequence[Table], table: int) -> tuple[str, ...]:
        """Keys of all columns that a row of `table` must know to look: the column, the index, and counts."""
        counts = [tables[table].counts]
        if self.kind != "parent":
            counts.append(self.target(tables).counts)
        return tuple(dict.fromkeys(key for key in (self.column, self.index, *counts) if key is not None))

    def fits(self, tables: Sequence[Table], table: int) -> bool:
        """Whether a row of `table` can look this way."""
        own, target = tables[table], self.target(tables)
        if (self.index is None) == (self.kind == "link") or (self.item and self.kind != "item"):
            return False
        if self.kind == "parent":
            return target.index == own.parent and own.kind in ("list", "regular")
        lists = own.kind == target.kind == "list" and own.parent == target.parent and own.index != target.index
        return lists and (self.index is None or self.index in own.columns)


def context_column(
    context: ContextInput, tables: Sequence[Table], table: int, n_rows: int, known: Callable[[str], IntArray]
) -> IntArray:
    """What each row of a table sees of one column; see `context_columns`."""
    return context_columns([context], tables, table, n_rows, known)[context.name]


def context_columns(
    context: Iterable[ContextInput],
    tables: Sequence[Table],
    table: int,
    n_rows: int,
    known: Callable[[str], IntArray],
) -> dict[str, IntArray]:
    """What each row of a table sees.

    Parameters
    ----------
    context
        Where to look; each `fits` the table.
    tables, table
        Of the tree, and the index of the rows' own.
    n_rows
        Rows of the table in this cluster.
    known
        Integers of a column by its key, and places in table i by ``PLACE + "i"``.

    Returns
    -------
    By name, each shape ``(n_rows,)``; `MISSING` where there is nothing to look at.

    Raises
    ------
    CorruptFile
        If counts do not add up to the rows of their table.
    """
    own = tables[table]
    rows: dict[tuple[str, int, str | None, int], IntArray] = {}
    out = {}
    for one in context:
        column = known(one.column)
        if one.kind == "parent":
            times = own.size if own.kind == "regular" else checked_counts(known(str(own.counts)), n_rows, own.name)
            out[one.name] = np.repeat(column, times)
            continue
        target = one.target(tables)
        way = (one.kind, target.index, one.index, one.item)
        if way not in rows:
            counts = checked_counts(known(str(own.counts)), n_rows, own.name)
            there = checked_counts(known(str(target.counts)), column.size, target.name)
            rows[way] = _rows_seen(one, target, counts, there, known)
        out[one.name] = at_rows(column, rows[way])
    return out


def _rows_seen(
    one: ContextInput, target: Table, counts: IntArray, there: IntArray, known: Callable[[str], IntArray]
) -> IntArray:
    """The row of the target that each row looks at, or -1."""
    n_rows = int(counts.sum())
    if one.kind == "link":
        place = known(str(one.index))
    elif one.kind == "nearest":
        place = known(PLACE + str(target.index))
    elif one.kind == "aligned":
        place = np.arange(n_rows, dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    else:
        place = np.full(n_rows, one.item, np.int64)
    # One unsigned comparison covers both ends: negative places wrap to the far one.
    valid = place.view(np.uint64) < np.repeat(there, counts).view(np.uint64)
    return np.where(valid, np.repeat(np.cumsum(there) - there, counts) + place, -1)


def checked_counts(counts: IntArray, n_rows: int, table: str) -> IntArray:
    """Counts that are not negative and add up to `n_rows`; anything else is a `CorruptFile`."""
    # Each one is compared first, so that their sum cannot wrap around.
    strange = counts.size > 0 and (int(counts.min()) < 0 or int(counts.max()) > n_rows)
    if strange or int(counts.sum()) != n_rows:
        msg = f"the counts of table {table!r} do not add up to its {n_rows} rows"
        raise CorruptFile(msg, section="page", expected=n_rows)
    return counts


def with_missing(to_values: ToValues) -> ToValues:
    """The same function, with 0.0 for `MISSING`."""

    def values(integers: IntArray) -> NDArray[np.float64]:
        missing = integers == MISSING
        return np.where(missing, 0.0, to_values(np.where(missing, 0, integers)))

    return values


def context_to_list(context: ContextInput, number: Mapping[str, int]) -> list[Any]:
    """As plain data, columns by their numbers: kind, column, and what the kind asks for."""
    out: list[Any] = [context.kind, number[context.column]]
    if context.index is not None:
        out.append(number[context.index])
    elif context.kind == "item":
        out.append(context.item)
    return out


def context_from_list(
    data: object, table: int, tables: Sequence[Table], key_of: Callable[[object], str]
) -> tuple[ContextInput, ...]:
    """Inverse of `context_to_list` for all inputs of a model of `table`; raises `CorruptFile`."""
    out = []
    items = typed(data, list, "context")
    if len(items) > _MOST_INPUTS:
        fail(f"a model claims {len(items)} inputs from other tables")
    for item in items:
        kind, *rest = typed(item, list, "context") or [None]
        if kind not in CONTEXT_KINDS or len(rest) != (2 if kind in ("link", "item") else 1):
            fail(f"context of unknown kind {kind!r:.40}")
        one = ContextInput(
            kind,
            key_of(rest[0]),
            key_of(rest[1]) if kind == "link" else None,
            index_of(rest[1], MAX_ITEM + 1, "place in a list") if kind == "item" else 0,
        )
        if not one.fits(tables, table):
            fail(f"the rows of table {tables[table].name!r} cannot look at column {one.column!r} by {kind!r}")
        out.append(one)
    if len({one.name for one in out}) != len(out):
        fail(f"a model of table {tables[table].name!r} has the same context twice")
    return tuple(out)
