"""A TTree's description as bytes, in time proportional to its branches.

uproot measures everything that it has written so far again for each branch, so a tree of 1500 branches takes it
seconds. This writes the same bytes (ROOT's TTree 20, TBranch 13, TLeaf 2) and notes the same places. It also writes what
uproot does not: branches of a class (TBranchElement 10, TLeafElement 1), branches in others, and several leaves in one.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hepbaler.restoring.leaves import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hepbaler.table import Element, Group

__all__ = ("describe_tree", "pack_string")


def __dir__() -> tuple[str, ...]:
    return __all__


# Letter of a leaf's type -> how its class stores the smallest and the largest value.
_LIMITS = {"O": "??", "B": "bb", "S": "hh", "I": "ii", "L": "qq", "G": "qq", "F": "ff", "D": "dd", "C": "ii"}
# ROOT's EDataType, from which EReadWrite of a C array is 20 more.
_TYPE_CODES = {
    "int8": 1,
    "int16": 2,
    "int32": 3,
    "float32": 5,
    "float64": 8,
    "uint8": 11,
    "uint16": 12,
    "uint32": 13,
    "int64": 16,
    "uint64": 17,
    "bool": 18,
}
# long, unsigned long, a counter, and bits are stored as other types are.
_SAME_AS = {4: 16, 14: 17, 6: 13, 15: 13}
_ARRAY_OFFSET = 20
_SIZES = re.compile(r"\[[^\]]*\]")
_BYTE_COUNT = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
# References count from two bytes behind the start of the buffer.
_REFERENCE_SHIFT = 2
_MUST_CLEANUP = 0x00000008
_IS_ON_HEAP = 0x03000000
_NO_BUFFER_MAP = 0x00400000
_IS_OWNER = 0x00004000
_ATTRIBUTES = (
    b"@\x00\x00\x08\x00\x02\x02Z\x00\x01\x00\x01"  # TAttLine 2
    b"@\x00\x00\x06\x00\x02\x00\x00\x03\xe9"  # TAttFill 2
    b"@\x00\x00\n\x00\x02\x00\x01\x00\x01?\x80\x00\x00"  # TAttMarker 2
)
_FILL = b"@\x00\x00\x06\x00\x02\x00\x00\x03\xe9"
_FEATURES = b"@\x00\x00\x07\x00\x00\x1a\xa1/\x10\x00"
_NO_OBJECTS = b"@\x00\x00\x15\x00\x03\x00\x01\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
_TREE_NUMBERS = [
    "fTotBytes",
    "fZipBytes",
    "fSavedBytes",
    "fFlushedBytes",
    "fWeight",
    "fTimerInterval",
    "fScanField",
    "fUpdate",
    "fDefaultEntryOffsetLen",
    "fNClusterRange",
    "fMaxEntries",
    "fMaxEntryLoop",
    "fMaxVirtualSize",
    "fAutoSave",
    "fAutoFlush",
    "fEstimate",
]


def pack_string(text: str) -> bytes:
    """A string as ROOT stores it: its length in one byte, or in four more behind 255."""
    data = text.encode(errors="surrogateescape")
    return (struct.pack(">B", len(data)) if len(data) < 255 else struct.pack(">BI", 255, len(data))) + data


@dataclass
class _Node:
    """A branch to write: its place in the tree, and uproot's datum if it has baskets."""

    name: str
    title: str
    element: Element | None
    leaf: Leaf | None = None
    datum: dict[str, Any] | None = None
    inside: list[_Node] = field(default_factory=list)


