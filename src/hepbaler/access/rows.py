"""Branches of ROOT files as plain rows of numbers, cluster by cluster."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError
from ..filters import Filter, chooser
from ..layouts import columns_of, flatten
from ..reading import Source, SourceTree, expand_inputs, open_source
from ..table import Branch, Column
from .addresses import archives_of, as_root_file, names_archive

__all__ = ("Cluster", "Feature", "RowReader", "Rows")

Array = NDArray[Any]

# Files that a reader keeps open: clusters of a shuffled data set jump between them.
_MAX_OPEN = 16


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Feature:
    """One number a row.

    Attributes
    ----------
    name
        The branch's name, with ``[i]`` behind it for element i of a fixed-size array.
    branch, column
        Where it comes from.
    element, size
        It is element `element` of arrays of `size`; 0 of 1 for plain numbers.
    """

    name: str
    branch: str
    column: Column
    element: int
    size: int


@dataclass(frozen=True)
class Cluster:
    """A range of entries that is read at once."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class Rows:
    """Rows of some branches, one an entry or one a list element, over several files.

    Attributes
    ----------
    tree
        Path of the tree.
    features
        What a row holds.
    clusters
        All ranges of entries, in the order of the files.
    """

    tree: str
    features: tuple[Feature, ...]
    clusters: tuple[Cluster, ...]

    @classmethod
    def find(
        cls,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        filter_name: Filter,
        step_bytes: int,
    ) -> Rows:
        """Look into the files.

        Parameters
        ----------
        paths
            ROOT files, archives by their paths or ``hepbaler://`` URLs, globs, or ``file.root:tree`` where several trees have
            such branches.
        filter_name
            Branches to take. They must have rows in common.
        step_bytes
            Uncompressed size of a cluster over all branches, in bytes.

        Raises
        ------
        InputError
            If a file cannot be read, or the branches have no rows in common.
        ColumnNotFound
            If no branch is chosen, or a file lacks one.
        """
        patterns = [str(p) for p in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
        tree_path = ""
        features: tuple[Feature, ...] = ()
        clusters: list[Cluster] = []
        for path, wanted in _files(patterns):
            with open_source(path) as source:
                if not features:
                    tree = _chosen_tree(source, chooser(filter_name), wanted)
                    tree_path, features = tree.path, _features(tree, chooser(filter_name))
                tree = _same_tree(source, tree_path, features)
                clusters += [Cluster(path, start, stop) for start, stop in tree.clusters(step_bytes) if stop > start]
        return cls(tree_path, features, tuple(clusters))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)

    def reader(self) -> RowReader:
        """A reader of clusters, to be used as a context manager."""
        return RowReader(self)


