"""Trees of several archives, one after the other, with uproot's words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .archive import open_archive
from .errors import InputError
from .libraries import concatenated

if TYPE_CHECKING:
    from .tree import Tree

__all__ = ("Files", "concatenate", "expanded", "iterate", "num_entries", "opened_tree")

Files = str | os.PathLike[str] | Sequence["Files"] | Mapping[Any, str | None]

_SUFFIX = ".hbal"


def __dir__() -> tuple[str, ...]:
    return __all__


def iterate(files: Files, *args: Any, report: bool = False, **options: Any) -> Iterator[Any]:
    """Read trees of several archives in steps, none of them across the border of two archives.

    Parameters
    ----------
    files
        ``"events.root.hbal:Events"``, also with wildcards or as a URL; ``{path: tree}``; a list of these. Where no tree
        is named, the archive must have only one.
    args, options
        As for `hepbaler.tree.Tree.iterate`.
    report
        Yield a `hepbaler.branches.Report` with each step.

    Yields
    ------
    ak.Array or dict
        As `Tree.iterate`.

    Raises
    ------
    InputError
        If there is no such file, or it is not clear which tree is meant.

    Examples
    --------
    >>> for jets in hepbaler.iterate("ttbar_*.root.hbal:Events", "Jet_pt", step_size="50 MB"):  # doctest: +SKIP
    ...     ...
    """
    offset = 0
    for path, name in expanded(files):
        with opened_tree(path, name) as tree:
            for arrays, step in tree.iterate(*args, report=True, **options):
                yield (arrays, replace(step, global_offset=offset)) if report else arrays
            offset += tree.num_entries


def concatenate(files: Files, *args: Any, **options: Any) -> Any:
    """Read trees of several archives as one; parameters as for `iterate` and `hepbaler.tree.Tree.arrays`.

    Raises
    ------
    InputError
        If there is no such file, or it is not clear which tree is meant.
    """
    parts = []
    for path, name in expanded(files):
        with opened_tree(path, name) as tree:
            parts.append(tree.arrays(*args, **options))
    return concatenated(parts)


def num_entries(files: Files) -> Iterator[tuple[str, str, int]]:
    """Path, tree and number of entries of each; parameters as for `iterate`."""
    for path, name in expanded(files):
        with opened_tree(path, name) as tree:
            yield path, tree.object_path, tree.num_entries


def expanded(files: Files) -> list[tuple[str, str | None]]:
    """Path of each archive, and the tree that is named with it; raises `InputError` if there is none."""
    found = list(_expand(files))
    if not found:
        msg = f"no archive matches {files!r}"
        raise InputError(msg)
    return found


def _expand(files: Files) -> Iterator[tuple[str, str | None]]:
    if isinstance(files, Mapping):
        for path, tree in files.items():
            yield from ((one, tree) for one in _matching(os.fspath(path)))
    elif isinstance(files, str):
        path, colon, tree = files.rpartition(f"{_SUFFIX}:")
        yield from (
            ((one, tree) for one in _matching(path + _SUFFIX)) if colon else ((one, None) for one in _matching(files))
        )
    elif isinstance(files, os.PathLike):
        yield from ((one, None) for one in _matching(os.fspath(files)))
    else:
        for item in files:
            yield from _expand(item)


def _matching(path: str) -> list[str]:
    if not any(letter in path for letter in "*?["):
        return [path]
    if "://" in path:
        import fsspec

        return [file.full_name for file in fsspec.open_files(path)]
    folder = Path(path).anchor or "."
    return sorted(str(one) for one in Path(folder).glob(path.removeprefix(Path(path).anchor)))


@contextmanager
def opened_tree(path: str, name: str | None) -> Iterator[Tree]:
    """Open a tree of an archive, the only one where `name` is None; raises `InputError` if that is not clear."""
    with open_archive(path) as archive:
        if name is None:
            if len(archive.trees) != 1:
                held = ", ".join(map(repr, archive.trees)) or "none"
                msg = f"{path} has {len(archive.trees)} trees ({held}); say which one: {path}:TREE"
                raise InputError(msg)
            name = next(iter(archive.trees))
        yield archive[name]
