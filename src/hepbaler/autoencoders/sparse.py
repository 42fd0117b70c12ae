"""Sparse autoencoders: few hidden units answer to a row (A. Ng, CS294A lecture notes, Stanford 2011).

::

    features -> [affine -> norm? -> leaky -> dropout?] x 2 -> latents -> [the same, mirrored] x 2 -> features'
                                 |                                               |
                                 +----------- mean |activation| (L1) ------------+

    loss = error + sparsity * L1

``sae`` is the plain one; ``-bn`` adds batch normalisation, ``-dropout`` drops hidden units while training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .family import Autoencoder
from .networks import Layout, RowNetwork
from .registry import register

__all__ = ("SparseAutoencoder", "SparseConfig")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class SparseConfig:
    """Settings of the sparse autoencoders.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    sparsity
        Weight of the mean absolute activation.
    norm
        Batch normalisation.
    dropout
        Share of units dropped in each hidden layer of the encoder; the decoder has it mirrored.
    slope
        Of the leaky rectifiers.
    skip
        A linear map beside encoder and decoder.
    """

    widths: tuple[int, ...] = (128, 64)
    sparsity: float = 1e-4
    norm: bool = False
    dropout: tuple[float, ...] = ()
    slope: float = 0.125
    skip: bool = True


class SparseAutoencoder(Autoencoder):
    """See the picture at the top."""

    def __init__(self, n_features: int, n_latent: int, config: SparseConfig, generator: torch.Generator) -> None:
        down = Layout(n_features, n_latent, config.widths, config.slope, config.norm, config.dropout, skip=config.skip)
        super().__init__(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))
        self.config = config

    def penalties(
        self, latents: Tensor, activations: tuple[Tensor, ...], noise: torch.Generator | None
    ) -> dict[str, Tensor]:
        """The L1 norm of the activations, a unit and row."""
        del latents, noise
        if not activations or self.config.sparsity == 0:
            return {}
        size = torch.stack([part.abs().mean() for part in activations]).mean()
        return {"sparsity": self.config.sparsity * size}


def _sparse(n_features: int, n_latent: int, config: SparseConfig, generator: torch.Generator) -> SparseAutoencoder:
    return SparseAutoencoder(n_features, n_latent, config, generator)


register("sae", SparseConfig())(_sparse)
register("sae-bn", SparseConfig(norm=True))(_sparse)
register("sae-dropout", SparseConfig(dropout=(0.05,)))(_sparse)
register("sae-dropout-bn", SparseConfig(norm=True, dropout=(0.05,)))(_sparse)
