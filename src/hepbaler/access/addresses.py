"""What archives are called: by their paths, and as ROOT files by ``hepbaler://``. Each name leads to the other."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..manyfiles import Files, expanded

__all__ = ("archives_of", "as_root_file", "names_archive")

_PROTOCOL = "hepbaler://"
_SUFFIX = ".hbal"
_WITH_TREE = re.compile(r"(?P<file>.+\.(?:root(?:\.\d+)?|hbal)):(?P<tree>[^:/][^:]*)")


def __dir__() -> tuple[str, ...]:
    return __all__


def names_archive(path: str) -> bool:
    """Whether the path or URL is that of an archive, or of one as a ROOT file."""
    return path.startswith(_PROTOCOL) or path.endswith(_SUFFIX) or f"{_SUFFIX}:" in path


def archives_of(files: Files) -> list[tuple[str, str | None]]:
    """Path or URL of each archive, and the tree that is named with it.

    Parameters
    ----------
    files
        As for `hepbaler.iterate`, and ``hepbaler://events.root``, ``hepbaler://events.root:Events::URL``; also with wildcards.

    Raises
    ------
    InputError
        If there are none.
    """
    return expanded(_without_protocol(files))


def as_root_file(archive: str) -> str:
    """The URL under which uproot reads an archive."""
    name = archive.rpartition("/")[2].removesuffix(_SUFFIX)
    return f"{_PROTOCOL}{name if '.root' in name else name + '.root'}::{archive}"


def _without_protocol(files: Files) -> Files:
    if isinstance(files, Mapping):
        found = {_archive(os.fspath(path)): tree for path, tree in files.items()}
        return {archive: tree or named for (archive, named), tree in found.items()}
    if isinstance(files, (str, os.PathLike)):
        path = os.fspath(files)
        if not path.startswith(_PROTOCOL):
            return files
        archive, tree = _archive(path)
        return {archive: tree}
    return [_without_protocol(item) for item in files]


def _archive(path: str) -> tuple[str, str | None]:
    """Path of the archive behind a URL, and the tree named in it; what is no such URL stays."""
    if not path.startswith(_PROTOCOL):
        return path, None
    name, chained, below = path.removeprefix(_PROTOCOL).partition("::")
    match = _WITH_TREE.fullmatch(name)
    file, tree = (match["file"], match["tree"]) if match is not None else (name, None)
    if chained:
        inner = _WITH_TREE.fullmatch(below)
        return (inner["file"], tree or inner["tree"]) if inner is not None else (below, tree)
    return file if _SUFFIX in file else file + _SUFFIX, tree
