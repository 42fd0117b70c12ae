"""Histograms, strings, directories and whatever else a file holds besides trees, copied byte for byte."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import uproot

from hepbaler.errors import InputError
from hepbaler.restoring.report import ObjectsReport

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ("copy_objects",)


def __dir__() -> tuple[str, ...]:
    return __all__


_DIRECTORIES = ("TDirectory", "TDirectoryFile")


def copy_objects(directory: Any, mini_root: bytes) -> ObjectsReport:
    """Copy all objects of a small ROOT file; the newest cycle of each.

    Parameters
    ----------
    directory
        ``uproot.WritableDirectory`` that takes them, with their directories, empty ones too.
    mini_root
        The file's bytes.

    Raises
    ------
    InputError
        If `mini_root` is not a ROOT file.
    """
    try:
        source = uproot.open(io.BytesIO(mini_root))
    except (OSError, ValueError, uproot.DeserializationError) as error:
        msg = f"the objects besides trees ({len(mini_root)} bytes) are not a ROOT file: {error}"
        raise InputError(msg) from error
    with source:
        copied: list[tuple[str, str]] = []
        missing: list[tuple[str, str, str]] = []
        objects: list[tuple[str, str]] = []
        for path in dict.fromkeys(source.keys(cycle=False)):
            if not path:
                continue  # uproot's own copies of top-level objects leave a directory without a name behind
            classname = source.key(path).fClassName
            if classname in _DIRECTORIES:
                directory.mkdir(path)
                copied.append((path, classname))
            elif classname == "TTree" or classname.endswith("RNTuple"):
                missing.append((path, classname, "trees are written from arrays, not copied"))
            else:
                objects.append((path, classname))
        try:
            _copy(directory, source, [path for path, _ in objects])
        except _FAILURES:
            for path, classname in objects:
                try:
                    _copy(directory, source, [path])
                except _FAILURES as error:
                    missing.append((path, classname, f"uproot cannot copy it: {error}"))
                else:
                    copied.append((path, classname))
        else:
            copied += objects
    return ObjectsReport(tuple(copied), tuple(missing))


# What uproot raises for streamers that are absent or odd, before it writes anything of the objects.
_FAILURES = (NotImplementedError, ValueError, LookupError, TypeError, AttributeError, uproot.DeserializationError)


def _copy(directory: Any, source: Any, paths: Collection[str]) -> None:
    wanted = set(paths)
    if not wanted:
        return
    try:
        directory.copy_from(source, filter_name=lambda path: path.rpartition(";")[0] in wanted or path in wanted)
    finally:
        # copy_from makes the directory of each object, and for objects at the top one with an empty name
        if "" in directory.keys(recursive=False, cycle=False):
            del directory[""]
