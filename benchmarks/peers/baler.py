"""Baler's recipe: an autoencoder a table, as many latents as columns divided by 1.6, float64 throughout.

Layers n-200-100-50-z and back with LeakyReLU, columns scaled to their range, mean squared error, Adam at 1e-3, batches of
512, 25 passes. Latents, weights and ranges are stored as it stores them, uncompressed. Its error is what it is.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..workload import Workload
from .base import Folder, Made

__all__ = ("BALER", "BalerPeer")

_RATIO = 1.6
_HIDDEN = (200, 100, 50)
_BATCH = 512
_PASSES = 25

Array = NDArray[Any]


@dataclass(frozen=True)
class BalerPeer:
    """See the module; at most ``options["baler_steps"]`` training steps a table."""

    name: str = "baler"
    title: str = "Baler's recipe, ratio 1.6 (no bound)"
    bounded: bool = False

    def missing(self, folder: Folder) -> str | None:
        """See `Peer`."""
        return None if importlib.util.find_spec("torch") else "torch is not installed"

    def prepare(self, work: Workload) -> dict[str, tuple[tuple[str, ...], Array]]:
        """Names and values of the columns of each table, shape ``(n_rows, n_columns)``."""
        keys: dict[str, list[Any]] = {}
        for column in work.columns:
            keys.setdefault(column.table, []).append(column)
        return {
            table: (
                tuple(column.key for column in columns),
                np.stack([_finite(column.values) for column in columns], axis=1),
            )
            for table, columns in keys.items()
        }

    def encode(self, ready: dict[str, tuple[tuple[str, ...], Array]], folder: Folder) -> Made:
        """See `Peer`."""
        import torch

        torch.manual_seed(0)
        trained, n_bytes = 0.0, 0
        most = int(folder.options["baler_steps"])
        for number, (_, values) in enumerate(ready.values()):
            low, high = values.min(axis=0), values.max(axis=0)
            scaled = (values - low) / np.where(high > low, high - low, 1.0)
            start = time.perf_counter()
            encoder, decoder = _train(torch.from_numpy(scaled), most)
            trained += time.perf_counter() - start
            with torch.no_grad():
                latents = encoder(torch.from_numpy(scaled)).numpy()
            weights = [weight.detach().numpy() for weight in decoder.parameters()]
            path = folder.path / f"{number}.npz"
            np.savez(path, latents, low, high, *weights)
            n_bytes += path.stat().st_size
        return Made(n_bytes, complete=False, training_seconds=trained)

    def decode(self, ready: dict[str, tuple[tuple[str, ...], Array]], folder: Folder) -> dict[str, Array]:
        """See `Peer`."""
        import torch

        out: dict[str, Array] = {}
        for number, (keys, _) in enumerate(ready.values()):
            with np.load(folder.path / f"{number}.npz") as stored:
                latents, low, high, *weights = (stored[name] for name in stored.files)
            decoder = _network((latents.shape[1], *reversed(_HIDDEN), len(keys)))
            for parameter, weight in zip(decoder.parameters(), weights, strict=True):
                parameter.data = torch.from_numpy(weight)
            with torch.no_grad():
                scaled = decoder(torch.from_numpy(latents)).numpy()
            values = scaled * (high - low) + low
            out |= {key: values[:, i].astype(np.float32) for i, key in enumerate(keys)}
        return out

    def columns(self, decoded: dict[str, Array], work: Workload) -> dict[str, Array]:
        """See `Peer`."""
        return decoded


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0).astype(np.float64)


def _network(sizes: tuple[int, ...]) -> Any:
    import torch

    layers: list[Any] = []
    for before, after in pairwise(sizes):
        layers += [torch.nn.Linear(before, after, dtype=torch.float64), torch.nn.LeakyReLU()]
    return torch.nn.Sequential(*layers[:-1])


def _train(values: Any, most: int) -> tuple[Any, Any]:
    import torch

    n_rows, n_columns = values.shape
    n_latent = max(1, round(n_columns / _RATIO))
    encoder = _network((n_columns, *_HIDDEN, n_latent))
    decoder = _network((n_latent, *reversed(_HIDDEN), n_columns))
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    steps = min(most, _PASSES * -(-n_rows // _BATCH))
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = values[torch.randint(n_rows, (_BATCH,), generator=generator)]
        loss = ((decoder(encoder(batch)) - batch) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder, decoder


BALER = (BalerPeer(),)
