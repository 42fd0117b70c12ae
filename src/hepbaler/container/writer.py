"""Writing an archive: as a stream, into a temporary file, which takes the target's name only when all is on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xxhash

from hepbaler.container.index import (
    MAX_CELLS,
    MAX_PAGE,
    MAX_SECTIONS,
    MAX_SLOTS,
    MAX_TREES,
    Section,
    encode_index,
    is_section_name,
    starts_parcel,
)
from hepbaler.container.layout import (
    FORMAT_VERSION,
    HEADER_SIZE,
    MAX_FRAME,
    TRAILER_SIZE,
    Trailer,
    checksum64,
    pack_frame,
    pack_header,
)
from hepbaler.container.meta import dump_meta
from hepbaler.errors import OutputError
from hepbaler.temporaries import temporary_beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ("ContainerWriter", "check_target")


def __dir__() -> tuple[str, ...]:
    return __all__


_BUFFER = 2**20


@dataclass
class _Tree:
    n_slots: int | None = None
    lengths: list[NDArray[np.uint32]] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    n_bytes: int = 0


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the file that writing to `path` will make, symbolic links followed.

    Worth calling before hours of work, too.

    Raises
    ------
    OutputError
        It exists and `overwrite` is false, is not a regular file, or its directory is missing or not writable.
    """
    text = os.fspath(path)
    if "://" in text:
        msg = f"{text} cannot be written: archives are written to local paths; write it here and copy it there"
        raise OutputError(msg)
    try:
        target = Path(text).resolve()
        directory = target.parent
        if not directory.is_dir():
            msg = f"{text} cannot be written: the directory {directory} does not exist; make it first"
            raise OutputError(msg)
        if target.exists():
            # Renaming onto /dev/null or a pipe would replace it.
            if not stat.S_ISREG(target.stat().st_mode):
                msg = f"{text} cannot be written: it exists and is not a regular file"
                raise OutputError(msg)
            if not overwrite:
                msg = f"{text} exists; use -f/--force (overwrite=True) to replace it"
                raise OutputError(msg)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, OutputError):
            raise
        raise _output_error(text, error) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        msg = f"{text} cannot be written: the directory {directory} is not writable"
        raise OutputError(msg)
    return target


def _output_error(path: object, error: Exception) -> OutputError:
    code = getattr(error, "errno", None)
    reason = {
        errno.ENOSPC: "the disk is full; make room or choose another place with -o",
        errno.EDQUOT: "the quota is used up; make room or choose another place with -o",
    }.get(code or 0, getattr(error, "strerror", None) or str(error))
    msg = f"{path} cannot be written: {reason}"
    result = OutputError(msg)
    result.errno = code
    return result


