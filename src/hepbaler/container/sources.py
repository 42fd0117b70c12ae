"""Where the bytes of an archive come from: memory, a local file, or anything that fsspec reaches.

A source gives its `size` and reads byte ranges. Whatever goes wrong is a `FormatError` with the source's name in it.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hepbaler.errors import FormatError, MissingExtra, TruncatedFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("BytesSource", "FileSystemSource", "LocalSource", "MissingSource", "RemoteSource", "Source", "open_source")


def __dir__() -> tuple[str, ...]:
    return __all__


class MissingSource(FormatError, FileNotFoundError):
    """There is no file of this name."""


class Source(Protocol):
    """Random access to bytes.

    Attributes
    ----------
    name
        For messages.
    size
        In bytes.
    gap
        Ranges no further apart than this many bytes are better read as one.
    """

    name: str
    size: int
    gap: int

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range (start, stop), 0 <= start <= stop <= size."""
        ...

    def close(self) -> None:
        """Give back what the source holds; reading afterwards raises `FormatError`."""
        ...


def _short(name: str, start: int, stop: int, found: int) -> TruncatedFile:
    msg = (
        f"{name} gave {found} of {stop - start} bytes at offset {start}: it was cut short or changed while it was read"
    )
    return TruncatedFile(msg)


class BytesSource:
    """Bytes in memory."""

    gap = 0

    def __init__(self, data: bytes) -> None:
        self.name = "<bytes>"
        self.size = len(data)
        self._data = data

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Source.read`."""
        return [self._data[start:stop] for start, stop in ranges]

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class LocalSource:
    """A local file, read at positions: many threads may read at once."""

    gap = 2**16

    def __init__(self, path: str) -> None:
        self.name = path
        self._fd = -1
        self._lock = threading.Lock()
        try:
            # Looked at before it is opened: opening a named pipe would wait for ever.
            regular = stat.S_ISREG(Path(path).stat().st_mode)
        except FileNotFoundError as error:
            msg = f"{path} cannot be read: there is no such file"
            raise MissingSource(msg) from error
        except (OSError, ValueError) as error:
            msg = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise FormatError(msg) from error
        if not regular:
            msg = f"{path} cannot be read: it is not a regular file"
            raise FormatError(msg)
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            self.close()
            msg = f"{path} cannot be read: {error.strerror or error}"
            raise FormatError(msg) from error

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Source.read`."""
        if self._fd < 0:
            msg = f"{self.name} was closed; open it again"
            raise FormatError(msg)
        try:
            return [self._read(start, stop) for start, stop in ranges]
        except FormatError:
            raise
        except OSError as error:
            msg = f"{self.name} cannot be read: {error.strerror or error}"
            raise FormatError(msg) from error

    def _read(self, start: int, stop: int) -> bytes:
        parts = []
        position = start
        while position < stop:
            part = self._read_at(position, stop - position)
            if not part:
                raise _short(self.name, start, stop, position - start)
            parts.append(part)
            position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_at(self, position: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, count, position)
        with self._lock:
            os.lseek(self._fd, position, os.SEEK_SET)
            return os.read(self._fd, count)

    def close(self) -> None:
        """See `Source.close`."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class FileSystemSource:
    """A file of an fsspec file system."""

    # What a wide-area connection carries in the time of a round trip.
    gap = 2**18

    def __init__(self, fs: Any, path: str, name: str | None = None) -> None:
        self.name = fs.unstrip_protocol(path) if name is None else name
        self._closed = False
        self._fs, self._path = fs, path
        try:
            size = fs.size(path)
        # A file system may raise whatever its client library knows, so everything is translated here.
        except Exception as error:
            raise self._error(error) from error
        if not isinstance(size, int):
            msg = (
                f"{self.name} cannot be read in parts: the server does not tell its size; try simplecache::{self.name}"
            )
            raise FormatError(msg)
        self.size = size

    def _error(self, error: Exception) -> FormatError:
        if isinstance(error, FileNotFoundError):
            msg = f"{self.name} cannot be read: there is no such file"
            return MissingSource(msg)
        msg = f"{self.name} cannot be read: {type(error).__name__}: {error}"
        return FormatError(msg)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Source.read`."""
        if self._closed:
            msg = f"{self.name} was closed; open it again"
            raise FormatError(msg)
        if not ranges:
            return []
        starts, stops = zip(*ranges, strict=True)
        try:
            answers = self._fs.cat_ranges([self._path] * len(ranges), list(starts), list(stops), on_error="raise")
        except Exception as error:
            raise self._error(error) from error
        for answer, (start, stop) in zip(answers, ranges, strict=True):
            if isinstance(answer, Exception):
                raise self._error(answer) from answer
            if len(answer) > stop - start:
                msg = (
                    f"{self.name} cannot be read in parts: the server answered {len(answer)} bytes to a request for "
                    f"{stop - start}; try simplecache::{self.name}"
                )
                raise FormatError(msg)
            if len(answer) < stop - start:
                raise _short(self.name, start, stop, len(answer))
        return [bytes(answer) for answer in answers]

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True


class RemoteSource(FileSystemSource):
    """Any URL that fsspec understands, also chained (``simplecache::https://...``)."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        from fsspec.core import url_to_fs

        self.name = url
        try:
            fs, path = url_to_fs(url, **(storage_options or {}))
        except ImportError as error:
            msg = f"{url} cannot be read: {error}"
            raise MissingExtra(msg) from error
        # As above: file systems raise what they like.
        except Exception as error:
            raise self._error(error) from error
        super().__init__(fs, path, url)


def open_source(
    source: str | os.PathLike[str] | bytes | BytesSource | LocalSource | FileSystemSource,
    storage_options: Mapping[str, Any] | None = None,
) -> Source:
    """Open a path, a URL or bytes for reading; a source is taken as it is.

    Raises
    ------
    MissingSource
        It does not exist; also a `FileNotFoundError`.
    FormatError
        It is not a file, or cannot be reached.
    MissingExtra
        fsspec needs a package for this kind of URL that is not installed.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return BytesSource(bytes(source))
    if isinstance(source, (BytesSource, LocalSource, FileSystemSource)):
        return source
    text = os.fspath(source)
    if "://" in text or "::" in text:
        return RemoteSource(text, storage_options)
    return LocalSource(str(Path(text).absolute()))
