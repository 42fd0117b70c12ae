"""The plain coder: one column of integers, one page, the best of a few well-kept compressors.

It is the floor under the learned coder: what a model does not make smaller is stored by this one.
`docs/format-coding.md` gives the layout of a page.
"""

from __future__ import annotations

import lzma
from functools import cache
from typing import Literal

import numpy as np
import zstandard
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone

from ..errors import CorruptFile

__all__ = (
    "ALL_CODECS",
    "Codec",
    "decode",
    "decode_bytes",
    "encode",
    "encode_bytes",
    "promising",
    "read_varint",
    "write_varint",
)

Codec = Literal["raw", "pco", "zstd", "lzma"]
ALL_CODECS: tuple[Codec, ...] = ("raw", "pco", "zstd", "lzma")

IntArray = NDArray[np.int64]

# First byte of a page: codec in the low three bits, width code in the next three, base flag in bit 6.
_CODEC_NUMBER: dict[Codec, int] = {"raw": 0, "pco": 1, "zstd": 2, "lzma": 3}
_CONSTANT = 7
_WIDTHS: tuple[np.dtype[np.unsignedinteger], ...] = tuple(np.dtype(f"<u{n}") for n in (1, 2, 4, 8))
_BITS = 4
_BASE = 0x40

# Above this many rows a page is tried only with the codecs that were good on a sample of its column.
_TRY_ALL = 4096
_SAMPLE = 16384
_MARGIN = 1.03


def __dir__() -> tuple[str, ...]:
    return __all__


def encode(values: IntArray, codecs: tuple[Codec, ...] = ALL_CODECS) -> bytes:
    """Encode a column of integers as the smallest page that `codecs` give.

    Parameters
    ----------
    values
        Shape ``(n_rows,)``.
    codecs
        What to try. Pages of few rows are tried with all codecs whatever is given.

    Returns
    -------
    bytes
        Empty for no rows; `decode` must be told the number of rows.
    """
    n_rows = len(values)
    if n_rows == 0:
        return b""
    low, high = int(values.min()), int(values.max())
    if low == high:
        return bytes([_CONSTANT]) + write_varint(_zigzag(low))
    width, base = _width(low, high)
    narrow = _narrow(values, width, base)
    payloads = {codec: _compress(codec, narrow, width) for codec in (ALL_CODECS if n_rows <= _TRY_ALL else codecs)}
    if width == _BITS:
        payloads.pop("pco", None)
        payloads.setdefault("raw", narrow.tobytes())
    codec = min(payloads, key=lambda name: len(payloads[name]))
    head = bytes([_CODEC_NUMBER[codec] | width << 3 | (_BASE if base else 0)])
    return head + (write_varint(_zigzag(base)) if base else b"") + payloads[codec]


def decode(page: bytes, n_rows: int) -> IntArray:
    """Decode a page of `encode`.

    Parameters
    ----------
    page
        The bytes.
    n_rows
        The number of rows that the page holds.

    Returns
    -------
    IntArray
        Shape ``(n_rows,)``.

    Raises
    ------
    CorruptFile
        If the page does not hold `n_rows` integers.
    """
    if n_rows == 0:
        return np.empty(0, np.int64)
    if not page:
        msg = f"a page of {n_rows} rows is empty"
        raise CorruptFile(msg, section="page", expected=n_rows, found=0)
    first = page[0]
    if first == _CONSTANT:
        value, _ = read_varint(page, 1)
        return np.full(n_rows, _in_range(_unzigzag(value)), np.int64)
    number, width = first & 7, (first >> 3) & 7
    base, start = read_varint(page, 1) if first & _BASE else (0, 1)
    if number not in _CODEC_NUMBER.values() or width > _BITS or first & 0x80:
        msg = f"unknown kind of page {first:#04x}"
        raise CorruptFile(msg, section="page", found=first)
    n_bytes = (n_rows + 7) // 8 if width == _BITS else n_rows * _WIDTHS[width].itemsize
    payload = page[start:]
    if number == _CODEC_NUMBER["pco"]:
        if width == _BITS:
            msg = "a page of bits cannot be coded by pcodec"
            raise CorruptFile(msg, section="page", found=first)
        narrow = _decode_pco(payload, n_rows, width)
    else:
        packed = _decompress(number, payload, n_bytes)
        if len(packed) != n_bytes:
            msg = f"a page of {n_rows} rows decodes to {len(packed)} bytes instead of {n_bytes}"
            raise CorruptFile(msg, section="page", expected=n_bytes, found=len(packed))
        if width == _BITS:
            narrow = np.unpackbits(np.frombuffer(packed, np.uint8), count=n_rows, bitorder="little")
        else:
            narrow = np.frombuffer(packed, _WIDTHS[width])
    wide = narrow.astype(np.uint64)
    if base:
        wide += np.uint64(_unzigzag(base) % 2**64)
    return wide.view(np.int64)


def encode_bytes(data: bytes) -> bytes:
    """Compress bytes that are no column: a Zstandard frame with its content size."""
    return zstandard.ZstdCompressor(level=19).compress(data)


def decode_bytes(frame: bytes, most: int = 1 << 30) -> bytes:
    """Inverse of `encode_bytes`.

    Raises
    ------
    CorruptFile
        If it is no such frame, or claims more than `most` bytes.
    """
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if not 0 <= size <= most:
            msg = f"a compressed section claims {size} bytes; at most {most} are allowed"
            raise CorruptFile(msg, section="section", expected=most, found=size)
        data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
    except zstandard.ZstdError as error:
        msg = f"a section cannot be decompressed: {error}"
        raise CorruptFile(msg, section="section") from error
    return data


