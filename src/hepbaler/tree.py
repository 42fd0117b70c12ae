"""A tree of an archive, with the words and meanings of uproot's `TTree`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .branches import AccessLog, FilterBranch, Report
from .caching import CachedDecoder, ColumnCache
from .container import ContainerReader
from .decoding import ClusterDecoder, Decoder, PageSource
from .entries import EntryReader
from .expressions import compute, symbols
from .filters import Filter, memory_bytes
from .header import TreeHeader
from .layouts import columns_of, unflatten
from .lazyarrays import lazy_array
from .libraries import How, Library, as_library
from .listing import BranchListing, BranchNames
from .segments import Segment, SegmentedDecoder, join_headers

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("Filter", "Tree")


def __dir__() -> tuple[str, ...]:
    return __all__


class Tree(BranchListing):
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
        self._header = join_headers([segment.header for segment in segments])
        self._reader = reader
        self._number = segments[0].number
        self._decoder = self._decoding(reader)
        self._columns: Decoder | CachedDecoder = self._decoder
        super().__init__(BranchNames(self._header.schema.branches, (reader.name, self.object_path)))

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

    def reading_from(self, source: PageSource) -> Tree:
        """The same tree, its pages taken from `source`, which stands between it and the archive."""
        tree = copy(self)
        tree._columns = tree._decoder = self._decoding(source)
        return tree

    def _decoding(self, source: PageSource) -> Decoder:
        decoders = [ClusterDecoder(segment.header, source, segment.number) for segment in self._segments]
        if len(decoders) == 1:
            return decoders[0]
        return SegmentedDecoder(decoders, [segment.header.n_clusters for segment in self._segments])

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

    @property
    def compressed_bytes(self) -> int:
        """Bytes of its pages in the archive; models, which columns share, are not among them."""
        return sum(int(self._reader.sizes(segment.number).sum()) for segment in self._segments)

    @property
    def uncompressed_bytes(self) -> int:
        """Bytes of its columns as plain arrays."""
        return self.bytes_as_arrays(self)

    @property
    def compression_ratio(self) -> float:
        """`uncompressed_bytes` over `compressed_bytes`."""
        return self.uncompressed_bytes / max(self.compressed_bytes, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive."""
        self._reader.close()

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
        filter_field: FilterBranch = None,
        aliases: Mapping[str, str] | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: Library = "ak",
        how: How = None,
        virtual: bool = False,
        access_log: AccessLog | None = None,
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
        filter_field
            The same by the name that uproot has for it in RNTuples.
        aliases
            Names for expressions.
        entry_start, entry_stop
            Entry range, as in a slice.
        library
            ``"ak"`` for awkward arrays, ``"np"`` for numpy (of objects where jagged), ``"pd"`` for pandas.
        how
            ``tuple``, ``list``, ``dict``, with awkward ``"zip"``, or None for a record array, a dict, a data frame.
        virtual
            Decode nothing until it is touched. The archive must stay open as long as the array is used. Which branches
            is said by the filters; expressions, cuts, other libraries and groupings have to look at all of the values.
        access_log
            A list to which a virtual array adds an `hepbaler.branches.Accessed` for each buffer that is decoded.

        Returns
        -------
        ak.Array, dict, DataFrame or what `how` asks for
            With uproot's own types.

        Raises
        ------
        ColumnNotFound
            If a branch named in `expressions` or `cut` does not exist.
        ValueError
            If `virtual` or `access_log` is given with what it cannot be combined with.
        """
        start, stop = self._range(entry_start, entry_stop)
        if virtual:
            looking = {"expressions": expressions, "cut": cut, "aliases": aliases, "how": how}
            _refuse_with_virtual({name for name, given in looking.items() if given is not None}, library)
            names = self._asked(None, filter_name, filter_typename, filter_branch or filter_field)
            # buffers are asked for one by one, and those of a model's columns have much in common
            columns = self._columns if self._columns is not self._decoder else self.cached(ColumnCache())._columns
            branches = [self._branches[name] for name in names]
            return lazy_array(branches, EntryReader(self._header, columns), start, stop, access_log)
        if access_log is not None:
            msg = "access_log tells which branches of virtual arrays are touched; use it with virtual=True"
            raise ValueError(msg)
        asked = self._asked(expressions, filter_name, filter_typename, filter_branch or filter_field)
        return self._read(_Question(asked, cut, aliases or {}, library, how), start, stop)

    def iterate(
        self,
        expressions: str | Sequence[str] | None = None,
        cut: str | None = None,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: FilterBranch = None,
        filter_field: FilterBranch = None,
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
        asked = self._asked(expressions, filter_name, filter_typename, filter_branch or filter_field)
        question = _Question(asked, cut, aliases or {}, library, how)
        start, stop = self._range(entry_start, entry_stop)
        step = self.num_entries_for(step_size, self._symbols(question))
        for first in range(start, stop, step):
            last = min(first + step, stop)
            arrays = self._read(question, first, last)
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
        return [name for name in asked if name not in self._branches or self._branches[name].name in let_through]

    def _symbols(self, question: _Question) -> list[str]:
        """Branches that must be read."""
        wanted = [*question.expressions, *([question.cut] if question.cut is not None else [])]
        if all(name in self._branches for name in wanted):
            return list(dict.fromkeys(wanted))
        # a name that is none deserves the names that it resembles
        self._branches.check([name for name in wanted if name.isidentifier() and name not in question.aliases])
        return symbols(wanted, self._branches.known, question.aliases, (self._reader.name, self.object_path))

    def _read(self, question: _Question, start: int, stop: int) -> Any:
        arrays = self.branch_arrays(self._symbols(question), start, stop)
        index = np.arange(start, stop)
        place = self._reader.name, self.object_path
        arrays, kept = compute(arrays, question.expressions, question.cut, question.aliases, place)
        if kept is not None:
            index = index[np.asarray(kept)] if kept.ndim == 1 else index
        return as_library(arrays, len(index), question.library, question.how, index)

    def num_entries_for(
        self, memory_size: int | str, expressions: str | Sequence[str] | None = None, **filters: Any
    ) -> int:
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
            chosen = self.keys(**filters) if expressions is None else self._asked(expressions, None, None, None)
            total = self.bytes_as_arrays(chosen)
            entries = int(wanted * self.num_entries / total) if total else self.num_entries
            entries = max(entries, 1)
        if entries < 1:
            msg = f"step_size should be at least one entry, not {memory_size!r}"
            raise ValueError(msg)
        return entries

    def bytes_as_arrays(self, names: Iterable[str]) -> int:
        """Bytes of some branches as plain arrays."""
        itemsize = {c.key: np.dtype(c.dtype).itemsize for c in self._header.schema.columns}
        rows = [sum(row) for row in self._header.rows]
        home = self._header.table_of()
        columns = (column.key for name in names for column in columns_of(self._branches[name]))
        return sum(rows[home[key]] * itemsize[key] for key in columns)

    def bytes_as_stored(self, names: Iterable[str]) -> int:
        """Bytes of the pages of some branches. Columns that repeat another have none, and models are not among them."""
        keys = {column.key for name in names for column in columns_of(self._branches[name])}
        total = 0
        for segment in self._segments:
            slots = [slot for name, slot in segment.header.slots().items() if name in keys]
            total += int(self._reader.sizes(segment.number)[:, slots].sum())
        return total

    def branch_arrays(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Arrays of some branches in an entry range that lies in the tree, by name."""
        keys = dict.fromkeys(column.key for name in names for column in columns_of(self._branches[name]))
        columns = EntryReader(self._header, self._columns).columns(keys, start, stop)
        return {name: unflatten(self._branches[name].layout, columns, stop - start) for name in names}

    def __repr__(self) -> str:
        return f"<Tree {self.object_path!r} ({self.num_entries} entries, {len(self)} branches)>"


@dataclass(frozen=True)
class _Question:
    """What `arrays` and `iterate` are asked for, entries apart."""

    expressions: Sequence[str]
    cut: str | None
    aliases: Mapping[str, str]
    library: Library
    how: How


def _refuse_with_virtual(given: set[str], library: str) -> None:
    wrong = sorted(given | ({"library"} if library != "ak" else set()))
    if wrong:
        msg = (
            f"{', '.join(wrong)} cannot be used with virtual=True: choose branches by filter_name, compute on the array"
        )
        raise ValueError(msg)
