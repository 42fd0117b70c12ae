"""The header of an archive: what its trees are made of, and how each column was coded.

Frozen objects with `to_dict` and `from_dict`. A header is read from a file that may be hostile: `from_dict` checks
types, names and references and raises `CorruptFile`, so that nothing behind it needs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn, TypeVar

from .bounds import Choice
from .errors import CorruptFile
from .table import (
    Branch,
    Column,
    Layout,
    ListLayout,
    OptionLayout,
    RecordLayout,
    RegularLayout,
    Table,
    TreeSchema,
    UnionLayout,
    Values,
)

__all__ = ("ModelEntry", "TreeHeader", "layout_from_dict", "layout_to_dict")

T = TypeVar("T")

MAX_DEPTH = 24
MAX_ROWS = 1 << 40
MAX_CLUSTER_ROWS = 1 << 28
DTYPES = frozenset(
    [
        "bool",
        *(f"{kind}int{n}" for kind in ("", "u") for n in (8, 16, 32, 64)),
        "float16",
        "float32",
        "float64",
        "unknown",
    ]
)
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
    """

    section: str
    table: int
    columns: tuple[str, ...]


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
    """

    schema: TreeSchema
    borders: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    choices: Mapping[str, Choice]
    constants: Mapping[str, int] = field(default_factory=dict)
    models: tuple[ModelEntry, ...] = ()

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.borders) - 1

    @property
    def n_slots(self) -> int:
        """Number of page slots in a cluster: one a column, then one a model for its latents."""
        return len(self.schema.columns) + len(self.models)

    def slots(self) -> dict[str, int]:
        """Page slot of each column by its key, and of the latents of model i by ``@latents/i``."""
        slots = {column.key: i for i, column in enumerate(self.schema.columns)}
        first = len(slots)
        return slots | {f"@latents/{i}": first + i for i in range(len(self.models))}

    def table_of(self) -> dict[str, int]:
        """Index of the table of each column."""
        return {key: table.index for table in self.schema.tables for key in table.columns}

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
            "branches": [_branch_to_dict(branch) for branch in schema.branches],
            "tables": [_table_to_dict(table, number) for table in schema.tables],
            "same_as": [[number[key], number[other]] for key, other in schema.same_as.items()],
            "borders": list(self.borders),
            "rows": [list(rows) for rows in self.rows],
            "choices": [[number[key], choice.to_dict()] for key, choice in self.choices.items()],
            # Bits of a number may exceed what JSON readers keep of an integer: text.
            "constants": [[number[key], str(bits)] for key, bits in self.constants.items()],
            "models": [
                {"section": m.section, "table": m.table, "columns": [number[key] for key in m.columns]}
                for m in self.models
            ],
        }

    @classmethod
    def from_dict(cls, data: object) -> TreeHeader:
        """Check and rebuild.

        Raises
        ------
        CorruptFile
            If anything in `data` contradicts the format or itself.
        """
        from .layouts import columns_of

        tree = _typed(data, dict, "tree")
        branches = tuple(_branch_from_dict(item) for item in _get(tree, "branches", list))
        columns = tuple(column for branch in branches for column in columns_of(branch))
        keys = [column.key for column in columns]
        if len(set(keys)) != len(keys):
            _fail("two columns have the same key")

        def key_of(number: object) -> str:
            return keys[_index(number, len(keys), "column")]

        tables = _tables_from_list(_get(tree, "tables", list), key_of, columns)
        same_as = {key_of(a): key_of(b) for a, b in (_pair(item) for item in _get(tree, "same_as", list))}
        home = {key: table.index for table in tables for key in table.columns}
        for key, other in same_as.items():
            if other in same_as or home.get(key) != home.get(other):
                _fail(f"column {key!r} cannot be the same as {other!r}")
        borders = tuple(_count(value, "borders") for value in _get(tree, "borders", list))
        n_entries = _count(tree.get("num_entries"), "num_entries")
        if not borders or borders[0] != 0 or borders[-1] != n_entries or list(borders) != sorted(set(borders)):
            _fail("the borders of the clusters are not in order")
        rows = _rows_from_list(_get(tree, "rows", list), tables, borders)
        choices = {
            key_of(i): _choice(value, "choices") for i, value in (_pair(item) for item in _get(tree, "choices", list))
        }
        stored = [c for c in columns if c.dtype.startswith("float") and c.key not in same_as]
        for column in stored:
            if column.key not in choices:
                _fail(f"column {column.key!r} has no grid")
        constants = {key_of(i): _bits(text) for i, text in (_pair(item) for item in _get(tree, "constants", list))}
        models = tuple(_model(item, tables, key_of) for item in _get(tree, "models", list))
        schema = TreeSchema(
            path=_get(tree, "path", str),
            cycle=_count(tree.get("cycle"), "cycle"),
            title=_get(tree, "title", str),
            kind="RNTuple" if _get(tree, "kind", str) == "RNTuple" else "TTree",
            num_entries=n_entries,
            branches=branches,
            columns=columns,
            tables=tables,
            same_as=same_as,
        )
        return cls(schema, borders, rows, choices, constants, models)


def layout_to_dict(layout: Layout) -> Any:
    """As plain data: a leaf is ``[dtype, column]``, everything else an object with its kind as the only first key."""
    match layout:
        case Values(dtype, column):
            return [dtype, column]
        case ListLayout(counts, content, text, array):
            out = {"list": counts, "of": layout_to_dict(content)}
            return out | ({"text": text} if text else {}) | ({"array": array} if array else {})
        case RegularLayout(size, content):
            return {"regular": size, "of": layout_to_dict(content)}
        case RecordLayout(fields, name, is_tuple, array):
            out = {"record": [[key, layout_to_dict(content)] for key, content in fields]}
            out |= {"name": name} if name else {}
            out |= {"tuple": True} if is_tuple else {}
            return out | ({"array": array} if array else {})
        case OptionLayout(mask, content):
            return {"option": mask, "of": layout_to_dict(content)}
        case UnionLayout(tags, contents):
            return {"union": tags, "of": [layout_to_dict(content) for content in contents]}


def layout_from_dict(data: object, depth: int = 0) -> Layout:
    """Inverse of `layout_to_dict`; raises `CorruptFile`."""
    if depth > MAX_DEPTH:
        _fail("a branch is nested too deeply")
    if isinstance(data, list):
        dtype, column = _pair(data)
        if dtype not in DTYPES or not isinstance(column, str):
            _fail(f"a leaf of unknown type {dtype!r}")
        return Values(str(dtype), column)
    node = _typed(data, dict, "layout")
    inner = node.get("of")
    if "list" in node:
        text = node.get("text")
        content = layout_from_dict(inner, depth + 1)
        if text not in (None, "utf8", "bytes") or (
            text and not (isinstance(content, Values) and content.dtype == "uint8")
        ):
            _fail(f"text of unknown kind {text!r}")
        return ListLayout(_get(node, "list", str), content, text, _array(node, "set", "bitset"))
    if "regular" in node:
        return RegularLayout(_count(node["regular"], "size"), layout_from_dict(inner, depth + 1))
    if "record" in node:
        fields = tuple(
            (_typed(key, str, "field"), layout_from_dict(content, depth + 1))
            for key, content in (_pair(item) for item in _get(node, "record", list))
        )
        name = node.get("name")
        is_tuple = node.get("tuple") is True
        return RecordLayout(fields, name if isinstance(name, str) else None, is_tuple, _array(node, "sorted_map"))
    if "option" in node:
        return OptionLayout(_get(node, "option", str), layout_from_dict(inner, depth + 1))
    if "union" in node:
        contents = _typed(inner, list, "union")
        return UnionLayout(_get(node, "union", str), tuple(layout_from_dict(item, depth + 1) for item in contents))
    return _fail("a layout of unknown kind")


def _array(node: dict[str, Any], *allowed: str) -> str | None:
    array = node.get("array")
    if array is not None and array not in allowed:
        _fail(f"an array of unknown kind {array!r:.40}")
    return array


def _branch_to_dict(branch: Branch) -> dict[str, Any]:
    out = {
        "name": branch.name,
        "type": branch.typename,
        "title": branch.title,
        "layout": layout_to_dict(branch.layout),
    }
    return out | ({"count_branch": branch.count_branch} if branch.count_branch else {})


def _branch_from_dict(data: object) -> Branch:
    node = _typed(data, dict, "branch")
    counter = node.get("count_branch")
    return Branch(
        _get(node, "name", str),
        _get(node, "type", str),
        _get(node, "title", str),
        layout_from_dict(node.get("layout")),
        counter if isinstance(counter, str) else None,
    )


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
        node = _typed(item, dict, "table")
        parent, kind = node.get("parent"), node.get("kind")
        if kind not in _KINDS or (kind == "entries") != (i == 0):
            _fail(f"table {i} cannot be of kind {kind!r:.40}")
        if i == 0:
            parent = -1 if parent == -1 else _fail("the first table has a parent")
        else:
            parent = _index(parent, i, "table before its children")
        counts = node.get("counts")
        keys = tuple(key_of(k) for k in _get(node, "columns", list))
        if seen.intersection(keys):
            _fail("a column belongs to two tables")
        seen.update(keys)
        counts_key = None if counts is None else key_of(counts)
        if kind in ("list", "variant") and (counts_key is None or counts_key not in tables[parent].columns):
            _fail(f"table {i} has no counts in its parent")
        size = _count(node.get("size"), "size")
        tables.append(Table(i, _get(node, "name", str), parent, kind, counts_key, size, keys))
    if not tables or seen != {column.key for column in columns}:
        _fail("the tables do not hold every column once")
    return tuple(tables)


def _rows_from_list(
    data: list[Any], tables: tuple[Table, ...], borders: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    rows = tuple(tuple(_count(n, "rows") for n in _typed(row, list, "rows")) for row in data)
    if len(rows) != len(tables) or any(len(row) != len(borders) - 1 for row in rows):
        _fail("the numbers of rows do not fit the clusters")
    if any(n > MAX_CLUSTER_ROWS for row in rows for n in row):
        _fail("a cluster claims too many rows")
    for table in tables:
        if table.kind == "entries":
            expected = tuple(b - a for a, b in pairwise(borders))
        elif table.kind == "regular":
            expected = tuple(n * table.size for n in rows[table.parent])
        else:
            continue
        if rows[table.index] != expected:
            _fail(f"the rows of table {table.name!r} do not fit its parent")
    return rows


def _model(data: object, tables: tuple[Table, ...], key_of: Callable[[object], str]) -> ModelEntry:
    node = _typed(data, dict, "model")
    table = _index(node.get("table"), len(tables), "table")
    keys = tuple(key_of(k) for k in _get(node, "columns", list))
    if not set(keys) <= set(tables[table].columns):
        _fail("a model codes columns of another table")
    return ModelEntry(_get(node, "section", str), table, keys)


def _choice(data: object, where: str) -> Choice:
    try:
        return Choice.from_dict(_typed(data, dict, where))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        _fail(f"a grid cannot be read: {error}")


def _bits(text: object) -> int:
    value = _typed(text, str, "constants")
    if len(value) > 24 or not value.removeprefix("-").isascii() or not value.removeprefix("-").isdigit():
        _fail(f"a constant {value[:24]!r} is no integer")
    return int(value)


def _pair(item: object) -> tuple[Any, Any]:
    pair = _typed(item, list, "pair")
    if len(pair) != 2:
        _fail("a pair does not have two elements")
    return pair[0], pair[1]


def _get(node: dict[str, Any], key: str, kind: type[T]) -> T:
    return _typed(node.get(key), kind, key)


def _typed(value: object, kind: type[T], what: str) -> T:
    if not isinstance(value, kind):
        _fail(f"{what!r} should be {kind.__name__}, not {type(value).__name__}")
    return value


def _count(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_ROWS:
        _fail(f"{what!r} is not a number from 0 to {MAX_ROWS}: {value!r:.40}")
    return value


def _index(value: object, n: int, what: str) -> int:
    if type(value) is not int or not 0 <= value < n:
        _fail(f"there is no {what} {value!r:.40}")
    return value


def _fail(reason: str) -> NoReturn:
    msg = f"the header contradicts itself: {reason}"
    raise CorruptFile(msg, section="meta")
