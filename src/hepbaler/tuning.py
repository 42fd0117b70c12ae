"""`hepbaler tune`: the settings of an autoencoder that suit the largest table of floats in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .autoencoders.search import SearchResult, search
from .autoencoders.settings import TrainingSettings
from .errors import InputError, OutputError
from .filters import Filter, chooser
from .layouts import columns_of, flatten
from .reading import SourceTree, open_source

__all__ = ("FloatTable", "largest_table", "tune")

# Entries that are read at most: a search looks at many trainings, none of which needs more.
_MOST_ENTRIES = 200_000
_TRIAL_STEPS = 2000


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class FloatTable:
    """Floats with the same rows.

    Attributes
    ----------
    tree
        Path of the tree.
    names
        Of the branches.
    values
        Shape ``(n_rows, n_columns)``; no column is constant.
    counts
        Rows of each entry; None where each entry is a row.
    """

    tree: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    counts: NDArray[np.int64] | None


def largest_table(path: str | os.PathLike[str], keep: Filter = None) -> FloatTable:
    """The floats of a file that share their rows and are most in number.

    Parameters
    ----------
    path
        ROOT file.
    keep
        Branches to look at, as in uproot; None for all.

    Raises
    ------
    InputError
        If no two branches of floats with the same rows vary.
    """
    tables: list[FloatTable] = []
    with open_source(os.fspath(path)) as source:
        for tree in source.trees:
            tables += _tables(tree, chooser(keep))
    tables = [table for table in tables if len(table.names) > 1]
    if not tables:
        msg = f"{os.fspath(path)} has no table of two or more floats that vary among the branches chosen"
        raise InputError(msg)
    return max(tables, key=lambda table: table.values.size)


def tune(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    model: str = "swae",
    trials: int = 20,
    ratio: float | None = None,
    latents: int | None = None,
    keep: Filter = None,
    weights: Mapping[str, float] | None = None,
    train_steps: int = _TRIAL_STEPS,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> SearchResult:
    """Search, and write ``study.db``, ``best.json``, ``trials.json`` and the figures of the search into a folder.

    Parameters
    ----------
    source
        ROOT file; its largest table of floats is trained on.
    target
        Folder; where it holds a search already, that one goes on.
    model
        Name of a family.
    trials
        In all, those of earlier runs included.
    ratio, latents
        Columns over latents, or latents a row: the least error is searched. None of them: the fewest bits.
    keep
        Branches to look at.
    weights
        How much columns count in the loss, by glob.
    train_steps
        Of each training. ``best.json`` leaves the steps to `compress`.
    device, seed
        Of training.
    progress
        Called with ``"train"``, steps done and steps in all.

    Raises
    ------
    InputError
        If there is nothing to train on, or both `ratio` and `latents` are given.
    ModelError
        If there is no such model, or the folder holds another search.
    OutputError
        If the folder cannot be written.
    """
    if ratio is not None and latents is not None:
        msg = f"a ratio of {ratio} and {latents} latents exclude each other"
        raise InputError(msg)
    if ratio is not None and not 1 < ratio < float("inf"):
        msg = f"the ratio of columns to latents must be above 1, not {ratio}"
        raise InputError(msg)
    table = largest_table(source, keep)
    folder = Path(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made: {error.strerror or error}"
        raise OutputError(msg) from error
    n_latent = latents if ratio is None else max(1, round(len(table.names) / ratio))
    settings = TrainingSettings(steps=train_steps, check_every=max(train_steps // 10, 1), device=device, seed=seed)
    result = search(
        table.values,
        table.names,
        model=model,
        storage=folder / "study.db",
        trials=trials,
        counts=table.counts,
        n_latent=n_latent,
        settings=settings,
        weights=weights,
        progress=None if progress is None else lambda done, total: progress("train", done, total),
    )
    _write(folder, result, ratio, dict(weights or {}))
    return result


def _write(folder: Path, result: SearchResult, ratio: float | None, weights: dict[str, float]) -> None:
    from .analysis.style import save_figure
    from .analysis.trainingplot import draw_importances, draw_trials

    training = {name: result.training[name] for name in ("learning_rate", "batch_rows")}
    best: dict[str, Any] = {"model": result.model}
    best |= {"ratio": ratio} if ratio is not None else {"latents": result.n_latent}
    best |= {"config": dict(result.config), "training": training}
    best |= {"weights": weights} if weights else {}
    _write_json(folder / "best.json", best)
    trials = [{"number": t.number, "value": t.value, "chosen": dict(t.chosen)} for t in result.trials]
    told = {"objective": result.objective, "importances": dict(result.importances), "trials": trials}
    _write_json(folder / "trials.json", {"model": result.model, **told})
    save_figure(draw_trials([trial.value for trial in result.trials], result.objective), folder / "trials.png")
    if result.importances:
        save_figure(draw_importances(result.importances), folder / "importances.png")


def _write_json(path: Path, data: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise OutputError(msg) from error


def _tables(tree: SourceTree, wanted: Callable[[str], bool]) -> list[FloatTable]:
    """Floats of a tree, one number an entry or a list element, grouped by the lengths of their lists."""
    branches = {}
    for branch in tree.branches:
        columns = [column for column in columns_of(branch) if column.role == "values"]
        steps = [step[0] for column in columns for step in column.parents]
        if wanted(branch.name) and len(columns) == 1 and steps in ([], ["list"]) and "float" in columns[0].dtype:
            branches[branch.name] = branch, columns[0]
    if not branches:
        return []
    arrays = tree.read(0, min(tree.num_entries, _MOST_ENTRIES), tuple(branches))
    groups: dict[bytes | None, FloatTable] = {}
    for name, (branch, column) in branches.items():
        flat = flatten(branch.layout, arrays[name])
        values = flat[column.key].astype(np.float64)
        finite = values[np.isfinite(values)]
        if len(finite) == 0 or finite.min() == finite.max():
            continue
        counts = flat[column.parents[0][1]].astype(np.int64) if column.parents else None
        key = None if counts is None else counts.tobytes()
        if key in groups:
            one = groups[key]
            groups[key] = replace(one, names=(*one.names, name), values=np.column_stack([one.values, values]))
        else:
            groups[key] = FloatTable(tree.path, (name,), values[:, None], counts)
    return list(groups.values())
