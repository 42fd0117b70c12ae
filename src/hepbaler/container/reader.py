"""Reading an archive: two small reads to open it, then only the sections and pages that are asked for.

The file is treated as hostile: lengths are compared with the file's size and with fixed limits before anything is
allocated, and every byte that is handed out has been checked against its checksum.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from hepbaler.container.index import Index, Section, TreePages
from hepbaler.container.layout import (
    FORMAT_MAJOR,
    HEADER_SIZE,
    TRAILER_SIZE,
    Trailer,
    checksum64,
    unpack_frame,
    unpack_header,
)
from hepbaler.container.meta import load_meta, validate_meta
from hepbaler.container.sources import BytesSource, FileSystemSource, LocalSource, open_source
from hepbaler.errors import CorruptFile

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ("ContainerReader", "TreeShape")


def __dir__() -> tuple[str, ...]:
    return __all__


TAIL_SIZE = 2**16
_CHECK_BATCH = 2**24


class TreeShape(NamedTuple):
    """How many clusters a tree has, and how many page slots each of them."""

    n_clusters: int
    n_slots: int


class ContainerReader:
    """Reads an archive.

    Many threads may read through one reader. A reader can be pickled where its source is a path, a URL or bytes:
    the copy opens the source again.

    Parameters
    ----------
    source
        A path, any URL that fsspec understands, the bytes of an archive, or a source that is open already.
    storage_options
        For fsspec.
    features
        The names in the meta's ``required_features`` that the caller understands; others raise
        `UnsupportedFeature`. With None nothing is refused: the caller looks at them.

    Raises
    ------
    FormatError
        Or one of its kinds: the source cannot be read or is no sound archive.

    Examples
    --------
    >>> with ContainerReader("events.root.hbal") as archive:  # doctest: +SKIP
    ...     first, second = archive.pages(0, [(0, 3), (0, 4)])
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BytesSource | LocalSource | FileSystemSource,
        storage_options: Mapping[str, Any] | None = None,
        *,
        features: Collection[str] | None = None,
    ) -> None:
        self._arguments = (source, storage_options, features)
        self._lock = threading.Lock()
        self._requests = 0
        self._source = open_source(source, storage_options)
        try:
            self._open(features)
        except BaseException:
            self._source.close()
            raise

    def _open(self, features: Collection[str] | None) -> None:
        name, size = self.name, self.size
        self._tail_start = max(0, size - TAIL_SIZE)
        if self._tail_start <= HEADER_SIZE:
            self._tail_start = 0
            self._tail = self._request([(0, size)])[0] if size else b""
            header = self._tail[:HEADER_SIZE]
        else:
            header, self._tail = self._request([(0, HEADER_SIZE), (self._tail_start, size)])
        version = unpack_header(header, name)
        self._trailer = trailer = Trailer.unpack(self._tail[-TRAILER_SIZE:], size, name)
        footer = trailer.index_offset
        if footer < self._tail_start:
            self._tail = self._request([(footer, self._tail_start)])[0] + self._tail
            self._tail_start = footer
        stored_index, stored_meta = self._read(
            [(footer, trailer.meta_offset), (trailer.meta_offset, size - TRAILER_SIZE)]
        )
        raw = unpack_frame(
            stored_index, trailer.index_raw_length, trailer.index_checksum, part="index", offset=footer, name=name
        )
        self._index = Index.decode(raw, footer, name)
        raw = unpack_frame(
            stored_meta,
            trailer.meta_raw_length,
            trailer.meta_checksum,
            part="meta",
            offset=trailer.meta_offset,
            name=name,
        )
        self._meta = load_meta(raw, name, offset=trailer.meta_offset)
        validate_meta(self._meta, name, features=features, offset=trailer.meta_offset)
        if self._meta["format_version"] != "{}.{}".format(*version):
            msg = f"{name} is damaged: its header says format version {version[0]}.{version[1]}, its meta {self._meta['format_version']}"
            raise CorruptFile(
                msg,
                section="meta",
                offset=trailer.meta_offset,
                expected="{}.{}".format(*version),
                found=self._meta["format_version"],
            )

    @property
    def name(self) -> str:
        """The path or URL, for messages."""
        return self._source.name

    @property
    def size(self) -> int:
        """The size of the archive, in bytes."""
        return self._source.size

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that follow from the contents, for those who keep what they have read."""
        return struct.pack(">QQ", self._trailer.index_checksum, self._trailer.meta_checksum)

    @property
    def meta(self) -> dict[str, Any]:
        """The META document."""
        return self._meta

    @property
    def section_names(self) -> tuple[str, ...]:
        """In file order."""
        return tuple(self._index.sections)

    @property
    def trees(self) -> tuple[TreeShape, ...]:
        """The shape of each tree."""
        return tuple(TreeShape(tree.n_clusters, tree.n_slots) for tree in self._index.trees)

    @property
    def requests(self) -> int:
        """How many byte ranges the source was asked for so far."""
        return self._requests

    def section(self, name: str) -> bytes:
        """Return a section.

        Raises
        ------
        CorruptFile
            There is none of this name, or its bytes do not fit their checksum.
        """
        section = self._index.sections.get(name)
        if section is None:
            have = ", ".join(self.section_names[:20]) or "none"
            msg = f"{self.name} has no section {name!r}; it has: {have}"
            raise CorruptFile(msg, section=name)
        data = self._read([(section.offset, section.offset + section.length)])[0]
        self._compare(checksum64(data), section)
        return data

    def sizes(self, tree: int) -> NDArray[np.int64]:
        """Return the length of each page of a tree in bytes, 0 where absent; shape (n_clusters, n_slots)."""
        return self._tree(tree).sizes()

    def pages(self, tree: int, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return pages, ``b""`` for those that are absent.

        Parameters
        ----------
        wanted
            (cluster, slot) of each page, in any order. What lies close together is read in one request.

        Raises
        ------
        CorruptFile
            A page does not exist, or its bytes do not fit their checksum.
        """
        pages = self._tree(tree)
        place = np.asarray(wanted, dtype=np.int64).reshape(-1, 2)
        outside = ((place < 0) | (place >= [pages.n_clusters, pages.n_slots])).any(axis=1)
        if outside.any():
            cluster, slot = place[outside][0].tolist()
            msg = (
                f"{self.name} has no page for slot {slot} of cluster {cluster} in tree {tree}: there are "
                f"{pages.n_slots} slots and {pages.n_clusters} clusters"
            )
            raise CorruptFile(msg, section=f"tree:{tree}", expected=(pages.n_clusters, pages.n_slots))
        cells = place[:, 0] * pages.n_slots + place[:, 1]
        at = np.searchsorted(pages.cells, cells)
        present = at < len(pages.cells)
        present[present] = pages.cells[at[present]] == cells[present]
        parcels = np.unique(pages.parcels[at[present]])
        content = dict(zip(parcels.tolist(), self._parcels(tree, parcels), strict=True))
        result = []
        for i, there in zip(at.tolist(), present.tolist(), strict=True):
            if not there:
                result.append(b"")
                continue
            parcel = int(pages.parcels[i])
            start = int(pages.starts[i] - pages.parcel_starts[parcel])
            result.append(bytes(content[parcel][start : start + int(pages.lengths[i])]))
        return result

    def bytes_by_part(self) -> dict[str, int]:
        """Return the bytes of each part; their sum is the size of the file."""
        parts = {"header": HEADER_SIZE}
        parts |= {f"section:{section.name}": section.length for section in self._index.sections.values()}
        parts |= {f"tree:{i}": tree.n_bytes for i, tree in enumerate(self._index.trees)}
        return parts | {
            "index": self._trailer.index_length,
            "meta": self._trailer.meta_length,
            "trailer": TRAILER_SIZE,
        }

    def check(self) -> Iterator[tuple[str, int]]:
        """Read the whole archive and compare every checksum.

        Yields
        ------
        part, n_bytes
            What was found sound, named as in `bytes_by_part`, in pieces of some megabytes.

        Raises
        ------
        CorruptFile
            At the first piece that is damaged.
        """
        # Header, index, meta and trailer were checked when the archive was opened.
        for part, size in self.bytes_by_part().items():
            if ":" not in part:
                yield part, size
        for section in self._index.sections.values():
            self.section(section.name)
            yield f"section:{section.name}", section.length
        for tree, pages in enumerate(self._index.trees):
            batch = 0
            ends = np.cumsum(pages.parcel_stops - pages.parcel_starts)
            while batch < len(ends):
                done = int(ends[batch - 1]) if batch else 0
                stop = max(batch + 1, int(np.searchsorted(ends, done + _CHECK_BATCH, side="right")))
                self._parcels(tree, np.arange(batch, stop))
                yield f"tree:{tree}", int(ends[stop - 1]) - done
                batch = stop

    def close(self) -> None:
        """Close the source. What lies in the tail that was read on opening can still be read."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> tuple[Any, ...]:
        source, storage_options, features = self._arguments
        # A relative path means something else in another working directory.
        if isinstance(source, (bytes, bytearray, memoryview)):
            return (bytes(source), storage_options, features)
        return (self.name, storage_options, features)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        source, storage_options, features = state
        self.__init__(source, storage_options, features=features)  # type: ignore[misc]

    def __repr__(self) -> str:
        return (
            f"<ContainerReader {self.name!r}, format {FORMAT_MAJOR}, {len(self._index.trees)} trees, {self.size} bytes>"
        )

    def _tree(self, tree: int) -> TreePages:
        if not 0 <= tree < len(self._index.trees):
            msg = f"{self.name} has no pages of tree {tree}: it has {len(self._index.trees)} trees"
            raise CorruptFile(msg, section=f"tree:{tree}", expected=len(self._index.trees), found=tree)
        return self._index.trees[tree]

    def _request(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        with self._lock:
            self._requests += len(ranges)
        return self._source.read(ranges)

    def _read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges; what lies in the tail costs no request."""
        far = [(start, stop) for start, stop in ranges if start < self._tail_start and start < stop]
        answers = iter(self._request(far) if far else [])
        return [
            next(answers)
            if start < self._tail_start and start < stop
            else self._tail[start - self._tail_start : stop - self._tail_start]
            for start, stop in ranges
        ]

    def _parcels(self, tree: int, parcels: NDArray[np.int64]) -> list[memoryview]:
        """Read and check parcels, given in ascending order; neighbours and near neighbours in one request."""
        pages = self._index.trees[tree]
        starts, stops = pages.parcel_starts[parcels], pages.parcel_stops[parcels]
        if not len(parcels):
            return []
        apart = np.flatnonzero(starts[1:] - stops[:-1] > self._source.gap) + 1
        first = np.concatenate([[0], apart])
        last = np.concatenate([apart, [len(parcels)]]) - 1
        ranges = list(zip(starts[first].tolist(), stops[last].tolist(), strict=True))
        views = [memoryview(data) for data in self._read(ranges)]
        owner = np.searchsorted(first, np.arange(len(parcels)), side="right") - 1
        result = []
        for parcel, start, stop, i in zip(
            parcels.tolist(), starts.tolist(), stops.tolist(), owner.tolist(), strict=True
        ):
            view = views[i][start - ranges[i][0] : stop - ranges[i][0]]
            found = checksum64(view) & 0xFFFFFFFF
            expected = int(pages.checksums[parcel])
            if found != expected:
                raise self._damaged_parcel(tree, parcel, expected, found)
            result.append(view)
        return result

    def _damaged_parcel(self, tree: int, parcel: int, expected: int, found: int) -> CorruptFile:
        pages = self._index.trees[tree]
        cells = pages.cells[pages.parcels == parcel]
        cluster, first = divmod(int(cells[0]), pages.n_slots)
        last = int(cells[-1]) % pages.n_slots
        slots = f"slot {first}" if first == last else f"slots {first} to {last}"
        offset = int(pages.parcel_starts[parcel])
        msg = (
            f"{self.name} is damaged: the pages of tree {tree}, cluster {cluster}, {slots} at offset {offset} have "
            f"checksum {found:08x}, not {expected:08x}; copy it again"
        )
        return CorruptFile(msg, section=f"tree:{tree}", offset=offset, expected=expected, found=found)

    def _compare(self, found: int, section: Section) -> None:
        if found != section.checksum:
            msg = (
                f"{self.name} is damaged: section {section.name!r} at offset {section.offset} has checksum "
                f"{found:016x}, not {section.checksum:016x}; copy it again"
            )
            raise CorruptFile(msg, section=section.name, offset=section.offset, expected=section.checksum, found=found)