@dataclass(frozen=True)
class _Kept:
    """Stands where uproot writes the largest value of a counter again: a TLeafElement has no such place."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def pack(self, *_: object) -> bytes:
        return self.data


def describe_tree(tree: Any, leaves: Mapping[str, Leaf] | None = None) -> bytes:
    """The object that a TTree's key points to; baskets are not part of it.

    Parameters
    ----------
    tree
        uproot's ``_cascadetree.Tree``. The places of what changes as baskets come are noted in it, for its
        ``write_updates``.
    leaves
        What is known of branches, by their names in `tree`: their groups and classes. A counter may have the path of a
        group for a name, and is that group's own branch then.
    """
    # References to objects count from the start of the key, which is of the long kind.
    key_bytes = struct.calcsize(">ihiIhhqq") + 6 + len(pack_string(tree._name)) + len(pack_string(tree._title))
    nodes = _nested(tree, leaves or {})
    out = bytearray()
    references: list[int] = []
    tree.entries_of_groups = []
    with _counted(out, 20):
        with _counted(out, 1):
            out += struct.pack(">HII", 1, 0, _IS_ON_HEAP | _MUST_CLEANUP)
            out += pack_string(tree._name) + pack_string(tree._title)
        out += _ATTRIBUTES
        tree._metadata_start = len(out)
        out += struct.pack(
            ">qqqqqdiiiiIqqqqqq", tree._num_entries, *(tree._metadata[number] for number in _TREE_NUMBERS)
        )
        out += b"\x00\x00" + _FEATURES
        _put_branches(out, nodes, tree, key_bytes, references)
        with _counted(out, 3):
            out += _array_of(len(references))
            for reference in references:
                out += struct.pack(">I", reference)
        # no aliases, indices, friends, user info and branch references
        out += bytes(28)
    return bytes(out)


def _nested(tree: Any, leaves: Mapping[str, Leaf]) -> list[_Node]:
    """The branches at the top, with those in them."""
    top: list[_Node] = []
    groups: dict[str, _Node] = {}

    def group_node(group: Group) -> _Node:
        if group.name not in groups:
            short = group.name if group.parent is None else group.name.removeprefix(f"{group.parent.name}/")
            groups[group.name] = node = _Node(short, group.title, group.element)
            (top if group.parent is None else group_node(group.parent).inside).append(node)
        return groups[group.name]

    every = {group.name: group for leaf in leaves.values() for group in _ancestors(leaf)}
    for datum in tree._branch_data:
        if datum["kind"] == "record":
            continue
        name = datum["fName"]
        leaf = leaves.get(name)
        if name in every:
            node = group_node(every[name])
            node.datum, node.leaf = datum, leaf
        else:
            short = name if leaf is None else leaf.short_name
            node = _Node(short, datum["fTitle"], None if leaf is None else leaf.element, leaf, datum)
            (top if leaf is None or leaf.group is None else group_node(leaf.group).inside).append(node)
        datum["node"], datum["tleaf_reference_number"] = node, None
    return top


def _ancestors(leaf: Leaf) -> Iterator[Group]:
    group = leaf.group
    while group is not None:
        yield group
        group = group.parent


def _put_branches(out: bytearray, nodes: list[_Node], tree: Any, key_bytes: int, references: list[int]) -> None:
    with _counted(out, 3):
        out += _array_of(len(nodes), _IS_OWNER)
        for node in nodes:
            _put_branch(out, node, tree, key_bytes, references)


def _put_branch(out: bytearray, node: _Node, tree: Any, key_bytes: int, references: list[int]) -> None:
    own = key_bytes + len(out) + _REFERENCE_SHIFT
    if node.datum is not None:
        node.datum["branch_reference_number"] = own
    if node.element is None:
        with _object(out, b"TBranch"):
            _put_plain_branch(out, node, tree, key_bytes, references)
        return
    element = node.element
    with _object(out, b"TBranchElement"), _counted(out, 10):
        _put_plain_branch(out, node, tree, key_bytes, references)
        for name in (element.class_name, element.parent_name, element.clones_name):
            out += pack_string(name)
        counter = None if node.datum is None else _counter_of(node.datum)
        out += struct.pack(
            ">Ihiii", element.checksum, element.class_version, element.id, element.type, element.streamer_type
        )
        if node.datum is not None:
            node.datum["maximum_start"] = len(out)
        out += struct.pack(">i", node.datum["tleaf_maximum_value"] if node.datum is not None else 0)
        out += struct.pack(">II", 0 if counter is None else counter.get("branch_reference_number", 0), 0)


def _put_plain_branch(out: bytearray, node: _Node, tree: Any, key_bytes: int, references: list[int]) -> None:
    datum = node.datum
    capacity = 1 if datum is None else tree._basket_capacity
    with _counted(out, 13):
        with _counted(out, 1):
            # ROOT keeps track of the objects in a branch of a class, which costs time and helps no other branch.
            out += struct.pack(">HII", 1, 0, _IS_ON_HEAP | (_NO_BUFFER_MAP if node.element is None else 0))
            out += pack_string(node.name) + pack_string(node.title)
        out += _FILL
        if datum is not None:
            datum["metadata_start"] = len(out)
        # No compression is named here, so that ROOT looks into the baskets for it.
        if datum is None:
            out += struct.pack(">iiiiq", 0, 32000, 0, 0, 0) + _FEATURES
            out += struct.pack(">iIi", 0, capacity, 0)
            # It has as many entries as the branches in it, though no baskets: so uproot knows how many to read of them.
            tree.entries_of_groups.append(len(out))
            out += struct.pack(">qqqq", tree._num_entries, 0, 0, 0)
        else:
            out += struct.pack(
                ">iiiiq", 0, datum["fBasketSize"], datum["fEntryOffsetLen"], tree._num_baskets, tree._num_entries
            )
            out += _FEATURES
            out += struct.pack(
                ">iIiqqqq",
                datum["fOffset"],
                capacity,
                datum["fSplitLevel"],
                tree._num_entries,
                datum["fFirstEntry"],
                datum["fTotBytes"],
                datum["fZipBytes"],
            )
        if node.inside:
            _put_branches(out, node.inside, tree, key_bytes, references)
        else:
            out += _NO_OBJECTS
        with _counted(out, 3):
            own = _leaves_of(node)
            out += _array_of(len(own))
            references += [_put_leaf(out, one, node, key_bytes, at_home=True) for one in own]
        out += _NO_OBJECTS
        if datum is None:
            out += b"\x01" + bytes(4) + b"\x01" + bytes(8) + b"\x01" + bytes(8)
        else:
            datum["basket_metadata_start"] = len(out)
            for numbers in (datum["fBasketBytes"], datum["fBasketEntry"], datum["fBasketSeek"]):
                out += b"\x01" + numbers.tobytes()
        # no file of its own
        out += b"\x00"


def _counter_of(datum: Mapping[str, Any]) -> dict[str, Any] | None:
    """Uproot's datum of what counts the elements of a list; of a list of objects it does not know that there is one."""
    counter: dict[str, Any] | None = datum.get("counted", datum["counter"])
    return counter


