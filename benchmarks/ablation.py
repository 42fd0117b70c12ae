"""What each part of the learned coder gives: the same file compressed without it, or with more of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hepbaler
from hepbaler import learning, presets
from hepbaler.linking import Links

from .machine import one_thread
from .workload import Workload

__all__ = ("VARIANTS", "AblationRow", "Variant", "measure_ablation")


@dataclass(frozen=True)
class Variant:
    """A change of the default preset.

    Attributes
    ----------
    preset
        Fields of `hepbaler.presets.Preset` that differ.
    training
        Fields of `hepbaler.training.settings.TrainSettings` that differ.
    families
        Whether rows may see their mothers, or the row before.
    elements
        Whether places in lists of one length are columns of their own.
    """

    preset: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    families: bool = True
    elements: bool = True


VARIANTS = {
    "default": Variant(),
    "latents not offered": Variant(training={"n_latent": 0}),
    "up to 8 latents": Variant(training={"n_latent": 8}),
    "no earlier columns": Variant(training={"max_parents": 0, "hints": False}),
    "at most 6 columns seen": Variant(training={"max_parents": 6}),
    "no hints": Variant(training={"hints": False}),
    "no other tables": Variant(preset={"reach": 0.0}),
    "other tables however far": Variant(preset={"reach": float("inf")}),
    "no mothers": Variant(families=False),
    "lists of weights as they are": Variant(elements=False),
    "width 8": Variant(preset={"width": 8}),
    "width 48": Variant(preset={"width": 48}),
    "a quarter of the training": Variant(preset={"work": 0.3}),
    "three times the training": Variant(preset={"work": 3.75}),
    "every column that gains": Variant(preset={"least_saving": 0.0}),
    "columns that save a tenth": Variant(preset={"least_saving": 0.1}),
    "rows see the row before": Variant(preset={"least_before": 0.01}),
}


@dataclass(frozen=True)
class AblationRow:
    """One variant.

    Attributes
    ----------
    file, bound, variant
        What was measured.
    n_bytes
        Of the archive.
    training_seconds
        Of the clock.
    read_seconds
        Of one core's time, for all float columns; the best of three.
    """

    file: str
    bound: str
    variant: str
    n_bytes: int
    training_seconds: float
    read_seconds: float


def measure_ablation(
    work: Workload, folder: Path, *, variants: Sequence[str] = (), tell: Callable[[str], object], **how: Any
) -> Iterator[AblationRow]:
    """Compress a file in each variant.

    Parameters
    ----------
    work
        The tree.
    folder
        A directory for the archives.
    variants
        Of `VARIANTS`; all by default.
    tell
        Called with a line about each.
    how
        More arguments of `hepbaler.compress`.
    """
    for name in variants or VARIANTS:
        path = folder / "variant.hbal"
        with _changed(VARIANTS[name]):
            result = hepbaler.compress(f"{work.source}:{work.tree}", path, plan=work.plan, force=True, **how)
        row = AblationRow(
            *(work.source.name, str(work.bound), name, path.stat().st_size),
            *(result.seconds.get("train", 0.0), _read_seconds(path, work)),
        )
        tell(
            f"  {name:26} {row.n_bytes / 1e6:7.3f} MB, trained {row.training_seconds:.0f} s, {row.read_seconds:.2f} s to read"
        )
        yield row


@contextmanager
def _changed(variant: Variant) -> Iterator[None]:
    """The default preset and the training of each table, changed as a variant says."""
    preset = presets.PRESETS["default"]
    before = learning.find_links, learning.find_elements, learning._settings
    find_links, find_elements, settings = before

    def links(*args: Any) -> Links:
        found = find_links(*args)
        return found if variant.families else replace(found, lineage={})

    presets.PRESETS["default"] = replace(preset, **variant.preset)
    learning.find_links = links
    learning.find_elements = lambda *args: find_elements(*args) if variant.elements else None
    learning._settings = lambda *args: [replace(one, **variant.training) for one in settings(*args)]
    try:
        yield
    finally:
        presets.PRESETS["default"] = preset
        learning.find_links, learning.find_elements, learning._settings = before


def _read_seconds(path: Path, work: Workload) -> float:
    seconds = []
    with one_thread():
        for _ in range(3):
            start = time.process_time()
            with hepbaler.open(path) as archive:
                archive[work.tree].arrays(work.float_branches, how=dict)
            seconds.append(time.process_time() - start)
    return min(seconds)
