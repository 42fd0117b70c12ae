"""One model for many files: trained once, kept beside the archives, found again by the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepbaler.campaign.executors import Executor
from hepbaler.campaign.records import Redo
from hepbaler.campaign.running import Watcher, run
from hepbaler.campaign.tasks import Task
from hepbaler.campaign.verbs import VERBS
from hepbaler.errors import InputError, ModelError

__all__ = ("SHARED_MODEL", "share_model")

SHARED_MODEL = "shared.hbmodel"

# Settings of `hepbaler.compress` that `hepbaler.train` takes as well.
_OF_TRAINING = ("plan", "keep", "drop", "preset", "train_steps", "train_time", "device", "seed", "skip_unreadable")


def __dir__() -> tuple[str, ...]:
    return __all__


def share_model(
    sources: Sequence[str],
    folder: Path,
    settings: Mapping[str, Any],
    executor: Executor,
    *,
    force: bool,
    may_train: bool,
    watcher: Watcher | None,
) -> tuple[dict[str, Any], list[str]]:
    """Train a model on a sample of all files, unless it is there.

    Parameters
    ----------
    sources
        All files.
    folder
        Where the model is kept.
    settings
        Of `hepbaler.compress`.
    executor
        Where it is trained.
    force
        Train it also where it is there.
    may_train
        False for one of several jobs, which would all train it.
    watcher
        Who wants to know.

    Returns
    -------
    settings, notes
        Settings with the model in them (without one, where none is smaller than plain coding), and what has to be said.

    Raises
    ------
    InputError
        The model is not there, and may not be trained.
    ModelError
        It cannot be trained.
    """
    wanted = {name: settings[name] for name in _OF_TRAINING if name in settings} | {"sources": list(sources)}
    task = Task("train", sources[0], str(folder / SHARED_MODEL), wanted, force)
    if not may_train:
        found = VERBS["train"].find(task.source, task.target, wanted)
        if found is None or isinstance(found, Redo):
            msg = (
                f"{task.target} is not there, or was trained with other settings: jobs do not train it. Run the same command "
                "once without --job-index, or 'hepbaler train' and give each job its --model"
            )
            raise InputError(msg)
        return dict(settings) | {"model": task.target, "fall_back": True}, []
    (outcome,) = run([task], executor, retries=0, watcher=watcher).outcomes
    if outcome.error == "ModelError":
        return dict(settings), [f"there is no shared model: {outcome.message}"]
    if outcome.state == "failed":
        msg = f"the shared model cannot be trained: {outcome.message}"
        raise ModelError(msg)
    return dict(settings) | {"model": task.target, "fall_back": True}, list(outcome.result.get("notes", ()))
