"""hepbaler itself: without a model (quantise + pcodec), and with one, by preset."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

import hepbaler

from ..workload import Workload, flat_columns
from .base import Folder, Made

__all__ = ("ARCHIVES", "ArchivePeer")

_NAME = "events.hbal"


@dataclass(frozen=True)
class ArchivePeer:
    """An archive of the tree. `preset` is None without a model."""

    name: str
    title: str
    preset: str | None
    bounded: bool = True

    def missing(self, folder: Folder) -> str | None:
        """See `Peer`."""
        if self.preset is None:
            return None
        if importlib.util.find_spec("torch") is None:
            return "torch is not installed"
        known = "preset" in inspect.signature(hepbaler.compress).parameters
        return None if known or self.preset == "default" else "this hepbaler has no presets"

    def prepare(self, work: Workload) -> Workload:
        """See `Peer`."""
        return work

    def encode(self, ready: Workload, folder: Folder) -> Made:
        """See `Peer`. Includes reading the ROOT file, twice."""
        settings: dict[str, Any] = {} if self.preset in (None, "default") else {"preset": self.preset}
        report = hepbaler.compress(
            f"{ready.source}:{ready.tree}",
            folder.path / _NAME,
            plan=ready.plan,
            use_model=self.preset is not None,
            jobs=1,
            **settings,
        )
        with hepbaler.open(folder.path / _NAME) as archive:
            listed = archive.info()["trees"][0]["columns"]
        floats = {column.key for column in ready.columns}
        return Made(
            report.archive_bytes,
            complete=True,
            rest_bytes=report.archive_bytes - sum(one["bytes"] for one in listed if one["column"] in floats),
            training_seconds=report.seconds.get("train", 0.0),
        )

    def decode(self, ready: Workload, folder: Folder) -> Any:
        """See `Peer`."""
        with hepbaler.open(folder.path / _NAME) as archive:
            return archive[ready.tree].arrays(ready.float_branches, how=dict)

    def columns(self, decoded: Any, work: Workload) -> dict[str, NDArray[Any]]:
        """See `Peer`."""
        return flat_columns(work, decoded)


ARCHIVES = (
    ArchivePeer("hepbaler-plain", "quantise + pcodec (hepbaler --no-model)", None),
    ArchivePeer("hepbaler-fast", "hepbaler --preset fast", "fast"),
    ArchivePeer("hepbaler", "hepbaler", "default"),
    ArchivePeer("hepbaler-small", "hepbaler --preset small", "small"),
)
