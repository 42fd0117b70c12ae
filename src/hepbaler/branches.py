"""A branch of a tree, and a step through its entries, as they are handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from .libraries import Library
from .table import Branch

__all__ = ("AccessLog", "Accessed", "FilterBranch", "ReadableTree", "Report", "TreeBranch")


def __dir__() -> tuple[str, ...]:
    return __all__


class ReadableTree(Protocol):
    """As much of a `hepbaler.tree.Tree` as a branch needs."""

    @property
    def num_entries(self) -> int:
        """Number of entries."""

    @property
    def arrays(self) -> Callable[..., Any]:
        """See `hepbaler.tree.Tree.arrays`."""

    def bytes_as_arrays(self, names: Iterable[str]) -> int:
        """Bytes of some branches as plain arrays."""

    def bytes_as_stored(self, names: Iterable[str]) -> int:
        """Bytes of the pages of some branches."""


class TreeBranch:
    """A branch of a `Tree`. Obtained from ``tree[name]``."""

    def __init__(self, tree: ReadableTree, branch: Branch) -> None:
        self._tree = tree
        self._branch = branch

    @property
    def name(self) -> str:
        """Its name."""
        return self._branch.name

    @property
    def typename(self) -> str:
        """C++ type, as uproot names it."""
        return self._branch.typename

    @property
    def title(self) -> str:
        """Title in the ROOT file."""
        return self._branch.title

    @property
    def num_entries(self) -> int:
        """Number of entries."""
        return self._tree.num_entries

    @property
    def compressed_bytes(self) -> int:
        """Bytes of its pages in the archive; none where its columns repeat those of another branch."""
        return self._tree.bytes_as_stored([self.name])

    @property
    def uncompressed_bytes(self) -> int:
        """Bytes as arrays."""
        return self._tree.bytes_as_arrays([self.name])

    @property
    def compression_ratio(self) -> float:
        """`uncompressed_bytes` over `compressed_bytes`."""
        return self.uncompressed_bytes / max(self.compressed_bytes, 1)

    def array(
        self,
        interpretation: object = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        *,
        library: Library = "ak",
    ) -> Any:
        """Read this branch alone; parameters as for `Tree.arrays`.

        Raises
        ------
        ValueError
            If an `interpretation` is given, as uproot allows: an archive holds values, and no bytes to look at otherwise.
        """
        if interpretation is not None:
            msg = f"branch {self.name!r} of an archive has no other interpretation than its type, {self.typename}"
            raise ValueError(msg)
        arrays = self._tree.arrays(self.name, entry_start=entry_start, entry_stop=entry_stop, library=library, how=dict)
        return arrays[self.name]

    def __repr__(self) -> str:
        return f"<TreeBranch {self.name!r} ({self.typename})>"


FilterBranch = Callable[[TreeBranch], bool] | None


class Accessed(NamedTuple):
    """A buffer of a virtual array that was decoded because somebody touched it.

    Attributes
    ----------
    branch
        Whose it is.
    buffer_key
        Its name: a column of the archive, and what is made of it (``Jet_pt-data``, ``Jet_pt@counts-offsets``).
    """

    branch: str
    buffer_key: str


class AccessLog(Protocol):
    """A list, or whatever else knows ``+=``."""

    def __iadd__(self, touched: list[Accessed], /) -> Any:
        """Take note."""


@dataclass(frozen=True)
class Report:
    """Which entries a step of `Tree.iterate` holds.

    Attributes
    ----------
    file_path, object_path
        Where they are from.
    tree_entry_start, tree_entry_stop
        In the tree.
    global_offset
        Entries of the trees before it.
    """

    file_path: str
    object_path: str
    tree_entry_start: int
    tree_entry_stop: int
    global_offset: int = 0

    @property
    def global_entry_start(self) -> int:
        """First entry, counted from the beginning of all trees."""
        return self.global_offset + self.tree_entry_start

    @property
    def global_entry_stop(self) -> int:
        """First entry after them, counted from the beginning of all trees."""
        return self.global_offset + self.tree_entry_stop
