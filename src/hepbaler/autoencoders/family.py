"""What all families have in common: an encoder, a decoder, and a loss whose parts have names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ModelError
from .chain import Chain
from .networks import NetworkOutput, RowNetwork, RowPlaces

__all__ = ("Autoencoder", "Batch", "Objective")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Objective:
    """How the error of the features is measured.

    Attributes
    ----------
    weights
        How much each feature counts, shape (n_features,), mean 1.
    """

    weights: Tensor

    def error(self, features: Tensor, decoded: Tensor) -> Tensor:
        """Weighted mean square of what was decoded beside the features, both (n_rows, n_features)."""
        return ((features - decoded).square().mean(dim=0) * self.weights).mean()


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Attributes
    ----------
    features
        Shape (n_rows, n_features).
    places
        Where they stand in their events; None where the model does not look at neighbours.
    """

    features: Tensor
    places: RowPlaces | None = None


class Autoencoder(nn.Module):
    """An encoder and a decoder, trained on the error of the features.

    ::

        features -> encoder -> latents -> decoder -> features'       loss: error + what `penalties` adds

    A family of one's own sets other networks, or adds `penalties`, or overrides `losses`.

    Parameters
    ----------
    encoder, decoder
        Features to latents, and latents to features.
    """

    def __init__(self, encoder: RowNetwork, decoder: RowNetwork) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    @property
    def n_features(self) -> int:
        """Features a row."""
        return self.decoder.layout.n_out

    @property
    def n_latent(self) -> int:
        """Latents a row."""
        return self.decoder.layout.n_in

    @property
    def window(self) -> int:
        """Rows that a layer sees; 1 where each row stands alone."""
        return max(self.encoder.layout.window, self.decoder.layout.window)

    def encode(self, features: Tensor, places: RowPlaces | None = None) -> Tensor:
        """Latents, shape (n_rows, n_latent)."""
        return self.encoder(features, places).values[:, : self.n_latent]  # type: ignore[no-any-return]

    def decode(self, latents: Tensor, places: RowPlaces | None = None) -> Tensor:
        """Features, shape (n_rows, n_features)."""
        return self.decoder(latents, places).values  # type: ignore[no-any-return]

    def losses(self, batch: Batch, objective: Objective, noise: torch.Generator | None) -> dict[str, Tensor]:
        """Parts of the loss by name, ``total`` among them.

        Parameters
        ----------
        batch
            The rows.
        objective
            What measures the error.
        noise
            For what is drawn while training; None while validating.
        """
        coded: NetworkOutput = self.encoder(batch.features, batch.places, noise)
        decoded: NetworkOutput = self.decoder(coded.values, batch.places, noise)
        parts = {"error": objective.error(batch.features, decoded.values)}
        parts |= self.penalties(coded.values, (*coded.activations, *decoded.activations), noise)
        return with_total(parts)

    def penalties(
        self, latents: Tensor, activations: tuple[Tensor, ...], noise: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Further parts of the loss by name, none here.

        Parameters
        ----------
        latents
            Shape (n_rows, n_latent).
        activations
            Of the hidden layers of encoder and decoder.
        noise
            As for `losses`.
        """
        del latents, activations, noise
        return {}

    def critic_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of an opponent, which descends on `critic_losses`, not on `losses`; none here."""
        return iter(())

    def critic_losses(self, batch: Batch, noise: torch.Generator) -> dict[str, Tensor]:
        """Parts of the opponent's loss by name, ``total`` among them."""
        del batch, noise
        msg = f"{type(self).__name__} has no opponent"
        raise ModelError(msg)

    def start_from(self, features: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        """Set the skips to the principal components of the weighted features, where there are skips.

        Parameters
        ----------
        features, weights
            A sample, shape (n_rows, n_features), and the weight of each feature.
        """
        if not (self.encoder.layout.skip and self.decoder.layout.skip) or len(features) == 0:
            return
        down, up = principal_components(features, weights, self.n_latent)
        with torch.no_grad():
            self.encoder.skip[:, : self.n_latent] = torch.from_numpy(down)
            self.decoder.skip.copy_(torch.from_numpy(up))

    def chain(self) -> Chain:
        """The decoder in numpy."""
        return Chain(self.decoder.affines())


def with_total(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts, and their sum as ``total``."""
    total = torch.stack(list(parts.values())).sum()
    return {**parts, "total": total}


def principal_components(
    features: NDArray[np.float64], weights: NDArray[np.float64], n_latent: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear maps to the leading components, each of variance 1, and back.

    Returns
    -------
    tuple of ndarray
        Shapes (n_features, n_latent) and (n_latent, n_features). With more latents than features the rest are 0.
    """
    n_features = features.shape[1]
    scale = np.sqrt(weights)
    moments = (features * scale).T @ (features * scale) / len(features)
    sizes, vectors = np.linalg.eigh(moments)
    order = np.argsort(-sizes)[:n_latent]
    spread = np.sqrt(np.maximum(sizes[order], 1e-12))
    vectors = vectors[:, order]
    # A component and its opposite are the same; its largest entry is made positive.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(order))])
    down, up = np.zeros((n_features, n_latent)), np.zeros((n_latent, n_features))
    down[:, : len(order)] = scale[:, None] * vectors / spread
    up[: len(order)] = (vectors * spread).T / scale
    return down, up
