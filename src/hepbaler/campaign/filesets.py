"""Which files: paths, globs, or a fileset as coffea has them, and where the result of each goes.

A fileset is a JSON object of datasets. All forms that coffea's ``Runner`` and ``preprocess`` take or give are understood:

```
{"ttbar": ["a.root", ...]}
{"ttbar": {"files": ["a.root", ...], "treename": "Events", "metadata": {...}}}
{"ttbar": {"files": {"a.root": "Events"}, "metadata": {...}}}
{"ttbar": {"files": {"a.root": {"object_path": "Events", "steps": [[0, 2500]], "uuid": ...}}, "metadata": {...}}}
```
"""

from __future__ import annotations

import gzip
import json
import os
import posixpath
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepbaler.errors import InputError
from hepbaler.reading import expand_inputs, is_remote, open_source, split_input

__all__ = ("File", "Files", "Fileset", "archive_url", "counterparts", "named_files", "read_fileset")

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, Any]

PROTOCOL = "hepbaler://"
_ARCHIVE = ".hbal"
# What coffea found out about the very file: about its successor it would be wrong.
_OF_THE_FILE = ("uuid", "lfn", "pfn")
# The same of a dataset.
_OF_THE_DATASET = "compressed_form"


def __dir__() -> tuple[str, ...]:
    return __all__


_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class File:
    """One file of many.

    Attributes
    ----------
    path
        Absolute path or URL.
    name
        Relative path of its result, without what the verb appends to it: ``ttbar/events.root``.
    dataset
        Of a fileset; None outside of one.
    """

    path: str
    name: str
    dataset: str | None = None


@dataclass(frozen=True)
class Fileset:
    """A fileset as it was read.

    Attributes
    ----------
    data
        The JSON object.
    name
        For messages.
    """

    data: Mapping[str, Any]
    name: str

    def __post_init__(self) -> None:
        data: object = self.data
        if not isinstance(data, Mapping) or not data:
            msg = f"{self.name} is no fileset: it should be a JSON object of datasets, {{name: files}}"
            raise InputError(msg)
        for dataset in self.data:
            if not self.paths(dataset):
                msg = f"{self.name}: dataset {dataset!r} has no files"
                raise InputError(msg)

    def paths(self, dataset: str) -> list[str]:
        """Paths of a dataset's files as they are written, without ``hepbaler://``.

        Raises
        ------
        InputError
            The dataset has another form.
        """
        entry = self.data[dataset]
        files = entry.get("files") if isinstance(entry, Mapping) else entry
        if isinstance(files, Mapping):
            files = list(files)
        if not isinstance(files, Sequence) or isinstance(files, str) or not all(isinstance(f, str) for f in files):
            msg = f'{self.name}: dataset {dataset!r} should be a list of files, or {{"files": {{path: tree}}}}, not {entry!r:.60}'
            raise InputError(msg)
        return [_behind(path) for path in files]

    def files(self) -> list[File]:
        """All files, dataset by dataset."""
        found = []
        for dataset in self.data:
            folder = dataset.strip("/").replace("/", "_").replace("\\", "_").lstrip(".") or "dataset"
            paths = [_absolute(path) for path in self.paths(dataset)]
            found += [
                File(path, posixpath.join(folder, name), dataset)
                for path, name in zip(paths, _names(paths), strict=True)
            ]
        return found

    def replaced(self, new: Callable[[File], tuple[str, str] | None]) -> dict[str, Any]:
        """The same fileset with other paths.

        Parameters
        ----------
        new
            Gives the new path of a file, and the local file behind it; None where there is none: the file is left out.

        Returns
        -------
        dict
            Metadata, tree names and steps are kept. What coffea knew about the very file is found out again, or dropped.
        """
        found: dict[str, Any] = {}
        files = iter(self.files())
        for dataset, entry in self.data.items():
            old = entry["files"] if isinstance(entry, Mapping) else entry
            mapped: dict[str, Any] = {}
            for path in old:
                successor = new(next(files))
                if successor is not None:
                    about = old[path] if isinstance(old, Mapping) else None
                    mapped[successor[0]] = _about(about, successor[1])
            renewed: Any = mapped if isinstance(old, Mapping) else list(mapped)
            if isinstance(entry, Mapping):
                kept = {key: value for key, value in entry.items() if key != _OF_THE_DATASET}
                found[dataset] = kept | {"files": renewed}
            else:
                found[dataset] = renewed
        return found


def _about(old: Any, file: str) -> Any:
    """What is known about a file, for its successor."""
    if not isinstance(old, Mapping):
        return old
    kept = {key: value for key, value in old.items() if key not in _OF_THE_FILE}
    return kept | ({"uuid": _uuid_of(file)} if "uuid" in old else {})


def _uuid_of(file: str) -> str:
    """UUID of a ROOT file, or of an archive as ``hepbaler://`` shows it."""
    if file.endswith(_ARCHIVE):
        from hepbaler.container import ContainerReader

        with ContainerReader(file) as reader:
            return str(uuid.UUID(bytes=reader.fingerprint))
    with open_source(file) as opened:
        return opened.uuid


