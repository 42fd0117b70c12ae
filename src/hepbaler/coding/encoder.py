"""The encoder on the writer's side: rows to latents, in numpy. No torch, so a model trained elsewhere can be used.

Latents are stored, so this part need not be exact across machines: a latent that is rounded the other way costs a few
bits and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.coding import plain
from hepbaler.coding.decoder import INPUT_BITS
from hepbaler.coding.learned import LATENT_TOP
from hepbaler.errors import CorruptFile, ModelError, NotHepbalerFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hepbaler.coding.learned import LearnedCoder

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float32]

__all__ = ("LatentEncoder",)


def __dir__() -> tuple[str, ...]:
    return __all__


_MAGIC = b"HBLE\x01"
_BLOCK = 65536
_MOST_SIZE = 1 << 16


@dataclass(frozen=True, eq=False)
class LatentEncoder:
    """Ranks of all columns -> tanh -> tanh -> rounded latents.

    Attributes
    ----------
    weights
        Float32 matrices, shapes (n_in, n_out), the first with one input for each of the coder's inputs and columns.
    biases
        Shapes (n_out,).
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            fits = weight.ndim == 2 and bias.shape == weight.shape[1:]
            if not fits or (number and self.weights[number - 1].shape[1] != weight.shape[0]):
                msg = f"encoder layer {number} has shape {weight.shape}, which does not fit the others"
                raise CorruptFile(msg, section="model", found=weight.shape)

    @property
    def n_latent(self) -> int:
        """Number of latents a row."""
        return int(self.weights[-1].shape[1])

    def latents(self, coder: LearnedCoder, ints: Mapping[str, IntArray]) -> IntArray:
        """Latents of each row, shape (n_rows, n_latent), whole numbers from -15 to 15.

        Parameters
        ----------
        coder
            The coder that this encoder was trained with.
        ints
            Its inputs and columns, each shape (n_rows,).

        Raises
        ------
        ModelError
            If a column is missing.
        """
        names = (*coder.inputs, *coder.names)
        tables = (*coder.input_ranks, *(column.ranks for column in coder.columns))
        missing = [name for name in names if name not in ints]
        if missing or self.weights[0].shape[0] != len(names):
            msg = f"the encoder sees {self.weights[0].shape[0]} columns; missing: {', '.join(missing) or 'none'}"
            raise ModelError(msg)
        n_rows = ints[names[0]].size
        result = np.empty((n_rows, self.n_latent), np.int64)
        for start in range(0, n_rows, _BLOCK):
            stop = min(start + _BLOCK, n_rows)
            parts = [table.inputs(ints[name][start:stop]) for name, table in zip(names, tables, strict=True)]
            values = np.stack(parts, axis=1) / np.float32(1 << INPUT_BITS)
            for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                values = values @ weight + bias
                if number < len(self.weights) - 1:
                    values = np.tanh(values)
            result[start:stop] = np.clip(np.rint(values), -LATENT_TOP, LATENT_TOP).astype(np.int64)
        return result

    def to_bytes(self) -> bytes:
        """Sizes of the layers as varints, then the weights and biases as little-endian float32."""
        sizes = [self.weights[0].shape[0], *(weight.shape[1] for weight in self.weights)]
        head = _MAGIC + b"".join(plain.write_varint(size) for size in (len(sizes), *sizes))
        pairs = zip(self.weights, self.biases, strict=True)
        return head + b"".join(part.astype("<f4").tobytes() for pair in pairs for part in pair)

    @classmethod
    def from_bytes(cls, data: bytes) -> LatentEncoder:
        """The inverse of `to_bytes`.

        Raises
        ------
        NotHepbalerFile, CorruptFile
            If the bytes are no encoder, or fewer or more than the layers ask for.
        """
        if data[: len(_MAGIC)] != _MAGIC:
            msg = f"encoder starts with {data[:5]!r} instead of {_MAGIC!r}"
            raise NotHepbalerFile(msg)
        count, at = plain.read_varint(data, len(_MAGIC))
        sizes = []
        for _ in range(min(count, 16)):
            size, at = plain.read_varint(data, at)
            sizes.append(size)
        layers = list(pairwise(sizes))
        expected = 4 * sum((n_in + 1) * n_out for n_in, n_out in layers)
        if not 2 <= count <= 16 or max(sizes) > _MOST_SIZE or len(data) - at != expected:
            msg = f"encoder of layers {sizes} needs {expected} bytes of weights, got {len(data) - at}"
            raise CorruptFile(msg, section="model", offset=at, expected=expected, found=len(data) - at)
        weights, biases = [], []
        for n_in, n_out in layers:
            weights.append(np.frombuffer(data, "<f4", n_in * n_out, at).reshape(n_in, n_out).astype(np.float32))
            at += 4 * n_in * n_out
            biases.append(np.frombuffer(data, "<f4", n_out, at).astype(np.float32))
            at += 4 * n_out
        return cls(tuple(weights), tuple(biases))
