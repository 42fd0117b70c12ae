"""Histograms, strings, directories and whatever else a file holds besides trees, copied byte for byte."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import uproot

from hepbaler.errors import InputError
from hepbaler.restoring.report import ObjectsReport

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ("DIRECTORIES", "copy_objects")


def __dir__() -> tuple[str, ...]:
    return __all__


DIRECTORIES = ("TDirectory", "TDirectoryFile")


# Keys further on in a file are longer, and references inside an object count bytes from the start of its key.
_LAST_SHORT_KEY = 2_000_000_000


def copy_objects(directory: Any, mini_root: bytes, *, end: int, wanted: Collection[str] | None = None) -> ObjectsReport:
    """Copy all objects of a small ROOT file, the newest cycle of each, and its descriptions of classes.

    Parameters
    ----------
    directory
        ``uproot.WritableDirectory`` that takes them, with their directories, empty ones too.
    mini_root
        The file's bytes.
    end
        Bytes of the target so far.
    wanted
        Paths of what to copy; everything by default.

    Raises
    ------
    InputError
        If `mini_root` is not a ROOT file.
    """
    try:
        source = uproot.open(io.BytesIO(mini_root))
        # uproot's own copies of objects at the top leave a directory without a name behind
        found = {path: str(source.key(path).fClassName) for path in source.keys(cycle=False) if path}
        found = {path: name for path, name in found.items() if wanted is None or path in wanted}
    except (*_FAILURES, OSError) as error:
        msg = f"the objects besides trees ({len(mini_root)} bytes) are not a ROOT file: {error}"
        raise InputError(msg) from error
    missing: dict[str, str] = {}
    with source:
        for path, classname in found.items():
            if classname in DIRECTORIES:
                directory.mkdir(path)
            elif classname == "TTree" or classname.endswith("RNTuple"):
                missing[path] = "trees are written from arrays, not copied"
            elif end + len(mini_root) > _LAST_SHORT_KEY:
                missing[path] = "objects are copied into the first 2 GB of a file; write them before the trees"
        objects = [path for path, classname in found.items() if classname not in DIRECTORIES and path not in missing]
        if _copy(directory, source, objects) is not None:
            # one of them cannot be copied: which?
            done = set(directory.keys(cycle=False))
            for path in objects:
                reason = None if path in done else _copy(directory, source, [path])
                if reason is not None:
                    missing[path] = f"uproot cannot copy it: {reason}"
        _copy_streamers(directory, source)
    return ObjectsReport(
        tuple((path, classname) for path, classname in found.items() if path not in missing),
        tuple((path, found[path], reason) for path, reason in missing.items()),
    )


# What uproot raises for keys and streamers that are absent or odd.
_FAILURES = (
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
    uproot.DeserializationError,
)


def _copy_streamers(directory: Any, source: Any) -> None:
    """Copy the descriptions of classes: branches may need more of them than objects do."""
    try:
        streamers = [one for versions in source.file.streamers.values() for one in versions.values()]
    except (*_FAILURES, OSError):
        # objects are there without it, and branches of classes that nobody describes are written another way
        return
    directory.file.update_streamers(streamers)


def _copy(directory: Any, source: Any, paths: Collection[str]) -> str | None:
    """Copy objects; says why not, if something in `source` is odd. It is read before anything is written."""
    wanted = set(paths)
    if not wanted:
        return None
    try:
        directory.copy_from(source, filter_name=lambda path: path in wanted)
    except _FAILURES as error:
        return str(error)
    except OSError as error:
        if error.errno is not None:  # the system's word about the target; uproot's own about the source has no number
            raise
        return str(error)
    finally:
        # copy_from makes the directory of each object, and for objects at the top one with an empty name
        if "" in directory.keys(recursive=False, cycle=False):
            del directory[""]
    return None