class RowReader:
    """Reads clusters, and keeps the files open that it read last.

    Parameters
    ----------
    rows
        What to read.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._names = tuple(dict.fromkeys(feature.branch for feature in rows.features))
        self._open: dict[str, tuple[Source, SourceTree]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1][0].__exit__(None, None, None)

    def read(self, cluster: Cluster) -> dict[str, Array]:
        """Read the rows of one cluster.

        Returns
        -------
        dict
            Values of each feature in its own dtype, shape ``(n_rows,)``. What is missing in the file is NaN.

        Raises
        ------
        InputError
            If the file cannot be read, or lists that should have equal lengths do not.
        """
        tree = self._tree(cluster.path)
        arrays = tree.read(cluster.start, cluster.stop, self._names)
        branches = {branch.name: branch for branch in tree.branches if branch.name in arrays}
        flat = {name: flatten(branches[name].layout, arrays.pop(name)) for name in self._names}
        self._check_lengths(cluster, flat)
        rows = {}
        for feature in self._rows.features:
            own = flat[feature.branch]
            values = _with_missing(branches[feature.branch], feature.column, own)
            rows[feature.name] = values[feature.element :: feature.size]
        return rows

    def _tree(self, path: str) -> SourceTree:
        if path not in self._open:
            if len(self._open) >= _MAX_OPEN:
                oldest = next(iter(self._open))
                self._open.pop(oldest)[0].__exit__(None, None, None)
            source = open_source(path).__enter__()
            self._open[path] = source, _same_tree(source, self._rows.tree, self._rows.features)
        return self._open[path][1]

    def _check_lengths(self, cluster: Cluster, flat: dict[str, dict[str, Array]]) -> None:
        first, *others = self._rows.features
        for feature in others:
            for a, b in zip(_list_keys(first.column), _list_keys(feature.column), strict=True):
                if a != b and not np.array_equal(flat[first.branch][a], flat[feature.branch][b]):
                    msg = (
                        f"{first.branch!r} and {feature.branch!r} have lists of different lengths in entries "
                        f"{cluster.start} to {cluster.stop} of {cluster.path}: take them one by one"
                    )
                    raise InputError(msg)


def _files(patterns: Sequence[str]) -> list[tuple[str, str | None]]:
    """What uproot opens, and the tree that is asked for where the path alone does not say it."""
    out: list[tuple[str, str | None]] = []
    for pattern in patterns:
        if names_archive(pattern):
            out += [(as_root_file(archive), tree) for archive, tree in archives_of(pattern)]
        else:
            out += [(path, None) for path in expand_inputs([pattern])]
    return list(dict.fromkeys(out))


def _chosen_tree(source: Source, means: Any, wanted: str | None) -> SourceTree:
    trees = [tree for tree in source.trees if wanted in (None, tree.path)]
    if not trees:
        msg = f"{source.path} has no tree {wanted!r}; it holds {', '.join(tree.path for tree in source.trees)}"
        raise ColumnNotFound(msg)
    having = [tree for tree in trees if any(means(branch.name) for branch in tree.branches)]
    if len(having) == 1:
        return having[0]
    if not having:
        some = [branch.name for tree in trees for branch in tree.branches][:8]
        msg = f"no branch of {source.path} is chosen; it holds {', '.join(some)} ..."
        raise ColumnNotFound(msg)
    msg = (
        f"the branches are in several trees of {source.path}: {', '.join(tree.path for tree in having)}; "
        f"name one, as in '{_with_tree(source.path, having[0].path)}'"
    )
    raise InputError(msg)


def _with_tree(path: str, tree: str) -> str:
    name, chained, below = path.partition("::")
    return f"{name}:{tree}{chained}{below}"


def _features(tree: SourceTree, means: Any) -> tuple[Feature, ...]:
    features: list[Feature] = []
    for branch in tree.branches:
        if means(branch.name):
            features += _features_of(branch)
    if not features:
        msg = f"the branches chosen of tree {tree.path!r} hold text, not numbers"
        raise InputError(msg)
    by_rows: dict[tuple[Any, ...], Feature] = {}
    for feature in features:
        by_rows.setdefault(_row_steps(feature.column), feature)
    if len(by_rows) > 1:
        one, other, *_ = by_rows.values()
        msg = (
            f"{one.branch!r} and {other.branch!r} have no rows in common: {_rows_text(one.column)}, "
            f"{_rows_text(other.column)}; choose branches of one kind"
        )
        raise InputError(msg)
    return tuple(features)


def _features_of(branch: Branch) -> list[Feature]:
    features = []
    for column in columns_of(branch):
        if column.role != "values":
            continue
        if any(step[0] == "variant" for step in column.parents):
            msg = f"branch {branch.name!r} holds values of several types and has no rows of numbers; leave it out"
            raise InputError(msg)
        trailing = column.parents[len(_row_steps(column)) :]
        shape = tuple(int(step[1]) for step in trailing)
        for i, index in enumerate(np.ndindex(shape)):
            name = column.key + "".join(f"[{j}]" for j in index)
            features.append(Feature(name, branch.name, column, i, math.prod(shape)))
    return features


def _row_steps(column: Column) -> tuple[Any, ...]:
    """The way down to a row, without names: fixed-size arrays at its end belong to the row."""
    steps = [step[0] if step[0] == "list" else step for step in column.parents]
    while steps and steps[-1] != "list":
        steps.pop()
    return tuple(steps)


def _list_keys(column: Column) -> list[str]:
    return [step[1] for step in column.parents if step[0] == "list"]


def _rows_text(column: Column) -> str:
    depth = len(_list_keys(column))
    return ("one an entry", "one an element of a list")[depth] if depth < 2 else f"lists {depth} deep"


def _with_missing(branch: Branch, column: Column, own: dict[str, Array]) -> Array:
    """Values of a column, NaN where an option type says that there is none."""
    values = own[column.key]
    for mask in columns_of(branch):
        above = mask.key.removesuffix("@mask")
        inside = mask.role == "mask" and column.key.startswith(above)
        # A mask above a list has nothing to hide here: a missing list has no elements.
        if inside and _row_steps(mask) == _row_steps(column):
            present = np.repeat(own[mask.key], len(values) // max(len(own[mask.key]), 1))
            values = np.where(present, values, np.nan)
    return values


def _same_tree(source: Source, path: str, features: Sequence[Feature]) -> SourceTree:
    """The tree at `path`, with just the features' columns.

    Raises
    ------
    ColumnNotFound
        If the file lacks it, or a branch.
    InputError
        If a branch has another type than in the first file.
    """
    found = [tree for tree in source.trees if tree.path == path]
    if not found:
        msg = f"{source.path} has no tree {path!r}; it holds {', '.join(tree.path for tree in source.trees)}"
        raise ColumnNotFound(msg)
    branches = {branch.name: branch for branch in found[0].branches}
    for name in dict.fromkeys(feature.branch for feature in features):
        if name not in branches:
            msg = f"tree {path!r} of {source.path} has no branch {name!r}"
            raise ColumnNotFound(msg)
        if _features_of(branches[name]) != [feature for feature in features if feature.branch == name]:
            msg = f"branch {name!r} is {branches[name].typename} in {source.path}, unlike in the first file"
            raise InputError(msg)
    return found[0]
