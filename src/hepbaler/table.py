"""The shape of the data between ROOT and the coders: layouts, columns and tables.

A branch, however nested, is taken apart into flat numpy *columns*. Its `Layout` says how they go together again.
Columns whose rows correspond one to one belong to the same *table*: table 0 of a tree has one row an entry, and each
set of lists with the same counts spans a further table (``Jet_pt``, ``Jet_eta``, ... have one row a jet).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = (
    "Branch",
    "Column",
    "Element",
    "Group",
    "Layout",
    "ListLayout",
    "OptionLayout",
    "RecordLayout",
    "RegularLayout",
    "Table",
    "TreeSchema",
    "UnionLayout",
    "Values",
)


@dataclass(frozen=True)
class Values:
    """A leaf: one number a row.

    Attributes
    ----------
    dtype
        Name of a numpy dtype without byte order: ``bool``, ``int8`` ... ``uint64``, ``float16|32|64``; or ``unknown``
        where the ROOT file itself knows no type (an invalid variant): the column is then uint8 zeros.
    column
        Key of the column that holds the values.
    """

    dtype: str
    column: str


@dataclass(frozen=True)
class ListLayout:
    """A list of any length a row; its counts are a column (int64) in the row's own table.

    Attributes
    ----------
    text
        ``"utf8"`` or ``"bytes"`` where the list is a string; the content is then `Values` of uint8.
    array
        awkward's ``__array__`` where the list is anything else than plain: ``set``.
    """

    counts: str
    content: Layout
    text: Literal["utf8", "bytes"] | None = None
    array: str | None = None


@dataclass(frozen=True)
class RegularLayout:
    """A list of `size` elements in each row, as in a C array."""

    size: int
    content: Layout


@dataclass(frozen=True)
class RecordLayout:
    """Named fields side by side, with one row each. `name` is awkward's ``__record__``; a tuple has ``is_tuple``.

    `array` is awkward's ``__array__``: ``sorted_map`` for the pairs of a map.
    """

    fields: tuple[tuple[str, Layout], ...]
    name: str | None = None
    is_tuple: bool = False
    array: str | None = None


@dataclass(frozen=True)
class OptionLayout:
    """Values that may be missing: `mask` (bool, True where present); the content has a zero row where missing."""

    mask: str
    content: Layout


@dataclass(frozen=True)
class UnionLayout:
    """One of several types a row: `tags` (int8) chooses; content i has only the rows with tag i, in order."""

    tags: str
    contents: tuple[Layout, ...]


Layout = Values | ListLayout | RegularLayout | RecordLayout | OptionLayout | UnionLayout

Role = Literal["values", "counts", "mask", "tags", "text"]


@dataclass(frozen=True)
class Element:
    """What a TTree says of the class behind a branch (a ``TBranchElement``), by the names of ROOT.

    It decides how ROOT and uproot take the branch's bytes apart, and is needed to put such bytes together again.

    Attributes
    ----------
    class_name, parent_name, clones_name
        ``fClassName``: the class, or that which has the branch as a member; ``fParentName``; ``fClonesName``.
    checksum, class_version
        Of the class.
    id, type, streamer_type
        ``fID``: which member it is; ``fType``: whether it holds an object or those of a split list; ``fStreamerType``.
    """

    class_name: str
    parent_name: str = ""
    clones_name: str = ""
    checksum: int = 0
    class_version: int = 0
    id: int = -1
    type: int = 0
    streamer_type: int = -1


@dataclass(frozen=True)
class Group:
    """A branch that holds other branches: a split object or a split list of objects.

    Attributes
    ----------
    name
        Full path, as that of a `Branch`. Where the group has values of its own (the lengths of a ``TClonesArray``),
        there is a branch of this name too.
    parent
        The group that holds it.
    """

    name: str
    title: str
    element: Element | None = None
    parent: Group | None = None


@dataclass(frozen=True)
class Branch:
    """A branch (TTree) or top-level field (RNTuple) as the reader meets it.

    Attributes
    ----------
    name
        As uproot's ``tree.keys(full_paths=True)`` gives it (``evt/fUniqueID`` below a split branch).
    typename
        C++ type as uproot names it (``float[]``, ``std::vector<float>``).
    count_branch
        Name of the branch that holds the counts of this one, where the ROOT file says so.
    element
        What the ROOT file says of its class, if it has one. Branches of the same name, type and layout are equal whatever it is.
    group
        The branch that it is in.
    """

    name: str
    typename: str
    title: str
    layout: Layout
    count_branch: str | None = None
    element: Element | None = field(default=None, compare=False)
    group: Group | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Column:
    """A flat column.

    Attributes
    ----------
    key
        Unique in its tree. The leaf of a flat or singly jagged branch has the branch's own name.
    parents
        The way from an entry down to a row of this column, outermost first. Each step is ``("list", key of the counts
        column)``, ``("regular", size)`` or ``("variant", key of the tags column, tag)``.
    """

    key: str
    branch: str
    dtype: str
    role: Role
    parents: tuple[tuple[Any, ...], ...] = ()

    @property
    def raw_itemsize(self) -> int:
        """Bytes a row as a plain array; counts are how arrays nest, not what they hold, and take none."""
        digits = "".join(letter for letter in self.dtype if letter.isdigit())
        return 0 if self.role == "counts" else int(digits) // 8 if digits else 1


@dataclass(frozen=True)
class Table:
    """Columns with the same rows.

    Attributes
    ----------
    index
        Position in `TreeSchema.tables`; 0 has one row an entry.
    name
        For people: the tree's name for table 0, else the longest common beginning of its branches (``Jet``).
    parent
        Index of the table whose rows own these rows; -1 for table 0.
    kind, counts, size
        ``"entries"``; ``"list"`` with the key of ONE counts column of the parent that all of them share;
        ``"regular"`` with the fixed size; ``"variant"`` with the tags column in `counts` and the tag in `size`.
    columns
        Keys of the columns, in file order.
    """

    index: int
    name: str
    parent: int
    kind: Literal["entries", "list", "regular", "variant"]
    counts: str | None = None
    size: int = 0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TreeSchema:
    """A tree as it is carried: its branches, columns and tables.

    Attributes
    ----------
    path
        Directory and name without cycle: ``Events``, ``one/two/tree``.
    kind
        ``"TTree"`` or ``"RNTuple"``: what it was.
    same_as
        Columns not stored because another column of the same table holds the same values everywhere
        (key -> key of the column that is stored). Counts columns of lists that share a table are among them.
    """

    path: str
    cycle: int
    title: str
    kind: Literal["TTree", "RNTuple"]
    num_entries: int
    branches: tuple[Branch, ...]
    columns: tuple[Column, ...]
    tables: tuple[Table, ...]
    same_as: dict[str, str] = field(default_factory=dict)

    @property
    def counters(self) -> frozenset[str]:
        """Keys of the columns with counts (or tags) by which tables hang on their parents.

        Whatever is read of a list asks for them: no model codes them, so that they ask for nothing in their turn.
        """
        return frozenset(table.counts for table in self.tables if table.counts is not None)
