"""The decoder in training: one small network a column, evaluated together.

::

    inputs (n_columns, n_inputs, n_rows) -> clipped ReLU -> clipped ReLU -> location, level, gate
                  batched matrix products; a column never sees another column's weights

In rounding mode weights and activations are rounded as the integer decoder will round them (`hepbaler.coding.decoder`),
and gradients pass straight through: Bengio et al., arXiv:1308.3432.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ("ColumnNets", "Rounding", "clamp_inward", "quantise_layer", "round_through")


def __dir__() -> tuple[str, ...]:
    return __all__


LEVEL_BITS = 3  # an output of 1.0 is 8 levels: the range is reached in few steps of training


@dataclass(frozen=True)
class Rounding:
    """The number formats of the integer decoder: an input, activation, ... of 1.0 is 2^bits.

    Attributes
    ----------
    weight_bits
        Bits of a weight with its sign.
    exact
        Largest sum that the integer decoder may reach.
    """

    weight_bits: int = 8
    input_bits: int = 10
    input_top: int = 1 << 12
    activation_bits: int = 8
    activation_top: int = (1 << 10) - 1
    gate_bits: int = 6
    last_level: int = 30
    exact: int = (1 << 24) - 1


class _ClampInward(torch.autograd.Function):
    """Clamp, with a gradient outside only where it leads back in: a unit at the edge is never stuck."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(values)
        ctx.low, ctx.high = low, high
        return values.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        (values,) = ctx.saved_tensors
        outward = ((values < ctx.low) & (gradient > 0)) | ((values > ctx.high) & (gradient < 0))
        return gradient.masked_fill(outward, 0.0), None, None