def _leaves_of(node: _Node) -> list[dict[str, Any]]:
    """What is to be said of each leaf of a branch; one that changes is said of the datum itself."""
    datum = node.datum
    if datum is None:
        # ROOT needs a leaf for an object, though its members are branches.
        is_object = node.element is not None and node.element.type == 0
        return [{"kind": "normal", "counter": None, "dtype": np.dtype(">i4"), "shape": ()}] if is_object else []
    if node.leaf is None or not node.leaf.members:
        return [datum]
    return [
        {
            "fName": one.name,
            "kind": "normal",
            "counter": None,
            "dtype": np.dtype(one.dtype).newbyteorder(">"),
            "shape": one.shape,
        }
        for one in node.leaf.members
    ]


def _put_leaf(out: bytearray, datum: dict[str, Any], node: _Node, key_bytes: int, *, at_home: bool) -> int:
    """A leaf, or a reference to it if it was written before; returns that reference.

    Where a group counts the elements of lists in it, those come first, and its leaf is written inside of theirs (not `at_home`).
    """
    if datum.get("tleaf_reference_number") is not None:
        out += struct.pack(">I", datum["tleaf_reference_number"])
        return int(datum["tleaf_reference_number"])
    datum["tleaf_reference_number"] = key_bytes + len(out) + _REFERENCE_SHIFT
    is_streamed = node.leaf is not None and node.leaf.streamed and not node.leaf.members
    letter = _letter(datum)
    counter = _counter_of(datum)
    # uproot takes the sizes of an array of objects from here
    sizes = "".join(_SIZES.findall(node.name) if is_streamed else [f"[{size}]" for size in datum["shape"]])
    length = datum.get("fLen", 1) if letter == "C" else 1
    for size in datum["shape"]:
        length *= size
    is_counter, is_unsigned = datum["kind"] == "counter", letter.islower()
    kind = b"TLeafElement" if node.element is not None else f"TLeaf{letter.upper()}".encode()
    with _object(out, kind), _counted(out, 1):
        with _counted(out, 2):
            with _counted(out, 1):
                out += struct.pack(">HII", 1, 0, _IS_ON_HEAP)
                name = _leaf_name(datum, node)
                dims = f"[{_leaf_name(counter, counter['node'])}]{sizes}" if counter is not None else sizes
                out += pack_string(name) + pack_string(name + dims)
            itemsize = 4 if is_streamed else datum["dtype"].itemsize
            out += struct.pack(">iii??", length, itemsize, 0, is_counter, is_unsigned)
            if counter is None:
                out += bytes(4)
            else:
                _put_leaf(out, counter, counter["node"], key_bytes, at_home=False)
        if node.element is not None:
            code = node.element.streamer_type if is_streamed or node.inside else _type_code(node.element, datum)
            numbers = struct.pack(">ii", node.element.id, code)
            out += numbers
            datum["tleaf_special_struct"] = _Kept(numbers if at_home else b"")
            return int(datum["tleaf_reference_number"])
        limits = struct.Struct(f">{_LIMITS[letter.upper()]}")
        out += limits.pack(0, datum["tleaf_maximum_value"] if is_counter else 0)
        datum["tleaf_special_struct"] = limits if at_home else _Kept(b"")
    return int(datum["tleaf_reference_number"])


