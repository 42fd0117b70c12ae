r"""A decoder without torch: affine maps and leaky rectifiers, one after the other.

Every family's decoder becomes such a chain: batch normalisation is folded into the affine maps, dropout is gone, and a
skip connection is carried along by units whose slope is 1. It holds numbers only, so that it can be written down, and be
evaluated by numpy.

::

    latents -> affine -> leaky -> affine -> leaky -> affine -> features
               \_ window: previous, self, next row of the same event; zeros beyond the event's edge
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ("Affine", "Chain")

FloatArray = NDArray[np.float64]

# Rows that go through a chain at once; bounds the memory of the widest layer.
_BLOCK_ROWS = 16_384


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class Affine:
    """One layer: ``u = bias + sum over k of x[row + k - window // 2] @ weight[k]``, then ``u if u > 0 else slope * u``.

    Attributes
    ----------
    weight
        Shape ``(window, n_in, n_out)``; the window is odd. Rows of another event count as zeros.
    bias
        Shape ``(n_out,)``.
    negative_slope
        Of each output where it is negative, shape ``(n_out,)``; 1 leaves it as it is.

    Raises
    ------
    InputError
        If the shapes do not fit together, or a number is not finite.
    """

    weight: FloatArray
    bias: FloatArray
    negative_slope: FloatArray

    def __post_init__(self) -> None:
        window, n_out = self.weight.shape[0], self.weight.shape[-1]
        shapes = f"{self.weight.shape}, {self.bias.shape} and {self.negative_slope.shape}"
        if self.weight.ndim != 3 or not window % 2 or {self.bias.shape, self.negative_slope.shape} != {(n_out,)}:
            msg = f"weight, bias and slopes of a layer have shapes that do not fit together: {shapes}"
            raise InputError(msg)
        if not all(np.all(np.isfinite(part)) for part in (self.weight, self.bias, self.negative_slope)):
            msg = f"a layer of shape {self.weight.shape} holds numbers that are not finite"
            raise InputError(msg)

    @property
    def window(self) -> int:
        """Rows that an output sees."""
        return int(self.weight.shape[0])

    @property
    def n_in(self) -> int:
        """Inputs a row."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Outputs a row."""
        return int(self.weight.shape[2])

    @property
    def is_linear(self) -> bool:
        """Whether no output is bent."""
        return bool(np.all(self.negative_slope == 1.0))

    def apply(self, inputs: FloatArray, rows: Neighbours) -> FloatArray:
        """Outputs, shape ``(n_rows, n_out)``, of inputs ``(n_rows, n_in)``."""
        total: FloatArray = self.bias + inputs @ self.weight[self.window // 2]
        for k in range(self.window):
            offset = k - self.window // 2
            if offset:
                total += rows.shifted(inputs, offset) @ self.weight[k]
        bent: FloatArray = np.where(total > 0, total, total * self.negative_slope)
        return bent

    def to_dict(self) -> dict[str, Any]:
        """As plain data and arrays."""
        return {"weight": self.weight, "bias": self.bias, "negative_slope": self.negative_slope}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Affine:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If something is missing, or is no number.
        """
        try:
            parts = (np.asarray(data[name], np.float64) for name in ("weight", "bias", "negative_slope"))
            return cls(*parts)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"this is no layer of a decoder: {error}"
            raise InputError(msg) from error


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Which rows belong to the same event, and so may see each other.

    Attributes
    ----------
    position, length
        Place of each row in its event, and the rows of that event, shape ``(n_rows,)``.
    """

    position: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def of(cls, counts: NDArray[Any] | None, n_rows: int) -> Neighbours:
        """From the rows of each event; None for one row an event.

        Raises
        ------
        InputError
            If the counts do not add up to the number of rows.
        """
        if counts is None:
            return cls(np.zeros(n_rows, np.int64), np.ones(n_rows, np.int64))
        counts = np.asarray(counts, np.int64)
        if counts.ndim != 1 or np.any(counts < 0) or int(counts.sum()) != n_rows:
            msg = f"counts of {counts.shape} events add up to {counts.sum()} rows, not to {n_rows}"
            raise InputError(msg)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        return cls(np.arange(n_rows, dtype=np.int64) - starts, np.repeat(counts, counts))

    def shifted(self, rows: FloatArray, offset: int) -> FloatArray:
        """The row `offset` further on in the same event, zeros where there is none; shape as `rows`."""
        moved = np.zeros_like(rows)
        place = self.position + offset
        there = np.flatnonzero((place >= 0) & (place < self.length))
        moved[there] = rows[there + offset]
        return moved


@dataclass(frozen=True, eq=False)
class Chain:
    """A decoder: latents in, features out.

    Attributes
    ----------
    layers
        In the order in which they are applied.

    Raises
    ------
    InputError
        If there is no layer, or one does not take what the one before it gives.
    """

    layers: tuple[Affine, ...]

    def __post_init__(self) -> None:
        sizes = [(layer.n_in, layer.n_out) for layer in self.layers]
        if not sizes or any(a[1] != b[0] for a, b in pairwise(sizes)):
            msg = f"layers of sizes {sizes} do not make a chain"
            raise InputError(msg)

    @property
    def n_in(self) -> int:
        """Latents a row."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """Features a row."""
        return self.layers[-1].n_out

    @property
    def is_rowwise(self) -> bool:
        """Whether each row is decoded from its own latents alone."""
        return all(layer.window == 1 for layer in self.layers)

    def apply(self, latents: NDArray[Any], counts: NDArray[Any] | None = None) -> FloatArray:
        """Features of each row, shape ``(n_rows, n_out)``.

        Parameters
        ----------
        latents
            Shape ``(n_rows, n_in)``.
        counts
            Rows of each event, in order; None for one row an event.

        Raises
        ------
        InputError
            If shapes do not fit.
        """
        values = np.ascontiguousarray(latents, np.float64)
        if values.ndim != 2 or values.shape[1] != self.n_in:
            msg = f"this decoder takes {self.n_in} latents a row, not an array of shape {values.shape}"
            raise InputError(msg)
        rows = Neighbours.of(counts, len(values))
        if not self.is_rowwise:
            return self._through(values, rows)
        parts = [
            self._through(values[start : start + _BLOCK_ROWS], rows) for start in range(0, len(values), _BLOCK_ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.n_out))

    def _through(self, values: FloatArray, rows: Neighbours) -> FloatArray:
        for layer in self.layers:
            values = layer.apply(values, rows)
        return values

    def to_dict(self) -> dict[str, Any]:
        """As plain data and arrays."""
        return {"layers": [layer.to_dict() for layer in self.layers]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Chain:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no chain.
        """
        if not isinstance(data.get("layers"), (list, tuple)):
            msg = "this is no decoder: it has no list of layers"
            raise InputError(msg)
        return cls(tuple(Affine.from_dict(layer) for layer in data["layers"]))