class _HiddenLayer(torch.autograd.Function):
    """``clip(W x + b, 0, top)``, rounded to parts of `step` where asked; one pass forward, one mask back."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, values: Tensor, top: float, step: float | None) -> Tensor:
        result = torch.baddbmm(bias, weight, values).clamp_(0.0, top)
        if step is not None:
            result.div_(step).round_().mul_(step)
        ctx.save_for_backward(weight, values, result)
        ctx.top = top
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        (gradient,) = gradients
        weight, values, result = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradient, result, 0.0, ctx.top)
        back = torch.bmm(weight.transpose(1, 2), inside) if ctx.needs_input_grad[2] else None
        return torch.bmm(inside, values.transpose(1, 2)), inside.sum(dim=2, keepdim=True), back, None, None


def clamp_inward(values: Tensor, low: float, high: float) -> Tensor:
    """Clamp to [low, high]; outside, gradients act only when they lead back in."""
    result: Tensor = _ClampInward.apply(values, low, high)  # type: ignore[no-untyped-call]
    return result


def round_through(values: Tensor) -> Tensor:
    """Round; the gradient passes as if nothing had been rounded."""
    return values + (values.round() - values).detach()


def quantise_layer(
    weight: Tensor, bias: Tensor, *, incoming_bits: int, top: int, rounding: Rounding
) -> tuple[Tensor, Tensor, Tensor]:
    """Whole-number weights of one layer, with the finest power of two an output for which all sums stay exact.

    Parameters
    ----------
    weight, bias
        Shapes (n_columns, n_out, n_in) and (n_columns, n_out, 1).

    Returns
    -------
    Weight, bias (parts of 2^(exponent + incoming_bits)) and exponent, shapes as given and (n_columns, n_out, 1).
    """
    limit = float((1 << (rounding.weight_bits - 1)) - 1)
    largest = weight.abs().amax(dim=2, keepdim=True).clamp(min=1e-6)
    # Rounding moves each weight by at most a half, so n_in / 2 of them are held in reserve, and one for the
    # bias; 2^22 is the half that makes a shift round to nearest, at its largest.
    room = rounding.exact - (weight.shape[2] / 2 + 1) * top - 2.0**22
    reach = weight.abs().sum(dim=2, keepdim=True) * top + bias.abs() * 2.0**incoming_bits
    exponent = torch.minimum(torch.log2(limit / largest), torch.log2(room / reach.clamp(min=1e-6))).floor()
    exponent = exponent.clamp(-12, 12)
    scale = torch.exp2(exponent)
    return (weight * scale).round(), (bias * scale * 2.0**incoming_bits).round(), exponent


class ColumnNets(nn.Module):
    """One network a column; outputs are location (0 to 1), level (0 to 30) and gate (0 to 1).

    Parameters
    ----------
    n_columns, n_inputs, width
        Every column gets the same number of inputs; the caller feeds zeros to those that a column does not have.
    """

    def __init__(self, n_columns: int, n_inputs: int, width: int, *, generator: torch.Generator) -> None:
        super().__init__()

        def uniform(*shape: int, bound: float) -> nn.Parameter:
            return nn.Parameter((torch.rand(*shape, generator=generator) * 2 - 1) * bound)

        self.w1 = uniform(n_columns, width, n_inputs, bound=(2.0 / n_inputs) ** 0.5)
        self.b1 = uniform(n_columns, width, 1, bound=0.5)
        self.w2 = uniform(n_columns, width, width, bound=(3.0 / width) ** 0.5)
        self.b2 = uniform(n_columns, width, 1, bound=0.2)
        self.w3 = uniform(n_columns, 3, width, bound=0.3 / width**0.5)
        self.b3 = nn.Parameter(torch.tensor([[0.5], [0.4], [0.5]]).repeat(n_columns, 1, 1))

    def start_at(self, level: Tensor, has_hint: Tensor) -> None:
        """Begin with these levels, and with the hint as location where there is one; shapes (n_columns,)."""
        with torch.no_grad():
            self.b3[:, 1, 0] = level / 2**LEVEL_BITS
            self.b3[:, 2, 0] = torch.where(has_hint > 0, 1.1, 0.0)

    def layers(self) -> tuple[tuple[nn.Parameter, nn.Parameter], ...]:
        """Weight and bias of each layer, in order."""
        return (self.w1, self.b1), (self.w2, self.b2), (self.w3, self.b3)

    def forward(self, inputs: Tensor, *, rounding: Rounding, rounded: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Location, level and gate.

        Parameters
        ----------
        inputs
            Shape (n_columns, n_inputs, n_rows).
        rounded
            Compute as the integer decoder will.

        Returns
        -------
        Three tensors of shape (n_columns, n_rows).
        """
        top = rounding.activation_top / 2**rounding.activation_bits
        step = 2.0**-rounding.activation_bits if rounded else None
        values = inputs
        for number, (weight, bias) in enumerate(self.layers()):
            used, used_bias = (weight, bias) if not rounded else _near(weight, bias, number == 0, rounding)
            if number < 2:
                values = _HiddenLayer.apply(used, used_bias, values, top, step)  # type: ignore[no-untyped-call]
            else:
                values = torch.baddbmm(used_bias, used, values)
        location = clamp_inward(values[:, 0], 0.0, 1.0)
        level = clamp_inward(values[:, 1] * 2**LEVEL_BITS, 0.0, float(rounding.last_level))
        gate = clamp_inward(values[:, 2], 0.0, 1.0)
        if rounded:
            level = round_through(level)
            gate = round_through(gate * 2**rounding.gate_bits) / 2**rounding.gate_bits
        return location, level, gate


def _near(weight: Tensor, bias: Tensor, first: bool, rounding: Rounding) -> tuple[Tensor, Tensor]:
    """The rounded weight and bias, as far as gradients are concerned the exact ones."""
    incoming = rounding.input_bits if first else rounding.activation_bits
    top = rounding.input_top if first else rounding.activation_top
    with torch.no_grad():
        whole, whole_bias, exponent = quantise_layer(weight, bias, incoming_bits=incoming, top=top, rounding=rounding)
        scale = torch.exp2(-exponent)
        change, bias_change = whole * scale - weight, whole_bias * (scale * 2.0**-incoming) - bias
    return weight + change, bias + bias_change
