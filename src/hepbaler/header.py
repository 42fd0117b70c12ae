"""The header of an archive: what its trees are made of, and how each column was coded.

Frozen objects with `to_dict` and `from_dict`. A header is read from a file that may be hostile: `from_dict` checks
types, names and references and raises `CorruptFile`, so that nothing behind it needs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .bounds import Choice
from .context import ContextInput, context_from_list, context_to_list
from .fields import count_of, fail, field_of, index_of, pair_of, typed
from .latent.entry import AutoencoderEntry, ColumnError, autoencoders_from_list, page_name
from .layouts.branches import branches_from_dict, branches_to_dict
from .lineage import Lineage, lineage_from_dict, lineage_to_dict
from .nearest import place_name
from .table import Column, Table, TreeSchema

__all__ = ("ModelEntry", "TreeHeader")

MAX_CLUSTER_ROWS = 1 << 28
_KINDS = ("entries", "list", "regular", "variant")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ModelEntry:
    """A learned coder of one table: the section that holds it, and the columns it codes.

    Attributes
    ----------
    section
        Name of the section with the decoder's weights.
    table
        Index of the table.
    columns
        Keys of the columns whose pages are coded by it.
    context
        Inputs of the model that are taken from other tables. Models that code what they need come before this one.
    lineage
        How rows descend from each other, if the model looks at earlier rows of the same list.
    nearest
        Tables in which the place of the nearest row is stored in a page of its own.
    """

    section: str
    table: int
    columns: tuple[str, ...]
    context: tuple[ContextInput, ...] = ()
    lineage: Lineage | None = None
    nearest: tuple[int, ...] = ()


@dataclass(frozen=True)
class TreeHeader:
    """All that is needed to decode one tree.

    Attributes
    ----------
    schema
        Branches, columns and tables.
    borders
        First entry of each cluster, and the number of entries at the end; shape ``(n_clusters + 1,)``.
    rows
        Rows of each table in each cluster, shape ``(n_tables, n_clusters)``.
    choices
        Bound and grid of each column that holds floats.
    constants
        Columns that hold one and the same value everywhere: its bits as an integer. They have no pages.
    models
        Learned coders.
    autoencoders
        What gives the columns of latent mode.
    """

    schema: TreeSchema
    borders: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    choices: Mapping[str, Choice]
    constants: Mapping[str, int] = field(default_factory=dict)
    models: tuple[ModelEntry, ...] = ()
    autoencoders: tuple[AutoencoderEntry, ...] = ()

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.borders) - 1

    @property
    def n_slots(self) -> int:
        """Number of page slots in a cluster."""
        return len(self.slots())

    def slots(self) -> dict[str, int]:
        """Page slot of each column by its key, of the latents of model i by ``@latents/i``, of an autoencoder's by `page_name`.

        Last come the places of nearest rows, by ``@nearest/model/table``.
        """
        names = [column.key for column in self.schema.columns]
        names += [f"@latents/{i}" for i in range(len(self.models))]
        names += [page_name(i) for i in range(len(self.autoencoders))]
        names += [name for i in range(len(self.models)) for name in self.places(i)]
        return {name: i for i, name in enumerate(names)}

    def hidden(self, model: int) -> tuple[str, ...]:
        """Names of the pages of a model that hold no column: latents, and places of nearest rows."""
        return (f"@latents/{model}", *self.places(model))

    def places(self, model: int) -> tuple[str, ...]:
        """Names of the pages of a model that hold the places of nearest rows."""
        return tuple(place_name(model, table) for table in self.models[model].nearest)

    def autoencoded(self) -> dict[str, int]:
        """Number of the autoencoder that gives a column, by the column's key."""
        return {key: i for i, entry in enumerate(self.autoencoders) for key in entry.columns}

    def table_of(self) -> dict[str, int]:
        """Index of the table of each column."""
        return {key: table.index for table in self.schema.tables for key in table.columns}

    def measured(self) -> dict[str, ColumnError]:
        """Measured error of each column that comes from an autoencoder."""
        return {key: error for one in self.autoencoders for key, error in zip(one.columns, one.errors, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; tables and columns by their positions."""
        schema = self.schema
        number = {column.key: i for i, column in enumerate(schema.columns)}
        return {
            "path": schema.path,
            "cycle": schema.cycle,
            "title": schema.title,
            "kind": schema.kind,
            "num_entries": schema.num_entries,
            **branches_to_dict(schema.branches),
            "tables": [_table_to_dict(table, number) for table in schema.tables],
            "same_as": [[number[key], number[other]] for key, other in schema.same_as.items()],
            "borders": list(self.borders),
            "rows": [list(rows) for rows in self.rows],
            "choices": [[number[key], choice.to_dict()] for key, choice in self.choices.items()],
            # Bits of a number may exceed what JSON readers keep of an integer: text.
            "constants": [[number[key], str(bits)] for key, bits in self.constants.items()],
            "models": [_model_to_dict(model, number) for model in self.models],
        } | ({"autoencoders": [one.to_dict(number) for one in self.autoencoders]} if self.autoencoders else {})

    @classmethod
    def from_dict(cls, data: object) -> TreeHeader:
        """Check and rebuild.

        Raises
        ------
        CorruptFile
            If anything in `data` contradicts the format or itself.
        """
        from .layouts import columns_of

        tree = typed(data, dict, "tree")
        branches = branches_from_dict(tree)
        columns = tuple(column for branch in branches for column in columns_of(branch))
        keys = [column.key for column in columns]
        if len(set(keys)) != len(keys):
            fail("two columns have the same key")

        def key_of(number: object) -> str:
            return keys[index_of(number, len(keys), "column")]

        tables = _tables_from_list(field_of(tree, "tables", list), key_of, columns)
        same_as = {key_of(a): key_of(b) for a, b in (pair_of(item) for item in field_of(tree, "same_as", list))}
        home = {key: table.index for table in tables for key in table.columns}
        for key, other in same_as.items():
            if other in same_as or home.get(key) != home.get(other):
                fail(f"column {key!r} cannot be the same as {other!r}")
        borders = tuple(count_of(value, "borders") for value in field_of(tree, "borders", list))
        n_entries = count_of(tree.get("num_entries"), "num_entries")
        if not borders or borders[0] != 0 or borders[-1] != n_entries or list(borders) != sorted(set(borders)):
            fail("the borders of the clusters are not in order")
        rows = _rows_from_list(field_of(tree, "rows", list), tables, borders)
        choices = {
            key_of(i): _choice(value, "choices")
            for i, value in (pair_of(item) for item in field_of(tree, "choices", list))
        }
        constants = {
            key_of(i): _bits(text) for i, text in (pair_of(item) for item in field_of(tree, "constants", list))
        }
        paged = frozenset(keys) - same_as.keys() - constants.keys()
        floats = frozenset(c.key for c in columns if c.dtype.startswith("float") and c.key not in same_as)
        autoencoders = autoencoders_from_list(
            typed(tree.get("autoencoders", []), list, "autoencoders"),
            key_of,
            [table.columns for table in tables],
            floats & paged,
        )
        paged -= {key for entry in autoencoders for key in entry.columns}
        for key in keys:
            if key in floats and key not in choices and (key in paged or key in constants):
                fail(f"column {key!r} has no grid")
        models = _models_from_list(field_of(tree, "models", list), tables, key_of, same_as, paged)
        schema = TreeSchema(
            path=field_of(tree, "path", str),
            cycle=count_of(tree.get("cycle"), "cycle"),
            title=field_of(tree, "title", str),
            kind="RNTuple" if field_of(tree, "kind", str) == "RNTuple" else "TTree",
            num_entries=n_entries,
            branches=branches,
            columns=columns,
            tables=tables,
            same_as=same_as,
        )
        return cls(schema, borders, rows, choices, constants, models, autoencoders)


def _table_to_dict(table: Table, number: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": table.name,
        "parent": table.parent,
        "kind": table.kind,
        "counts": None if table.counts is None else number[table.counts],
        "size": table.size,
        "columns": [number[key] for key in table.columns],
    }


def _tables_from_list(
    data: list[Any], key_of: Callable[[object], str], columns: tuple[Column, ...]
) -> tuple[Table, ...]:
    tables: list[Table] = []
    seen: set[str] = set()
    for i, item in enumerate(data):
        node = typed(item, dict, "table")
        parent, kind = node.get("parent"), node.get("kind")
        if kind not in _KINDS or (kind == "entries") != (i == 0):
            fail(f"table {i} cannot be of kind {kind!r:.40}")
        if i == 0:
            parent = -1 if parent == -1 else fail("the first table has a parent")
        else:
            parent = index_of(parent, i, "table before its children")
        counts = node.get("counts")
        keys = tuple(key_of(k) for k in field_of(node, "columns", list))
        if seen.intersection(keys):
            fail("a column belongs to two tables")
        seen.update(keys)
        counts_key = None if counts is None else key_of(counts)
        if kind in ("list", "variant") and (counts_key is None or counts_key not in tables[parent].columns):
            fail(f"table {i} has no counts in its parent")
        size = count_of(node.get("size"), "size")
        tables.append(Table(i, field_of(node, "name", str), parent, kind, counts_key, size, keys))
    if not tables or seen != {column.key for column in columns}:
        fail("the tables do not hold every column once")
    return tuple(tables)


def _rows_from_list(
    data: list[Any], tables: tuple[Table, ...], borders: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    rows = tuple(tuple(count_of(n, "rows") for n in typed(row, list, "rows")) for row in data)
    if len(rows) != len(tables) or any(len(row) != len(borders) - 1 for row in rows):
        fail("the numbers of rows do not fit the clusters")
    if any(n > MAX_CLUSTER_ROWS for row in rows for n in row):
        fail("a cluster claims too many rows")
    for table in tables:
        if table.kind == "entries":
            expected = tuple(b - a for a, b in pairwise(borders))
        elif table.kind == "regular":
            expected = tuple(n * table.size for n in rows[table.parent])
        else:
            continue
        if rows[table.index] != expected:
            fail(f"the rows of table {table.name!r} do not fit its parent")
    return rows


def _model_to_dict(model: ModelEntry, number: Mapping[str, int]) -> dict[str, Any]:
    out = {"section": model.section, "table": model.table, "columns": [number[key] for key in model.columns]}
    out |= {"context": [context_to_list(one, number) for one in model.context]} if model.context else {}
    out |= {"nearest": list(model.nearest)} if model.nearest else {}
    return out | ({"lineage": lineage_to_dict(model.lineage, number)} if model.lineage else {})


def _models_from_list(
    data: list[Any],
    tables: tuple[Table, ...],
    key_of: Callable[[object], str],
    same_as: Mapping[str, str],
    paged: frozenset[str],
) -> tuple[ModelEntry, ...]:
    models: list[ModelEntry] = []
    sets = [
        (node, tuple(key_of(k) for k in field_of(node, "columns", list)))
        for node in (typed(item, dict, "model") for item in data)
    ]
    coded_later = {key for _, keys in sets for key in keys}
    seen: set[str] = set()
    for node, keys in sets:
        table = index_of(node.get("table"), len(tables), "table")
        if not set(keys) <= set(tables[table].columns):
            fail("a model codes columns of another table")
        if seen.intersection(keys) or not paged.issuperset(keys):
            fail("a column is coded by two models, or without pages of its own")
        seen.update(keys)
        context = context_from_list(node.get("context", []), table, tables, key_of)
        for one in context:
            for key in one.needs(tables, table):
                if same_as.get(key, key) in coded_later:
                    fail(f"the model of table {tables[table].name!r} needs column {key!r}, which is decoded after it")
            if not {one.column, one.index or one.column} <= paged:
                fail(f"the model of table {tables[table].name!r} takes context from columns without pages")
        lineage = lineage_from_dict(node.get("lineage"), tables[table], key_of)
        if lineage is not None:
            own = {str(tables[table].counts)} if lineage.index is None else {lineage.index, str(tables[table].counts)}
            if coded_later.intersection(same_as.get(key, key) for key in own) or not set(lineage.needs()) <= paged:
                fail(f"the model of table {tables[table].name!r} needs columns that are not there before it")
        coded_later.difference_update(keys)
        if lineage is not None and coded_later.intersection(lineage.needs()):
            fail(f"the model of table {tables[table].name!r} needs columns that are decoded after it")
        nearest = tuple(
            index_of(one, len(tables), "nearest table") for one in typed(node.get("nearest", []), list, "model")
        )
        looked_at = {one.target(tables).index for one in context if one.kind == "nearest"}
        if len(set(nearest)) != len(nearest) or looked_at != set(nearest):
            fail(f"the places that the model of table {tables[table].name!r} has are not those that it looks at")
        models.append(ModelEntry(field_of(node, "section", str), table, keys, context, lineage, nearest))
    return tuple(models)


def _choice(data: object, where: str) -> Choice:
    try:
        return Choice.from_dict(typed(data, dict, where))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        fail(f"a grid cannot be read: {error}")


def _bits(text: object) -> int:
    value = typed(text, str, "constants")
    if len(value) > 24 or not value.removeprefix("-").isascii() or not value.removeprefix("-").isdigit():
        fail(f"a constant {value[:24]!r} is no integer")
    return int(value)
