"""Archives as dask-awkward arrays: a partition is a few clusters, and only the branches that are used are decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hepbaler._optional import need

need("dask_awkward", extra="dask-awkward")  # says how to get it, which the next line would not

import awkward as ak
import dask_awkward
from dask_awkward.lib.io.columnar import ColumnProjectionMixin

from hepbaler.archive import open_archive
from hepbaler.errors import InputError
from hepbaler.filters import Filter

if TYPE_CHECKING:
    import os

__all__ = ("dask",)

Part = tuple[str, int, int]


def __dir__() -> tuple[str, ...]:
    return __all__


def dask(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    tree: str = "Events",
    *,
    filter_name: Filter = None,
    clusters_per_partition: int = 1,
    **storage_options: Any,
) -> Any:
    """A lazy array over one or more archives.

    Parameters
    ----------
    paths
        Archives: paths or URLs, entries one after the other.
    tree
        Which tree of each.
    filter_name
        Which branches, as in `Tree.keys`; all by default.
    clusters_per_partition
        Size of a partition. No partition is in two archives.
    storage_options
        Given to fsspec.

    Returns
    -------
    dask_awkward.Array
        With uproot's types. What is sent to workers is names and entry ranges, not data.

    Raises
    ------
    InputError
        If there is no archive, or the branches of two archives differ.
    FormatError
        If an archive is damaged.
    """
    names = [str(paths)] if isinstance(paths, str) or not isinstance(paths, Sequence) else [str(path) for path in paths]
    if not names:
        msg = "no archive was given"
        raise InputError(msg)
    if clusters_per_partition < 1:
        msg = f"a partition has at least one cluster, not {clusters_per_partition}"
        raise InputError(msg)
    parts: list[Part] = []
    form: Any = None
    for name in names:
        with open_archive(name, **storage_options) as archive:
            one = archive[tree]
            this = one.arrays(filter_name=filter_name, entry_stop=0).layout.form
            if form is not None and this != form:
                msg = f"the branches of {tree!r} in {name} are not those in {names[0]}; name the common ones by filter_name"
                raise InputError(msg)
            form = this
            borders = one.common_entry_offsets()
            edges = [*borders[:-1:clusters_per_partition], borders[-1]]
            parts += [(name, start, stop) for start, stop in pairwise(edges)] or [(name, 0, 0)]
    reader = _Reader(tree, form, tuple(form.fields), storage_options)
    return dask_awkward.from_map(reader, parts, label="hepbaler")


@dataclass(frozen=True)
class _Reader(ColumnProjectionMixin):  # type: ignore[misc]
    """Reads a partition; dask-awkward narrows `branches` to what a graph uses."""

    tree: str
    form: Any
    branches: tuple[str, ...]
    storage_options: Mapping[str, Any]
    behavior: None = None
    attrs: None = None

    @property
    def use_optimization(self) -> bool:
        return True

    def project_columns(self, columns: Sequence[str]) -> _Reader:
        used = {column.partition(".")[0] for column in columns}
        branches = tuple(name for name in self.branches if name in used)
        return replace(self, branches=branches, form=self.form.select_columns(list(branches)))

    def __call__(self, part: Part) -> ak.Array:
        path, start, stop = part
        with open_archive(path, **self.storage_options) as archive:
            return archive[self.tree].arrays(list(self.branches), entry_start=start, entry_stop=stop)