def _leaf_name(datum: Mapping[str, Any], node: _Node) -> str:
    """The branch's name without sizes; that of a counter of objects has an underscore behind it."""
    if node.leaf is not None and node.leaf.members:
        return str(datum["fName"])
    counts = bool(node.inside) and node.datum is not None
    return _SIZES.sub("", node.name) + "_" * counts


def _type_code(element: Element, datum: Mapping[str, Any]) -> int:
    """ROOT's number of a type: as the class says, if that is what is written."""
    code = _TYPE_CODES[datum["dtype"].newbyteorder("=").name]
    told = _SAME_AS.get(element.streamer_type % _ARRAY_OFFSET, element.streamer_type % _ARRAY_OFFSET)
    return element.streamer_type % _ARRAY_OFFSET if told == code else code


def _letter(datum: dict[str, Any]) -> str:
    from uproot.writing._cascadetree import _dtype_to_char

    return str(_dtype_to_char[datum["dtype"]])


def _array_of(n_objects: int, bits: int = 0) -> bytes:
    """Start of a TObjArray without a name."""
    return struct.pack(">HIIBII", 1, 0, _IS_ON_HEAP | bits, 0, n_objects, 0)


@contextmanager
def _counted(out: bytearray, version: int) -> Iterator[None]:
    """Everything within is preceded by the number of its bytes and a version."""
    start = len(out)
    out += bytes(6)
    yield
    struct.pack_into(">IH", out, start, _BYTE_COUNT | (len(out) - start - 4), version)


@contextmanager
def _object(out: bytearray, classname: bytes) -> Iterator[None]:
    """An object whose class is named before it."""
    start = len(out)
    out += bytes(8) + classname + b"\x00"
    yield
    struct.pack_into(">II", out, start, _BYTE_COUNT | (len(out) - start - 4), _NEW_CLASS)
