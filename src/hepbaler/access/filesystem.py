"""``hepbaler://``: archives behind an fsspec file system, which uproot reads as if they were ROOT files.

>>> import uproot
>>> uproot.open("hepbaler://events.root::events.root.hbal")["Events"]  # doctest: +SKIP
<TTree 'Events' (112 branches) at 0x7f00c2a5b0d0>

fsspec finds this by its entry point, in worker processes too; nobody needs to import it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from hepbaler.access.virtual import VirtualFile
from hepbaler.archive import Archive
from hepbaler.caching import CACHE_BYTES
from hepbaler.container import ContainerReader, FileSystemSource, LocalSource
from hepbaler.required import FEATURES

__all__ = ("HepbalerFileSystem",)

# Archives that stay open: an analysis comes back to a file for each of its parts.
_MAX_OPEN = 8
_SUFFIX = ".hbal"


def __dir__() -> tuple[str, ...]:
    return __all__


class HepbalerFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Archives as ROOT files, read only.

    ``hepbaler://events.root::URL`` serves the archive at `URL`, whatever the name before the ``::``. Without it,
    ``hepbaler://events.root`` and ``hepbaler://events.root.hbal`` both serve the local ``events.root.hbal``, and
    wildcards are allowed.

    Parameters
    ----------
    fo
        Path of the archive in the file system below; fsspec fills this in from a chained URL.
    target_protocol, target_options
        Of the file system below.
    cache_bytes
        What decoded columns may take in memory; for each archive.

    Raises
    ------
    FormatError
        On reading, if the archive is damaged or cannot be reached.
    """

    protocol = "hepbaler"
    root_marker = ""
    # The archives themselves are kept, and looked at again: they may have been replaced meanwhile.
    cachable = False

    def __init__(
        self,
        fo: str | None = None,
        target_protocol: str | None = None,
        target_options: Mapping[str, Any] | None = None,
        cache_bytes: int = CACHE_BYTES,
        **storage_options: Any,
    ) -> None:
        super().__init__(
            fo=fo,
            target_protocol=target_protocol,
            target_options=target_options,
            cache_bytes=cache_bytes,
            **storage_options,
        )
        self._fo = fo
        self._target_protocol = target_protocol or "file"
        self._target_options = dict(target_options or {})
        self._cache_bytes = cache_bytes
        self._files: dict[str, VirtualFile] = {}
        self._lock = threading.Lock()

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Bytes of a file, or of a range of it."""
        file = self._file(path)
        return file.read([_range(start, end, file.size)])[0]

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> list[Any]:
        """Bytes of many ranges; those of one file are decoded together.

        `max_gap` is not looked at: reading what is between two ranges would mean to decode it. Errors are raised
        unless ``"return"`` is asked for: uproot does not say, and would take an error that is returned for bytes.
        """
        n = len(paths)
        starts = [starts] * n if starts is None or isinstance(starts, int) else list(starts)
        ends = [ends] * n if ends is None or isinstance(ends, int) else list(ends)
        by_path: dict[str, list[int]] = {}
        for i, path in enumerate(paths):
            by_path.setdefault(path, []).append(i)
        out: list[Any] = [b""] * n
        for path, mine in by_path.items():
            try:
                file = self._file(path)
                answers: list[Any] = list(file.read(_range(starts[i], ends[i], file.size) for i in mine))
            except OSError as error:
                if on_error != "return":
                    raise
                answers = [error] * len(mine)
            for i, answer in zip(mine, answers, strict=True):
                out[i] = answer
        return out

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Name, size and type; the size is that of the uncompressed ROOT file."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._file(path).size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """The file itself: there are no directories."""
        info = self.info(path)
        return [info if detail else info["name"]]

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """Local archives that match; a URL behind ``::`` names one archive."""
        if self._fo is not None:
            return super().glob(path, maxdepth=maxdepth, **kwargs)
        fs, pattern = self._target(path)
        found = fs.glob(pattern, maxdepth=maxdepth, **kwargs)
        if _SUFFIX in path:
            return found
        # asked for as ROOT files, and so they are called
        names = [name.removesuffix(_SUFFIX) for name in found]
        return dict(zip(names, found.values(), strict=True)) if isinstance(found, dict) else names

    def unstrip_protocol(self, name: str) -> str:
        """The whole URL, with the archive's own behind ``::``: uproot opens it again."""
        url = f"{self.protocol}://{self._strip_protocol(name)}"
        return url if self._fo is None else f"{url}::{_url(self._target_protocol, self._target_options, self._fo)}"

    def ukey(self, path: str) -> str:
        """Changes when the archive does."""
        return str(_token(*self._target(path)))

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> _VirtualReader:
        if mode != "rb":
            msg = f"{path!r} cannot be opened with mode {mode!r}: hepbaler:// is read only; use hepbaler.compress"
            raise OSError(msg)
        return _VirtualReader(self, path, mode, cache_type="none", size=self._file(path).size)

    def _file(self, path: str) -> VirtualFile:
        name = str(self._strip_protocol(path))
        with self._lock:
            if name not in self._files:
                fs, target = self._target(name)
                self._files[name] = _opened(fs, target, self._cache_bytes)
            return self._files[name]

    def _target(self, path: str) -> tuple[AbstractFileSystem, str]:
        """File system and path of the archive."""
        fs = fsspec.filesystem(self._target_protocol, **self._target_options)
        if self._fo is None:
            name = str(self._strip_protocol(path))
            return fs, str(fs._strip_protocol(name if _SUFFIX in name else name + _SUFFIX))
        return fs, str(fs._strip_protocol(self._fo))


