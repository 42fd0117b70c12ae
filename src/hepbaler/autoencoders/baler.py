"""Baler's own recipe, as the baseline (F. Bengtsson et al., arXiv:2305.02283).

::

    min-max scaled columns -> 200 -> 100 -> 50 -> latents -> 50 -> 100 -> 200 -> columns'      leaky rectifiers of 0.01

    loss = mean square error

Every column is a feature, float64, Adam at 1e-3 in batches of 512 rows, no schedule. In Baler an L1 term is written down
too, which its training never adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .family import Autoencoder
from .networks import Layout, RowNetwork
from .registry import register
from .settings import Recipe, TrainingSettings

__all__ = ("BalerConfig",)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class BalerConfig:
    """Settings of Baler's autoencoder.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    slope
        Of the leaky rectifiers.
    """

    widths: tuple[int, ...] = (200, 100, 50)
    slope: float = 0.01


_RECIPE = Recipe(
    TrainingSettings(
        steps=20_000,
        batch_rows=512,
        learning_rate=1e-3,
        schedule="constant",
        warm_up=0,
        clip=0,
        check_every=1000,
        patience=0,
        dtype="float64",
    ),
    scaling="minmax",
    relations=False,
)


@register("baler", BalerConfig(), recipe=_RECIPE)
def _baler(n_features: int, n_latent: int, config: BalerConfig, generator: torch.Generator) -> Autoencoder:
    down = Layout(n_features, n_latent, config.widths, slope=config.slope, skip=False)
    return Autoencoder(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))
