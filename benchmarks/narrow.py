"""A few columns of a few entries: what the momenta of one collection cost in one cluster, against their share of reading everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import awkward as ak

import hepbaler

from .machine import one_thread

__all__ = ("NarrowRow", "measure_narrow")

_PARTS = ("pt", "eta", "phi", "mass")


@dataclass(frozen=True)
class NarrowRow:
    """One collection.

    Attributes
    ----------
    file, bound, preset, collection
        What was measured.
    share
        Its pt, eta, phi and mass in the first cluster, as a part of the bytes of all arrays of the tree.
    cpu_seconds, full_cpu_seconds
        Processor time with one thread, opening included: of these columns, and of the whole tree.
    wall_seconds, full_wall_seconds
        Time of the clock with as many threads as there are.
    """

    file: str
    bound: str
    preset: str
    collection: str
    share: float
    cpu_seconds: float
    full_cpu_seconds: float
    wall_seconds: float
    full_wall_seconds: float


def measure_narrow(archive: Path, tree: str, *, rounds: int, **what: str) -> Iterator[NarrowRow]:
    """Read collections one by one, the best of some rounds.

    Parameters
    ----------
    archive
        A ``.hbal`` file.
    tree
        A tree of it.
    rounds
        How often each is read.
    what
        `file`, `bound` and `preset` of the rows.
    """

    def read(names: list[str] | None, stop: int | None) -> None:
        with hepbaler.open(archive) as opened:
            opened[tree].arrays(names, entry_stop=stop, how=dict)

    with hepbaler.open(archive) as opened:
        arrays = opened[tree].arrays(how=dict)
        offsets = opened[tree].common_entry_offsets()
    first = offsets[1]
    sizes = {name: ak.to_numpy(ak.flatten(array, axis=None)).nbytes for name, array in arrays.items()}
    with one_thread():
        full_cpu = _best(lambda: read(None, None), rounds, time.process_time)
    full_wall = _best(lambda: read(None, None), rounds, time.perf_counter)
    stems = dict.fromkeys(name.rpartition("_")[0] for name in arrays if name.endswith("_pt") and arrays[name].ndim > 1)
    for stem in stems:
        names = [name for part in _PARTS if (name := f"{stem}_{part}") in arrays]
        if len(names) < 3:
            continue

        def narrow(names: list[str] = names) -> None:
            read(names, first)

        with one_thread():
            cpu = _best(narrow, rounds, time.process_time)
        wall = _best(narrow, rounds, time.perf_counter)
        share = sum(sizes[name] for name in names) / sum(sizes.values()) * first / offsets[-1]
        yield NarrowRow(
            **what,
            collection=stem,
            share=share,
            cpu_seconds=cpu,
            full_cpu_seconds=full_cpu,
            wall_seconds=wall,
            full_wall_seconds=full_wall,
        )


def _best(read: Callable[[], None], rounds: int, clock: Callable[[], float]) -> float:
    seconds = []
    for _ in range(rounds):
        start = clock()
        read()
        seconds.append(clock() - start)
    return min(seconds)
