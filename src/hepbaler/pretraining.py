"""`hepbaler train`: one model for many files of a kind."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from .accounting import table_report
from .bounds import Plan
from .chaining import chain
from .coding.learned_bytes import coder_to_bytes
from .container import check_target
from .errors import InputError, ModelError, UnreadableBranches
from .learning import learn
from .modelfile import TrainedTable, save_models
from .pipeline import CLUSTER_BYTES, Progress, cannot_carry, select_trees, writer_info
from .preparing import prepare
from .presets import Training
from .provenance import settings_digest
from .reading import SourceTree, open_source
from .reports import TableReport, TrainReport
from .scanning import scan

__all__ = ("train",)


def __dir__() -> tuple[str, ...]:
    return __all__


def train(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    plan: Plan | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    preset: str = "default",
    train_steps: int | None = None,
    train_time: float | None = None,
    device: str = "auto",
    seed: int = 0,
    skip_unreadable: bool = False,
    read_bytes: int | None = None,
    force: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> TrainReport:
    """Train models on a sample of one or more files, for ``compress(..., model=target)``.

    Parameters
    ----------
    sources
        ROOT files with the same trees and branches.
    target
        The model file to write.
    plan, keep, drop, preset, train_steps, train_time, device, seed, skip_unreadable, force, jobs, progress
        As for `hepbaler.compress`.
    read_bytes
        Read only clusters of about so many bytes as plain arrays, spread over all files; by default everything.

    Raises
    ------
    InputError
        If the files differ in trees or branches, or none has entries. One that has none, among others, is left out with a note.
    ModelError
        If no table is large enough for a model to pay.
    OutputError
        If the target exists, or cannot be written.
    """
    plan = plan or Plan()
    asked = {
        "plan": plan,
        "keep": tuple(keep),
        "drop": tuple(drop),
        "preset": preset,
        "train_steps": train_steps,
        "train_time": train_time,
        "seed": seed,
    }
    tell = progress or (lambda *_: None)
    paths = [str(s) for s in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    training = Training(train_steps, train_time, device, seed, jobs, preset=preset)
    check_target(target, overwrite=force)
    seconds = {"scan": 0.0, "train": 0.0}
    models: list[TrainedTable] = []
    tables: list[TableReport] = []
    with ExitStack() as stack:
        files: list[dict[str, SourceTree]] = []
        used: list[str] = []
        notes: list[str] = []
        for path in paths:
            opened = stack.enter_context(open_source(path))
            trees, left_out = select_trees(opened, keep, drop, plan, need_entries=len(paths) == 1)
            if left_out and not skip_unreadable:
                raise UnreadableBranches(cannot_carry(path, left_out))
            notes += opened.notes
            if not any(tree.branches and tree.num_entries for tree in trees):
                notes.append(f"the model is trained without {path}, which has no entries")
                continue
            files.append({tree.path: tree for tree in trees})
            used.append(path)
        if not files:
            msg = f"none of the files has entries to train on: {', '.join(paths[:3]) or 'there is no file'}"
            raise InputError(msg)
        for path, held in zip(used[1:], files[1:], strict=True):
            if held.keys() != files[0].keys():
                msg = f"{path} holds the trees {', '.join(held)}, and {used[0]} the trees {', '.join(files[0])}"
                raise InputError(msg)
        total = sum(tree.uncompressed_bytes for held in files for tree in held.values())
        for name in files[0]:
            tree = chain([(path, held[name]) for path, held in zip(used, files, strict=True)])
            start = time.perf_counter()
            share_read = 1.0 if read_bytes is None else min(1.0, read_bytes / max(total, 1))
            found = scan(
                tree,
                _spread(tree.clusters(CLUSTER_BYTES), share_read),
                seed=seed,
                progress=partial(_scanned, tell, tree.num_entries),
            )
            prepared = prepare(tree, found, plan)
            seconds["scan"] += time.perf_counter() - start
            start = time.perf_counter()
            share = 1.0 if len(files[0]) == 1 else sum(t.uncompressed_bytes for t in tree.members) / max(total, 1)
            learned = learn(prepared, replace(training, share=share), lambda done, n: tell("train", done, n))
            seconds["train"] += time.perf_counter() - start
            models += [model for _, model in learned]
            for index, model in learned:
                table = prepared.schema.tables[index]
                n_bytes = len(coder_to_bytes(model.coder))
                tables.append(table_report(prepared, table, len(model.coder.names), n_bytes))
    if not models:
        msg = f"no table of {', '.join(used[:3])} is large enough for a model to be smaller than plain coding"
        raise ModelError(msg)
    steps = {f"{model.tree}:{model.table}": model.steps for model in models}
    meta = {
        "writer": writer_info(),
        "sources": [Path(path).name for path in used],
        "settings": {
            "digest": settings_digest(asked),
            "plan": plan.to_dict(),
            "seed": seed,
            "preset": preset,
            "train_steps": steps,
            "train_time": train_time,
        },
    }
    size = save_models(target, models, meta=meta, overwrite=force)
    return TrainReport(tuple(used), str(target), size, tuple(tables), seconds, steps, tuple(notes))


def _spread(clusters: Sequence[tuple[int, int]], share: float) -> list[tuple[int, int]]:
    """About this share of the clusters, at even distances, and at least one."""
    n = max(1, round(share * len(clusters)))
    return [clusters[int((i + 0.5) * len(clusters) / n)] for i in range(n)] if clusters else []


def _scanned(tell: Progress, total: int, done: int) -> None:
    tell("scan", done, total)
