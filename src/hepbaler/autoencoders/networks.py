"""The block that encoders, decoders and discriminators are made of: a small network over the rows of a table.

::

                 +------------------------ skip: a linear map ----------------------+
                 |                                                                  v
    x (n_rows, n_in) -> [ affine -> batch norm -> leaky -> dropout ] x depth -> affine + -> (n_rows, n_out)

The skip lets a network begin as a linear map and learn what is bent about the data (K. He et al., arXiv:1512.03385).
Batch norm: S. Ioffe, C. Szegedy, arXiv:1502.03167. Dropout: N. Srivastava et al., JMLR 15 (2014) 1929.
With a window, an affine map also sees the rows before and after in the same event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .chain import Affine

__all__ = ("Layout", "NetworkOutput", "RowNetwork", "RowPlaces")

FloatArray = NDArray[np.float64]

_NORM_MOMENTUM = 0.05
_NORM_EPSILON = 1e-5
# The network starts as its skip, plus little.
_FIRST_SIZE_BESIDE_SKIP = 0.1


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class RowPlaces:
    """Where rows stand in their events, for networks that look at neighbours.

    Attributes
    ----------
    position, length
        Place of each row in its event, and rows of that event, shape (n_rows,).
    """

    position: Tensor
    length: Tensor

    def shifted(self, rows: Tensor, offset: int) -> Tensor:
        """The row `offset` further on in the same event, zeros where there is none; shape as `rows`."""
        place = self.position + offset
        there = ((place >= 0) & (place < self.length)).to(rows.dtype)
        return torch.roll(rows, -offset, dims=0) * there[:, None]


@dataclass(frozen=True)
class Layout:
    """Shape of a network.

    Attributes
    ----------
    n_in, n_out
        Numbers a row.
    widths
        Of the hidden layers.
    slope
        Of the leaky rectifiers; powers of two are exact in any arithmetic.
    norm
        Batch normalisation behind each hidden affine map.
    dropout
        Share of each hidden layer's units that are dropped while training; one for each, or the last for all others.
    window
        Rows that hidden units see: 1, or an odd number.
    skip
        Add a linear map of the input to the output.
    """

    n_in: int
    n_out: int
    widths: tuple[int, ...]
    slope: float = 0.125
    norm: bool = False
    dropout: tuple[float, ...] = ()
    window: int = 1
    skip: bool = True

    def mirrored(self) -> Layout:
        """Of the decoder that belongs to an encoder of this shape."""
        return replace(self, n_in=self.n_out, n_out=self.n_in, widths=self.widths[::-1], dropout=self.dropout[::-1])


@dataclass(frozen=True)
class NetworkOutput:
    """What a network gives.

    Attributes
    ----------
    values
        Shape (n_rows, n_out).
    activations
        Of each hidden layer, for penalties; shape (n_rows, width).
    """

    values: Tensor
    activations: tuple[Tensor, ...]


class RowNetwork(nn.Module):
    """See the picture at the top.

    Parameters
    ----------
    layout
        Its shape.
    generator
        Of the first weights (He's uniform, arXiv:1502.01852).
    """

    def __init__(self, layout: Layout, generator: torch.Generator) -> None:
        super().__init__()
        self.layout = layout
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.norms = nn.ModuleList()
        sizes = (layout.n_in, *layout.widths, layout.n_out)
        for number, (n_in, n_out) in enumerate(pairwise(sizes)):
            last = number == len(sizes) - 2
            window = 1 if last else layout.window
            bound = math.sqrt((3.0 if last else 6.0 / (1 + layout.slope**2)) / (n_in * window))
            if last and layout.skip:
                bound *= _FIRST_SIZE_BESIDE_SKIP
            # float32 whatever comes later, so that a seed means the same weights in every dtype.
            first = torch.rand(window, n_in, n_out, generator=generator, dtype=torch.float32)
            self.weights.append(nn.Parameter((first * 2 - 1) * bound))
            self.biases.append(nn.Parameter(torch.zeros(n_out, dtype=torch.float32)))
            if layout.norm and not last:
                self.norms.append(nn.BatchNorm1d(n_out, eps=_NORM_EPSILON, momentum=_NORM_MOMENTUM))
        if layout.skip:
            first = torch.rand(layout.n_in, layout.n_out, generator=generator, dtype=torch.float32)
            self.skip = nn.Parameter((first * 2 - 1) * math.sqrt(3.0 / layout.n_in))

    def forward(
        self, inputs: Tensor, places: RowPlaces | None = None, noise: torch.Generator | None = None
    ) -> NetworkOutput:
        """Outputs of rows, shape (n_rows, n_in).

        Parameters
        ----------
        inputs
            Shape (n_rows, n_in).
        places
            Needed with a window; without it each row is an event.
        noise
            What dropout draws from; None drops nothing.
        """
        values = inputs
        activations = []
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = _affine(values, weight, bias, places)
            if number < len(self.layout.widths):
                if self.layout.norm:
                    values = self.norms[number](values)
                values = nn.functional.leaky_relu(values, self.layout.slope)
                activations.append(values)
                values = self._dropped(values, number, noise)
        if self.layout.skip:
            values = values + inputs @ self.skip
        return NetworkOutput(values, tuple(activations))

    def _dropped(self, values: Tensor, number: int, noise: torch.Generator | None) -> Tensor:
        rates = self.layout.dropout
        rate = rates[min(number, len(rates) - 1)] if rates else 0.0
        if rate == 0 or noise is None:
            return values
        kept = torch.rand(values.shape, generator=noise, device=values.device, dtype=values.dtype) >= rate
        return values * kept / (1 - rate)

    def affines(self) -> tuple[Affine, ...]:
        """The network as it is used, not trained: norms folded, dropout gone, the skip on units of slope 1."""
        n_skip = self.layout.n_in if self.layout.skip else 0
        layers = []
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            w, b = _numbers(weight), _numbers(bias)
            last = number == len(self.layout.widths)
            if not last and self.layout.norm:
                w, b = _folded(w, b, self.norms[number])
            slopes = np.full(w.shape[2], 1.0 if last else self.layout.slope)
            if n_skip:
                w, b, slopes = self._with_skip(w, b, slopes, number)
            layers.append(Affine(w, b, slopes))
        return tuple(layers)

    def _with_skip(
        self, w: FloatArray, b: FloatArray, slopes: FloatArray, number: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The same layer with the inputs of the network carried beside it, or added at its end."""
        window, n_in, n_out = w.shape
        n_carried = self.layout.n_in
        first, last = number == 0, number == len(self.layout.widths)
        skip = _numbers(self.skip)
        if first and last:
            return w + skip, b, slopes
        above = 0 if first else n_carried
        beside = 0 if last else n_carried
        wide = np.zeros((window, n_in + above, n_out + beside))
        wide[:, :n_in, :n_out] = w
        if last:
            wide[0, n_in:, :] = skip
        else:
            carried = np.arange(n_carried)
            wide[window // 2, carried + (0 if first else n_in), carried + n_out] = 1.0
        return wide, np.pad(b, (0, beside)), np.pad(slopes, (0, beside), constant_values=1.0)


def _affine(values: Tensor, weight: Tensor, bias: Tensor, places: RowPlaces | None) -> Tensor:
    window = weight.shape[0]
    if window == 1:
        return torch.addmm(bias, values, weight[0])
    total = torch.addmm(bias, values, weight[window // 2])
    if places is not None:
        for k in range(window):
            if k != window // 2:
                total = total + places.shifted(values, k - window // 2) @ weight[k]
    return total


def _folded(w: FloatArray, b: FloatArray, norm: nn.Module) -> tuple[FloatArray, FloatArray]:
    gain, offset = _numbers(norm.weight), _numbers(norm.bias)
    mean, variance = _numbers(norm.running_mean), _numbers(norm.running_var)
    scale = gain / np.sqrt(variance + _NORM_EPSILON)
    return w * scale, (b - mean) * scale + offset


def _numbers(tensor: object) -> FloatArray:
    if not isinstance(tensor, Tensor):
        msg = f"a weight should be a tensor, not {type(tensor).__name__}"
        raise TypeError(msg)
    return tensor.detach().cpu().double().numpy().copy()
