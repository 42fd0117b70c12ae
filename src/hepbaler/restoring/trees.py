"""A TTree on its way into a file: leaves and counters in the source's order, with the source's titles."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot
import uproot.writing._cascadetree

from hepbaler.errors import OutputError
from hepbaler.restoring.arrays import counts_of, elements
from hepbaler.restoring.bytestreams import pack_rows
from hepbaler.restoring.streaming import describe_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.restoring.counters import ListGroup
    from hepbaler.restoring.leaves import Leaf

__all__ = ("AnnouncedBaskets", "TreeSink")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class AnnouncedBaskets:
    """Baskets of a branch that somebody else provides.

    Attributes
    ----------
    num_bytes, seeks
        Size and place of each; shape ``(n_baskets,)``.
    longest
        No list that the branch counts, and no string that it holds, is longer.
    has_offsets
        Whether they tell where each entry starts.
    """

    num_bytes: NDArray[np.int64]
    seeks: NDArray[np.int64]
    longest: int
    has_offsets: bool


class TreeSink:
    """An open TTree that takes the values of its leaves, cluster by cluster.

    Parameters
    ----------
    directory
        Where the tree goes, ``uproot.WritableDirectory``.
    name, title
        Of the tree.
    leaves
        All of them, in the order of the source.
    groups
        Lists and their counters. A leaf that is the source of a counter is written as that counter only.
    streams
        How the objects of a branch are written, by the branch's name; not needed to `announce` them.
    baskets
        How many calls of `extend` to expect. More are possible, at the price of writing the tree's metadata again.
    """

    def __init__(
        self,
        directory: Any,
        name: str,
        title: str,
        leaves: Sequence[Leaf],
        groups: Sequence[ListGroup],
        *,
        baskets: int,
        streams: Mapping[str, Stream] | None = None,
    ) -> None:
        counters = {group.counter for group in groups if group.source is not None}
        self._flat = tuple(
            leaf for leaf in leaves if leaf.counts is None and leaf.name not in counters and not leaf.streamed
        )
        self._groups = tuple(groups)
        self._objects = {leaf.name: (streams or {}).get(leaf.branch) for leaf in leaves if leaf.streamed}
        # uproot wants lists with a common counter as fields of one record, whose own name never reaches the file
        records = {f"{group.counter}[]": group for group in groups if _plain(group)}
        written = {leaf.name for leaf in self._flat}
        types = {leaf.name: _flat_type(leaf) for leaf in leaves if leaf.streamed or leaf.name in written}
        types |= {group.counter: np.dtype("int32") for group in groups if not _plain(group)}
        types |= {record: _record_type(group) for record, group in records.items()}
        # uproot makes no tree without a branch; what describes the tree leaves this one out
        types = types or {"": np.dtype("uint8")}
        options = {
            "title": title,
            "counter_name": lambda record: records[record].counter,
            "field_name": lambda _record, field: field,
            # uproot moves the metadata when the last place is taken, so keep one more
            "initial_basket_capacity": baskets + 2,
            "resize_factor": 4.0,
        }
        self._sink = directory.file.sink
        order = _file_order(leaves, groups)
        nested = any(leaf.shape for group in groups for leaf in group.leaves)
        nested = nested or not leaves or any(leaf.streamed or leaf.group is not None for leaf in leaves)
        self._tree, self.titles_kept = _make_tree(
            directory, name, types, leaves, groups, order, options, needs_own_description=nested
        )
        self.branches = tuple(order)

    def extend(self, values: Mapping[str, Any]) -> None:
        """Write a cluster, one basket a branch.

        Parameters
        ----------
        values
            Leaf name -> its values, as `hepbaler.restoring.arrays.leaf_values` gives them; all with the same rows.
            Lists of a group must have the same counts.
        """
        data: dict[str, Any] = {}
        for leaf in self._flat:
            content = values[leaf.name]
            data[leaf.name] = ak.Array(content) if leaf.text else elements(content).reshape(len(content), *leaf.shape)
        for name, stream in self._objects.items():
            if stream is None:
                msg = f"branch {name!r} holds objects, and nobody says how they are written"
                raise OutputError(msg)
            # uproot writes something of the same length, and on its way to the file the objects take its place
            data[name] = np.zeros(len(values[name]), np.uint8)
            self._tree._cascading.objects[name] = pack_rows(stream, values[name])
        for group in self._groups:
            if not _plain(group):
                data[group.counter] = counts_of(values[group.leaves[0].name]).astype(group.dtype)
                continue
            lists = [values[leaf.name] for leaf in _plain(group)]
            names = [leaf.name for leaf in _plain(group)]
            offsets = lists[0].offsets
            rows = ak.contents.RecordArray([one.content for one in lists], names, int(offsets[-1]))
            data[f"{group.counter}[]"] = ak.Array(ak.contents.ListOffsetArray(offsets, rows))
        self._tree.extend(data)

    def announce(self, baskets: Mapping[str, AnnouncedBaskets], borders: Sequence[int]) -> int:
        """Describe baskets that are not written, as if they were; in place of `extend`.

        Parameters
        ----------
        baskets
            Those of each branch of `branches`.
        borders
            First entry of each basket, and the number of entries at the end; no more baskets than were expected.

        Returns
        -------
        int
            Where the key of the tree's directory is.
        """
        tree = self._tree._cascading
        n = len(borders) - 1
        for datum in tree._branch_data:
            if datum["kind"] == "record":
                continue
            mine = baskets[datum["fName"]]
            datum["fBasketBytes"][:n] = mine.num_bytes
            datum["fBasketEntry"][: n + 1] = borders
            datum["fBasketSeek"][:n] = mine.seeks
            datum["fTotBytes"] = datum["fZipBytes"] = int(mine.num_bytes.sum())
            datum["arrays_write_stop"] = n
            if n and mine.has_offsets:
                datum["fEntryOffsetLen"] = 4 * (borders[n] - borders[n - 1])
            datum["tleaf_maximum_value"] = datum["fLen"] = mine.longest
            tree._metadata["fTotBytes"] += datum["fTotBytes"]
        tree._metadata["fZipBytes"] = tree._metadata["fTotBytes"]
        tree._num_entries, tree._num_baskets = borders[-1], n
        tree.write_updates(self._sink)
        return int(tree._directory.key.location)


def _flat_type(leaf: Leaf) -> Any:
    if leaf.streamed:
        # something that uproot knows; its description and its baskets are ours
        return np.dtype("uint8")
    if leaf.text:
        return ak.types.ListType(
            ak.types.NumpyType("uint8", parameters={"__array__": "char"}), parameters={"__array__": "string"}
        )
    return np.dtype((leaf.dtype, leaf.shape)) if leaf.shape else np.dtype(leaf.dtype)


def _record_type(group: ListGroup) -> Any:
    fields = []
    for leaf in _plain(group):
        field: Any = ak.types.NumpyType(leaf.dtype)
        for size in reversed(leaf.shape):
            field = ak.types.RegularType(field, size)
        fields.append(field)
    return ak.types.ListType(ak.types.RecordType(fields, [leaf.name for leaf in _plain(group)]))


def _plain(group: ListGroup) -> list[Leaf]:
    """Lists of numbers, which uproot knows how to write."""
    return [leaf for leaf in group.leaves if not leaf.streamed]


def _file_order(leaves: Sequence[Leaf], groups: Sequence[ListGroup]) -> list[str]:
    """Names in the source's order, but each counter before its lists, as ROOT needs it."""
    counter_of = {leaf.name: group.counter for group in groups for leaf in group.leaves}
    order: dict[str, None] = {}
    for leaf in leaves:
        if leaf.name in counter_of:
            order.setdefault(counter_of[leaf.name])
        order.setdefault(leaf.name)
    return list(order)


