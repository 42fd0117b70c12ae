"""Size against the time to read: each preset of hepbaler beside the LZMA-9 ROOT file of the same content, taking turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uproot

import hepbaler
from hepbaler.presets import PRESETS

from .machine import one_thread
from .peers.base import Folder
from .peers.rootfiles import ROOT_FILES
from .workload import Workload

__all__ = ("FrontierRow", "measure_frontier")

_LZMA = next(peer for peer in ROOT_FILES if peer.name == "ttree-lzma")


@dataclass(frozen=True)
class FrontierRow:
    """One way to keep a file.

    Attributes
    ----------
    file, bound, way
        What was measured: a preset of hepbaler, ``no model``, or ``LZMA 9``.
    n_bytes
        Of the file.
    compress_seconds, training_seconds
        All of compressing, and the part of it that is training.
    read_seconds, one_core_seconds
        All float columns as awkward arrays, median of the rounds: as it comes, and with one thread. uproot decompresses in one thread
        unless it is told otherwise.
    """

    file: str
    bound: str
    way: str
    n_bytes: int
    compress_seconds: float
    training_seconds: float
    read_seconds: float
    one_core_seconds: float


def measure_frontier(
    work: Workload, folder: Path, *, rounds: int, ways: Sequence[str] = (), tell: Callable[[str], object]
) -> list[FrontierRow]:
    """Write a file in each way, then read all of them in turns.

    Parameters
    ----------
    work
        The tree.
    folder
        An empty directory.
    rounds
        How often each is read; the first round is not counted.
    ways
        Presets to measure; all, and none at all, by default.
    tell
        Called with a line about each file that was written.
    """
    made: dict[str, tuple[Path, float, float]] = {}
    start = time.perf_counter()
    inside = Folder(folder / "lzma")
    inside.path.mkdir()
    _LZMA.encode(_LZMA.prepare(work), inside)
    made["LZMA 9"] = next(inside.path.iterdir()), time.perf_counter() - start, 0.0
    for way in ways or ("no model", *PRESETS):
        path = folder / f"{way.replace(' ', '-')}.hbal"
        how: dict[str, Any] = {"use_model": False} if way == "no model" else {"preset": way}
        start = time.perf_counter()
        result = hepbaler.compress(f"{work.source}:{work.tree}", path, plan=work.plan, **how)
        made[way] = path, time.perf_counter() - start, result.seconds.get("train", 0.0)
        tell(f"  {way:9} {path.stat().st_size / 1e6:8.3f} MB in {made[way][1]:.0f} s")
    every = _median_times({way: path for way, (path, *_) in made.items()}, work, rounds)
    with one_thread():
        one = _median_times({way: path for way, (path, *_) in made.items()}, work, rounds)
    return [
        FrontierRow(
            work.source.name, str(work.bound), way, path.stat().st_size, all_of_it, training, every[way], one[way]
        )
        for way, (path, all_of_it, training) in made.items()
    ]


def _median_times(files: dict[str, Path], work: Workload, rounds: int) -> dict[str, float]:
    """Seconds that reading all float columns takes; in turns, so that what else the machine does hits all alike."""
    seconds: dict[str, list[float]] = {way: [] for way in files}
    for _ in range(rounds + 1):
        for way, path in files.items():
            start = time.perf_counter()
            if path.suffix == ".root":
                with uproot.open(path) as file:
                    file[work.tree].arrays(work.float_branches, how=dict)
            else:
                with hepbaler.open(path) as archive:
                    archive[work.tree].arrays(work.float_branches, how=dict)
            seconds[way].append(time.perf_counter() - start)
    return {way: statistics.median(all_of_it[1:]) for way, all_of_it in seconds.items()}
