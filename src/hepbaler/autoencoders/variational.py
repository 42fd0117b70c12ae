"""Variational autoencoder (D. Kingma, M. Welling, arXiv:1312.6114), its noise calibrated (O. Rybkin et al., arXiv:2006.13202).

::

    features -> encoder -> mean, log variance -> mean + spread * normal noise -> decoder -> features'
                               |
                               +-> KL(latents || standard normal)

    loss = n_features / 2 * log(error) + beta * KL          used: the mean as latents

With a noise of the decoder that is as large as its errors there is nothing to tune: an error that shrinks makes the noise
of the latents shrink along. With a fixed noise of 1, as it is often written, the KL term would blur every peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .family import Autoencoder, Batch, Objective
from .networks import Layout, RowNetwork
from .registry import register

__all__ = ("VariationalAutoencoder", "VariationalConfig")

# Where the noise of the latents begins, as log variance: small, so that training begins as without noise.
_FIRST_LOG_VARIANCE = -7.0
_LOG_VARIANCES = (-20.0, 2.0)
_LEAST_ERROR = 1e-9


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class VariationalConfig:
    """Settings of the variational autoencoder.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    beta
        Weight of the KL divergence (I. Higgins et al., ICLR 2017).
    slope
        Of the leaky rectifiers.
    skip
        A linear map beside encoder and decoder.
    """

    widths: tuple[int, ...] = (128, 64)
    beta: float = 1.0
    slope: float = 0.125
    skip: bool = True


class VariationalAutoencoder(Autoencoder):
    """See the picture at the top."""

    def __init__(self, n_features: int, n_latent: int, config: VariationalConfig, generator: torch.Generator) -> None:
        down = Layout(n_features, 2 * n_latent, config.widths, config.slope, skip=config.skip)
        up = Layout(n_latent, n_features, config.widths[::-1], config.slope, skip=config.skip)
        super().__init__(RowNetwork(down, generator), RowNetwork(up, generator))
        self.config = config
        with torch.no_grad():
            self.encoder.biases[-1][n_latent:] = _FIRST_LOG_VARIANCE

    def start_from(self, features: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        """Set the means' skip to the principal components, and leave the variances without one."""
        super().start_from(features, weights)
        if self.config.skip:
            with torch.no_grad():
                self.encoder.skip[:, self.n_latent :] = 0.0

    def losses(self, batch: Batch, objective: Objective, noise: torch.Generator | None) -> dict[str, Tensor]:
        """``likelihood`` and ``kl`` make the total; ``error`` is told."""
        coded: Tensor = self.encoder(batch.features, batch.places, noise).values
        mean, log_variance = coded[:, : self.n_latent], coded[:, self.n_latent :].clamp(*_LOG_VARIANCES)
        latents = mean
        if noise is not None:
            drawn = torch.randn(mean.shape, generator=noise, device=mean.device, dtype=mean.dtype)
            latents = mean + torch.exp(0.5 * log_variance) * drawn
        decoded: Tensor = self.decoder(latents, batch.places, noise).values
        error = objective.error(batch.features, decoded)
        likelihood = 0.5 * self.n_features * torch.log(error + _LEAST_ERROR)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        total = likelihood + self.config.beta * divergence
        return {"error": error, "likelihood": likelihood, "kl": self.config.beta * divergence, "total": total}


@register("vae", VariationalConfig())
def _variational(
    n_features: int, n_latent: int, config: VariationalConfig, generator: torch.Generator
) -> VariationalAutoencoder:
    return VariationalAutoencoder(n_features, n_latent, config, generator)
