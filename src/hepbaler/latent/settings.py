"""What a user asks of latent mode."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError

__all__ = ("LatentSettings",)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class LatentSettings:
    """Latent mode: which autoencoder, and how small.

    Attributes
    ----------
    model
        Name of a registered autoencoder (`hepbaler.autoencoders.names`).
    ratio
        Columns over latents, above 1; used where `latents` is None.
    latents
        Latents a row, of every table that has more columns than that.
    weights
        How much the error of a column counts, by glob; 1 for the others.
    config
        Settings of the model's family that differ from its defaults.
    training
        Fields of `hepbaler.autoencoders.TrainingSettings` that differ from their defaults.
    rounding
        What rounding the latents may add, as a share of the network's own error. 0.15, in quadrature, is one per cent.
    checkpoints
        A folder for checkpoints of training; where there are some already, training goes on from them.

    Raises
    ------
    InputError
        A number makes no sense.

    Examples
    --------
    >>> LatentSettings(ratio=1.6).n_latent(16), LatentSettings(latents=15).n_latent(24)
    (10, 15)
    """

    model: str = "swae"
    ratio: float = 1.6
    latents: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    rounding: float = 0.15
    checkpoints: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.latents is None and not 1.0 < self.ratio < float("inf"):
            msg = f"the ratio of columns to latents must be above 1, not {self.ratio!r}"
            raise InputError(msg)
        if self.latents is not None and self.latents < 1:
            msg = f"at least one latent is needed, not {self.latents}"
            raise InputError(msg)
        if not 0.0 < self.rounding < float("inf"):
            msg = f"the share of rounding must be above 0, not {self.rounding!r}"
            raise InputError(msg)

    def n_latent(self, n_columns: int) -> int:
        """Latents for a table of so many columns."""
        return self.latents if self.latents is not None else max(1, round(n_columns / self.ratio))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for the header of an archive."""
        return {
            "model": self.model,
            "ratio": self.ratio if self.latents is None else None,
            "latents": self.latents,
            "weights": dict(self.weights),
            "config": dict(self.config),
            "training": dict(self.training),
            "rounding": self.rounding,
        }
