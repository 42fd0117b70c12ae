"""What a ROOT file holds besides trees: histograms, strings, directories."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import uproot

from hepbaler.reading.failures import attempt, reason_of

__all__ = ("DIRECTORIES", "Left", "ObjectInfo", "classes_inside", "copy_objects", "key_at")

# A class that is named for the first time in a buffer, before an object of it.
_NEW_CLASS = re.compile(rb"\xff\xff\xff\xff([A-Za-z_][A-Za-z0-9_:<>, ]*)\x00")
DIRECTORIES = frozenset({"TDirectory", "TDirectoryFile"})


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ObjectInfo:
    """An object of a ROOT file that is no tree; directories are among them."""

    path: str
    classname: str
    cycle: int
    title: str


@dataclass(frozen=True)
class Left:
    """Something that cannot be carried, and why."""

    name: str
    classname: str
    reason: str


class _Sink(io.BytesIO):
    """Survives being closed by uproot."""

    def close(self) -> None:
        pass


def directory_at(root: Any, path: str) -> Any:
    """Return the directory at a path; uproot itself would look for a tree where a directory's name has a colon."""
    for name in path.split("/") if path else ():
        root = root.key(name).get()
    return root


def key_at(root: Any, path: str, cycle: int | None = None) -> Any:
    """Return the key of an object, by default of its newest cycle."""
    parent, _, name = path.rpartition("/")
    return directory_at(root, parent).key(name if cycle is None else f"{name};{cycle}")


def copy_objects(
    directory: Any, objects: Sequence[ObjectInfo], streamers: Sequence[Any] = ()
) -> tuple[bytes, tuple[Left, ...]]:
    """Copy objects into a small ROOT file in memory, byte for byte where that keeps them whole.

    Objects with references inside count bytes from the start of their key, so a copy is only good under a key of the same
    length; keys beyond the first 2 GB of a file are longer. Such objects are read and written anew.

    Parameters
    ----------
    directory
        The file's root directory (``uproot.ReadOnlyDirectory``).
    objects
        What to copy; directories are made, empty ones too.
    streamers
        What the copy has to describe besides the classes of the objects.

    Returns
    -------
    content, left
        The file's bytes, and the objects that could not be carried.
    """
    sink = _Sink()
    left: dict[str, Left] = {}
    with uproot.recreate(sink) as target:
        made: dict[str, Any] = {"": target}
        for info in objects:
            if info.classname in DIRECTORIES:
                # a directory comes before what is in it
                parent, _, name = info.path.rpartition("/")
                made[info.path] = made[parent].mkdir(name)
        for info in objects:
            if info.classname not in DIRECTORIES:
                done = attempt(lambda info=info: _copy(directory, made, info))  # type: ignore[misc]
                if isinstance(done, Exception):
                    left[info.path] = Left(info.path, info.classname, reason_of(done))
        if streamers:
            target.file.update_streamers(list(streamers))
    content = sink.getvalue()
    wrong = _compare(directory, content, [info for info in objects if info.path not in left])
    if wrong:
        # a second try without those that did not arrive as they were
        left |= {bad.name: bad for bad in wrong}
        content, again = copy_objects(directory, [info for info in objects if info.path not in left], streamers)
        left |= {bad.name: bad for bad in again}
    return content, tuple(left[info.path] for info in objects if info.path in left)


def classes_inside(directory: Any, objects: Sequence[ObjectInfo]) -> list[str]:
    """Names of the classes of which there are objects inside of others, as a histogram has a ``TPaveStats``.

    uproot's copies describe the class of an object, and what that class always has, but nothing that it may have.
    """
    found: dict[str, None] = {}
    for info in objects:
        if info.classname not in DIRECTORIES:
            payload = attempt(lambda info=info: _payload(key_at(directory, info.path, info.cycle)))  # type: ignore[misc]
            # an object that cannot be read is told of when it is copied
            names = () if isinstance(payload, Exception) else _NEW_CLASS.findall(payload)
            found |= dict.fromkeys(name.decode() for name in names)
    return list(found)


def _payload(key: Any) -> bytes:
    chunk, cursor = key.get_uncompressed_chunk_cursor()
    return bytes(chunk.get(cursor.index, cursor.index + key.data_uncompressed_bytes, cursor, {}))


def _copy(source: Any, made: Mapping[str, Any], info: ObjectInfo) -> None:
    parent, _, name = info.path.rpartition("/")
    read_from = directory_at(source, parent)
    write_to = made[parent]
    key = read_from.key(f"{name};{info.cycle}")
    if key.is_64bit:
        write_to[name] = key.get()
        return
    uproot.WritableDirectory.copy_from(_Here(write_to), read_from, filter_name=lambda path: path == name)


class _Here:
    """A directory that is there: uproot's copies make a directory for each object, nameless for those at the top."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory

    def mkdir(self, *_: object, **__: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)


def _compare(directory: Any, content: bytes, objects: Sequence[ObjectInfo]) -> list[Left]:
    wrong = []
    with uproot.open(io.BytesIO(content)) as copied:
        for info in objects:
            if info.classname in DIRECTORIES:
                continue
            same = attempt(lambda info=info: _is_same(directory, copied, info))  # type: ignore[misc]
            if isinstance(same, Exception):
                wrong.append(Left(info.path, info.classname, f"its copy cannot be read: {reason_of(same)}"))
            elif not same:
                wrong.append(Left(info.path, info.classname, "its copy differs from the original"))
    return wrong


def _is_same(original: Any, copied: Any, info: ObjectInfo) -> bool:
    old, new = key_at(original, info.path, info.cycle), key_at(copied, info.path)
    if old.fClassName != new.fClassName:
        return False
    if old.is_64bit:
        # written anew: the bytes may differ, the object has to be readable
        new.get()
        return True
    return bool(old.fKeylen == new.fKeylen and _payload(old) == _payload(new))
