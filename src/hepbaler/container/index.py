"""The index: where each section and each page of an archive lies, and its checksum.

Offsets are not stored. The index lists the pieces of the file (sections, clusters) in file order with their lengths,
so that they tile the file by construction; all that is left to check is that they end where the index begins.

Thousands of tiny pages are common, so neighbouring small pages of a cluster share one checksum: a *parcel*.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hepbaler.container.layout import HEADER_SIZE
from hepbaler.errors import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = (
    "MAX_CELLS",
    "MAX_NAME",
    "MAX_PAGE",
    "MAX_SECTIONS",
    "MAX_SLOTS",
    "MAX_TREES",
    "PARCEL_SIZE",
    "Index",
    "Section",
    "TreePages",
    "encode_index",
    "is_section_name",
    "starts_parcel",
)


def __dir__() -> tuple[str, ...]:
    return __all__


PARCEL_SIZE = 4096
MAX_PAGE = 2**32 - 1
MAX_TREES = 2**16
MAX_SLOTS = 2**20
MAX_CELLS = 2**25
MAX_SECTIONS = 2**16
MAX_NAME = 255

_NAME = re.compile(r"[A-Za-z0-9._/@+-]{1,255}")
_HEAD = struct.Struct("<III")
_TREE = struct.Struct("<II")
_SECTION = struct.Struct("<QQ")

IntArray = NDArray[np.int64]


def is_section_name(name: str) -> bool:
    """Return whether `name` may name a section: 1 to 255 of ``A-Z a-z 0-9 . _ / @ + -``."""
    return _NAME.fullmatch(name) is not None


def starts_parcel(cluster: IntArray, offset: IntArray, length: IntArray) -> NDArray[np.bool_]:
    """Return where in a sequence of pages a new parcel begins; shape (n_pages,).

    Parameters
    ----------
    cluster, offset, length
        Of each page that is not absent, in file order: its cluster, its first byte counted from the beginning of the
        cluster, and its length, in bytes; shape (n_pages,) each.

    A parcel holds the pages that begin in the same `PARCEL_SIZE` bytes of their cluster; a page of `PARCEL_SIZE` bytes
    or more is a parcel of its own, so that nobody reads a large page for the sake of a small neighbour.
    """
    block = offset // PARCEL_SIZE
    large = length >= PARCEL_SIZE
    first = np.ones(len(length), dtype=np.bool_)
    first[1:] = (cluster[1:] != cluster[:-1]) | (block[1:] != block[:-1]) | large[1:] | large[:-1]
    return first


@dataclass(frozen=True)
class Section:
    """A named run of bytes. `offset` counts from the beginning of the file; `checksum` is XXH3-64."""

    name: str
    offset: int
    length: int
    checksum: int


@dataclass(frozen=True, eq=False)
class TreePages:
    """The pages of a tree, those that are not absent, in file order.

    Attributes
    ----------
    cells
        ``cluster * n_slots + slot`` of each page, ascending; shape (n_pages,).
    starts, lengths
        Offset in the file and length of each page, in bytes; shape (n_pages,).
    parcels
        The parcel of each page; shape (n_pages,), ascending.
    parcel_starts, parcel_stops, checksums
        Offsets of each parcel in the file and the low 32 bits of its XXH3-64; shape (n_parcels,).
    """

    n_clusters: int
    n_slots: int
    cells: IntArray
    starts: IntArray
    lengths: IntArray
    parcels: IntArray
    parcel_starts: IntArray
    parcel_stops: IntArray
    checksums: IntArray

    @property
    def n_bytes(self) -> int:
        """The bytes of all pages."""
        return int(self.lengths.sum())

    def sizes(self) -> IntArray:
        """Return the length of every page, 0 where absent; shape (n_clusters, n_slots)."""
        sizes = np.zeros(self.n_clusters * self.n_slots, dtype=np.int64)
        sizes[self.cells] = self.lengths
        return sizes.reshape(self.n_clusters, self.n_slots)


def encode_index(
    pieces: Sequence[int],
    sections: Sequence[Section],
    trees: Sequence[tuple[int, Sequence[NDArray[np.uint32]], Sequence[int]]],
) -> bytes:
    """Return the index, not yet compressed.

    Parameters
    ----------
    pieces
        In file order: 0 for the next section, ``t + 1`` for the next cluster of tree t.
    sections
        In file order.
    trees
        Of each tree: the number of slots; of each of its clusters the page lengths in bytes, shape (n_slots,); and the
        checksums of its parcels.
    """
    out = [_HEAD.pack(len(trees), len(sections), len(pieces))]
    out += [_TREE.pack(n_slots, len(lengths)) for n_slots, lengths, _ in trees]
    out.append(np.asarray(pieces, dtype="<u4").tobytes())
    for section in sections:
        name = section.name.encode("ascii")
        out += [bytes([len(name)]), name, _SECTION.pack(section.length, section.checksum)]
    for n_slots, lengths, checksums in trees:
        table = np.asarray(lengths, dtype="<u4").reshape(len(lengths), n_slots)
        occupied = table.any(axis=0)
        # Slot after slot, and all low bytes first: what is alike lies together for zstd.
        planes = np.ascontiguousarray(table[:, occupied].T).view(np.uint8).reshape(-1, 4).T
        out += [
            np.packbits(occupied, bitorder="little").tobytes(),
            planes.tobytes(),
            np.asarray(checksums, dtype="<u4").tobytes(),
        ]
    return b"".join(out)


class _Cursor:
    """Takes bytes from the index one field after the other, never more than there are.

    `offset` is where the index lies in the file, for errors.
    """

    def __init__(self, raw: bytes, offset: int, name: str) -> None:
        self.raw = memoryview(raw)
        self.position = 0
        self.offset = offset
        self.name = name

    def take(self, count: int, what: str) -> memoryview:
        left = len(self.raw) - self.position
        if count > left:
            msg = f"its {what} needs {count} bytes where {left} are left"
            raise self.error(msg, expected=count, found=left)
        self.position += count
        return self.raw[self.position - count : self.position]

    def error(self, reason: str, *, expected: object = None, found: object = None) -> CorruptFile:
        msg = f"{self.name} is damaged: in the index, at byte {self.position} of it, {reason}"
        return CorruptFile(msg, section="index", offset=self.offset, expected=expected, found=found)

    def limit(self, value: int, most: int, what: str) -> None:
        if value > most:
            msg = f"there are {value} {what}, at most {most} are allowed"
            raise self.error(msg, expected=most, found=value)


@dataclass(frozen=True, eq=False)
class Index:
    """Sections and trees of an archive, with their places in the file."""

    sections: dict[str, Section]
    trees: tuple[TreePages, ...]

    @classmethod
    def decode(cls, raw: bytes, end: int, name: str) -> Index:
        """Read an index; `end` is the offset in the file at which sections and pages must end.

        Raises
        ------
        CorruptFile
            Also when the pieces leave a hole before `end` or reach beyond it.
        """
        cursor = _Cursor(raw, end, name)
        n_trees, n_sections, n_pieces = _HEAD.unpack(cursor.take(_HEAD.size, "head"))
        cursor.limit(n_trees, MAX_TREES, "trees")
        cursor.limit(n_sections, MAX_SECTIONS, "sections")
        shapes = list(_TREE.iter_unpack(cursor.take(_TREE.size * n_trees, "list of trees")))
        for n_slots, n_clusters in shapes:
            cursor.limit(n_slots, MAX_SLOTS, "page slots of a tree")
            cursor.limit(n_slots * n_clusters, MAX_CELLS, "page slots times clusters of a tree")
        pieces = np.frombuffer(cursor.take(4 * n_pieces, "list of pieces"), dtype="<u4").astype(np.int64)
        if n_pieces and int(pieces.max()) > n_trees:
            msg = f"a piece belongs to tree {int(pieces.max()) - 1} of {n_trees}"
            raise cursor.error(msg, expected=n_trees)
        counts = np.bincount(pieces, minlength=n_trees + 1)
        if counts.tolist() != [n_sections, *(n_clusters for _, n_clusters in shapes)]:
            msg = "the list of pieces does not agree with the number of sections and clusters"
            raise cursor.error(msg)
        entries = [_section_entry(cursor, end) for _ in range(n_sections)]
        if len({entry[0] for entry in entries}) != n_sections:
            msg = "a section's name appears twice"
            raise cursor.error(msg)
        tables = [_lengths(cursor, n_slots, n_clusters) for n_slots, n_clusters in shapes]
        if cursor.position != len(raw):
            msg = f"{len(raw) - cursor.position} bytes too many follow"
            raise cursor.error(msg, found=len(raw))

        # Pieces of a kind come in order, so a stable sort by kind hands each kind its offsets.
        order = np.argsort(pieces, kind="stable")
        by_kind = np.concatenate([np.array([e[1] for e in entries], dtype=np.int64), *(t.per_cluster for t in tables)])
        total = sum(by_kind.tolist())
        if HEADER_SIZE + total != end:
            msg = (
                f"{name} is damaged: sections and pages of {total} bytes do not fill the {end - HEADER_SIZE} bytes "
                "between header and index"
            )
            raise CorruptFile(msg, section="index", offset=HEADER_SIZE, expected=end - HEADER_SIZE, found=total)
        in_file = np.empty(n_pieces, dtype=np.int64)
        in_file[order] = by_kind
        in_file = HEADER_SIZE + np.cumsum(in_file) - in_file
        offsets = np.split(in_file[order], np.cumsum(counts)[:-1])
        sections = {
            entry[0]: Section(entry[0], int(offset), entry[1], entry[2])
            for entry, offset in zip(entries, offsets[0], strict=True)
        }
        return cls(sections, tuple(table.at(offset) for table, offset in zip(tables, offsets[1:], strict=True)))


def _section_entry(cursor: _Cursor, end: int) -> tuple[str, int, int]:
    size = cursor.take(1, "section name")[0]
    text = bytes(cursor.take(size, "section name")).decode("latin-1")
    if not is_section_name(text):
        msg = f"{text!r} is no section name"
        raise cursor.error(msg, found=text)
    length, checksum = _SECTION.unpack(cursor.take(_SECTION.size, "section"))
    cursor.limit(length, end, f"bytes in section {text!r}")
    return text, length, checksum


@dataclass(frozen=True, eq=False)
class _Lengths:
    """The page lengths of a tree before the places of its clusters are known; shapes as in `TreePages`.

    `first` marks the pages that begin a parcel; `per_cluster` has the bytes of each cluster, shape (n_clusters,).
    """

    n_clusters: int
    n_slots: int
    cells: IntArray
    lengths: IntArray
    in_cluster: IntArray
    first: NDArray[np.bool_]
    checksums: IntArray
    per_cluster: IntArray

    def at(self, offsets: IntArray) -> TreePages:
        """Return the pages with their places; `offsets` of the clusters in the file, shape (n_clusters,)."""
        starts = offsets[self.cells // max(self.n_slots, 1)] + self.in_cluster
        stops = starts + self.lengths
        last = np.roll(self.first, -1)
        return TreePages(
            self.n_clusters,
            self.n_slots,
            self.cells,
            starts,
            self.lengths,
            np.cumsum(self.first) - 1,
            starts[self.first],
            stops[last],
            self.checksums,
        )


def _lengths(cursor: _Cursor, n_slots: int, n_clusters: int) -> _Lengths:
    bits = np.frombuffer(cursor.take((n_slots + 7) // 8, "occupied slots"), dtype=np.uint8)
    unpacked = np.unpackbits(bits, bitorder="little")
    if unpacked[n_slots:].any():
        msg = "a slot that does not exist is marked as occupied"
        raise cursor.error(msg)
    occupied = np.flatnonzero(unpacked[:n_slots])
    n_cells = len(occupied) * n_clusters
    planes = np.frombuffer(cursor.take(4 * n_cells, "page lengths"), dtype=np.uint8).reshape(4, n_cells)
    by_slot = np.ascontiguousarray(planes.T).view("<u4").reshape(len(occupied), n_clusters)
    if not by_slot.any(axis=1).all():
        msg = "a slot is marked as occupied and has no page"
        raise cursor.error(msg)
    table = by_slot.T.astype(np.int64)
    cluster, rank = np.nonzero(table)
    lengths = table[cluster, rank]
    in_cluster = (np.cumsum(table, axis=1) - table)[cluster, rank]
    first = starts_parcel(cluster, in_cluster, lengths)
    checksums = np.frombuffer(cursor.take(4 * int(first.sum()), "checksums of pages"), dtype="<u4").astype(np.int64)
    cells = cluster * n_slots + occupied[rank]
    return _Lengths(n_clusters, n_slots, cells, lengths, in_cluster, first, checksums, table.sum(axis=1))