def promising(sample: IntArray) -> tuple[Codec, ...]:
    """Codecs worth trying on the large pages of a column, judged from a sample of its values.

    Parameters
    ----------
    sample
        Values of the column, shape ``(n_rows,)``, in file order.

    Returns
    -------
    tuple of Codec
        The best one, and those within three per cent of it.
    """
    # From the middle: the beginning of a file is often its least typical part.
    middle = max((len(sample) - _SAMPLE) // 2, 0)
    part = np.ascontiguousarray(sample[middle : middle + _SAMPLE])
    if len(part) <= 1 or part.min() == part.max():
        return ALL_CODECS
    width, base = _width(int(part.min()), int(part.max()))
    narrow = _narrow(part, width, base)
    sizes = {codec: len(_compress(codec, narrow, width)) for codec in ALL_CODECS}
    best = min(sizes.values())
    return tuple(codec for codec in ALL_CODECS if sizes[codec] <= best * _MARGIN)


def _narrow(values: IntArray, width: int, base: int) -> NDArray[np.unsignedinteger]:
    if width == _BITS:
        return np.packbits(values.astype(np.uint8), bitorder="little")
    # Differences wrap around in 64 bits, as the decoder's sums do.
    return (values.view(np.uint64) - np.uint64(base % 2**64)).astype(_WIDTHS[width])


def _width(low: int, high: int) -> tuple[int, int]:
    """Narrowest width code, and the base to subtract (0 where subtracting saves no width)."""
    if low >= 0:
        if high <= 1:
            return _BITS, 0
        plain = next(i for i, w in enumerate(_WIDTHS) if high < 1 << 8 * w.itemsize)
    else:
        plain = len(_WIDTHS)
    span = high - low
    based = next(i for i, w in enumerate(_WIDTHS) if span < 1 << 8 * w.itemsize)
    return (based, low) if based < plain else (plain, 0)


@cache
def _pco_config() -> ChunkConfig:
    return ChunkConfig(compression_level=8)


def _compress(codec: Codec, narrow: NDArray[np.unsignedinteger], width: int) -> bytes:
    if codec == "zstd":
        parameters = zstandard.ZstdCompressionParameters.from_level(
            19,
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=False,
            write_checksum=False,
        )
        return zstandard.ZstdCompressor(compression_params=parameters).compress(narrow.tobytes())
    if codec == "lzma":
        return lzma.compress(narrow.tobytes(), format=lzma.FORMAT_RAW, filters=_LZMA)
    if codec == "raw" or width == _BITS:  # pcodec sees numbers, and packed bits are none
        return narrow.tobytes()
    # pcodec knows no 8-bit numbers worth the name.
    numbers = narrow.astype(np.uint16) if narrow.dtype.itemsize == 1 else narrow
    return bytes(standalone.simple_compress(numbers, _pco_config()))


# What the library says of a frame without a declared size: ZSTD_CONTENTSIZE_UNKNOWN.
_UNDECLARED = 2**64 - 1
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}]


def _decode_pco(payload: bytes, n_rows: int, width: int) -> NDArray[np.unsignedinteger]:
    out = np.empty(n_rows, _WIDTHS[max(width, 1)])
    try:
        progress = standalone.simple_decompress_into(payload, out)
    except (RuntimeError, TypeError, ValueError) as error:
        msg = f"a page cannot be decoded by pcodec: {error}"
        raise CorruptFile(msg, section="page") from error
    if progress.n_processed != n_rows or not progress.finished:
        msg = f"a page holds {progress.n_processed} values instead of {n_rows}"
        raise CorruptFile(msg, section="page", expected=n_rows, found=progress.n_processed)
    return out


def _decompress(number: int, payload: bytes, n_bytes: int) -> bytes:
    if number == _CODEC_NUMBER["raw"]:
        return payload
    try:
        if number == _CODEC_NUMBER["zstd"]:
            # A frame that declares its size is not ours, and the size may be anything.
            if zstandard.get_frame_parameters(payload, zstandard.FORMAT_ZSTD1_MAGICLESS).content_size != _UNDECLARED:
                return b""
            decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
            return decompressor.decompress(payload, max_output_size=max(n_bytes, 1))
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)
        return stream.decompress(payload, max_length=n_bytes)
    except (zstandard.ZstdError, lzma.LZMAError, EOFError) as error:
        msg = f"a page cannot be decompressed: {error}"
        raise CorruptFile(msg, section="page") from error


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return value >> 1 if not value & 1 else -((value + 1) >> 1)


def _in_range(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        msg = f"a page holds the number {value}, which is no 64-bit integer"
        raise CorruptFile(msg, section="page", found=value)
    return value


def write_varint(value: int) -> bytes:
    """LEB128, as in DWARF and protocol buffers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(page: bytes, start: int) -> tuple[int, int]:
    """Read a LEB128 number at `start`; returns it and the position behind it. Raises `CorruptFile`."""
    value = 0
    for i in range(10):
        if start + i >= len(page):
            break
        value |= (page[start + i] & 0x7F) << 7 * i
        if not page[start + i] & 0x80:
            return value, start + i + 1
    msg = "a number in a page does not end"
    raise CorruptFile(msg, section="page", offset=start)
