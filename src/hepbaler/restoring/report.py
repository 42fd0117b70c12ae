"""What a restored file has otherwise than its source: nothing differs in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("Difference", "ObjectsReport", "TreeReport")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Difference:
    """One thing in which a branch is not as it was.

    Attributes
    ----------
    branch
        Name of the branch in the source.
    kind
        ``name``, ``type``, ``title``; ``counter``: its counts are told by another branch than before; ``added``: the
        file needs a branch that the source did not have; ``missing``: it is not in the file.
    source, restored
        How it was, and how it is now; empty where there is nothing to name.
    reason
        Why, and for ``missing`` the way out.
    """

    branch: str
    kind: Literal["name", "type", "title", "counter", "added", "missing"]
    source: str
    restored: str
    reason: str

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.branch}: not written: {self.reason}"
        if self.kind == "added":
            return f"{self.branch}: branch {self.restored!r} added: {self.reason}"
        return f"{self.branch}: {self.kind} {self.source!r} -> {self.restored!r}: {self.reason}"


@dataclass(frozen=True)
class TreeReport:
    """A tree as it was written.

    Attributes
    ----------
    path
        Directory and name, without cycle.
    kind
        What was written.
    num_entries
        Entries written.
    branches
        Names of the branches in the file, in their order there.
    differences
        By branch, in the order of the source.
    not_written
        Why there is no such tree in the file; `None` where there is one.
    """

    path: str
    kind: Literal["TTree", "RNTuple"]
    num_entries: int
    branches: tuple[str, ...]
    differences: tuple[Difference, ...]
    not_written: str | None = None

    @property
    def missing(self) -> tuple[Difference, ...]:
        """The branches, or parts of them, that are not in the file."""
        return tuple(difference for difference in self.differences if difference.kind == "missing")


@dataclass(frozen=True)
class ObjectsReport:
    """The objects besides trees, as they were copied.

    Attributes
    ----------
    copied
        Path and class of each object (directories too) that is in the file.
    missing
        Path, class and reason of each object that is not.
    """

    copied: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str, str], ...]
