"""What turns latents into the columns of a table: a frozen network, and the inverse of the plan of its features.

::

    magic "HBLA" | version 1 | structure: varint length, zstd frame of JSON (UTF-8) | tensors

The structure has the shapes of the layers and the plan; the tensors are weights, biases and slopes. All arithmetic is
IEEE 754 binary64 with ``+ - * / sqrt`` only, each operation rounded by itself. `docs/format-latent.md` is normative.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from ..autoencoders.plan import FeaturePlan
from ..coding import plain
from ..coding.tensors import TensorReader, structure_from_frame, tensor_to_bytes
from ..errors import CorruptFile, HepbalerError, UnsupportedFeature
from .network import MAX_SHIFT, MAX_WINDOW, ExactLayer, ExactNetwork
from .pages import latents_from_page

__all__ = ("LatentCoder",)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAGIC = b"HBLA"
_VERSION = 1
_MOST_LAYERS = 64
_MOST_WIDTH = 1 << 16


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class LatentCoder:
    """Decoder of a table.

    Attributes
    ----------
    network
        From latents to features.
    plan
        From features to columns.
    """

    network: ExactNetwork
    plan: FeaturePlan

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the columns."""
        return tuple(self.plan.names)

    @property
    def n_latent(self) -> int:
        """Latents a row."""
        return self.network.n_latent

    @property
    def sees_neighbours(self) -> bool:
        """Whether a row depends on others of its list."""
        return self.network.sees_neighbours

    def decode(self, page: bytes, n_rows: int, counts: IntArray | None, wanted: Sequence[str]) -> dict[str, FloatArray]:
        """Columns of a cluster.

        Parameters
        ----------
        page
            Of `latents_to_page`.
        n_rows
            Rows of the table in the cluster.
        counts
            Lengths of the lists; needed where rows see their neighbours.
        wanted
            Keys of columns.

        Raises
        ------
        CorruptFile
            If the page does not hold latents of so many rows.
        """
        features = self.network.run(latents_from_page(page, n_rows, self.n_latent), counts)
        place = {name: i for i, name in enumerate(self.plan.names)}
        with np.errstate(over="ignore", invalid="ignore"):
            table = self.plan.invert(features)
        return {name: np.ascontiguousarray(table[:, place[name]]) for name in wanted}

    def to_bytes(self) -> bytes:
        """Everything a reader needs, in one run of bytes."""
        layers = self.network.layers
        structure = {
            "layers": [[layer.window, layer.n_in, layer.n_out, layer.shift] for layer in layers],
            "plan": self.plan.to_dict(),
        }
        text = json.dumps(structure, separators=(",", ":"), allow_nan=False).encode()
        frame = zstandard.ZstdCompressor(level=19).compress(text)
        tensors = [
            tensor
            for layer in layers
            for tensor in (layer.weight, layer.bias, layer.slope.astype("<f8").view(np.int64))
        ]
        head = [_MAGIC, bytes([_VERSION]), plain.write_varint(len(frame)), frame]
        return b"".join([*head, *(tensor_to_bytes(tensor) for tensor in tensors)])

    @classmethod
    def from_bytes(cls, data: bytes) -> LatentCoder:
        """Inverse of `to_bytes`.

        Raises
        ------
        CorruptFile, UnsupportedFeature
            If the bytes are no decoder, one of a newer version, or contradict themselves.
        """
        if data[:4] != _MAGIC:
            msg = f"a decoder of latents starts with {data[:4]!r} instead of {_MAGIC!r}"
            raise CorruptFile(msg, section="autoencoder", expected=_MAGIC, found=data[:4])
        if len(data) < 5 or data[4] != _VERSION:
            msg = f"a decoder of latents has version {data[4:5].hex() or 'none'}; this version of hepbaler reads {_VERSION}"
            raise UnsupportedFeature(msg)
        length, start = plain.read_varint(data, 5)
        try:
            structure: Any = json.loads(structure_from_frame(data[start : start + length], start))
            shapes = [_shape(item) for item in structure["layers"]]
            plan = FeaturePlan.from_dict(structure["plan"])
        except CorruptFile:
            raise
        except (
            zstandard.ZstdError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            RecursionError,
            HepbalerError,
        ) as error:
            msg = f"a decoder of latents cannot be read: its structure is damaged ({type(error).__name__}: {error})"
            raise CorruptFile(msg, section="autoencoder") from error
        if len(shapes) > _MOST_LAYERS:
            msg = f"a decoder of latents has {len(shapes)} layers; {_MOST_LAYERS} are possible"
            raise CorruptFile(msg, section="autoencoder", expected=_MOST_LAYERS, found=len(shapes))
        tensors = TensorReader(data, start + length)
        layers = []
        for window, n_in, n_out, shift in shapes:
            weight = tensors.take(window * n_out * n_in).reshape(window, n_out, n_in)
            layers.append(ExactLayer(weight, tensors.take(n_out), shift, tensors.take(n_out).view(np.float64)))
        tensors.finish()
        network = ExactNetwork(tuple(layers))
        if network.n_out != plan.n_features:
            msg = f"a decoder of latents gives {network.n_out} features, and its plan takes {plan.n_features}"
            raise CorruptFile(msg, section="autoencoder", expected=plan.n_features, found=network.n_out)
        return cls(network, plan)


def _shape(item: Any) -> tuple[int, int, int, int]:
    window, n_in, n_out, shift = item
    for value, most in ((window, MAX_WINDOW), (n_in, _MOST_WIDTH), (n_out, _MOST_WIDTH), (shift, MAX_SHIFT)):
        if type(value) is not int or not 0 <= value <= most:
            msg = f"{value!r} is not a whole number from 0 to {most}"
            raise ValueError(msg)
    return window, n_in, n_out, shift
