"""What all peers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ..workload import Workload

__all__ = ("Folder", "Made", "Peer")

Array = NDArray[Any]


@dataclass(frozen=True)
class Made:
    """What encoding gave.

    Attributes
    ----------
    n_bytes
        All files that a reader needs.
    complete
        Whether the files hold the whole tree. Otherwise they hold float columns only, without names or structure.
    rest_bytes
        Of a complete file, the part that is not float columns; told by hepbaler without a model only.
    training_seconds
        Part of the time that went into training; not part of the speed of encoding.
    own_seconds
        What encoding took where a program of its own does it, without its start.
    notes
        What a reader of the table should know.
    """

    n_bytes: int
    complete: bool
    rest_bytes: int = 0
    training_seconds: float = 0.0
    own_seconds: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """Where a peer's files go, and what it is told.

    Attributes
    ----------
    path
        An empty directory.
    root_python
        A Python that can import ROOT, if there is one.
    """

    path: Path
    root_python: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Peer(Protocol):
    """A way of coding a workload."""

    @property
    def name(self) -> str:
        """Short, for the command line and JSON."""

    @property
    def title(self) -> str:
        """For tables and plots."""

    @property
    def bounded(self) -> bool:
        """Whether it shall keep the bounds; otherwise its error is measured only."""

    def missing(self, folder: Folder) -> str | None:
        """What is not installed, or None."""

    def prepare(self, work: Workload) -> Any:
        """The workload in the form that the peer's library takes; no part of any measured time."""

    def encode(self, ready: Any, folder: Folder) -> Made:
        """Write the files."""

    def decode(self, ready: Any, folder: Folder) -> Any:
        """Read all float columns back, as the peer's users get them."""

    def columns(self, decoded: Any, work: Workload) -> dict[str, Array]:
        """Flat columns by key, out of what `decode` gave."""
