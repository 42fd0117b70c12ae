"""The encoder of the autoencoder: a row of ranks in, a few small integers (latents) out.

::

    ranks of all columns (n_rows, n_columns) -> tanh -> tanh -> n_latent numbers -> rounded, -15 to 15
    price of a latent: -log2 of a discretised logistic, one location and scale a latent, trained along
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from hepbaler.models.columns import round_through

__all__ = ("LATENT_TOP", "Encoder")


def __dir__() -> tuple[str, ...]:
    return __all__


LATENT_TOP = 15
# Latents that begin within a step or two of 0 say nothing, cost little and stay so; wide ones are found useful at once.
_FIRST_SPREAD = 5.0


class Encoder(nn.Module):
    """Rows to latents, and the bits that latents cost while training."""

    def __init__(self, n_inputs: int, n_latent: int, width: int, *, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (n_inputs, width, width, n_latent)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for number, (n_in, n_out) in enumerate(pairwise(sizes)):
            bound = (3.0 / max(n_in, 1)) ** 0.5 * (_FIRST_SPREAD if number == len(sizes) - 2 else 1.0)
            self.weights.append(nn.Parameter((torch.rand(n_in, n_out, generator=generator) * 2 - 1) * bound))
            self.biases.append(nn.Parameter(torch.zeros(n_out)))
        self.log_scale = nn.Parameter(torch.full((n_latent,), math.log(_FIRST_SPREAD)))
        self.middle = nn.Parameter(torch.zeros(n_latent))

    def forward(self, inputs: Tensor) -> Tensor:
        """Whole-number latents, shape (n_rows, n_latent), of inputs (n_rows, n_inputs)."""
        values = inputs
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.addmm(bias, values, weight)
            if number < len(self.weights) - 1:
                values = torch.tanh(values)
        return round_through(values.clamp(-LATENT_TOP, LATENT_TOP))

    def bits(self, latents: Tensor) -> Tensor:
        """Bits of each row's latents, shape (n_rows,)."""
        scale = torch.exp(self.log_scale).clamp(min=0.05)
        above = torch.sigmoid((latents + 0.5 - self.middle) / scale)
        below = torch.sigmoid((latents - 0.5 - self.middle) / scale)
        return -torch.log2((above - below).clamp(min=1e-6)).sum(dim=1)