def _make_tree(
    directory: Any,
    name: str,
    types: dict[str, Any],
    leaves: Sequence[Leaf],
    groups: Sequence[ListGroup],
    order: Sequence[str],
    options: dict[str, Any],
    *,
    needs_own_description: bool,
) -> tuple[Any, bool]:
    """Make a tree with titles and order of the branches, or a plain one where uproot has changed inside.

    uproot's `mktree` knows no branch titles, but the object behind it writes one for each branch and asks for nothing
    more than to find it there. To serialise a wide tree takes uproot seconds, so `mktree` makes a tree of one branch,
    which is then replaced before anything reads it.
    """
    try:
        after = _described(directory, name, types, leaves, groups, order, options)
    except (AttributeError, KeyError, TypeError) as error:
        if needs_own_description:
            msg = (
                f"uproot {uproot.__version__} writes lists of C arrays wrongly and no objects, and hepbaler cannot "
                f"correct it: {error}"
            )
            raise OutputError(msg) from error
        # nothing is written yet; an error that is not about uproot's inside comes again from here
        return directory.mktree(name, types, **options), not leaves
    tree = directory.mktree(name, {"first": np.dtype("float32")}, title=options["title"])
    before = tree._cascading
    after._key = key = before._key
    start, stop = key.seek_location, key.seek_location + key.num_bytes + key.compressed_bytes
    tree._cascading = after
    after.write_anew(directory.file.sink)
    directory.file._move_tree(start, after._key.seek_location)
    after._freesegments.release(start, stop)
    directory.file.sink.set_file_length(after._freesegments.fileheader.end)
    directory.file.sink.flush()
    return tree, True


