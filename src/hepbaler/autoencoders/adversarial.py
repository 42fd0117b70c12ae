r"""Adversarial autoencoders (A. Makhzani et al., arXiv:1511.05644): an opponent tells latents from normal numbers.

::

    features -> encoder -> latents -> decoder -> features'                   encoder and decoder descend on
                              |                                                 error + weight * "taken for latents"
                              v
         normal numbers -> discriminator -> "normal" or "latents"            the discriminator descends on its mistakes

``aae``: each row by itself. ``conv-aae``: encoder and decoder also see the rows before and after in the same event (its
objects are ordered), with zeros beyond its ends; each row has its own latents all the same:

    row i-1 --\
    row i   ----> hidden i ---> hidden i+1, i, i-1 ... -> latents i          lists of any length
    row i+1 --/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .family import Autoencoder, Batch
from .networks import Layout, RowNetwork
from .registry import register

__all__ = ("AdversarialAutoencoder", "AdversarialConfig")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class AdversarialConfig:
    """Settings of the adversarial autoencoders.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    opponent_widths
        Of the discriminator's hidden layers.
    weight
        Of the opponent in the loss of the encoder.
    window
        Rows of an event that hidden units see: 1, or an odd number.
    slope
        Of the leaky rectifiers.
    skip
        A linear map beside encoder and decoder.
    """

    widths: tuple[int, ...] = (128, 64)
    opponent_widths: tuple[int, ...] = (32, 32)
    weight: float = 1e-3
    window: int = 1
    slope: float = 0.125
    skip: bool = True


class AdversarialAutoencoder(Autoencoder):
    """See the picture at the top."""

    def __init__(self, n_features: int, n_latent: int, config: AdversarialConfig, generator: torch.Generator) -> None:
        down = Layout(n_features, n_latent, config.widths, config.slope, window=config.window, skip=config.skip)
        super().__init__(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))
        self.opponent = RowNetwork(Layout(n_latent, 1, config.opponent_widths, config.slope, skip=False), generator)
        self.config = config

    def penalties(
        self, latents: Tensor, activations: tuple[Tensor, ...], noise: torch.Generator | None
    ) -> dict[str, Tensor]:
        """How surely the opponent takes latents for latents."""
        del activations, noise
        return {"opponent": self.config.weight * softplus(-self.opponent(latents).values).mean()}

    def critic_parameters(self) -> Iterator[nn.Parameter]:
        """Those of the discriminator."""
        return self.opponent.parameters()

    def critic_losses(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """Cross entropies of the discriminator: its answer is positive for "normal"."""
        with torch.no_grad():
            latents = self.encode(batch.features, batch.places)
        normal = torch.randn(latents.shape, generator=noise, device=latents.device, dtype=latents.dtype)
        missed = softplus(-self.opponent(normal).values).mean()
        fooled = softplus(self.opponent(latents).values).mean()
        return {"missed": missed, "fooled": fooled, "total": missed + fooled}


def _adversarial(
    n_features: int, n_latent: int, config: AdversarialConfig, generator: torch.Generator
) -> AdversarialAutoencoder:
    return AdversarialAutoencoder(n_features, n_latent, config, generator)


register("aae", AdversarialConfig())(_adversarial)
register("conv-aae", AdversarialConfig(window=3))(_adversarial)
