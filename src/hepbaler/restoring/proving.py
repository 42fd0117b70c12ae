"""Objects that uproot was seen to read back: made-up values are written to a file in memory, and read again.

What a file says of classes does not tell how their objects begin, and uproot does not expect the same in all branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hepbaler.layouts import unflatten
from hepbaler.restoring.bytestreams import Constant, Fixed, Items, Members, Pairs
from hepbaler.table import ListLayout, RecordLayout, RegularLayout, Values

if TYPE_CHECKING:
    import awkward as ak
    from numpy.typing import NDArray

    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.table import Layout

__all__ = ("MADE_UP_ENTRIES", "is_of_class", "made_up")


def __dir__() -> tuple[str, ...]:
    return __all__


MADE_UP_ENTRIES = 4
_LENGTHS = np.array([1, 2, 0, 3])
_LETTERS = 3


def is_of_class(stream: Stream) -> bool:
    """Whether there are objects of classes in a stream."""
    match stream:
        case Members() | Constant():
            return True
        case Items(content) | Fixed(_, content):
            return is_of_class(content)
        case Pairs(keys, values):
            return is_of_class(keys) or is_of_class(values)
    return False


def made_up(layout: Layout, stream: Stream) -> ak.Array:
    """An array of this layout with `MADE_UP_ENTRIES` entries, which the stream can hold.

    Lists have up to three elements; numbers, and strings of three letters, rise, as the keys of maps and sets do; members
    that tell the lengths of others tell them.
    """
    columns: dict[str, NDArray[np.generic]] = {}
    _fill(layout, MADE_UP_ENTRIES, columns, frozenset(_counters(stream)))
    return unflatten(layout, columns, MADE_UP_ENTRIES)


def _fill(layout: Layout, n: int, columns: dict[str, NDArray[np.generic]], counters: frozenset[str]) -> None:
    lengths = np.resize(_LENGTHS, n).astype(np.int64)
    match layout:
        case Values(dtype, key):
            columns[key] = np.arange(n).astype("uint8" if dtype == "unknown" else dtype)
        case ListLayout(counts, Values(_, key), text) if text is not None:
            columns[counts] = np.full(n, _LETTERS, np.int64)
            digits = np.stack([np.arange(n) // 26**power % 26 for power in reversed(range(_LETTERS))], axis=1)
            columns[key] = (digits.ravel() + ord("a")).astype(np.uint8)
        case ListLayout(counts, content):
            columns[counts] = lengths
            _fill(content, int(lengths.sum()), columns, counters)
        case RegularLayout(size, content):
            _fill(content, size * n, columns, counters)
        case RecordLayout(fields):
            for name, content in fields:
                if name in counters and isinstance(content, Values):
                    columns[content.column] = lengths.astype(content.dtype)
                else:
                    _fill(content, n, columns, counters)


def _counters(stream: Stream) -> list[str]:
    match stream:
        case Items(content, counter=counter):
            return _counters(content) + ([counter] if counter is not None else [])
        case Fixed(_, content):
            return _counters(content)
        case Pairs(keys, values):
            return _counters(keys) + _counters(values)
        case Members(members):
            return [name for _, one in members for name in _counters(one)]
    return []
