"""From the first look at a tree to everything the second one needs: tables, grids, and the plain coder's cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .bounds import Choice, ColumnFacts, Plan, choose_grid, quantise
from .coding import plain
from .encoding import to_integers
from .grouping import group_tables
from .scanning import Scan
from .table import Column, TreeSchema

if TYPE_CHECKING:
    from .chaining import ChainedTree
    from .reading import SourceTree

__all__ = ("Prepared", "plain_cost", "prepare")

IntArray = NDArray[np.int64]
T = TypeVar("T")

# The plain coder's cost is measured on at most this many values of a column.
_COST_SAMPLE = 1 << 18


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Prepared:
    """A tree ready to be coded.

    Attributes
    ----------
    schema, choices, constants
        As in `hepbaler.header.TreeHeader`.
    sample
        Integers of each stored column on its grid, in the sampled entries.
    sample_counts
        Counts of each table of lists in the sample, by the table's index.
    codecs
        What the plain coder shall try on each stored column.
    plain_bits
        Bits a value that the plain coder takes, of each stored column.
    rows
        Rows of each table in the whole tree.
    """

    schema: TreeSchema
    choices: Mapping[str, Choice]
    constants: Mapping[str, int]
    sample: Mapping[str, IntArray]
    sample_counts: Mapping[int, IntArray]
    codecs: Mapping[str, tuple[plain.Codec, ...]]
    plain_bits: Mapping[str, float]
    rows: tuple[int, ...]

    def without(self, keys: Collection[str]) -> Prepared:
        """The same tree, in which some columns need neither grid nor coder since they come from elsewhere."""
        gone = frozenset(keys)

        def rest(items: Mapping[str, T]) -> dict[str, T]:
            return {key: value for key, value in items.items() if key not in gone}

        return replace(
            self,
            choices=rest(self.choices),
            sample=rest(self.sample),
            codecs=rest(self.codecs),
            plain_bits=rest(self.plain_bits),
        )


def prepare(
    tree: SourceTree | ChainedTree,
    scan: Scan,
    plan: Plan,
    *,
    given: Mapping[str, Choice] | None = None,
    protected: frozenset[str] = frozenset(),
    keep_sample: bool = True,
    executor: Executor | None = None,
) -> Prepared:
    """Group the columns of a tree into tables and choose a grid for each.

    Parameters
    ----------
    tree, scan
        The tree and what the first pass found.
    plan
        Bounds asked for.
    given
        Grids that are fixed already, by column (those of a model).
    protected
        Columns that get pages of their own even where they repeat another or never change, since a model codes them.
    keep_sample
        False where no model will ask for the sample's integers, which take more memory than all else.
    executor
        Columns are tried by it in parallel, if given.
    """
    schema = _schema(tree, scan, plan, protected)
    floats = [c for c in scan.columns if c.dtype.startswith("float") and c.key not in schema.same_as]
    choices = {}
    for column in floats:
        choice = (given or {}).get(column.key)
        if choice is None:
            bound = _bound(plan, tree.path, column)
            choice = choose_grid(bound, scan.facts[column.key], scan.sample[column.key])
        choices[column.key] = choice
    constants = {
        c.key: _constant_bits(scan.facts[c.key])
        for c in scan.columns
        if c.key not in schema.same_as and c.key not in protected and scan.facts[c.key].constant
    }
    stored = [c.key for c in scan.columns if c.key not in schema.same_as and c.key not in constants]
    run = map if executor is None else executor.map

    def tried(key: str) -> tuple[IntArray | None, tuple[plain.Codec, ...], float]:
        values = scan.sample[key]
        choice = choices.get(key)
        integers = to_integers(values) if choice is None else quantise(values, choice).integers
        promising = plain.promising(integers)
        return integers if keep_sample else None, promising, plain_cost(integers, promising)

    sample, codecs, plain_bits = {}, {}, {}
    for key, (integers, codecs[key], plain_bits[key]) in zip(stored, run(tried, stored), strict=True):
        if integers is not None:
            sample[key] = integers
    counts = {
        table.index: to_integers(scan.sample[table.counts])
        for table in schema.tables
        if table.kind == "list" and table.counts is not None
    }
    rows = _rows(schema, scan)
    return Prepared(schema, choices, constants, sample, counts, codecs, plain_bits, rows)


def _rows(schema: TreeSchema, scan: Scan) -> tuple[int, ...]:
    rows = [max((scan.facts[key].count for key in table.columns), default=0) for table in schema.tables]
    # The middle of an array of arrays has no columns of its own: its children, which come later, tell.
    for table in reversed(schema.tables):
        if table.kind == "regular" and not rows[table.parent] and table.size:
            rows[table.parent] = rows[table.index] // table.size
    return tuple(rows)


def _schema(tree: SourceTree | ChainedTree, scan: Scan, plan: Plan, protected: frozenset[str]) -> TreeSchema:
    digests = {key: facts.digest for key, facts in scan.facts.items()}
    tables, same_as = group_tables(tree.path, tree.branches, scan.columns, digests)
    column_of = {column.key: column for column in scan.columns}
    # Equal floats with unequal promises are two columns.
    same_as = {
        key: other
        for key, other in same_as.items()
        if key not in protected and _bound(plan, tree.path, column_of[key]) == _bound(plan, tree.path, column_of[other])
    }
    return TreeSchema(
        path=tree.path,
        cycle=tree.cycle,
        title=tree.title,
        kind="RNTuple" if tree.kind == "RNTuple" else "TTree",
        num_entries=tree.num_entries,
        branches=tree.branches,
        columns=scan.columns,
        tables=tables,
        same_as=same_as,
    )


def _bound(plan: Plan, tree: str, column: Column) -> Any:
    return plan.bound_for(column.branch, column.dtype, column.role, tree=tree)


def _constant_bits(facts: ColumnFacts) -> int:
    value = np.asarray(facts.constant_value)
    if value.dtype.kind == "f":
        return int(value.view(f"i{value.dtype.itemsize}"))
    return int(to_integers(value.reshape(1))[0])


def plain_cost(integers: IntArray, codecs: tuple[plain.Codec, ...] | None = None) -> float:
    """Bits a value that the plain coder takes for a column, with all codecs that promise something by default."""
    if not len(integers):
        return 0.0
    part = integers[: min(len(integers), _COST_SAMPLE)]
    return 8.0 * len(plain.encode(part, codecs or plain.promising(part))) / len(part)
