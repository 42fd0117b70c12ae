"""The branches of a tree by name: by path, by the end of it, by filters; and lists of them as uproot gives them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TextIO

from .branches import FilterBranch, ReadableTree, TreeBranch
from .errors import ColumnNotFound
from .filters import Filter, chooser
from .table import Branch

__all__ = ("BranchListing", "BranchNames")


def __dir__() -> tuple[str, ...]:
    return __all__


class BranchNames:
    """Names of the branches of one tree.

    A branch inside another has the path of both for a name, ``evt/P3/P3.Px``, and is found by the end of it,
    ``P3.Px``, too, as in uproot. Where several paths end so, the first is meant.

    Parameters
    ----------
    branches
        In the tree's order.
    place
        File and tree, for messages.
    """

    def __init__(self, branches: Sequence[Branch], place: tuple[str, str]) -> None:
        self._branches = {branch.name: branch for branch in branches}
        self._place = place
        self._known = dict(self._branches)
        for name, branch in self._branches.items():
            parts = name.split("/")
            for i in range(1, len(parts)):
                self._known.setdefault("/".join(parts[i:]), branch)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __getitem__(self, name: str) -> Branch:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    @property
    def known(self) -> Iterable[str]:
        """All names that lead to a branch."""
        return self._known.keys()

    def chosen(
        self,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        passes: Callable[[Branch], bool] | None = None,
        *,
        recursive: bool = True,
    ) -> list[str]:
        """Paths of the branches that all filters let through, without those inside others if not `recursive`."""
        by_name, by_type = chooser(filter_name), chooser(filter_typename)
        return [
            name
            for name, branch in self._branches.items()
            if (recursive or "/" not in name)
            and _any_name(name, by_name)
            and by_type(branch.typename)
            and (passes is None or passes(branch))
        ]

    def check(self, names: Iterable[str]) -> None:
        """Raise `ColumnNotFound`, with what is near, if one of these names leads to no branch."""
        for name in names:
            if name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=3, cutoff=0.4)
                hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
                msg = f"branch {name!r} not found in {self._place[1]!r} of {self._place[0]}{hint}"
                raise ColumnNotFound(msg)


class BranchListing(ReadableTree):
    """What a tree tells of its branches without reading any; the words are those of uproot's `TTree`."""

    def __init__(self, branches: BranchNames) -> None:
        self._branches = branches

    def keys(
        self,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: FilterBranch = None,
        filter_field: FilterBranch = None,
        recursive: bool = True,
        full_paths: bool = True,
    ) -> list[str]:
        """Names of the branches that all filters let through.

        Parameters
        ----------
        filter_name, filter_typename, filter_branch, filter_field
            As for `arrays`.
        recursive
            False for those alone that are in no other branch.
        full_paths
            False for ``P3.Px`` instead of ``evt/P3/P3.Px``.
        """
        asked = filter_branch or filter_field
        passes = None if asked is None else (lambda branch: bool(asked(TreeBranch(self, branch))))
        names = self._branches.chosen(filter_name, filter_typename, passes, recursive=recursive)
        return names if full_paths else [name.rpartition("/")[2] for name in names]

    def values(self, **filters: Any) -> list[TreeBranch]:
        """Branches; filters as for `keys`."""
        return [branch for _, branch in self.items(**filters)]

    def items(self, *, full_paths: bool = True, **filters: Any) -> list[tuple[str, TreeBranch]]:
        """Names and branches; filters as for `keys`."""
        return list(self.iteritems(full_paths=full_paths, **filters))

    def typenames(self, **filters: Any) -> dict[str, str]:
        """C++ type of each branch, as uproot names it; filters as for `keys`."""
        return {name: branch.typename for name, branch in self.iteritems(**filters)}

    def iterkeys(self, **filters: Any) -> Iterator[str]:
        """`keys`, one by one."""
        return iter(self.keys(**filters))

    def itervalues(self, **filters: Any) -> Iterator[TreeBranch]:
        """`values`, one by one."""
        return (branch for _, branch in self.iteritems(**filters))

    def iteritems(self, *, full_paths: bool = True, **filters: Any) -> Iterator[tuple[str, TreeBranch]]:
        """`items`, one by one."""
        for path in self.keys(**filters):
            yield path if full_paths else path.rpartition("/")[2], self[path]

    def itertypenames(self, **filters: Any) -> Iterator[tuple[str, str]]:
        """Names and types of `typenames`, one by one."""
        return ((name, branch.typename) for name, branch in self.iteritems(**filters))

    def show(
        self,
        *,
        name_width: int | None = None,
        typename_width: int | None = None,
        stream: TextIO | None = None,
        **filters: Any,
    ) -> None:
        """Write a line for each branch: name, type, title; to the screen or to `stream`.

        Names and types are written whole unless a width is given; filters as for `keys`.
        """
        import sys

        rows = [("name", "typename", "title"), *((name, b.typename, b.title) for name, b in self.items(**filters))]
        widths = [asked or max(len(row[i]) for row in rows) for i, asked in enumerate((name_width, typename_width))]
        lines = [
            f"{_cut(name, widths[0]):<{widths[0]}} | {_cut(kind, widths[1]):<{widths[1]}} | {title}".rstrip()
            for name, kind, title in rows
        ]
        lines.insert(1, f"{'-' * widths[0]}-+-{'-' * widths[1]}-+------")
        (stream or sys.stdout).write("\n".join(lines) + "\n")

    def __contains__(self, name: object) -> bool:
        return name in self._branches

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    def __getitem__(self, name: str) -> TreeBranch:
        self._branches.check([name])
        return TreeBranch(self, self._branches[name])


def _any_name(path: str, passes: Callable[[str], bool]) -> bool:
    """Whether a filter lets a branch through by its own name, by its path, or by its path from the root."""
    if "/" not in path:
        return passes(path) or passes("/" + path)
    return passes(path.rpartition("/")[2]) or passes(path) or passes("/" + path)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 3, 0)]}..."
