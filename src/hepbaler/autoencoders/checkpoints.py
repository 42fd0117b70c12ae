"""The state of an unfinished training in a file: tensors and plain data, no code."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, ModelError, OutputError
from .history import History

__all__ = ("Checkpoint",)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on as if nothing had happened.

    Attributes
    ----------
    what
        Data, model and settings of the training: only the same one may go on from here.
    step
        Steps done.
    place
        Round and batch at which the data stand.
    history, best_error
        So far.
    model, best
        Weights now, and those that were best.
    optimisers
        States of the optimisers.
    noise
        State of the generator.
    """

    what: dict[str, Any]
    step: int
    place: tuple[int, int]
    history: History
    best_error: float
    model: dict[str, Any]
    best: dict[str, Any]
    optimisers: list[dict[str, Any]]
    noise: torch.Tensor

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it; the file gets its name when it is whole.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        target = Path(path)
        unfinished = target.with_name(f".{target.name}.unfinished")
        state = {**vars(self), "place": list(self.place), "history": self.history.to_dict()}
        try:
            torch.save(state, unfinished)
            unfinished.replace(target)
        except (OSError, RuntimeError) as error:
            unfinished.unlink(missing_ok=True)
            msg = f"the checkpoint {os.fspath(path)} cannot be written: {error}"
            raise OutputError(msg) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str], what: dict[str, Any]) -> Checkpoint:
        """Read it, for the training that `what` describes.

        Raises
        ------
        InputError
            If there is no such file.
        ModelError
            If it is no checkpoint, or one of another training.
        """
        try:
            with Path(path).open("rb") as file:
                # torch tries older formats on what is no ZIP file, and fails in too many ways there.
                zipfile.ZipFile(file).close()
                file.seek(0)
                state = torch.load(file, weights_only=True, map_location="cpu")
            saved = cls(**{**state, "place": tuple(state["place"]), "history": History.from_dict(state["history"])})
        except FileNotFoundError as error:
            msg = f"there is no checkpoint {os.fspath(path)}"
            raise InputError(msg) from error
        except (
            KeyError,
            ValueError,
            TypeError,
            EOFError,
            RuntimeError,
            pickle.UnpicklingError,
            zipfile.BadZipFile,
        ) as error:
            msg = f"{os.fspath(path)} is no checkpoint of a training: {error}"
            raise ModelError(msg) from error
        if different := [key for key, value in what.items() if saved.what.get(key) != value]:
            msg = f"the checkpoint {os.fspath(path)} belongs to another training: its {', '.join(different)} differ"
            raise ModelError(msg)
        return saved