def _described(
    directory: Any,
    name: str,
    types: dict[str, Any],
    leaves: Sequence[Leaf],
    groups: Sequence[ListGroup],
    order: Sequence[str],
    options: dict[str, Any],
) -> Any:
    """What `mktree` would make and write, before it is written."""
    tree = _Tree(
        directory._cascading,
        name,
        options["title"],
        types,
        directory._cascading.freesegments,
        options["counter_name"],
        options["field_name"],
        options["initial_basket_capacity"],
        options["resize_factor"],
    )
    names = [datum["name"] if datum["kind"] == "record" else datum["fName"] for datum in tree._branch_data]
    place = {branch: position for position, branch in enumerate(order)}
    # records, which have no place in the file, come first: uproot takes their fields apart as it meets them
    ranks = sorted(range(len(names)), key=lambda index: place.get(names[index], -1))
    tree._branch_data = [tree._branch_data[index] for index in ranks]
    tree._branch_lookup = {names[index]: position for position, index in enumerate(ranks)}
    if not leaves:
        tree._branch_data = []
    tree.leaves, tree.objects = {leaf.name: leaf for leaf in leaves}, {}
    for datum in tree._branch_data:
        leaf = None if datum["kind"] == "record" else tree.leaves.get(datum["fName"])
        if leaf is None or leaf.title is None:
            continue
        if leaf.streamed or leaf.element is not None or not _is_other_leaf_list(datum, leaf.title):
            datum["fTitle"] = leaf.title
    for group in groups:
        counter = tree._branch_data[tree._branch_lookup[group.counter]]
        counter["kind"], counter["dtype"] = "counter", np.dtype(group.dtype).newbyteorder(">")
        for leaf in group.leaves:
            datum = tree._branch_data[tree._branch_lookup[leaf.name]]
            if leaf.streamed:
                # uproot must not take it for a list of numbers
                datum["counted"] = counter
    return tree


_LEAF_LIST = re.compile(r"[^\s/\[\]:]+(?P<tail>(\[[^\]]*\])*(/[A-Za-z])?(:[^\s/\[\]:]+(\[[^\]]*\])*(/[A-Za-z])?)*)")


def _is_other_leaf_list(datum: Mapping[str, Any], title: str) -> bool:
    """Whether the source's title is no title, but a description of leaves (``x/F:y``) that is wrong in the new file."""
    match = _LEAF_LIST.fullmatch(title)
    tail = match["tail"] if match else ""
    return tail != "" and tail != datum["fTitle"][len(datum["fName"]) :]


class _Tree(uproot.writing._cascadetree.Tree):  # type: ignore[misc]
    """uproot's tree, which forgets the inner sizes when it writes where each list of C arrays starts.

    It is also slow to write many branches, and knows no objects; see `hepbaler.restoring.streaming`.
    """

    leaves: dict[str, Leaf]
    objects: dict[str, tuple[bytes, NDArray[np.int64]]]
    entries_of_groups: list[int]

    def write_anew(self, sink: Any) -> None:
        data = describe_tree(self, self.leaves)
        self._key: Any = self._directory.add_object(
            sink, "TTree", self._name, self._title, data, len(data), replaces=self._key, big=True
        )

    def write_updates(self, sink: Any) -> None:
        super().write_updates(sink)
        base = self._key.seek_location + self._key.num_bytes
        for start in self.entries_of_groups:
            sink.write(base + start, struct.pack(">q", self._num_entries))
        for datum in self._branch_data:
            if datum["kind"] == "counter" and "maximum_start" in datum:
                sink.write(base + datum["maximum_start"], struct.pack(">i", datum["tleaf_maximum_value"]))
        sink.flush()

    def write_np_basket(self, sink: Any, branch_name: str, compression: Any, array: Any) -> Any:
        short = self._short(branch_name)
        if branch_name not in self.objects:
            return super().write_np_basket(sink, short, compression, array)
        data, starts = self.objects.pop(branch_name)
        content = np.frombuffer(data, np.uint8)
        if self.leaves[branch_name].members:
            return super().write_np_basket(sink, short, compression, content.reshape(len(array), -1))
        self._branch_data[self._branch_lookup[branch_name]]["fEntryOffsetLen"] = 4 * len(array)
        return super().write_jagged_basket(sink, short, compression, content, starts.astype(">i4"))

    def write_jagged_basket(self, sink: Any, branch_name: str, compression: Any, array: Any, offsets: Any) -> Any:
        shape = self._branch_data[self._branch_lookup[branch_name]]["shape"]
        short = self._short(branch_name)
        return super().write_jagged_basket(sink, short, compression, array.reshape(-1, *shape), offsets)

    def write_string_basket(self, sink: Any, branch_name: str, compression: Any, array: Any, offsets: Any) -> Any:
        return super().write_string_basket(sink, self._short(branch_name), compression, array, offsets)

    def _short(self, name: str) -> str:
        return self.leaves[name].short_name if name in self.leaves else name.rpartition("/")[2]
