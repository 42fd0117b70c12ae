"""A tree of an archive, with the words and meanings of uproot's `TTree`."""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .caching import CachedDecoder, ColumnCache
from .container import ContainerReader
from .decoding import ClusterDecoder
from .errors import ColumnNotFound, CorruptFile
from .filters import Filter, chooser, memory_bytes
from .header import TreeHeader
from .layouts import columns_of, slice_columns, unflatten
from .table import Branch

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("Filter", "Library", "Tree", "TreeBranch")

Library = Literal["ak", "np"]


def __dir__() -> tuple[str, ...]:
    return __all__


class Tree:
    """A tree of an archive. Obtained from ``hepbaler.open(...)[path]``.

    Parameters
    ----------
    header
        How it is coded.
    reader
        The container.
    number
        Its number in the container.
    """

    def __init__(self, header: TreeHeader, reader: ContainerReader, number: int) -> None:
        self._header = header
        self._reader = reader
        self._number = number
        self._decoder = ClusterDecoder(header, reader, number)
        self._columns: ClusterDecoder | CachedDecoder = self._decoder
        self._branches = {branch.name: branch for branch in header.schema.branches}

    @property
    def header(self) -> TreeHeader:
        """How the tree is coded: schema, bounds, models."""
        return self._header

    @property
    def decoder(self) -> ClusterDecoder:
        """What turns its pages into flat columns."""
        return self._decoder

    def cached(self, cache: ColumnCache) -> Tree:
        """The same tree, decoding nothing that `cache` holds. Arrays share the cache's memory, and are not to be changed."""
        tree = copy(self)
        tree._columns = CachedDecoder(self._decoder, cache, self._number)
        return tree

    @property
    def name(self) -> str:
        """Name without its directory."""
        return self.object_path.rpartition("/")[2]

    @property
    def object_path(self) -> str:
        """Directory and name."""
        return self._header.schema.path

    @property
    def title(self) -> str:
        """Title in the ROOT file."""
        return self._header.schema.title

    @property
    def kind(self) -> str:
        """``TTree`` or ``RNTuple``: what it was in the ROOT file."""
        return self._header.schema.kind

    @property
    def num_entries(self) -> int:
        """Number of entries."""
        return self._header.schema.num_entries

    def keys(self, *, filter_name: Filter = None) -> list[str]:
        """Names of the branches that `filter_name` lets through."""
        chosen = chooser(filter_name)
        return [name for name in self._branches if chosen(name)]

    def typenames(self, *, filter_name: Filter = None) -> dict[str, str]:
        """C++ type of each branch, as uproot names it."""
        return {name: self._branches[name].typename for name in self.keys(filter_name=filter_name)}

    def __contains__(self, name: object) -> bool:
        return name in self._branches

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    def __getitem__(self, name: str) -> TreeBranch:
        self._check([name])
        return TreeBranch(self, self._branches[name])

    def common_entry_offsets(self) -> list[int]:
        """Borders of the clusters: the entry ranges that are cheapest to read."""
        return list(self._header.borders)

    def arrays(
        self,
        expressions: str | Sequence[str] | None = None,
        *,
        filter_name: Filter = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: Library = "ak",
    ) -> Any:
        """Read some branches of an entry range.

        Parameters
        ----------
        expressions
            Names of branches; all if None.
        filter_name
            Glob (``"Jet_*"``), regular expression (``"/jet_.*/i"``), a list of them, or a function of the name.
        entry_start, entry_stop
            Entry range, as in a slice.
        library
            ``"ak"`` for one awkward array of records, ``"np"`` for a dict of numpy arrays (of objects where jagged).

        Returns
        -------
        ak.Array or dict
            With uproot's own types.

        Raises
        ------
        ColumnNotFound
            If a branch named in `expressions` does not exist.
        """
        names = self._names(expressions, filter_name)
        start, stop, _ = slice(entry_start, entry_stop).indices(self.num_entries)
        stop = max(start, stop)
        return _as_library(self.branch_arrays(names, start, stop), stop - start, library)

    def iterate(
        self,
        expressions: str | Sequence[str] | None = None,
        *,
        filter_name: Filter = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        step_size: int | str = "100 MB",
        library: Library = "ak",
    ) -> Iterator[Any]:
        """Read in steps of `step_size` entries, or of about so much memory (``"100 MB"``).

        Yields
        ------
        ak.Array or dict
            As `arrays`.
        """
        names = self._names(expressions, filter_name)
        start, stop, _ = slice(entry_start, entry_stop).indices(self.num_entries)
        step = self.num_entries_for(step_size, names)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            yield _as_library(self.branch_arrays(names, first, last), last - first, library)

    def num_entries_for(self, memory_size: int | str, expressions: str | Sequence[str] | None = None) -> int:
        """Number of entries that take about `memory_size` (``"100 kB"``) as arrays; a plain number is returned.

        Raises
        ------
        ValueError
            If the size cannot be understood.
        """
        if isinstance(memory_size, int):
            entries = memory_size
        else:
            wanted = memory_bytes(memory_size)
            itemsize = {c.key: np.dtype(c.dtype).itemsize for c in self._header.schema.columns}
            rows = [sum(row) for row in self._header.rows]
            home = self._header.table_of()
            total = sum(
                rows[home[column.key]] * itemsize[column.key]
                for name in self._names(expressions, None)
                for column in columns_of(self._branches[name])
            )
            entries = int(wanted * self.num_entries / total) if total else self.num_entries
            entries = max(entries, 1)
        if entries < 1:
            msg = f"step_size should be at least one entry, not {memory_size!r}"
            raise ValueError(msg)
        return entries

    def _names(self, expressions: str | Sequence[str] | None, filter_name: Filter) -> list[str]:
        if expressions is None:
            return self.keys(filter_name=filter_name)
        asked = [expressions] if isinstance(expressions, str) else list(expressions)
        self._check(asked)
        chosen = chooser(filter_name)
        return [name for name in asked if chosen(name)]

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._branches:
                near = difflib.get_close_matches(name, self._branches, n=3, cutoff=0.4)
                hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
                msg = f"branch {name!r} not found in {self.object_path!r} of {self._reader.name}{hint}"
                raise ColumnNotFound(msg)

    def branch_arrays(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Arrays of some branches in an entry range that lies in the tree, by name."""
        import awkward as ak

        borders = self._header.borders
        clusters = range(0)
        if start < stop:
            clusters = range(bisect_right(borders, start) - 1, bisect_left(borders, stop))
        keys = [column.key for name in names for column in columns_of(self._branches[name])]
        pieces: dict[str, list[ak.Array]] = {name: [] for name in names}
        empty = (
            {column.key: np.empty(0, column.dtype) for column in self._header.schema.columns} if not clusters else {}
        )
        for cluster in clusters:
            columns = self._columns.columns([cluster], keys)[0]
            self._check_counts(columns, cluster)
            n = borders[cluster + 1] - borders[cluster]
            first, last = max(start - borders[cluster], 0), min(stop - borders[cluster], n)
            for name in names:
                pieces[name].append(_piece(self._branches[name], columns, n, first, last))
        for name in names if empty else ():
            pieces[name].append(unflatten(self._branches[name].layout, empty, 0))
        return {name: parts[0] if len(parts) == 1 else ak.concatenate(parts) for name, parts in pieces.items()}

    def _check_counts(self, columns: dict[str, NDArray[Any]], cluster: int) -> None:
        """Counts of a damaged file must not send a reader beyond the values."""
        for table in self._header.schema.tables:
            if table.kind != "list" or table.counts not in columns:
                continue
            counts = columns[table.counts]
            rows = self._header.rows[table.index][cluster]
            if len(counts) and (counts.min() < 0 or int(counts.sum()) != rows):
                msg = f"counts of {table.name!r} in cluster {cluster} add up to {counts.sum()} instead of {rows}"
                raise CorruptFile(msg, section=f"cluster {cluster}", expected=rows, found=int(counts.sum()))

    def __repr__(self) -> str:
        return f"<Tree {self.object_path!r} ({self.num_entries} entries, {len(self)} branches)>"


class TreeBranch:
    """A branch of a `Tree`. Obtained from ``tree[name]``."""

    def __init__(self, tree: Tree, branch: Branch) -> None:
        self._tree = tree
        self._branch = branch

    @property
    def name(self) -> str:
        """Its name."""
        return self._branch.name

    @property
    def typename(self) -> str:
        """C++ type, as uproot names it."""
        return self._branch.typename

    @property
    def title(self) -> str:
        """Title in the ROOT file."""
        return self._branch.title

    @property
    def num_entries(self) -> int:
        """Number of entries."""
        return self._tree.num_entries

    def array(self, *, entry_start: int | None = None, entry_stop: int | None = None, library: Library = "ak") -> Any:
        """Read this branch alone; parameters as for `Tree.arrays`."""
        arrays = self._tree.arrays(self.name, entry_start=entry_start, entry_stop=entry_stop, library=library)
        return arrays[self.name]

    def __repr__(self) -> str:
        return f"<TreeBranch {self.name!r} ({self.typename})>"


def _piece(branch: Branch, columns: dict[str, NDArray[Any]], n: int, first: int, last: int) -> ak.Array:
    own = {column.key: columns[column.key] for column in columns_of(branch)}
    if (first, last) != (0, n):
        own, _ = slice_columns(branch.layout, own, n, first, last)
    return unflatten(branch.layout, own, last - first)


def _as_library(arrays: dict[str, ak.Array], n: int, library: str) -> Any:
    import awkward as ak

    if library == "ak":
        return ak.Array(ak.contents.RecordArray([a.layout for a in arrays.values()], list(arrays), length=n))
    if library != "np":
        msg = f'library should be "ak" or "np", not {library!r}'
        raise ValueError(msg)
    return {name: _to_numpy(array) for name, array in arrays.items()}


def _to_numpy(array: ak.Array) -> NDArray[Any]:
    import awkward as ak

    layout = array.layout
    if layout.is_numpy or (layout.is_regular and layout.purelist_isregular and not layout.is_record):
        return np.asarray(ak.to_numpy(array))
    out = np.empty(len(array), dtype=object)
    for i, item in enumerate(array):
        out[i] = (
            np.asarray(item)
            if isinstance(item, ak.Array) and item.layout.is_numpy
            else (item.to_list() if isinstance(item, ak.Array | ak.Record) else item)
        )
    return out
