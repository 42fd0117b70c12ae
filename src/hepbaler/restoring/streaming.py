"""A TTree's description as bytes, in time proportional to its branches.

uproot measures everything that it has written so far again for each branch, so a tree of 1500 branches takes it
seconds. This writes the same bytes (ROOT's TTree 20, TBranch 13, TLeaf 2) and notes the same places.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("describe_tree", "pack_string")


def __dir__() -> tuple[str, ...]:
    return __all__


# Letter of a leaf's type -> how its class stores the smallest and the largest value.
_LIMITS = {"O": "??", "B": "bb", "S": "hh", "I": "ii", "L": "qq", "G": "qq", "F": "ff", "D": "dd", "C": "ii"}
_BYTE_COUNT = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
# References count from two bytes behind the start of the buffer.
_REFERENCE_SHIFT = 2
_MUST_CLEANUP = 0x00000008
_IS_ON_HEAP = 0x03000000
_BRANCH_BITS = 0x00400000
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


def describe_tree(tree: Any) -> bytes:
    """The object that a TTree's key points to; baskets are not part of it.

    Parameters
    ----------
    tree
        uproot's ``_cascadetree.Tree``. The places of what changes as baskets come are noted in it, for its
        ``write_updates``.
    """
    # References to objects count from the start of the key, which is of the long kind.
    key_bytes = struct.calcsize(">ihiIhhqq") + 6 + len(pack_string(tree._name)) + len(pack_string(tree._title))
    branches = [datum for datum in tree._branch_data if datum["kind"] != "record"]
    out = bytearray()
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
        with _counted(out, 3):
            out += _array_of(len(branches), _IS_OWNER)
            for datum in branches:
                with _object(out, b"TBranch"):
                    _put_branch(out, datum, tree, key_bytes)
        with _counted(out, 3):
            out += _array_of(len(branches))
            for datum in branches:
                out += struct.pack(">I", datum["tleaf_reference_number"])
        # no aliases, indices, friends, user info and branch references
        out += bytes(28)
    return bytes(out)


def _put_branch(out: bytearray, datum: dict[str, Any], tree: Any, key_bytes: int) -> None:
    with _counted(out, 13):
        with _counted(out, 1):
            out += struct.pack(">HII", 1, 0, _IS_ON_HEAP | _BRANCH_BITS)
            out += pack_string(datum["fName"]) + pack_string(datum["fTitle"])
        out += _FILL
        datum["metadata_start"] = len(out)
        # No compression is named here, so that ROOT looks into the baskets for it.
        out += struct.pack(
            ">iiiiq", 0, datum["fBasketSize"], datum["fEntryOffsetLen"], tree._num_baskets, tree._num_entries
        )
        out += _FEATURES
        out += struct.pack(
            ">iIiqqqq",
            datum["fOffset"],
            tree._basket_capacity,
            datum["fSplitLevel"],
            tree._num_entries,
            datum["fFirstEntry"],
            datum["fTotBytes"],
            datum["fZipBytes"],
        )
        out += _NO_OBJECTS
        with _counted(out, 3):
            out += _array_of(1)
            datum["tleaf_reference_number"] = key_bytes + len(out) + _REFERENCE_SHIFT
            _put_leaf(out, datum)
        out += _NO_OBJECTS
        datum["basket_metadata_start"] = len(out)
        for numbers in (datum["fBasketBytes"], datum["fBasketEntry"], datum["fBasketSeek"]):
            out += b"\x01" + numbers.tobytes()
        # no file of its own
        out += b"\x00"


def _put_leaf(out: bytearray, datum: dict[str, Any]) -> None:
    letter = _letter(datum)
    limits = struct.Struct(f">{_LIMITS[letter.upper()]}")
    counter = datum["counter"]
    sizes = "".join(f"[{size}]" for size in datum["shape"])
    length = datum.get("fLen", 1) if letter == "C" else 1
    for size in datum["shape"]:
        length *= size
    with _object(out, f"TLeaf{letter.upper()}".encode()), _counted(out, 1):
        with _counted(out, 2):
            with _counted(out, 1):
                out += struct.pack(">HII", 1, 0, _IS_ON_HEAP)
                dims = f"[{counter['fName']}]{sizes}" if counter is not None else sizes
                out += pack_string(datum["fName"]) + pack_string(datum["fName"] + dims)
            is_counter, is_unsigned = datum["kind"] == "counter", letter.islower()
            out += struct.pack(">iii??", length, datum["dtype"].itemsize, 0, is_counter, is_unsigned)
            out += struct.pack(">I", 0 if counter is None else counter["tleaf_reference_number"])
        largest = datum["tleaf_maximum_value"] if is_counter else 0
        out += limits.pack(0, largest)
        datum["tleaf_special_struct"] = limits


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
