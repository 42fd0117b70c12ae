"""The decoder of an autoencoder as a reader runs it: the same output, bit by bit, on every machine.

Weights and inputs of a layer are whole numbers held in float64. As long as every partial sum stays below 2^53, a matrix
product of such numbers is exact in any order, so any BLAS, any number of threads and any split into blocks give the
same result; `ExactNetwork` refuses weights for which that would not hold. What follows a sum is one operation of IEEE 754
after the other, each rounded by itself::

    integers x -> s = W x + b (exact) -> s < 0: s * slope -> * 2^-shift, round half to even, clip to +-top -> next layer
                                                          |-> last layer: * 2^-shift, not rounded
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptFile

__all__ = ("EXACT", "MAX_SHIFT", "MAX_WINDOW", "TOP", "ExactLayer", "ExactNetwork")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Largest activation, and largest latent.
TOP = (1 << 24) - 1
EXACT = (1 << 53) - 1
MAX_WINDOW = 15
MAX_SHIFT = 128
_BLOCK = 8192


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class ExactLayer:
    """An affine map of whole numbers, and what follows it.

    Attributes
    ----------
    weight
        Whole numbers, shape (window, n_out, n_in). Row i of the output sees the rows i - window // 2 ... i + window // 2 of
        its own list; rows beyond its ends are zero.
    bias
        Whole numbers, shape (n_out,).
    shift
        Sums are divided by 2^shift.
    slope
        What negative sums are multiplied with, shape (n_out,); 1 leaves them as they are.
    """

    weight: IntArray
    bias: IntArray
    shift: int
    slope: FloatArray

    @property
    def window(self) -> int:
        """Rows that one output sees."""
        return int(self.weight.shape[0])

    @property
    def n_out(self) -> int:
        """Outputs a row."""
        return int(self.weight.shape[1])

    @property
    def n_in(self) -> int:
        """Inputs a row."""
        return int(self.weight.shape[2])

    @cached_property
    def bends(self) -> bool:
        """Whether any output is not linear."""
        return bool(np.any(self.slope != 1.0))

    @cached_property
    def as_floats(self) -> tuple[FloatArray, FloatArray]:
        """Weight, shape (window, n_in, n_out), and bias, ready to be multiplied."""
        return np.ascontiguousarray(self.weight.transpose(0, 2, 1).astype(np.float64)), self.bias.astype(np.float64)

    def check(self) -> None:
        """Refuse what could leave the exact range, or makes no layer.

        Raises
        ------
        CorruptFile
        """
        sums = np.abs(self.weight.astype(np.float64)).sum(axis=(0, 2)) * TOP + np.abs(self.bias.astype(np.float64))
        if sums.size and sums.max() > EXACT:
            msg = f"weights of an autoencoder are too large: a sum may reach {sums.max():.0f}, only below 2^53 it is exact"
            raise CorruptFile(msg, section="autoencoder", expected=EXACT, found=float(sums.max()))
        if not (self.window % 2 == 1 and self.window <= MAX_WINDOW and 0 <= self.shift <= MAX_SHIFT):
            msg = f"a layer of an autoencoder has a window of {self.window} rows and a shift of {self.shift}"
            raise CorruptFile(msg, section="autoencoder", found=(self.window, self.shift))
        if self.bias.shape != (self.n_out,) or self.slope.shape != (self.n_out,):
            msg = f"a layer of {self.n_out} outputs has {self.bias.size} biases and {self.slope.size} slopes"
            raise CorruptFile(msg, section="autoencoder", expected=self.n_out, found=self.bias.size)
        if not np.all((self.slope >= 0.0) & (self.slope <= 1.0)):
            msg = "a slope of an autoencoder is not from 0 to 1"
            raise CorruptFile(msg, section="autoencoder")


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """Layers, one after the other."""

    layers: tuple[ExactLayer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            msg = "an autoencoder has no layers"
            raise CorruptFile(msg, section="autoencoder")
        for layer, following in zip(self.layers, self.layers[1:], strict=False):
            if layer.n_out != following.n_in:
                msg = f"layers of an autoencoder do not fit: {following.n_in} inputs follow {layer.n_out} outputs"
                raise CorruptFile(msg, section="autoencoder", expected=layer.n_out, found=following.n_in)
        for layer in self.layers:
            layer.check()

    @property
    def n_latent(self) -> int:
        """Latents a row."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """Outputs a row."""
        return self.layers[-1].n_out

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum(int(layer.weight.size + layer.bias.size) for layer in self.layers)

    @property
    def sees_neighbours(self) -> bool:
        """Whether rows see other rows of their list."""
        return any(layer.window > 1 for layer in self.layers)

    def run(self, latents: IntArray, counts: IntArray | None = None, *, block: int = _BLOCK) -> FloatArray:
        """Outputs of each row.

        Parameters
        ----------
        latents
            Shape (n_rows, n_latent), within +-`TOP`.
        counts
            Lengths of the lists that the rows belong to; None if each row stands for itself.
        block
            Rows at a time; the result does not depend on it.

        Returns
        -------
        FloatArray
            Shape (n_rows, n_out).
        """
        n_rows = len(latents)
        if n_rows and int(np.abs(latents).max()) > TOP:
            msg = f"a latent of {int(np.abs(latents).max())} is larger than {TOP}"
            raise CorruptFile(msg, section="latents", expected=TOP, found=int(np.abs(latents).max()))
        out = np.empty((n_rows, self.n_out), np.float64)
        before, behind = _places(counts, n_rows)
        # Rows that may see each other stay in one block.
        ends = np.flatnonzero(behind == 0) + 1 if self.sees_neighbours else np.arange(1, n_rows + 1)
        start = 0
        while start < n_rows:
            stop = int(ends[min(int(np.searchsorted(ends, start + block)), len(ends) - 1)])
            values = latents[start:stop].astype(np.float64)
            for number, layer in enumerate(self.layers):
                values = self._after(number, _sums(layer, values, before[start:stop], behind[start:stop]))
            out[start:stop] = values
            start = stop
        return out

    def _after(self, number: int, sums: FloatArray) -> FloatArray:
        layer = self.layers[number]
        if layer.bends:
            np.multiply(sums, layer.slope, out=sums, where=sums < 0)
        sums *= 2.0**-layer.shift
        if number < len(self.layers) - 1:
            np.rint(sums, out=sums)
            np.clip(sums, -TOP, TOP, out=sums)
        return sums


def _sums(layer: ExactLayer, values: FloatArray, before: IntArray, behind: IntArray) -> FloatArray:
    weight, bias = layer.as_floats
    middle = layer.window // 2
    sums: FloatArray = values @ weight[middle] + bias
    for step in range(1, middle + 1):
        rows = np.flatnonzero(before >= step)
        sums[rows] += values[rows - step] @ weight[middle - step]
        rows = np.flatnonzero(behind >= step)
        sums[rows] += values[rows + step] @ weight[middle + step]
    return sums


def _places(counts: IntArray | None, n_rows: int) -> tuple[IntArray, IntArray]:
    """How many rows of its own list stand before and behind each row."""
    if counts is None:
        return np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int64)
    if int(counts.sum()) != n_rows or (len(counts) and counts.min() < 0):
        msg = f"lists of {int(counts.sum())} rows in all stand for {n_rows} rows of latents"
        raise CorruptFile(msg, section="latents", expected=n_rows, found=int(counts.sum()))
    first = np.repeat(np.cumsum(counts) - counts, counts)
    before = np.arange(n_rows, dtype=np.int64) - first
    return before, np.repeat(counts, counts) - 1 - before
