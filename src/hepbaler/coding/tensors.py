"""Tensors of integers one after the other: ``varint count, varint length, plain page``, for models stored in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from ..errors import CorruptFile
from . import plain

__all__ = ("TensorReader", "structure_from_frame", "tensor_to_bytes")

IntArray = NDArray[np.int64]

MAX_STRUCTURE = 1 << 26
_MOST_VALUES = 1 << 28


def __dir__() -> tuple[str, ...]:
    return __all__


def tensor_to_bytes(tensor: NDArray[Any]) -> bytes:
    """A tensor of integers with its size."""
    page = plain.encode(np.ascontiguousarray(tensor, np.int64).ravel())
    return plain.write_varint(tensor.size) + plain.write_varint(len(page)) + page


class TensorReader:
    """Takes tensors, each checked against the size that the structure asks for."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._at = data, start

    def take(self, size: int) -> IntArray:
        """The next tensor, shape (size,).

        Raises
        ------
        CorruptFile
            If it has another size.
        """
        count, at = plain.read_varint(self._data, self._at)
        length, at = plain.read_varint(self._data, at)
        if count != size or size > _MOST_VALUES or at + length > len(self._data):
            msg = f"model tensor of {count} values in {length} bytes stands where one of {size} values is expected"
            raise CorruptFile(msg, section="model", offset=self._at, expected=size, found=count)
        self._at = at + length
        return plain.decode(self._data[at : self._at], size)

    def finish(self) -> None:
        """Refuse bytes behind the last tensor."""
        if self._at != len(self._data):
            msg = f"model has {len(self._data) - self._at} bytes more than it says"
            raise CorruptFile(msg, section="model", offset=self._at, expected=self._at, found=len(self._data))


def structure_from_frame(frame: bytes, offset: int) -> bytes:
    """The text in a zstd frame at `offset`, whose declared size is checked before anything is allocated.

    Raises
    ------
    CorruptFile, zstandard.ZstdError
    """
    # zstandard allocates what a frame declares, whatever limit it is given: the declaration is checked first.
    declared = zstandard.frame_content_size(frame)
    if not 0 < declared <= MAX_STRUCTURE:
        msg = f"model structure declares {declared} bytes; 1 to {MAX_STRUCTURE} are possible"
        raise CorruptFile(msg, section="model", offset=offset, expected=MAX_STRUCTURE, found=declared)
    return zstandard.ZstdDecompressor().decompress(frame)
