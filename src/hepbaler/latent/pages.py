"""Pages of an autoencoder: the latents of a cluster, and for each of its columns what the decoder cannot give.

::

    page of latents  = (varint(length) plain payload[length]) * n_latent
    page of a column = exceptions digest[8]

The exceptions of a column are its NaN and infinities, bit for bit, and what the decoder sends beyond its dtype. The digest (XXH3, 64 bits, little endian) is that of the
column as it is read, its bytes little endian: a machine that decodes other bits finds out at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..coding import plain
from ..coding.pages import join_page, split_page
from ..errors import CorruptFile

__all__ = ("column_page", "column_values", "latents_from_page", "latents_to_page")

Array = NDArray[Any]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def __dir__() -> tuple[str, ...]:
    return __all__


def latents_to_page(latents: IntArray, codecs: Sequence[tuple[plain.Codec, ...]]) -> bytes:
    """Code the latents of a cluster, shape (n_rows, n_latent); `codecs` are what to try for each."""
    parts: list[bytes] = []
    for latent, tried in zip(latents.T, codecs, strict=True):
        payload = plain.encode(np.ascontiguousarray(latent), tried)
        parts += [plain.write_varint(len(payload)), payload]
    return b"".join(parts)


def latents_from_page(page: bytes, n_rows: int, n_latent: int) -> IntArray:
    """Inverse of `latents_to_page`.

    Raises
    ------
    CorruptFile
        If the page does not hold so many.
    """
    latents = np.empty((n_rows, n_latent), np.int64)
    at = 0
    for number in range(n_latent):
        length, at = plain.read_varint(page, at)
        if at + length > len(page):
            msg = f"latent {number} claims {length} bytes of a page of {len(page)}"
            raise CorruptFile(msg, section="page", expected=len(page) - at, found=length)
        latents[:, number] = plain.decode(page[at : at + length], n_rows)
        at += length
    if at != len(page):
        msg = f"a page of latents has {len(page) - at} bytes more than it says"
        raise CorruptFile(msg, section="page", expected=at, found=len(page))
    return latents


def column_page(original: Array, decoded: FloatArray) -> tuple[bytes, Array, int]:
    """Page of a column.

    Parameters
    ----------
    original
        Values as they are in the ROOT file.
    decoded
        What the decoder gives for them.

    Returns
    -------
    page
        Its bytes.
    values
        What a reader will get, in the dtype of `original`.
    n_exceptions
        Values kept bit for bit.
    """
    values = _as(decoded, original.dtype)
    positions = np.flatnonzero(~(np.isfinite(original) & np.isfinite(values))).astype(np.int64)
    patterns = original.view(f"u{original.dtype.itemsize}")[positions]
    values[positions] = original[positions]
    return join_page(positions, patterns.astype(np.uint64), _digest(values)), values, len(positions)


def column_values(page: bytes, decoded: FloatArray, dtype: np.dtype[Any], name: str) -> Array:
    """Values of a column from its page and what the decoder gives.

    Raises
    ------
    CorruptFile
        If they are not the values that the writer saw.
    """
    positions, patterns, digest = split_page(page, len(decoded))
    values = _as(decoded, dtype)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    values[positions] = patterns.astype(unsigned).view(dtype)
    found = _digest(values)
    if digest != found:
        msg = (
            f"column {name!r} decodes to values with the digest {found.hex()}, but {digest.hex()} was written: "
            "the file is damaged, or this machine does not compute as IEEE 754 says"
        )
        raise CorruptFile(msg, section=name, expected=digest.hex(), found=found.hex())
    return values


def _as(decoded: FloatArray, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        return decoded.astype(dtype)


def _digest(values: Array) -> bytes:
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return xxhash.xxh3_64_intdigest(little.tobytes()).to_bytes(8, "little")