class ContainerWriter:
    """Writes an archive.

    Sections and clusters go to the file in the order in which they are added; index and meta follow in `finish`.
    Whatever exception leaves the ``with`` block, the temporary file is removed and an old target stays as it was.

    Parameters
    ----------
    path
        A local path. Its directory must exist.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        See `check_target`; while writing, when the disk is full and the like.

    Examples
    --------
    >>> with ContainerWriter("events.root.hbal", overwrite=False) as out:  # doctest: +SKIP
    ...     out.add_section("model/0", b"...")
    ...     out.add_cluster(0, [b"pages", b"of", b"the", b"first", b"cluster"])
    ...     out.finish({"trees": []})
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool) -> None:
        self.path = check_target(path, overwrite=overwrite)
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._fd = -1
        self._buffer = bytearray()
        self._position = 0
        self._pieces: list[int] = []
        self._sections: dict[str, Section] = {}
        self._trees: list[_Tree] = []
        self._footer: dict[str, int] = {}
        self._finished = False

    def __enter__(self) -> Self:
        if self._temporary is not None:
            msg = f"{self.path} is already being written by this writer; make a new one"
            raise OutputError(msg)
        # Known before the file exists, so that an interrupt in between finds it, too.
        self._temporary = temporary_beside(self.path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            self._fd = os.open(self._temporary, flags, 0o666)
            self._write(pack_header())
        except OSError as error:
            self._discard()
            raise error if isinstance(error, OutputError) else _output_error(self.path, error) from error
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._discard()
        if kind is None and not self._finished:
            msg = f"{self.path} was not written: the writer was left without finish(meta)"
            raise OutputError(msg)

    def add_section(self, name: str, data: bytes) -> None:
        """Write a section; `name` is unique, 1 to 255 of ``A-Z a-z 0-9 . _ / @ + -``."""
        self._check_open()
        if not is_section_name(name):
            msg = f"{name!r} cannot name a section: 1 to 255 of A-Z a-z 0-9 . _ / @ + - are allowed"
            raise OutputError(msg)
        if name in self._sections:
            msg = f"the section {name!r} was already written to {self.path}"
            raise OutputError(msg)
        self._limit(len(self._sections) + 1, MAX_SECTIONS, "sections")
        view = memoryview(data).cast("B")
        self._sections[name] = Section(name, self._position, len(view), checksum64(view))
        self._pieces.append(0)
        self._write(view)

    def add_tree(self, tree: int, n_slots: int) -> None:
        """Declare a tree that may stay without clusters. `add_cluster` does it by itself."""
        self._check_open()
        self._limit(tree + 1, MAX_TREES, "trees")
        self._limit(n_slots, MAX_SLOTS, "page slots of a tree")
        while tree >= len(self._trees):
            self._trees.append(_Tree())
        entry = self._trees[tree]
        if entry.n_slots not in (None, n_slots):
            msg = f"tree {tree} has {entry.n_slots} page slots, not {n_slots}"
            raise OutputError(msg)
        entry.n_slots = n_slots

    def add_cluster(self, tree: int, pages: Sequence[bytes]) -> None:
        """Write the next cluster of a tree: a page for each slot, ``b""`` where the page is absent."""
        self.add_tree(tree, len(pages))
        entry = self._trees[tree]
        self._limit(len(pages) * (len(entry.lengths) + 1), MAX_CELLS, "page slots times clusters of a tree")
        views = [memoryview(page).cast("B") for page in pages]
        lengths = np.array([len(view) for view in views], dtype=np.int64)
        self._limit(int(lengths.max(initial=0)), MAX_PAGE, "bytes in a page")
        present = np.flatnonzero(lengths)
        offsets = (np.cumsum(lengths) - lengths)[present]
        first = starts_parcel(np.zeros(len(present), dtype=np.int64), offsets, lengths[present])
        parcel = xxhash.xxh3_64()
        for slot, new in zip(present.tolist(), first.tolist(), strict=True):
            if new and slot != present[0]:
                entry.checksums.append(parcel.intdigest() & 0xFFFFFFFF)
                parcel.reset()
            parcel.update(views[slot])
            self._write(views[slot])
        if len(present):
            entry.checksums.append(parcel.intdigest() & 0xFFFFFFFF)
        entry.lengths.append(lengths.astype(np.uint32))
        entry.n_bytes += int(lengths.sum())
        self._pieces.append(tree + 1)

    def finish(self, meta: Mapping[str, Any]) -> None:
        """Write index and meta, and give the file its name.

        Parameters
        ----------
        meta
            A JSON object. ``format_version`` and, where it is missing, ``writer`` are filled in.

        Raises
        ------
        OutputError
            `meta` is not strict JSON; the disk is full; somebody else made the target in the meantime.
        """
        from importlib.metadata import PackageNotFoundError, version

        self._check_open()
        try:
            installed = version("hepbaler")
        except PackageNotFoundError:
            installed = "unknown"
        document = {
            "writer": {"name": "hepbaler", "version": installed},
            **meta,
            "format_version": FORMAT_VERSION,
        }
        raw_meta = dump_meta(document)
        trees = [(tree.n_slots or 0, tree.lengths, tree.checksums) for tree in self._trees]
        raw_index = encode_index(self._pieces, list(self._sections.values()), trees)
        self._limit(len(raw_index), MAX_FRAME, "bytes in the index")
        index = pack_frame(raw_index, self._position)
        packed = pack_frame(raw_meta, self._position)
        trailer = Trailer(
            self._position,
            len(index),
            len(raw_index),
            checksum64(index),
            len(packed),
            len(raw_meta),
            checksum64(packed),
        )
        self._write(index)
        self._write(packed)
        self._write(trailer.pack())
        self._publish()
        self._footer = {"index": len(index), "meta": len(packed), "trailer": TRAILER_SIZE}

    def bytes_by_part(self) -> dict[str, int]:
        """Return the bytes of each part: ``header``, ``section:<name>``, ``tree:<i>``; after `finish` also
        ``index``, ``meta`` and ``trailer``, and the sum is the file's size.
        """
        parts = {"header": HEADER_SIZE}
        parts |= {f"section:{section.name}": section.length for section in self._sections.values()}
        parts |= {f"tree:{i}": tree.n_bytes for i, tree in enumerate(self._trees)}
        return parts | self._footer

    def _limit(self, value: int, most: int, what: str) -> None:
        if value > most:
            msg = f"{self.path} cannot be written: there are {value} {what}, at most {most} are allowed"
            raise OutputError(msg)

    def _check_open(self) -> None:
        if self._fd < 0:
            msg = f"{self.path} is not open for writing; use the writer in a `with` block, before finish()"
            raise OutputError(msg)

    def _write(self, data: bytes | memoryview) -> None:
        self._position += len(data)
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        try:
            with memoryview(self._buffer) as view:
                done = 0
                while done < len(view):
                    done += os.write(self._fd, view[done:])
        except OSError as error:
            # Part of the buffer may be in the file: nothing more can be written behind it.
            self._discard()
            raise _output_error(self.path, error) from error
        self._buffer = bytearray()

    def _publish(self) -> None:
        self._flush()
        temporary = self._temporary
        try:
            os.fsync(self._fd)
            fd, self._fd = self._fd, -1
            os.close(fd)
            check_target(self.path, overwrite=self._overwrite)
            if temporary is not None:
                temporary.replace(self.path)
        except OSError as error:
            raise error if isinstance(error, OutputError) else _output_error(self.path, error) from error
        self._finished = True
        # The data is safe and in place; some file systems cannot sync a directory, and none needs to fail for it.
        with contextlib.suppress(OSError):
            fd = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _discard(self) -> None:
        fd, self._fd = self._fd, -1
        self._buffer = bytearray()
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
        if self._temporary is not None and not self._finished:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
