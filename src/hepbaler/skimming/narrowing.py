"""A tree's header for some of its branches: what repeated a column that is gone stands for itself, models keep what they can."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ..coding.learned import LearnedCoder
from ..features.hints import LinearHint
from ..header import ModelEntry, TreeHeader
from ..layouts import columns_of
from ..table import Column, Table

__all__ = ("narrow_header", "part_of_coder")


def __dir__() -> tuple[str, ...]:
    return __all__


def narrow_header(
    header: TreeHeader, coders: Sequence[LearnedCoder], names: Collection[str]
) -> tuple[TreeHeader, list[tuple[int, LearnedCoder]]]:
    """The header for the branches of these names, without entries.

    Parameters
    ----------
    header
        Of all branches.
    coders
        Of its models.
    names
        Branches to keep.

    Returns
    -------
    header
        Its models are those that still code something, with the columns and inputs that are left.
    coders
        For each of these models its number in the old header, and its coder.
    """
    schema = header.schema
    branches = tuple(branch for branch in schema.branches if branch.name in names)
    columns = tuple(column for branch in branches for column in columns_of(branch))
    kept = {column.key for column in columns}
    same_as = _same_as(header, columns)
    tables, moved = _tables(header, columns, same_as)
    before = {column.key: schema.same_as.get(column.key, column.key) for column in columns}
    stored = [key for key in before if key not in same_as]
    choices = {key: header.choices[before[key]] for key in stored if before[key] in header.choices}
    constants = {key: header.constants[before[key]] for key in stored if before[key] in header.constants}
    # What took the place of a column that is gone has its values, but not its name.
    paged = {key for key in stored if key not in constants and before[key] == key}
    models: list[ModelEntry] = []
    parts: list[tuple[int, LearnedCoder]] = []
    for number, (entry, coder) in enumerate(zip(header.models, coders, strict=True)):
        if entry != ModelEntry(entry.section, entry.table, entry.columns, entry.context):
            # It sees more than columns and context; what that needs is not known here.
            continue
        context = tuple(
            one for one in entry.context if {one.column, one.index or one.column} <= paged and one.column in kept
        )
        own = {"@index", "@counts"} | {one.name for one in context}
        part = part_of_coder(coder, paged, paged | own)
        if part is None:
            continue
        used = tuple(one for one in context if one.name in part.inputs)
        models.append(replace(entry, table=moved[entry.table], columns=part.names, context=used))
        parts.append((number, part))
    schema = replace(schema, num_entries=0, branches=branches, columns=columns, tables=tables, same_as=same_as)
    rows: tuple[tuple[int, ...], ...] = tuple(() for _ in tables)
    return TreeHeader(schema, (0,), rows, choices, constants, tuple(models)), parts


def part_of_coder(coder: LearnedCoder, names: Collection[str], inputs: Collection[str]) -> LearnedCoder | None:
    """The coder of those of its columns in `names` whose parents are left too; None if there are none.

    Networks stay as they are, so a column is coded as before.
    """
    slots: dict[int, int] = {}
    columns = []
    first = len(coder.inputs)
    known = {slot for slot, name in enumerate(coder.inputs) if name in inputs}
    for slot, column in enumerate(coder.columns, start=first):
        if column.name in names and known.issuperset(column.slots):
            known.add(slot)
            columns.append((slot, column))
    if not columns:
        return None
    if len(columns) == len(coder.columns):
        return coder
    seen = sorted({slot for _, column in columns for slot in column.slots if slot < first})
    slots = {slot: i for i, slot in enumerate([*seen, *(slot for slot, _ in columns)])}
    return replace(
        coder,
        inputs=tuple(coder.inputs[slot] for slot in seen),
        input_ranks=tuple(coder.input_ranks[slot] for slot in seen),
        columns=tuple(
            replace(
                column,
                parents=tuple(slots[slot] for slot in column.parents),
                hint=None if column.hint is None else _moved(column.hint, slots),
            )
            for _, column in columns
        ),
    )


def _moved(hint: LinearHint, slots: Mapping[int, int]) -> LinearHint:
    return replace(
        hint, terms=tuple(replace(term, slots=tuple(slots[slot] for slot in term.slots)) for term in hint.terms)
    )


def _same_as(header: TreeHeader, columns: Sequence[Column]) -> dict[str, str]:
    """Columns that repeat another that is left; of those that repeat one that is gone, the first takes its place."""
    groups: dict[str, list[str]] = {}
    old = header.schema.same_as
    # A branch's own column rather than counts that follow from a list, as where tables are found.
    for column in sorted(columns, key=lambda column: column.role != "values"):
        groups.setdefault(old.get(column.key, column.key), []).append(column.key)
    same_as: dict[str, str] = {}
    for root, members in groups.items():
        stored = root if root in members else members[0]
        same_as |= {key: stored for key in members if key != stored}
    return same_as


def _tables(
    header: TreeHeader, columns: Sequence[Column], same_as: Mapping[str, str]
) -> tuple[tuple[Table, ...], dict[int, int]]:
    """Tables that are left, and for each old number the new one."""
    old, home = header.schema.tables, header.table_of()
    mine: dict[int, list[str]] = {0: []}
    counts: dict[int, str] = {}
    for column in columns:
        mine.setdefault(home[column.key], []).append(column.key)
        for step, index in zip(reversed(column.parents), _above(old, home[column.key]), strict=False):
            mine.setdefault(index, [])
            if step[0] != "regular":
                counts[index] = same_as.get(step[1], step[1])
    order = sorted(mine)
    moved = {index: i for i, index in enumerate(order)}
    tables = []
    for index in order:
        table, key = old[index], counts.get(index)
        if key is not None and table.counts in mine[table.parent]:
            # Lists of equal counts whose counters differ in name: the table keeps the one that it has.
            key = same_as.get(str(table.counts), table.counts)
        parent = moved.get(table.parent, -1)
        tables.append(replace(table, index=moved[index], parent=parent, counts=key, columns=tuple(mine[index])))
    return tuple(tables), moved


def _above(tables: Sequence[Table], index: int) -> Iterator[int]:
    """The table and those above it, without table 0."""
    while index > 0:
        yield index
        index = tables[index].parent
