"""Integer inference: a small network whose output is the same, bit by bit, on every machine.

All inputs, weights and activations are whole numbers held in float32. As long as every partial sum stays below 2^24 a
matrix product of such numbers is exact in any order, so any BLAS, any number of threads and any split into blocks give
the same result; `IntegerNet` refuses weights for which that would not hold. Between layers a sum is brought back to
the range of an activation by a power of two and a floor, both exact::

    inputs [-4096, 4096] -> W x + b -> * 2^-k, floor, clip to [0, 1023] -> again -> W h + b -> location, level, gate
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.coding.tables import LAST_LEVEL
from hepbaler.errors import CorruptFile
from hepbaler.features.ranks import RANK_BITS
from hepbaler.loops import kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float32]

__all__ = (
    "ACTIVATION_BITS",
    "ACTIVATION_TOP",
    "EXACT",
    "GATE_BITS",
    "INPUT_BITS",
    "INPUT_TOP",
    "LEVEL_BITS",
    "LOCATION_BITS",
    "IntegerLayer",
    "IntegerNet",
    "towards_hint",
)


def __dir__() -> tuple[str, ...]:
    return __all__


INPUT_BITS = 10  # an input of 1.0 is 2^10
INPUT_TOP = 1 << 12
ACTIVATION_BITS = 8  # an activation of 1.0 is 2^8
ACTIVATION_TOP = (1 << 10) - 1
LOCATION_BITS = 16
GATE_BITS = 6
LEVEL_BITS = 3  # an output of 1.0 is 8 levels
EXACT = (1 << 24) - 1
# A block's activations stay in the second-level cache.
_BLOCK = 4096
_ONE_THREAD = 1 << 18


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """Weights of one layer.

    Attributes
    ----------
    weight, bias
        Whole numbers, shapes (n_out, n_in) and (n_out,).
    exponent
        A weight of 1.0 is 2^exponent; one exponent an output, shape (n_out,).
    """

    weight: IntArray
    bias: IntArray
    exponent: IntArray

    def check(self, top: int) -> None:
        """Refuse weights whose sums might leave the exact range for inputs of at most `top`.

        Raises
        ------
        CorruptFile
            If a partial sum could reach 2^24, or an exponent is out of range.
        """
        weight = self.weight.astype(np.float64)
        # The half that rounds joins the bias; no drop is longer than exponent + INPUT_BITS.
        half = np.ldexp(1.0, np.clip(self.exponent + INPUT_BITS - 1, 0, 40))
        largest = np.abs(weight).sum(axis=1) * top + np.abs(self.bias.astype(np.float64)) + half
        if largest.size and (largest.max() > EXACT or np.abs(self.exponent).max() > 24):
            msg = f"network weights are too large: a sum may reach {largest.max():.0f}, only below 2^24 it is exact"
            raise CorruptFile(msg, section="model", expected=EXACT, found=float(largest.max()))


@dataclass(frozen=True, eq=False)
class IntegerNet:
    """Two hidden layers and three outputs a row: location, level, gate."""

    layers: tuple[IntegerLayer, IntegerLayer, IntegerLayer]

    def __post_init__(self) -> None:
        sizes = [self.layers[0].weight.shape[1:2][0]]
        for layer in self.layers:
            n_out, n_in = layer.weight.shape
            if n_in != sizes[-1] or layer.bias.shape != (n_out,) or layer.exponent.shape != (n_out,):
                msg = f"network layers do not fit: {n_in} inputs follow {sizes[-1]} outputs"
                raise CorruptFile(msg, section="model", expected=sizes[-1], found=n_in)
            sizes.append(n_out)
        if sizes[-1] != 3:
            msg = f"network has {sizes[-1]} outputs, not location, level and gate"
            raise CorruptFile(msg, section="model", expected=3, found=sizes[-1])

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return int(self.layers[0].weight.shape[1])

    @property
    def multiply_adds(self) -> int:
        """Multiplications a row."""
        return sum(int(layer.weight.size) for layer in self.layers)

    @cached_property
    def _prepared(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Weight, bias and scale of each layer as float32, ready for `run`.

        Checked here, since a reader runs few of the networks that a file may have.
        """
        for layer, top in zip(self.layers, (INPUT_TOP, ACTIVATION_TOP, ACTIVATION_TOP), strict=True):
            layer.check(top)
        prepared = []
        for number, layer in enumerate(self.layers):
            incoming = INPUT_BITS if number == 0 else ACTIVATION_BITS
            outgoing = np.full(layer.bias.size, ACTIVATION_BITS, np.int64)
            if number == 2:
                outgoing = np.array([LOCATION_BITS, LEVEL_BITS, GATE_BITS], np.int64)
            drop = layer.exponent + incoming - outgoing
            scale = np.ldexp(np.float32(1), -drop).astype(np.float32)
            bias = layer.bias + _half(drop, number)
            prepared.append((layer.weight.astype(np.float32), bias.astype(np.float32)[:, None], scale[:, None]))
        return prepared

    @cached_property
    def _piece(self) -> int:
        """Rows of one matrix product: few enough that a BLAS does not wake its threads for it.

        Threads gain nothing on matrices of this size, and lose a lot where other processes want the cores.
        """
        largest = max(layer.weight.size for layer in self.layers)
        return int(np.clip(_ONE_THREAD // max(largest, 1) // 32 * 32, 32, 512))

    @cached_property
    def _compiled(self) -> tuple[FloatArray, ...]:
        """Weights and biases with their scales in them, which are powers of two; as many outputs as the loops ask for."""
        arrays = []
        width = self.n_inputs
        for weight, bias, scale in self._prepared:
            n_out = -(-weight.shape[0] // 4) * 4
            padded = np.zeros((n_out, width + 1), np.float32)
            padded[: weight.shape[0], : weight.shape[1]] = weight * scale
            padded[: weight.shape[0], -1] = (bias * scale)[:, 0]
            arrays += [np.ascontiguousarray(padded[:, :-1]), np.ascontiguousarray(padded[:, -1])]
            width = n_out
        return tuple(arrays)

    def run(self, inputs: list[FloatArray], *, n_rows: int, block: int = _BLOCK) -> tuple[IntArray, IntArray, IntArray]:
        """Location (parts of 2^28), level and gate (parts of 2^6) of each row.

        Parameters
        ----------
        inputs
            One array of whole numbers an input, each shape (n_rows,).
        n_rows
            Number of rows; a network without inputs gives the same answer for each.
        block
            Rows at a time; the result does not depend on it.
        """
        loops = kernels()
        if loops is not None:
            found = (np.empty(n_rows, np.int64), np.empty(n_rows, np.int64), np.empty(n_rows, np.int64))
            loops.run_net(tuple(inputs), n_rows, self._compiled, found)
            return found
        outputs = np.empty((3, n_rows), np.float32)
        piece = min(self._piece, block)
        for start in range(0, n_rows, block):
            stop = min(start + block, n_rows)
            n_pieces = -(-(stop - start) // piece)
            values: FloatArray = np.zeros((n_pieces, len(inputs), piece), np.float32)
            full, rest = divmod(stop - start, piece)
            for row, column in enumerate(inputs):
                values[:full, row] = column[start : stop - rest].reshape(full, piece)
                values[full:, row, :rest] = column[stop - rest : stop]
            for number, (weight, bias, scale) in enumerate(self._prepared):
                values = weight @ values
                values += bias
                values *= scale
                if number < 2:
                    np.floor(values, out=values)
                    np.clip(values, 0, ACTIVATION_TOP, out=values)
            outputs[:, start:stop] = values.transpose(1, 0, 2).reshape(3, n_pieces * piece)[:, : stop - start]
        location = np.clip(np.floor(outputs[0]), 0, (1 << LOCATION_BITS) - 1).astype(np.int64)
        level = np.clip(np.floor(outputs[1]), 0, LAST_LEVEL).astype(np.int64)
        gate = np.clip(np.floor(outputs[2]), 0, 1 << GATE_BITS).astype(np.int64)
        return location << (RANK_BITS - LOCATION_BITS), level, gate


def _half(drop: IntArray, number: int) -> IntArray:
    """What makes the floor after a shift by `drop` round to nearest; the location alone is rounded down."""
    half = np.where(drop >= 1, np.int64(1) << np.maximum(drop - 1, 0), 0)
    if number == 2:
        half[0] = 0
    return half


def towards_hint(location: IntArray, gate: IntArray, hint: IntArray) -> IntArray:
    """The location moved towards the hint by `gate` parts of 2^6; all ranks are parts of 2^28."""
    return (hint * gate + location * ((1 << GATE_BITS) - gate)) >> GATE_BITS
