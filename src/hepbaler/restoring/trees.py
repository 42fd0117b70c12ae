"""A TTree on its way into a file: leaves and counters in the source's order, with the source's titles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot
import uproot.writing._cascadetree

from hepbaler.errors import OutputError
from hepbaler.restoring.arrays import elements
from hepbaler.restoring.streaming import describe_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

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
    """

    num_bytes: NDArray[np.int64]
    seeks: NDArray[np.int64]
    longest: int


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
    ) -> None:
        counters = {group.counter for group in groups if group.source is not None}
        self._flat = tuple(leaf for leaf in leaves if leaf.counts is None and leaf.name not in counters)
        self._groups = tuple(groups)
        titles = {leaf.name: leaf.title for leaf in leaves}
        # uproot wants lists with a common counter as fields of one record, whose own name never reaches the file
        records = {f"{group.counter}[]": group for group in groups}
        types = {leaf.name: _flat_type(leaf) for leaf in self._flat}
        types |= {record: _record_type(group) for record, group in records.items()}
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
        self._tree, self.titles_kept = _make_tree(
            directory, name, types, titles, order, options, has_lists_of_arrays=nested
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
        for group in self._groups:
            lists = [values[leaf.name] for leaf in group.leaves]
            names = [leaf.name for leaf in group.leaves]
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
            if n and (datum["counter"] is not None or datum["dtype"].kind == "U"):
                datum["fEntryOffsetLen"] = 4 * (borders[n] - borders[n - 1])
            datum["tleaf_maximum_value"] = datum["fLen"] = mine.longest
            tree._metadata["fTotBytes"] += datum["fTotBytes"]
        tree._metadata["fZipBytes"] = tree._metadata["fTotBytes"]
        tree._num_entries, tree._num_baskets = borders[-1], n
        tree.write_updates(self._sink)
        return int(tree._directory.key.location)


def _flat_type(leaf: Leaf) -> Any:
    if leaf.text:
        return ak.types.ListType(
            ak.types.NumpyType("uint8", parameters={"__array__": "char"}), parameters={"__array__": "string"}
        )
    return np.dtype((leaf.dtype, leaf.shape)) if leaf.shape else np.dtype(leaf.dtype)


def _record_type(group: ListGroup) -> Any:
    fields = []
    for leaf in group.leaves:
        field: Any = ak.types.NumpyType(leaf.dtype)
        for size in reversed(leaf.shape):
            field = ak.types.RegularType(field, size)
        fields.append(field)
    return ak.types.ListType(ak.types.RecordType(fields, [leaf.name for leaf in group.leaves]))


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
    titles: Mapping[str, str | None],
    order: Sequence[str],
    options: dict[str, Any],
    *,
    has_lists_of_arrays: bool,
) -> tuple[Any, bool]:
    """Make a tree with titles and order of the branches, or a plain one where uproot has changed inside.

    uproot's `mktree` knows no branch titles, but the object behind it writes one for each branch and asks for nothing
    more than to find it there. To serialise a wide tree takes uproot seconds, so `mktree` makes a tree of one branch,
    which is then replaced before anything reads it.
    """
    try:
        after = _titled(directory, name, types, titles, order, options)
    except (AttributeError, KeyError, TypeError) as error:
        if has_lists_of_arrays:
            msg = (
                f"uproot {uproot.__version__} writes lists of C arrays wrongly, and hepbaler cannot correct it: {error}"
            )
            raise OutputError(msg) from error
        # nothing is written yet; an error that is not about uproot's inside comes again from here
        return directory.mktree(name, types, **options), not titles
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


def _titled(
    directory: Any,
    name: str,
    types: dict[str, Any],
    titles: Mapping[str, str | None],
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
    for datum in tree._branch_data:
        title = None if datum["kind"] == "record" else titles.get(datum["fName"])
        if title is not None and not _is_other_leaf_list(datum, title):
            datum["fTitle"] = title
    return tree


_LEAF_LIST = re.compile(r"[^\s/\[\]:]+(?P<tail>(\[[^\]]*\])*(/[A-Za-z])?(:[^\s/\[\]:]+(\[[^\]]*\])*(/[A-Za-z])?)*)")


def _is_other_leaf_list(datum: Mapping[str, Any], title: str) -> bool:
    """Whether the source's title is no title, but a description of leaves (``x/F:y``) that is wrong in the new file."""
    match = _LEAF_LIST.fullmatch(title)
    tail = match["tail"] if match else ""
    return tail != "" and tail != datum["fTitle"][len(datum["fName"]) :]


class _Tree(uproot.writing._cascadetree.Tree):  # type: ignore[misc]
    """uproot's tree, which forgets the inner sizes when it writes where each list of C arrays starts.

    It is also slow to write many branches; see `hepbaler.restoring.streaming`.
    """

    def write_anew(self, sink: Any) -> None:
        data = describe_tree(self)
        self._key: Any = self._directory.add_object(
            sink, "TTree", self._name, self._title, data, len(data), replaces=self._key, big=True
        )

    def write_jagged_basket(self, sink: Any, branch_name: str, compression: Any, array: Any, offsets: Any) -> Any:
        shape = self._branch_data[self._branch_lookup[branch_name]]["shape"]
        return super().write_jagged_basket(sink, branch_name, compression, array.reshape(-1, *shape), offsets)
