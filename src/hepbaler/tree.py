"""A tree of an archive, with the words and meanings of uproot's `TTree`."""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from numpy.typing import NDArray

from .branches import FilterBranch, Report, TreeBranch
from .caching import CachedDecoder, ColumnCache
from .container import ContainerReader
from .decoding import ClusterDecoder, Decoder
from .errors import ColumnNotFound, CorruptFile
from .expressions import compute, symbols
from .filters import Filter, chooser, memory_bytes
from .header import TreeHeader
from .layouts import columns_of, slice_columns, unflatten
from .libraries import How, Library, as_library
from .segments import Segment, SegmentedDecoder, join_headers
from .table import Branch

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("Filter", "Tree")


def __dir__() -> tuple[str, ...]:
    return __all__


class Tree:
    """A tree of an archive. Obtained from ``hepbaler.open(...)[path]``.

    Parameters
    ----------
    segments
        How it is coded; more than one where archives were merged.
    reader
        The container.
    """

    def __init__(self, segments: Sequence[Segment], reader: ContainerReader) -> None:
        self._segments = tuple(segments)
        self._header = header = join_headers([segment.header for segment in segments])
        self._reader = reader
        self._number = segments[0].number
        decoders = [ClusterDecoder(segment.header, reader, segment.number) for segment in segments]
        self._decoder: Decoder = (
            decoders[0]
            if len(decoders) == 1
            else SegmentedDecoder(decoders, [segment.header.n_clusters for segment in segments])
        )
        self._columns: Decoder | CachedDecoder = self._decoder
        self._branches = {branch.name: branch for branch in header.schema.branches}

    @property
    def header(self) -> TreeHeader:
        """How the tree is coded: schema, bounds, models; of a merged tree what all its segments have in common."""
        return self._header

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The parts that were coded each in its own way; one unless archives were merged."""
        return self._segments

    @property
    def decoder(self) -> Decoder:
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

    def keys(
        self,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: FilterBranch = None,
    ) -> list[str]:
        """Names of the branches that all filters let through."""
        by_name, by_type = chooser(filter_name), chooser(filter_typename)
        return [
            name
            for name, branch in self._branches.items()
            if by_name(name)
            and by_type(branch.typename)
            and (filter_branch is None or filter_branch(TreeBranch(self, branch)))
        ]

    def values(self, **filters: Any) -> list[TreeBranch]:
        """Branches; filters as for `keys`."""
        return [self[name] for name in self.keys(**filters)]

    def items(self, **filters: Any) -> list[tuple[str, TreeBranch]]:
        """Names and branches; filters as for `keys`."""
        return [(name, self[name]) for name in self.keys(**filters)]

    def typenames(self, **filters: Any) -> dict[str, str]:
        """C++ type of each branch, as uproot names it; filters as for `keys`."""
        return {name: self._branches[name].typename for name in self.keys(**filters)}

    def show(self, *, stream: TextIO | None = None, **filters: Any) -> None:
        """Write a line for each branch: name, type, title; to the screen or to `stream`."""
        import sys

        rows = [("name", "typename", "title"), *((b.name, b.typename, b.title) for b in self.values(**filters))]
        widths = [max(len(row[i]) for row in rows) for i in range(2)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-----"))
        lines = [f"{name:<{widths[0]}} | {kind:<{widths[1]}} | {title}".rstrip() for name, kind, title in rows]
        (stream or sys.stdout).write("\n".join(lines) + "\n")

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
        cut: str | None = None,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: FilterBranch = None,
        aliases: Mapping[str, str] | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: Library = "ak",
        how: How = None,
    ) -> Any:
        """Read some branches of an entry range, or what is computed from them.

        Parameters
        ----------
        expressions
            Names of branches, or Python expressions of them and numpy's functions; all branches if None.
        cut
            An expression; entries, or elements of lists, where it is not zero are kept.
        filter_name, filter_typename
            Glob (``"Jet_*"``), regular expression (``"/jet_.*/i"``), a list of them, or a function of the name.
        filter_branch
            A function of the `TreeBranch`.
        aliases
            Names for expressions.
        entry_start, entry_stop
            Entry range, as in a slice.
        library
            ``"ak"`` for awkward arrays, ``"np"`` for numpy (of objects where jagged), ``"pd"`` for pandas.
        how
            ``tuple``, ``list``, ``dict``, with awkward ``"zip"``, or None for a record array, a dict, a data frame.

        Returns
        -------
        ak.Array, dict, DataFrame or what `how` asks for
            With uproot's own types.

        Raises
        ------
        ColumnNotFound
            If a branch named in `expressions` or `cut` does not exist.
        """
        asked = self._asked(expressions, filter_name, filter_typename, filter_branch)
        start, stop = self._range(entry_start, entry_stop)
        return self._read(asked, cut, aliases or {}, start, stop, library, how)

    def iterate(
        self,
        expressions: str | Sequence[str] | None = None,
        cut: str | None = None,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: FilterBranch = None,
        aliases: Mapping[str, str] | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        step_size: int | str = "100 MB",
        library: Library = "ak",
        how: How = None,
        report: bool = False,
    ) -> Iterator[Any]:
        """Read in steps of `step_size` entries, or of about so much memory (``"100 MB"``); the rest is as in `arrays`.

        Yields
        ------
        ak.Array or dict
            As `arrays`; with `report` a pair of it and a `Report`.
        """
        asked = self._asked(expressions, filter_name, filter_typename, filter_branch)
        start, stop = self._range(entry_start, entry_stop)
        step = self.num_entries_for(step_size, self._symbols(asked, cut, aliases or {}))
        for first in range(start, stop, step):
            last = min(first + step, stop)
            arrays = self._read(asked, cut, aliases or {}, first, last, library, how)
            yield (arrays, Report(self._reader.name, self.object_path, first, last)) if report else arrays

    def _range(self, entry_start: int | None, entry_stop: int | None) -> tuple[int, int]:
        start, stop, _ = slice(entry_start, entry_stop).indices(self.num_entries)
        return start, max(start, stop)

    def _asked(
        self,
        expressions: str | Sequence[str] | None,
        filter_name: Filter,
        filter_typename: Filter,
        filter_branch: FilterBranch,
    ) -> list[str]:
        chosen = self.keys(filter_name=filter_name, filter_typename=filter_typename, filter_branch=filter_branch)
        if expressions is None:
            return chosen
        asked = [expressions] if isinstance(expressions, str) else list(expressions)
        let_through = set(chosen)
        return [name for name in asked if name in let_through or name not in self._branches]

    def _symbols(self, asked: Sequence[str], cut: str | None, aliases: Mapping[str, str]) -> list[str]:
        """Branches that must be read."""
        wanted = [*asked, *([cut] if cut is not None else [])]
        if all(name in self._branches for name in wanted):
            return list(dict.fromkeys(wanted))
        # a name that is none deserves the names that it resembles
        self._check([name for name in wanted if name.isidentifier() and name not in aliases])
        return symbols(wanted, self._branches, aliases, (self._reader.name, self.object_path))

    def _read(
        self,
        asked: Sequence[str],
        cut: str | None,
        aliases: Mapping[str, str],
        start: int,
        stop: int,
        library: Library,
        how: How,
    ) -> Any:
        arrays = self.branch_arrays(self._symbols(asked, cut, aliases), start, stop)
        index = np.arange(start, stop)
        arrays, kept = compute(arrays, asked, cut, aliases, (self._reader.name, self.object_path))
        if kept is not None:
            index = index[np.asarray(kept)] if kept.ndim == 1 else index
        return as_library(arrays, len(index), library, how, index)

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
                for name in self._asked(expressions, None, None, None)
                for column in columns_of(self._branches[name])
            )
            entries = int(wanted * self.num_entries / total) if total else self.num_entries
            entries = max(entries, 1)
        if entries < 1:
            msg = f"step_size should be at least one entry, not {memory_size!r}"
            raise ValueError(msg)
        return entries

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


def _piece(branch: Branch, columns: dict[str, NDArray[Any]], n: int, first: int, last: int) -> ak.Array:
    own = {column.key: columns[column.key] for column in columns_of(branch)}
    if (first, last) != (0, n):
        own, _ = slice_columns(branch.layout, own, n, first, last)
    return unflatten(branch.layout, own, last - first)
