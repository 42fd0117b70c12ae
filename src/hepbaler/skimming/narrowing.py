"""A tree's header for some of its branches: what repeated a column that is gone stands for itself, models keep what they can."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ..coding.elements import Coder, ElementsCoder
from ..features.hints import LinearHint
from ..header import ModelEntry, TreeHeader
from ..layouts import columns_of
from ..lineage import Lineage
from ..table import Column, Table

__all__ = ("NarrowModel", "narrow_header", "part_of_coder")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class NarrowModel:
    """A model as far as it is kept.

    Attributes
    ----------
    number
        Of the model in the old header.
    coder
        Of the columns that are left to it; None if there are none.
    places
        For each table in which it looks for the nearest row, its number in the old header and in the new one.
    plain
        Keys of columns that are kept, but no longer coded by it.
    missing
        Keys of the columns that are gone and without which it cannot code these.
    """

    number: int
    coder: Coder | None
    places: tuple[tuple[int, int], ...]
    plain: tuple[str, ...]
    missing: tuple[str, ...]


def narrow_header(
    header: TreeHeader, coders: Sequence[Coder], names: Collection[str]
) -> tuple[TreeHeader, list[NarrowModel]]:
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
    models
        What became of each old model of which a column is kept. Those with a coder are the new header's, in its order.
    """
    schema = header.schema
    branches = tuple(branch for branch in schema.branches if branch.name in names)
    columns = tuple(column for branch in branches for column in columns_of(branch))
    same_as = _same_as(header, columns)
    tables, moved = _tables(header, columns, same_as)
    before = {column.key: schema.same_as.get(column.key, column.key) for column in columns}
    stored = [key for key in before if key not in same_as]
    choices = {key: header.choices[before[key]] for key in stored if before[key] in header.choices}
    constants = {key: header.constants[before[key]] for key in stored if before[key] in header.constants}
    # What took the place of a column that is gone has its values, but not its name.
    paged = {key for key in stored if key not in constants and before[key] == key}
    entries: list[ModelEntry] = []
    models: list[NarrowModel] = []
    for number, (entry, coder) in enumerate(zip(header.models, coders, strict=True)):
        context = tuple(one for one in entry.context if {one.column, one.index or one.column} <= paged)
        from_rows = _from_rows(entry.lineage, paged)
        given = {"@index", "@counts"} | {one.name for one in context} | from_rows
        part = part_of_coder(coder, paged, paged | given)
        coded = () if part is None else part.names
        plain = tuple(key for key in entry.columns if key in paged and key not in coded)
        missing = _missing(entry, coder, plain, paged, given)
        places: tuple[tuple[int, int], ...] = ()
        if part is not None:
            used = tuple(one for one in context if one.name in part.inputs)
            looked_at = {one.target(schema.tables).index for one in used if one.kind == "nearest"}
            places = tuple((table, moved[table]) for table in entry.nearest if table in looked_at)
            entries.append(
                replace(
                    entry,
                    table=moved[entry.table],
                    columns=part.names,
                    context=used,
                    lineage=entry.lineage.only(part.inputs) if entry.lineage is not None else None,
                    nearest=tuple(new for _, new in places),
                )
            )
        if coded or plain:
            models.append(NarrowModel(number, part, places, plain, missing))
    schema = replace(schema, num_entries=0, branches=branches, columns=columns, tables=tables, same_as=same_as)
    rows: tuple[tuple[int, ...], ...] = tuple(() for _ in tables)
    return TreeHeader(schema, (0,), rows, choices, constants, tuple(entries)), models


def _from_rows(lineage: Lineage | None, paged: AbstractSet[str]) -> set[str]:
    """Names of the inputs from earlier rows of the same list that can still be had."""
    if lineage is None:
        return set()
    return {name for name in lineage.inputs if paged >= set(lineage.behind(name))}


def _missing(
    entry: ModelEntry, coder: Coder, plain: Collection[str], paged: Collection[str], given: Collection[str]
) -> tuple[str, ...]:
    """Keys of the columns that are gone and that some columns of a coder need."""
    behind: dict[str, tuple[str, ...]] = {
        one.name: (one.column, one.index or one.column) for one in entry.context if one.name not in given
    }
    if entry.lineage is not None:
        behind |= {name: entry.lineage.behind(name) for name in entry.lineage.inputs if name not in given}
    pages, inputs = coder.needed(plain) if plain else ((), ())
    keys = (key for name in (*inputs, *pages) for key in behind.get(name, (name,)))
    return tuple(dict.fromkeys(key for key in keys if not key.startswith("@") and key not in paged))


def part_of_coder(coder: Coder, names: Collection[str], inputs: Collection[str]) -> Coder | None:
    """The coder of those of its columns in `names` whose parents are left too; None if there are none.

    Networks stay as they are, so a column is coded as before.
    """
    if isinstance(coder, ElementsCoder):
        return coder if coder.key in names else None
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
    if len(columns) == len(coder.columns) and len(known) == first + len(columns):
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