def archive_url(path: str) -> str:
    """What uproot and coffea are given for an archive."""
    return PROTOCOL + path


def read_fileset(source: str | os.PathLike[str] | Mapping[str, Any]) -> Fileset:
    """Read a fileset from a JSON file, gzipped or not, or take one that was read.

    coffea's ``DataDiscoveryCLI`` writes them gzipped.

    Raises
    ------
    InputError
        It cannot be read, or is none.
    """
    if isinstance(source, Mapping):
        return Fileset(source, "the fileset")
    try:
        text = Path(source).read_bytes()
        data = json.loads(gzip.decompress(text) if text.startswith(_GZIP) else text)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{os.fspath(source)} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{os.fspath(source)} is not JSON: {error}"
        raise InputError(msg) from error
    return Fileset(data, os.fspath(source))


def named_files(files: Files, suffix: str = "") -> tuple[list[File], Fileset | None]:
    """What a user names.

    Parameters
    ----------
    files
        Paths and globs, directories, or a fileset: a dict, or the path of a JSON file.
    suffix
        Of directories, the files below with this suffix; by default archives and ROOT files.

    Returns
    -------
    files, fileset
        The files in order, and the fileset if it was one. Files of a directory are named by their place in it, others by their own
        names.

    Raises
    ------
    InputError
        There is no file, or two results would have the same name.
    """
    if isinstance(files, Mapping) or (
        isinstance(files, str | os.PathLike) and os.fspath(files).endswith((".json", ".json.gz"))
    ):
        fileset = read_fileset(files)
        return fileset.files(), fileset
    found: list[File] = []
    for item in [files] if isinstance(files, str | os.PathLike) else files:
        path = os.fspath(item)
        if not is_remote(path) and Path(path).is_dir():
            found += _files_below(Path(path), suffix)
        else:
            found += [File(_absolute(one), _base(one)) for one in expand_inputs([_behind(path)])]
    found = list(dict.fromkeys(found))
    if not found:
        msg = "there is no file to work on"
        raise InputError(msg)
    names = [file.name for file in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"several inputs are called {twice[0]}: give them apart, or as datasets of a fileset"
        raise InputError(msg)
    return found, None


def _files_below(folder: Path, suffix: str) -> list[File]:
    suffixes = (suffix,) if suffix else (_ARCHIVE, ".root")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.name.endswith(suffixes) and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        msg = f"the directory {folder} holds no file whose name ends with {' or '.join(suffixes)}"
        raise InputError(msg)
    return [File(str(path.absolute()), path.relative_to(folder).as_posix()) for path in paths]


def counterparts(files: Sequence[File], others: Sequence[File]) -> tuple[list[str | None], list[File]]:
    """For each file the other one of the same name: ``x.root`` and ``x.root.hbal``.

    Parameters
    ----------
    files, others
        Names are compared as they are in directories or filesets; where one side has only base names, these are.

    Returns
    -------
    paths, single
        The other's path, or None, for each of `files`; and the `others` that are nobody's.
    """
    by_name = {_plain_name(file): file for file in others}
    by_base: dict[str, list[File]] = {}
    for file in others:
        by_base.setdefault(posixpath.basename(_plain_name(file)), []).append(file)
    found: list[File | None] = []
    for file in files:
        name = _plain_name(file)
        same = by_base.get(posixpath.basename(name), [])
        # Where both sides have directories, these have to agree.
        flat = "/" not in name or all("/" not in other.name for other in same)
        found.append(by_name.get(name) or (same[0] if len(same) == 1 and flat else None))
    taken = {file for file in found if file is not None}
    return [file.path if file is not None else None for file in found], [file for file in others if file not in taken]


def _plain_name(file: File) -> str:
    return file.name.removesuffix(_ARCHIVE)


def _behind(path: str) -> str:
    """The archive that ``hepbaler://`` shows; other paths as they are."""
    if not path.startswith(PROTOCOL):
        return path
    name, _, target = path.removeprefix(PROTOCOL).partition("::")
    return target or (name if _ARCHIVE in name else name + _ARCHIVE)


def _absolute(path: str) -> str:
    return path if is_remote(path) or "::" in path else os.path.abspath(path)  # noqa: PTH100 - keeps the tree behind a colon


def _base(path: str) -> str:
    return posixpath.basename(split_input(path)[0].rstrip("/").replace(os.sep, "/"))


def _names(paths: Sequence[str]) -> list[str]:
    """Base names, or where two are alike paths below the directory that all have in common."""
    names = [_base(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    parts = [path.replace(os.sep, "/").split("/") for path in paths]
    folders = [steps[:-1] for steps in parts]
    common = next(
        (i for i, steps in enumerate(zip(*folders, strict=False)) if len(set(steps)) > 1), min(map(len, folders))
    )
    return [posixpath.join(*(step for step in steps[common:] if step not in ("", ".", ".."))) for steps in parts]
