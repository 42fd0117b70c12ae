"""Columns with the same rows become tables, found by content and not by name.

``Jet_pt`` and ``Jet_eta`` each come with a column of counts. Where the two hold the same numbers over the whole file, the
lists have one row a jet each, and a network may look at them side by side.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Literal

from hepbaler.table import Branch, Column, Table

__all__ = ("group_tables",)

Kind = Literal["entries", "list", "regular", "variant"]


def __dir__() -> tuple[str, ...]:
    return __all__


class _Draft:
    """A table while its columns are still coming in."""

    def __init__(self, parent: int, kind: Kind, counts: str | None, size: int) -> None:
        self.parent = parent
        self.kind = kind
        self.counts = counts
        self.size = size
        self.columns: list[Column] = []
        self.branches: dict[str, None] = {}


def group_tables(
    tree_name: str, branches: Sequence[Branch], columns: Sequence[Column], digests: Mapping[str, int]
) -> tuple[tuple[Table, ...], dict[str, str]]:
    """Group the columns of a tree into tables.

    Parameters
    ----------
    tree_name
        Name of table 0, which has one row an entry.
    branches, columns
        Of the tree, in file order; the branches say which columns count others by ROOT's own word.
    digests
        A hash of a column's values over the whole file, by key: of their int64 values for integers and bools, of their bits for
        floats. A column without a digest is taken to be like no other.

    Returns
    -------
    tables
        A table comes after its parent. `Table.counts` is the key of a column that is stored, never of one in `same_as`.
    same_as
        Key of a column -> key of the column of the same table that holds the same values everywhere. A branch's own column
        (``nJet``) is kept rather than counts that follow from a list, and one that ROOT names as the counter before others.
    """
    by_key = {column.key: column for column in columns}
    drafts = [_Draft(-1, "entries", None, 0)]
    known: dict[tuple[Any, ...], int] = {}
    resolved: dict[tuple[tuple[Any, ...], ...], int] = {(): 0}

    def identity(key: str) -> int | str:
        return digests.get(key, key)

    def table_of(parents: tuple[tuple[Any, ...], ...]) -> int:
        if parents not in resolved:
            parent = table_of(parents[:-1])
            kind, what, *rest = parents[-1]
            counts = None if kind == "regular" else str(what)
            size = int(what) if kind == "regular" else int(rest[0]) if rest else 0
            same = (parent, kind, None if counts is None else identity(counts), size)
            if same not in known:
                known[same] = len(drafts)
                drafts.append(_Draft(parent, kind, counts, size))
            resolved[parents] = known[same]
        return resolved[parents]

    for column in columns:
        index = table_of(column.parents)
        drafts[index].columns.append(column)
        while index >= 0:
            # a table between two others may have no column of its own, but it has a name
            drafts[index].branches[column.branch] = None
            index = drafts[index].parent

    counters = {branch.count_branch for branch in branches if branch.count_branch is not None}
    same_as: dict[str, str] = {}
    for draft in drafts:
        same_as |= _duplicates(draft.columns, digests, counters)
    names = _names(tree_name, drafts, same_as, by_key)
    tables = tuple(
        Table(
            index=index,
            name=names[index],
            parent=draft.parent,
            kind=draft.kind,
            counts=None if draft.counts is None else same_as.get(draft.counts, draft.counts),
            size=draft.size,
            columns=tuple(column.key for column in draft.columns),
        )
        for index, draft in enumerate(drafts)
    )
    return tables, same_as


def _duplicates(columns: Iterable[Column], digests: Mapping[str, int], counters: Container[str]) -> dict[str, str]:
    alike: dict[tuple[str, int], list[Column]] = {}
    for column in columns:
        if column.key in digests:
            # -1 as int8 and as int64 are the same number, -1 as float32 and as float64 are not the same bits
            kind = column.dtype if column.dtype.startswith("float") else "integer"
            alike.setdefault((kind, digests[column.key]), []).append(column)
    same_as: dict[str, str] = {}
    for group in alike.values():
        stored = min(group, key=lambda c: (c.role != "values", c.branch not in counters, c.dtype == "bool"))
        same_as |= {column.key: stored.key for column in group if column is not stored}
    return same_as


# names for people


def _names(
    tree_name: str, drafts: Sequence[_Draft], same_as: Mapping[str, str], by_key: Mapping[str, Column]
) -> list[str]:
    names = [tree_name.rsplit("/", 1)[-1] or "entries"]
    taken = set(names)
    for draft in drafts[1:]:
        name = _common_beginning(list(draft.branches))
        if not name and draft.counts is not None:
            counter = by_key.get(same_as.get(draft.counts, draft.counts))
            name = _collection(counter.key) if counter is not None and counter.role == "values" else ""
        name = name or _collection(next(iter(draft.branches)))
        if draft.kind == "regular":
            name = f"{name}[{draft.size}]"
        elif draft.kind == "variant":
            name = f"{name}#{draft.size}"
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name} {number}", number + 1
        taken.add(unique)
        names.append(unique)
    return names


def _common_beginning(branches: list[str]) -> str:
    """Longest beginning that all branches share, up to a ``_``, ``.`` or ``/``; a single branch is its own."""
    if len(branches) == 1:
        return branches[0]
    first, last = min(branches), max(branches)
    common = first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
    if common in branches:
        return common
    return common[: max(common.rfind(mark) for mark in "_./") + 1].rstrip("_./")


def _collection(branch: str) -> str:
    """``nJet`` counts ``Jet``; ``Jet_pt`` belongs to ``Jet``."""
    if len(branch) > 1 and branch[0] == "n" and branch[1].isupper():
        return branch[1:]
    return branch.split("_", 1)[0] or branch
