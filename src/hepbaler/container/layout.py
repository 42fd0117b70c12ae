"""The fixed parts of an archive: the header at its beginning and the trailer at its end.

Everything here is described byte by byte in ``docs/format.md``, which is normative.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import xxhash
import zstandard

from hepbaler.errors import CorruptFile, NotHepbalerFile, TruncatedFile, UnsupportedFeature

__all__ = (
    "END_MAGIC",
    "FORMAT_MAJOR",
    "FORMAT_MINOR",
    "FORMAT_VERSION",
    "HEADER_SIZE",
    "MAGIC",
    "MAX_FRAME",
    "TRAILER_SIZE",
    "Trailer",
    "checksum64",
    "frame_limit",
    "pack_frame",
    "pack_header",
    "unpack_frame",
    "unpack_header",
)


def __dir__() -> tuple[str, ...]:
    return __all__


# As PNG's: the high bit catches 7-bit channels, the line ends catch text-mode transfers, 0x1a stops `type`.
MAGIC = b"\x89HBL\r\n\x1a\n"
END_MAGIC = b"\x89HBLEND\n"
FORMAT_MAJOR = 1
FORMAT_MINOR = 0
FORMAT_VERSION = f"{FORMAT_MAJOR}.{FORMAT_MINOR}"

_HEADER = struct.Struct("<8sHHIQQ")
_TRAILER = struct.Struct("<QQQQQQQQ8s")
HEADER_SIZE = _HEADER.size
TRAILER_SIZE = _TRAILER.size

MAX_FRAME = 2**28
_FRAME_FLOOR = 2**20
_FRAME_RATIO = 64
_ZSTD_LEVEL = 19

_SIGNATURES = (
    (b"root", "a ROOT file"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "a zip file (also .npz, torch's .pt)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x93NUMPY", "a .npy file"),
    (b"%PDF", "a PDF"),
    (b"<!DOCTYPE", "a web page (a login or error page instead of the file?)"),
    (b"<html", "a web page (a login or error page instead of the file?)"),
    (b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"),
)


def checksum64(data: bytes | memoryview) -> int:
    """XXH3, 64 bits, seed 0, of `data`."""
    return xxhash.xxh3_64_intdigest(data)


def _looks_like(start: bytes) -> str:
    for signature, name in _SIGNATURES:
        if start[: len(signature)].lower() == signature.lower():
            return name
    if start[:4] == MAGIC[:4]:
        return "an archive whose first bytes were changed (a transfer in text mode?)"
    return "something unknown"


def pack_header(
    major: int = FORMAT_MAJOR, minor: int = FORMAT_MINOR, *, optional_features: int = 0, required_features: int = 0
) -> bytes:
    """Return the header, `HEADER_SIZE` bytes."""
    head = _HEADER.pack(MAGIC, major, minor, optional_features, required_features, 0)[:-8]
    return head + checksum64(head).to_bytes(8, "little")


def unpack_header(data: bytes, name: str) -> tuple[int, int]:
    """Check the first bytes of an archive and return its format version (major, minor).

    Raises
    ------
    NotHepbalerFile, TruncatedFile, CorruptFile, UnsupportedFeature
        In this order, as far as the bytes can be understood.
    """
    if not data:
        msg = f"{name} is not a hepbaler archive: it is an empty file"
        raise NotHepbalerFile(msg)
    start = data[: len(MAGIC)]
    if start != MAGIC[: len(start)]:
        msg = f"{name} is not a hepbaler archive: it looks like {_looks_like(data)}; its first bytes are {start!r}"
        raise NotHepbalerFile(msg)
    if len(data) < HEADER_SIZE:
        msg = (
            f"{name} is cut short: it has {len(data)} bytes, fewer than the {HEADER_SIZE} of the header; copy it again"
        )
        raise TruncatedFile(msg)
    _, major, minor, _, required, stored = _HEADER.unpack_from(data)
    found = checksum64(data[: HEADER_SIZE - 8])
    if found != stored:
        msg = f"{name} is damaged: the header's checksum is {found:016x}, not {stored:016x}; copy it again"
        raise CorruptFile(msg, section="header", offset=0, expected=stored, found=found)
    if major == 0:
        msg = f"{name} is damaged: its format version 0 does not exist"
        raise CorruptFile(msg, section="header", offset=8, expected=FORMAT_MAJOR, found=0)
    if major > FORMAT_MAJOR:
        msg = (
            f"{name} has format version {major}.{minor}; this hepbaler reads up to {FORMAT_MAJOR}.x: "
            "upgrade with `pip install -U hepbaler`"
        )
        raise UnsupportedFeature(msg)
    if required:
        bits = ", ".join(str(bit) for bit in range(64) if required >> bit & 1)
        msg = (
            f"{name} (format version {major}.{minor}) requires feature bit {bits}, unknown to this hepbaler: "
            "upgrade with `pip install -U hepbaler`"
        )
        raise UnsupportedFeature(msg)
    return major, minor


@dataclass(frozen=True)
class Trailer:
    """Where index and meta are: the last `TRAILER_SIZE` bytes of an archive. All lengths are in bytes."""

    index_offset: int
    index_length: int
    index_raw_length: int
    index_checksum: int
    meta_length: int
    meta_raw_length: int
    meta_checksum: int

    @property
    def meta_offset(self) -> int:
        """Where meta begins, counted from the beginning of the file."""
        return self.index_offset + self.index_length

    @property
    def file_size(self) -> int:
        """The size that the file must have."""
        return self.meta_offset + self.meta_length + TRAILER_SIZE

    def pack(self) -> bytes:
        """Return the trailer, `TRAILER_SIZE` bytes."""
        body = _TRAILER.pack(
            self.index_offset,
            self.index_length,
            self.index_raw_length,
            self.index_checksum,
            self.meta_length,
            self.meta_raw_length,
            self.meta_checksum,
            0,
            END_MAGIC,
        )[:-16]
        return body + checksum64(body).to_bytes(8, "little") + END_MAGIC

    @classmethod
    def unpack(cls, data: bytes, size: int, name: str) -> Trailer:
        """Read the trailer from the last `TRAILER_SIZE` bytes of a file of `size` bytes, and check it against `size`.

        Raises
        ------
        TruncatedFile, CorruptFile
        """
        if size < HEADER_SIZE + TRAILER_SIZE or data[-8:] != END_MAGIC:
            msg = (
                f"{name} does not end as a hepbaler archive does: it was cut at {size} bytes, or its end was "
                "overwritten; copy it again"
            )
            raise TruncatedFile(msg)
        *fields, stored, _ = _TRAILER.unpack(data)
        found = checksum64(data[:-16])
        offset = size - TRAILER_SIZE
        if found != stored:
            msg = f"{name} is damaged: the trailer's checksum is {found:016x}, not {stored:016x}; copy it again"
            raise CorruptFile(msg, section="trailer", offset=offset, expected=stored, found=found)
        trailer = cls(*fields)
        if trailer.file_size > size:
            msg = (
                f"{name} is cut short: its trailer speaks of {trailer.file_size} bytes, there are {size}; copy it again"
            )
            raise TruncatedFile(msg)
        if trailer.index_offset < HEADER_SIZE or trailer.file_size < size:
            msg = f"{name} is damaged: its trailer speaks of {trailer.file_size} bytes, there are {size}"
            raise CorruptFile(msg, section="trailer", offset=offset, expected=trailer.file_size, found=size)
        for part, raw, length in (
            ("index", trailer.index_raw_length, trailer.index_length),
            ("meta", trailer.meta_raw_length, trailer.meta_length),
        ):
            limit = frame_limit(size)
            if raw > limit or length > raw:
                msg = (
                    f"{name} is damaged: its {part} claims to unpack from {length} to {raw} bytes, "
                    f"and at most {limit} are allowed in a file of {size} bytes"
                )
                raise CorruptFile(msg, section="trailer", offset=offset, expected=limit, found=raw)
        return trailer


def frame_limit(size: int) -> int:
    """Return how many bytes index or meta may unpack to in a file of `size` bytes.

    A bound relative to the file keeps a tiny hostile file from costing more than a little memory.
    """
    return min(MAX_FRAME, _FRAME_FLOOR + _FRAME_RATIO * size)


def pack_frame(raw: bytes, size: int) -> bytes:
    """Return `raw` as it is stored in a file that has at least `size` other bytes: as zstd where that is smaller.

    What compresses better than a reader would believe (`frame_limit`) is stored as it is.
    """
    packed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(raw)
    if len(packed) >= len(raw) or len(raw) > frame_limit(size + len(packed)):
        return raw
    return packed


def unpack_frame(stored: bytes, raw_length: int, checksum: int, *, part: str, offset: int, name: str) -> bytes:
    """Return the bytes of index or meta, at most `raw_length` of them, after checking them.

    Raises
    ------
    CorruptFile
    """
    found = checksum64(stored)
    if found != checksum:
        msg = f"{name} is damaged: the checksum of its {part} is {found:016x}, not {checksum:016x}; copy it again"
        raise CorruptFile(msg, section=part, offset=offset, expected=checksum, found=found)
    if len(stored) == raw_length:
        return stored
    try:
        # The decompressor allocates what the frame declares, so that is looked at first.
        declared = zstandard.get_frame_parameters(stored).content_size
        if declared != raw_length:
            msg = f"{name} is damaged: its {part} declares {declared} bytes in its zstd frame and {raw_length} in the trailer"
            raise CorruptFile(msg, section=part, offset=offset, expected=raw_length, found=declared)
        raw = zstandard.ZstdDecompressor().decompress(stored, max_output_size=raw_length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        msg = f"{name} is damaged: its {part} is no zstd frame ({error})"
        raise CorruptFile(msg, section=part, offset=offset) from error
    if len(raw) != raw_length:
        msg = f"{name} is damaged: its {part} unpacks to {len(raw)} bytes, not {raw_length}"
        raise CorruptFile(msg, section=part, offset=offset, expected=raw_length, found=len(raw))
    return raw
