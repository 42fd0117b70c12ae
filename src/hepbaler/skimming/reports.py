"""What `skim` tells of its work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..reports import CompressReport
from ..restoring import TreeReport

__all__ = ("SkimReport", "SkimmedModel", "SkimmedTree")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class SkimmedTree:
    """A tree of a skim.

    Attributes
    ----------
    path
        Directory and name.
    before, after
        Entries of the input, and of the result.
    branches
        Branches that were kept.
    """

    path: str
    before: int
    after: int
    branches: int


@dataclass(frozen=True)
class SkimmedModel:
    """What became of a model of an archive.

    Attributes
    ----------
    tree, table
        Of the model.
    columns
        Keys of the columns that it codes in the result; none if the model is not kept.
    plain
        Keys of the columns that it coded before and that are coded plainly now.
    reason
        Why there are such columns; empty where there are none.
    """

    tree: str
    table: str
    columns: tuple[str, ...]
    plain: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class SkimReport:
    """What `skim` did.

    Attributes
    ----------
    source, target
        Paths.
    source_bytes, target_bytes
        Their sizes.
    trees
        One a tree.
    cut_tree
        Tree that the cuts are about; None without cuts.
    flow
        Each cut, and how many entries pass it and those before it.
    written
        For a ROOT file, how each tree was written and what differs.
    models
        From an archive to an archive, what became of the models.
    compressed
        From a ROOT file to an archive, what `hepbaler.compress` tells.
    notes, left_out
        What the reader should know; what could not be carried.
    """

    source: str
    target: str
    source_bytes: int
    target_bytes: int
    trees: tuple[SkimmedTree, ...]
    cut_tree: str | None
    flow: tuple[tuple[str, int], ...]
    written: tuple[TreeReport, ...] = ()
    models: tuple[SkimmedModel, ...] = ()
    compressed: CompressReport | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        compressed = self.compressed.to_dict() if self.compressed is not None else None
        return asdict(self) | {"compressed": compressed}
