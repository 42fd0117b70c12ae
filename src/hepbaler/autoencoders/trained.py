"""A trained autoencoder: plan, networks, how it was trained, and a file that holds all of it."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError, ModelError, OutputError
from .batches import Sheet
from .history import History
from .plan import FeaturePlan
from .registry import build
from .settings import TrainingSettings

if TYPE_CHECKING:
    from .chain import Chain
    from .family import Autoencoder

__all__ = ("TrainedAutoencoder",)

FloatArray = NDArray[np.float64]

_FORMAT = "hepbaler autoencoder 1"
_BLOCK_ROWS = 32_768


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class TrainedAutoencoder:
    """What `hepbaler.autoencoders.train` returns.

    Attributes
    ----------
    name
        Of the family.
    config
        Of the family, as plain data.
    model
        The networks, ready for use.
    plan
        From columns to features and back.
    settings
        What training was told.
    history
        What it saw.
    latent_mean, latent_spread
        Mean and standard deviation of each latent over the rows of training, shape ``(n_latent,)``.
    """

    name: str
    config: dict[str, Any]
    model: Autoencoder
    plan: FeaturePlan
    settings: TrainingSettings
    history: History
    latent_mean: FloatArray
    latent_spread: FloatArray

    @property
    def n_latent(self) -> int:
        """Latents a row."""
        return self.model.n_latent

    def encode(self, values: NDArray[Any], counts: NDArray[Any] | None = None) -> FloatArray:
        """Latents, shape ``(n_rows, n_latent)``; of variational families the mean.

        Parameters
        ----------
        values
            Columns in the plan's order, shape ``(n_rows, n_columns)``; what is not finite counts as typical.
        counts
            Rows of each event, in order; None for one row an event.
        """
        return encode_features(self.model, self.plan.apply(values), counts)

    def decode(self, latents: NDArray[Any], counts: NDArray[Any] | None = None) -> FloatArray:
        """Columns, shape ``(n_rows, n_columns)``, as float64."""
        return self.plan.invert(self.chain().apply(latents, counts))

    def chain(self) -> Chain:
        """The decoder in numpy."""
        return self.model.chain()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to one file of plain numbers and JSON; no code.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        meta = {
            "format": _FORMAT,
            "name": self.name,
            "config": self.config,
            "n_features": self.model.n_features,
            "n_latent": self.n_latent,
            "plan": self.plan.to_dict(),
            "settings": self.settings.to_dict(),
            "history": self.history.to_dict(),
        }
        arrays = {f"model.{key}": value.cpu().numpy() for key, value in self.model.state_dict().items()}
        arrays |= {"latent_mean": self.latent_mean, "latent_spread": self.latent_spread}
        target = Path(path)
        unfinished = target.with_name(f".{target.name}.unfinished")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
            unfinished.replace(target)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            msg = f"{os.fspath(path)} cannot be written: {error.strerror or error}"
            raise OutputError(msg) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainedAutoencoder:
        """Read what `save` wrote.

        Raises
        ------
        ModelError
            If the file is something else, or is damaged.
        InputError
            If there is no such file.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            meta = json.loads(arrays.pop("meta").tobytes())
            if meta["format"] != _FORMAT:
                msg = f"{os.fspath(path)} holds {meta['format']!r}, not {_FORMAT!r}"
                raise ModelError(msg)
            return cls._from_parts(meta, arrays)
        except FileNotFoundError as error:
            msg = f"there is no file {os.fspath(path)}"
            raise InputError(msg) from error
        except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
            msg = f"{os.fspath(path)} holds no trained autoencoder: {error}"
            raise ModelError(msg) from error

    @classmethod
    def _from_parts(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> TrainedAutoencoder:
        settings = TrainingSettings.from_dict(meta["settings"])
        model = build(
            meta["name"],
            n_features=meta["n_features"],
            n_latent=meta["n_latent"],
            dtype=settings.dtype,
            **meta["config"],
        )
        mean, spread = arrays.pop("latent_mean"), arrays.pop("latent_spread")
        state = {key.removeprefix("model."): torch.from_numpy(value) for key, value in arrays.items()}
        model.load_state_dict(state, strict=True)
        model.eval()
        plan, history = FeaturePlan.from_dict(meta["plan"]), History.from_dict(meta["history"])
        return cls(meta["name"], meta["config"], model, plan, settings, history, mean, spread)


def encode_features(model: Autoencoder, features: FloatArray, counts: NDArray[Any] | None) -> FloatArray:
    """Latents of features, shape ``(n_rows, n_latent)``, in blocks of whole events."""
    first = next(model.parameters())
    n_rows = len(features)
    lengths = np.ones(n_rows, np.int64) if counts is None else np.asarray(counts, np.int64)
    if int(lengths.sum()) != n_rows or np.any(lengths < 0):
        msg = f"counts add up to {lengths.sum()} rows, not to {n_rows}"
        raise InputError(msg)
    sheet = Sheet(torch.from_numpy(features).to(first.device, first.dtype), lengths[lengths > 0])
    latents = np.empty((n_rows, model.n_latent))
    start = 0
    with torch.no_grad():
        for batch in sheet.blocks(_BLOCK_ROWS):
            part = model.encode(batch.features, batch.places).cpu().double().numpy()
            latents[start : start + len(part)] = part
            start += len(part)
    return latents


def plain_config(config: Any) -> dict[str, Any]:
    """A family's config as plain data."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(config).items()
    }
