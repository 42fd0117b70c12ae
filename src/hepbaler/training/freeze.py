"""From trained float networks to the integer networks that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.models.columns import quantise_layer

if TYPE_CHECKING:
    from hepbaler.models.columns import ColumnNets, Rounding

__all__ = ("freeze_net",)


def __dir__() -> tuple[str, ...]:
    return __all__


def freeze_net(nets: ColumnNets, column: int, inputs: list[int], rounding: Rounding) -> IntegerNet:
    """The integer network of one column.

    Parameters
    ----------
    inputs
        Which of the network's inputs the column really has; the others were fed zeros.
    """
    layers = []
    with torch.no_grad():
        for number, (weight, bias) in enumerate(nets.layers()):
            first = number == 0
            whole, whole_bias, exponent = quantise_layer(
                weight.detach(),
                bias.detach(),
                incoming_bits=rounding.input_bits if first else rounding.activation_bits,
                top=rounding.input_top if first else rounding.activation_top,
                rounding=rounding,
            )
            matrix = whole[column].cpu().numpy().astype(np.int64)
            layers.append(
                IntegerLayer(
                    matrix[:, inputs] if first else matrix,
                    whole_bias[column, :, 0].cpu().numpy().astype(np.int64),
                    exponent[column, :, 0].cpu().numpy().astype(np.int64),
                )
            )
    return IntegerNet((layers[0], layers[1], layers[2]))
