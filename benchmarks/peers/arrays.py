"""Coders of bare arrays, each column by itself: pcodec, SZ3, zfp, Blosc2.

They know absolute bounds only. Other bounds become absolute on a stretched axis (`Stretch`). Values that are not finite
are kept apart, 12 bytes each. What is counted is the sum of their outputs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rounding import round_to_bound
from ..stretching import Stretch
from ..workload import FloatColumn, Workload
from .base import Folder, Made

__all__ = ("ARRAYS", "ArrayPeer")

Array = NDArray[Any]
Encode = Callable[[FloatColumn], bytes]
Decode = Callable[[bytes, FloatColumn], Array]

_PATCH_BYTES = 12


@dataclass(frozen=True)
class ArrayPeer:
    """A coder of one column at a time; `needs` is the module it comes from."""

    name: str
    title: str
    needs: str
    encode_column: Encode
    decode_column: Decode
    bounded: bool = True

    def missing(self, folder: Folder) -> str | None:
        """See `Peer`."""
        return None if importlib.util.find_spec(self.needs) else f"{self.needs} is not installed"

    def prepare(self, work: Workload) -> Workload:
        """See `Peer`."""
        return work

    def encode(self, ready: Workload, folder: Folder) -> Made:
        """See `Peer`."""
        total = 0
        for number, column in enumerate(ready.columns):
            payload = self.encode_column(column)
            _payload(folder.path, number).write_bytes(payload)
            total += len(payload) + _PATCH_BYTES * int(np.count_nonzero(~np.isfinite(column.values)))
        return Made(total, complete=False)

    def decode(self, ready: Workload, folder: Folder) -> dict[str, Array]:
        """See `Peer`."""
        return {
            column.key: self.decode_column(_payload(folder.path, number).read_bytes(), column)
            for number, column in enumerate(ready.columns)
        }

    def columns(self, decoded: dict[str, Array], work: Workload) -> dict[str, Array]:
        """See `Peer`; puts the values that are not finite back."""
        for column in work.columns:
            strange = ~np.isfinite(column.values)
            if strange.any():
                decoded[column.key] = decoded[column.key].copy()
                decoded[column.key][strange] = column.values[strange]
        return decoded


def _payload(folder: Path, number: int) -> Path:
    return folder / f"{number}.bin"


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, values.dtype.type(0))


def _quantised_encode(column: FloatColumn) -> bytes:
    from pcodec import ChunkConfig, standalone

    from hepbaler.bounds import quantise

    found = quantise(column.values, column.choice)
    payload = bytes(standalone.simple_compress(found.integers, ChunkConfig(compression_level=8)))
    # Rows and bits of what no grid holds, behind the payload; the integers there repeat the row before.
    exceptions = found.positions.astype("<u4").tobytes() + found.patterns.astype("<u8").tobytes()
    return len(found.positions).to_bytes(4, "little") + exceptions + payload


def _quantised_decode(payload: bytes, column: FloatColumn) -> Array:
    from pcodec import standalone

    from hepbaler.bounds import restore

    n = int.from_bytes(payload[:4], "little")
    positions = np.frombuffer(payload, "<u4", n, 4).astype(np.int64)
    patterns = np.frombuffer(payload, "<u8", n, 4 + 4 * n).astype(np.uint64)
    integers = standalone.simple_decompress(payload[4 + 12 * n :])
    return restore(integers, positions, patterns, column.choice, column.values.dtype)


def _pcodec_encode(column: FloatColumn) -> bytes:
    from pcodec import ChunkConfig, standalone

    return bytes(standalone.simple_compress(column.values, ChunkConfig(compression_level=8)))


def _pcodec_decode(payload: bytes, column: FloatColumn) -> Array:
    from pcodec import standalone

    return np.asarray(standalone.simple_decompress(payload))


def _sz3_encode(algorithm: str) -> Encode:
    def encode(column: FloatColumn) -> bytes:
        import pysz

        stretch = Stretch.of(column)
        values = stretch.forward(_finite(column.values)) if stretch else column.values
        config = pysz.szConfig(values.shape)
        config.errorBoundMode = pysz.szErrorBoundMode.ABS
        config.absErrorBound = stretch.tolerance if stretch else 0.0
        config.cmprAlgo = getattr(pysz.szAlgorithm, algorithm if stretch else "LOSSLESS")
        return bytes(pysz.sz.compress(values, config)[0])

    return encode


def _sz3_decode(payload: bytes, column: FloatColumn) -> Array:
    import pysz

    stretch = Stretch.of(column)
    dtype = np.dtype(np.float64) if stretch else column.values.dtype
    decoded, _ = pysz.sz.decompress(np.frombuffer(payload, np.uint8), dtype, column.values.shape)
    return stretch.backward(decoded) if stretch else decoded


def _zfp_encode(column: FloatColumn) -> bytes:
    import zfpy

    stretch = Stretch.of(column)
    if stretch is None:
        return bytes(zfpy.compress_numpy(column.values))
    return bytes(zfpy.compress_numpy(stretch.forward(_finite(column.values)), tolerance=stretch.tolerance))


def _zfp_decode(payload: bytes, column: FloatColumn) -> Array:
    import zfpy

    stretch = Stretch.of(column)
    decoded = zfpy.decompress_numpy(payload)
    return stretch.backward(decoded) if stretch else decoded


def _blosc_encode(column: FloatColumn) -> bytes:
    import blosc2

    rounded = round_to_bound(column.values, column.bound)
    return bytes(
        blosc2.compress2(
            rounded,
            typesize=rounded.itemsize,
            codec=blosc2.Codec.ZSTD,
            clevel=9,
            nthreads=1,
            filters=[blosc2.Filter.BITSHUFFLE],
            filters_meta=[0],
        )
    )


def _blosc_decode(payload: bytes, column: FloatColumn) -> Array:
    import blosc2

    return np.frombuffer(blosc2.decompress2(payload, nthreads=1), column.values.dtype)


ARRAYS = (
    ArrayPeer("quantise-pcodec", "quantise + pcodec, bare arrays", "pcodec", _quantised_encode, _quantised_decode),
    ArrayPeer("sz3", "SZ3", "pysz", _sz3_encode("INTERP_LORENZO"), _sz3_decode),
    ArrayPeer("sz3-nopred", "SZ3 without prediction", "pysz", _sz3_encode("NOPRED"), _sz3_decode),
    ArrayPeer("zfp", "zfp", "zfpy", _zfp_encode, _zfp_decode),
    ArrayPeer("blosc2", "mantissa rounding + Blosc2 (bitshuffle, ZSTD 9)", "blosc2", _blosc_encode, _blosc_decode),
    ArrayPeer("pcodec", "pcodec, lossless", "pcodec", _pcodec_encode, _pcodec_decode),
)
