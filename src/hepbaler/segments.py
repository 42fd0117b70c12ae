"""A tree in segments: entries one after the other, each segment with the grids, models and tables that it was coded with.

Merged archives are made of them, so that no page has to be decoded. Whoever reads the tree sees one header::

    segment 0   clusters 0, 1, 2    header 0 --+
    segment 1   clusters 3, 4       header 1 --+--> join_headers --> what all segments have in common
    segment 2   cluster  5          header 2 --+
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bounds import Choice
from .decoding import ClusterDecoder
from .errors import CorruptFile
from .fields import fail, index_of, typed
from .grouping import group_tables
from .header import TreeHeader
from .table import Branch, Column, Table

__all__ = (
    "SEGMENTS_FEATURE",
    "Segment",
    "SegmentedDecoder",
    "first_difference",
    "join_headers",
    "segment_to_dict",
    "segments_from_list",
    "weakest",
)

# A reader that does not know this word would take the first segment of a tree for the whole.
SEGMENTS_FEATURE = "segments/1"
# What a segment takes from the first one of its tree unless it says otherwise.
_SHARED = ("path", "cycle", "title", "kind", "branches", "groups")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Segment:
    """A part of a tree.

    Attributes
    ----------
    header
        Of these entries alone.
    number
        Of the tree in the container that holds its pages.
    """

    header: TreeHeader
    number: int


def segment_to_dict(header: TreeHeader, first: Mapping[str, Any], continues: int) -> dict[str, Any]:
    """A segment that is not the first of its tree, as plain data.

    Parameters
    ----------
    header
        Of the segment.
    first, continues
        The first segment as plain data, and its number in the container.
    """
    own = header.to_dict()
    same = all(own.get(key) == first.get(key) for key in ("branches", "groups"))
    shared = [key for key in _SHARED if key not in ("branches", "groups") or same]
    return {"continues": continues} | {key: value for key, value in own.items() if key not in shared}


def segments_from_list(data: Sequence[object]) -> list[list[Segment]]:
    """Segments of each tree, in the order of the trees; raises `CorruptFile`."""
    trees: dict[int, list[Segment]] = {}
    paths: set[str] = set()
    for number, item in enumerate(data):
        node = typed(item, dict, "tree")
        if "continues" not in node:
            header = TreeHeader.from_dict(node)
            if header.schema.path in paths:
                fail(f"there are two trees {header.schema.path!r}")
            paths.add(header.schema.path)
            trees[number] = [Segment(header, number)]
            continue
        first = index_of(node["continues"], number, "tree before the segments that continue it")
        if first not in trees:
            fail(f"tree {number} continues a segment")
        begun = typed(data[first], dict, "tree")
        shared = {key: begun[key] for key in _SHARED if key in begun and (key != "groups" or "branches" not in node)}
        header = TreeHeader.from_dict(shared | node)
        different = first_difference(trees[first][0].header.schema.branches, header.schema.branches)
        if different is not None:
            fail(f"a segment of tree {header.schema.path!r} is another tree: {different}")
        trees[first].append(Segment(header, number))
    return list(trees.values())


def first_difference(ours: Sequence[Branch], theirs: Sequence[Branch]) -> str | None:
    """The first branch in which two trees are not of one kind, or None; order and titles do not matter."""
    mine, other = ({branch.name: branch for branch in branches} for branches in (ours, theirs))
    for name in (*mine, *other):
        if name not in other:
            return f"branch {name!r} is missing"
        if name not in mine:
            return f"branch {name!r} is one more"
        one, two = mine[name], other[name]
        if one.typename != two.typename:
            return f"branch {name!r} is {two.typename} instead of {one.typename}"
        if one.layout != two.layout:
            return f"branch {name!r} nests in another way"
    return None


def join_headers(headers: Sequence[TreeHeader]) -> TreeHeader:
    """What is true of all segments of a tree.

    Columns share a table, or repeat another, where they do so in every segment; a bound is the weakest of all; the joined
    header has no models, since pages are decoded by the segments' own headers.

    Raises
    ------
    CorruptFile
        If the segments do not go together.
    """
    if len(headers) == 1:
        return headers[0]
    first = headers[0].schema
    # An empty tree says that everything equals everything, and that nothing is constant.
    telling = [header for header in headers if header.schema.num_entries] or list(headers[:1])
    alike = [_identities(header, first.columns) for header in telling]
    numbers: dict[tuple[str, ...], int] = {}
    digests = {c.key: numbers.setdefault(tuple(one[c.key] for one in alike), len(numbers)) for c in first.columns}
    tables, same_as = group_tables(first.path, first.branches, first.columns, digests)
    choices = {}
    for column in first.columns:
        if column.dtype.startswith("float") and column.key not in same_as:
            if any(_stored(header, column.key) in header.measured() for header in telling):
                # Where one segment promises nothing, the whole does not.
                continue
            joined = weakest([_choice(header, column.key) for header in telling])
            if joined is None:
                fail(f"the segments of column {column.key!r} have bounds of different kinds")
            choices[column.key] = joined
    constants = {}
    for column in first.columns:
        bits = {header.constants.get(_stored(header, column.key)) for header in telling}
        (value,) = bits if len(bits) == 1 else (None,)
        if value is not None and column.key not in same_as:
            constants[column.key] = value
    rows = tuple(
        tuple(n for header, places in ((h, _places(h, tables)) for h in headers) for n in header.rows[places[t.index]])
        for t in tables
    )
    starts = list(accumulate((header.schema.num_entries for header in headers), initial=0))
    borders = tuple(
        start + border for start, header in zip(starts, headers, strict=False) for border in header.borders[:-1]
    )
    schema = replace(first, num_entries=starts[-1], tables=tables, same_as=same_as)
    return TreeHeader(schema, (*borders, starts[-1]), rows, choices, constants)


def weakest(choices: Sequence[Choice]) -> Choice | None:
    """The one promise that holds wherever one of these does; None if they are of kinds that cannot be compared."""
    lossy = [choice for choice in choices if not (choice.exact or choice.bound.is_exact)]
    if not lossy:
        return next((choice for choice in choices if not choice.bound.is_exact), choices[0])
    if len({choice.bound.kind for choice in lossy}) > 1:
        return None
    fewer_is_weaker = lossy[0].bound.kind == "bits"
    worst = max(lossy, key=lambda choice: -choice.bound.value if fewer_is_weaker else choice.bound.value)
    return replace(worst, scale=max(choice.scale for choice in lossy))


class SegmentedDecoder:
    """Decodes columns of a tree in segments; its clusters are counted through.

    Parameters
    ----------
    decoders
        One a segment.
    n_clusters
        Clusters of each segment.
    """

    def __init__(self, decoders: Sequence[ClusterDecoder], n_clusters: Sequence[int]) -> None:
        self._decoders = tuple(decoders)
        self._starts = list(accumulate(n_clusters, initial=0))

    @property
    def learned(self) -> tuple[str, ...]:
        """Keys of the columns that models code in any segment."""
        return tuple(dict.fromkeys(key for decoder in self._decoders for key in decoder.learned))

    def columns(self, clusters: Sequence[int], wanted: Iterable[str]) -> list[dict[str, NDArray[Any]]]:
        """As `ClusterDecoder.columns`."""
        keys = list(wanted)
        places = [self._place(cluster) for cluster in clusters]
        out: list[dict[str, NDArray[Any]]] = []
        while len(out) < len(places):
            # One request for neighbours of one segment.
            segment = places[len(out)][0]
            mine = []
            for other, cluster in places[len(out) :]:
                if other != segment:
                    break
                mine.append(cluster)
            out += self._decoders[segment].columns(mine, keys)
        return out

    def cluster(
        self, cluster: int, wanted: Iterable[str], before: Mapping[str, NDArray[np.int64]]
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
        """As `ClusterDecoder.cluster`."""
        segment, inside = self._place(cluster)
        return self._decoders[segment].cluster(inside, wanted, before)

    def _place(self, cluster: int) -> tuple[int, int]:
        # Of segments without clusters the last one with this start holds the cluster.
        segment = bisect_right(self._starts, cluster) - 1
        if not 0 <= segment < len(self._decoders):
            msg = f"there is no cluster {cluster} in a tree of {self._starts[-1]}"
            raise CorruptFile(msg, section="meta", expected=self._starts[-1], found=cluster)
        return segment, cluster - self._starts[segment]


def _stored(header: TreeHeader, key: str) -> str:
    return header.schema.same_as.get(key, key)


def _choice(header: TreeHeader, key: str) -> Choice:
    choice = header.choices.get(_stored(header, key))
    return choice if choice is not None else fail(f"column {key!r} has no grid")


def _identities(header: TreeHeader, columns: Sequence[Column]) -> dict[str, str]:
    """For each column the one that holds the same values in this segment; counts of one table are the same."""
    tables, home = header.schema.tables, header.table_of()
    same = {column.key: _stored(header, column.key) for column in columns}
    for column in columns:
        for step, table in zip(reversed(column.parents), _ancestors(tables, home[column.key]), strict=False):
            if step[0] != "regular":
                if table.counts is None or step[1] not in same:
                    fail(f"column {column.key!r} is not in the table that its branch asks for")
                same[step[1]] = _stored(header, table.counts)
    return same


def _ancestors(tables: Sequence[Table], index: int) -> Iterable[Table]:
    """The table itself and those above it, without table 0."""
    while index > 0:
        yield tables[index]
        index = tables[index].parent


def _places(header: TreeHeader, joined: Sequence[Table]) -> dict[int, int]:
    """The segment's table in which the rows of each joined table are."""
    tables, home = header.schema.tables, header.table_of()
    places = {0: 0}
    # Backwards: the middle of an array of arrays has no columns of its own, but its children are known then.
    for table in reversed(joined[1:]):
        if table.columns:
            places[table.index] = home[table.columns[0]]
        if table.index in places and table.parent > 0:
            places.setdefault(table.parent, tables[places[table.index]].parent)
    if len(places) != len(joined) or min(places.values()) < 0:
        fail("the tables of a tree's segments do not go together")
    return places
