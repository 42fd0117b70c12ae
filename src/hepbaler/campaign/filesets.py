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

import json
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepbaler.errors import InputError
from hepbaler.reading import is_remote

__all__ = ("PROTOCOL", "File", "Fileset", "files_of", "read_fileset")

PROTOCOL = "hepbaler://"
# What coffea found out about the very file: about its successor it would be wrong.
_OF_THE_FILE = ("uuid", "lfn", "pfn")
# The same of a dataset.
_OF_THE_DATASET = "compressed_form"


def __dir__() -> tuple[str, ...]:
    return __all__


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
        return [path.removeprefix(PROTOCOL) for path in files]

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

    def replaced(self, new: Callable[[File], tuple[str, str | None] | None]) -> dict[str, Any]:
        """The same fileset with other paths.

        Parameters
        ----------
        new
            Gives the new path of a file and its UUID, or None where there is none: the file is left out.

        Returns
        -------
        dict
            Metadata, tree names and steps are kept. What coffea knew about the very file is dropped.
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
                rest = {key: value for key, value in entry.items() if key != _OF_THE_DATASET}
                found[dataset] = rest | {"files": renewed}
            else:
                found[dataset] = renewed
        return found


def _about(old: Any, uuid: str | None) -> Any:
    if not isinstance(old, Mapping):
        return old
    kept = {key: value for key, value in old.items() if key not in _OF_THE_FILE}
    return kept | ({"uuid": uuid} if "uuid" in old and uuid is not None else {})


def read_fileset(source: str | os.PathLike[str] | Mapping[str, Any]) -> Fileset:
    """Read a fileset from a JSON file, or take one that was read.

    Raises
    ------
    InputError
        It cannot be read, or is none.
    """
    if isinstance(source, Mapping):
        return Fileset(source, "the fileset")
    try:
        data = json.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{os.fspath(source)} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{os.fspath(source)} is not JSON: {error}"
        raise InputError(msg) from error
    return Fileset(data, os.fspath(source))


def files_of(paths: Sequence[str]) -> list[File]:
    """Files that were named one by one; each result has its file's own name.

    Raises
    ------
    InputError
        Two results would have the same name.
    """
    files = [File(_absolute(path), _base(path)) for path in paths]
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"several inputs are called {twice[0]}: give them apart, or as datasets of a fileset"
        raise InputError(msg)
    return files


def _absolute(path: str) -> str:
    return path if is_remote(path) or "::" in path else os.path.abspath(path)  # noqa: PTH100 - keeps the tree behind a colon


def _base(path: str) -> str:
    from hepbaler.reading import split_input

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