class _VirtualReader(AbstractBufferedFile):  # type: ignore[misc]
    """For those who want a file object."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.cat_file(self.path, start, end))


_open_files: OrderedDict[tuple[Any, ...], VirtualFile] = OrderedDict()
_open_lock = threading.Lock()


def _opened(fs: AbstractFileSystem, path: str, cache_bytes: int) -> VirtualFile:
    """The file of an archive; the same one while the archive stays the same.

    What falls out of the list is closed when the last reader lets go of it.
    """
    key = (*_token(fs, path), cache_bytes)
    with _open_lock:
        if key in _open_files:
            _open_files.move_to_end(key)
            return _open_files[key]
    # Opened outside of the lock: other archives need not wait for this one.
    try:
        source = LocalSource(path) if "file" in _protocols(fs) else FileSystemSource(fs, path)
    except FileNotFoundError as error:
        archive, colon, tree = path.rpartition(f"{_SUFFIX}:")
        if not colon:
            raise
        msg = (
            f"{path} cannot be read: there is no such file; to name a tree, put it behind a name with .root, as in "
            f"hepbaler://events.root:{tree}::{fs.unstrip_protocol(archive + _SUFFIX)}, or say {{url: {tree!r}}}"
        )
        raise FileNotFoundError(msg) from error
    reader = ContainerReader(source, features=FEATURES)
    file = VirtualFile(Archive(reader), cache_bytes)
    with _open_lock:
        file = _open_files.setdefault(key, file)
        while len(_open_files) > _MAX_OPEN:
            _open_files.popitem(last=False)
        return file


def _url(protocol: str, options: Mapping[str, Any], path: str) -> str:
    """The URL, chained where it was, that fsspec took apart."""
    below = options.get("target_protocol")
    if below is not None:
        return f"{protocol}::{_url(below, options.get('target_options') or {}, options.get('fo') or path)}"
    return str(fsspec.filesystem(protocol, **options).unstrip_protocol(path))


def _token(fs: AbstractFileSystem, path: str) -> tuple[Any, ...]:
    """What changes when the archive does."""
    if "file" in _protocols(fs) and Path(path).exists():
        status = Path(path).stat()
        return "file", path, status.st_ino, status.st_size, status.st_mtime_ns
    try:
        return fs._fs_token, path, fs.ukey(path)
    except (NotImplementedError, OSError):
        # Opening it says what is wrong with it.
        return fs._fs_token, path, ""


def _protocols(fs: AbstractFileSystem) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _range(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)
