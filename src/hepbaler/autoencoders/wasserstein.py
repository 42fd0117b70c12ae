"""Autoencoders whose latents, all rows together, are pulled towards a standard normal distribution.

::

    features -> encoder -> latents -> decoder -> features'
                              |
       standard normal --> distance of two samples          loss = error + weight * distance

``wae``: maximum mean discrepancy (I. Tolstikhin et al., arXiv:1711.01558) with inverse multiquadratic kernels.
``swae``: sliced Wasserstein distance (S. Kolouri et al., arXiv:1804.01947): along random directions, the latents in order
are compared with normal numbers in order.

No row is blurred by this, unlike in a variational autoencoder: only the shape of the cloud of all rows matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .family import Autoencoder
from .networks import Layout, RowNetwork
from .registry import register

__all__ = ("SlicedConfig", "SlicedWassersteinAutoencoder", "WassersteinAutoencoder", "WassersteinConfig")

# Scales of the kernels, in units of the squared distance that two normal samples have on average.
_SCALES = (0.1, 0.5, 1.0, 2.0, 10.0)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class WassersteinConfig:
    """Settings of ``wae``.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    weight
        Of the discrepancy.
    rows
        Rows of a batch that are compared with the normal sample, at most: the cost goes with their square.
    slope
        Of the leaky rectifiers.
    skip
        A linear map beside encoder and decoder.
    """

    widths: tuple[int, ...] = (128, 64)
    weight: float = 0.01
    rows: int = 256
    slope: float = 0.125
    skip: bool = True


@dataclass(frozen=True)
class SlicedConfig:
    """Settings of ``swae``.

    Attributes
    ----------
    widths
        Of the encoder's hidden layers; the decoder has them mirrored.
    weight
        Of the distance.
    directions
        Along which the latents are compared, drawn anew at each step.
    slope
        Of the leaky rectifiers.
    skip
        A linear map beside encoder and decoder.
    """

    widths: tuple[int, ...] = (128, 64)
    weight: float = 0.01
    directions: int = 32
    slope: float = 0.125
    skip: bool = True


class WassersteinAutoencoder(Autoencoder):
    """``wae`` of the picture at the top."""

    def __init__(self, n_features: int, n_latent: int, config: WassersteinConfig, generator: torch.Generator) -> None:
        down = Layout(n_features, n_latent, config.widths, config.slope, skip=config.skip)
        super().__init__(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))
        self.config = config

    def penalties(
        self, latents: Tensor, activations: tuple[Tensor, ...], noise: torch.Generator | None
    ) -> dict[str, Tensor]:
        """The squared discrepancy, without bias."""
        del activations
        seen = latents[: self.config.rows]
        if len(seen) < 2:
            return {}
        normal = torch.randn(seen.shape, generator=_draws(latents, noise), device=seen.device, dtype=seen.dtype)
        size = 2.0 * latents.shape[1]
        distance = _alike(seen, size) + _alike(normal, size) - 2 * _kernel(seen, normal, size).mean()
        return {"discrepancy": self.config.weight * distance}


class SlicedWassersteinAutoencoder(Autoencoder):
    """``swae`` of the picture at the top."""

    def __init__(self, n_features: int, n_latent: int, config: SlicedConfig, generator: torch.Generator) -> None:
        down = Layout(n_features, n_latent, config.widths, config.slope, skip=config.skip)
        super().__init__(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))
        self.config = config

    def penalties(
        self, latents: Tensor, activations: tuple[Tensor, ...], noise: torch.Generator | None
    ) -> dict[str, Tensor]:
        """The squared distance, a direction."""
        del activations
        draws = _draws(latents, noise)
        shape = (latents.shape[1], self.config.directions)
        directions = torch.randn(shape, generator=draws, device=latents.device, dtype=latents.dtype)
        directions = directions / directions.norm(dim=0, keepdim=True).clamp(min=1e-9)
        normal = torch.randn(latents.shape, generator=draws, device=latents.device, dtype=latents.dtype)
        ordered, expected = ((rows @ directions).sort(dim=0).values for rows in (latents, normal))
        return {"distance": self.config.weight * (ordered - expected).square().mean()}


def _draws(latents: Tensor, noise: torch.Generator | None) -> torch.Generator:
    """The given generator; while validating one that is the same each time."""
    return noise if noise is not None else torch.Generator(device=latents.device).manual_seed(0)


def _kernel(first: Tensor, second: Tensor, size: float) -> Tensor:
    """Sum of inverse multiquadratics of all pairs, shape (n_first, n_second)."""
    sizes = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)[None, :]
    squared = (sizes - 2 * first @ second.T).clamp(min=0.0)
    return torch.stack([scale * size / (scale * size + squared) for scale in _SCALES]).sum(dim=0)


def _alike(rows: Tensor, size: float) -> Tensor:
    """Mean kernel of two different rows of one sample."""
    n = len(rows)
    kernel = _kernel(rows, rows, size)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


@register("wae", WassersteinConfig())
def _wasserstein(
    n_features: int, n_latent: int, config: WassersteinConfig, generator: torch.Generator
) -> WassersteinAutoencoder:
    return WassersteinAutoencoder(n_features, n_latent, config, generator)


@register("swae", SlicedConfig())
def _sliced(
    n_features: int, n_latent: int, config: SlicedConfig, generator: torch.Generator
) -> SlicedWassersteinAutoencoder:
    return SlicedWassersteinAutoencoder(n_features, n_latent, config, generator)
