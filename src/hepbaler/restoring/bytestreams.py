"""Objects as the bytes that ROOT keeps of them: lists of lists, maps, strings, classes; for all rows of an array at once.

ROOT writes an object as its members one after the other, big-endian. Before an object, and before the outermost of
nested containers, stand the bytes that follow (four bytes, bit 30 set) and a version (two bytes). A list begins with its
length in four bytes, a string with its length in one, or in four more behind 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hepbaler.restoring.arrays import unwrapped
from hepbaler.table import ListLayout, RecordLayout, RegularLayout, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hepbaler.table import Layout

__all__ = ("Constant", "Fixed", "Items", "Members", "Numbers", "Pairs", "Stream", "Text", "pack_rows", "stream_bytes")


def __dir__() -> tuple[str, ...]:
    return __all__


_BYTE_COUNT = 0x40000000
_HEADER_BYTES = 6
_LENGTH_BYTES = 4
_LONG_TEXT = 255
_MEMBERWISE = 0x4000


@dataclass(frozen=True)
class Numbers:
    """One number; `dtype` without byte order."""

    dtype: str


@dataclass(frozen=True)
class Text:
    """A string. `version` is that of a header before it, if it has one; `wide` tells of a length of four bytes in any case."""

    version: int | None = None
    wide: bool = False


@dataclass(frozen=True)
class Items:
    """A list. `counted` tells whether it begins with its length, and `flagged` whether with a byte that is 0 if it is empty.

    `counter` is the member of the same object that has the length, if it is told there.
    """

    content: Stream
    version: int | None = None
    counted: bool = True
    flagged: bool = False
    counter: str | None = None


@dataclass(frozen=True)
class Pairs:
    """A map as ROOT writes it: all keys, then all values. `pair` describes the class of a pair.

    `key_version` and `value_version` are those of headers that all keys and all values share, if they have one.
    """

    keys: Stream
    values: Stream
    version: int
    pair: bytes
    key_version: int | None = None
    value_version: int | None = None


@dataclass(frozen=True)
class Fixed:
    """`size` elements, as in a C array."""

    size: int
    content: Stream


@dataclass(frozen=True)
class Constant:
    """Bytes that are the same in all rows: what no array tells."""

    data: bytes


@dataclass(frozen=True)
class Members:
    """An object: its members by the names of the record's fields; without a name what is in no field, or in all of this record.

    `version` and `before` are those of its header, if it has one.
    """

    members: tuple[tuple[str | None, Stream], ...]
    version: int | None = None
    before: bytes = b""


Stream = Numbers | Text | Items | Pairs | Fixed | Constant | Members


@dataclass(frozen=True)
class _Rows:
    """The bytes of all rows, and of how many bytes each row is."""

    data: NDArray[np.uint8]
    sizes: int | NDArray[np.int64]


def pack_rows(stream: Stream, content: Any) -> tuple[bytes, NDArray[np.int64]]:
    """Make the bytes of all rows.

    Parameters
    ----------
    stream
        How a row is written.
    content
        ``ak.contents.Content`` of the rows.

    Returns
    -------
    data, starts
        All bytes, and where each row begins and the last one ends, shape ``(n_rows + 1,)``.
    """
    rows = _rows(stream, content)
    return rows.data.tobytes(), _offsets(_each(rows.sizes, len(content)))


def stream_bytes(
    stream: Stream, layout: Layout, n: int, n_rows: Callable[[str], int], text_bytes: Callable[[str, str], int]
) -> int:
    """Count the bytes that `pack_rows` makes, without the values.

    Parameters
    ----------
    stream, layout
        How a row is written, and how it nests.
    n
        Number of rows.
    n_rows
        Rows of a column, by its key.
    text_bytes
        Bytes of strings with lengths of the short kind, by the keys of their counts and of their letters.
    """

    def count(stream: Stream, layout: Layout, n: int) -> int:
        match stream, layout:
            case Constant(data), _:
                return len(data) * n
            case Numbers(dtype), _:
                return np.dtype(dtype).itemsize * n
            case Text(version, wide), ListLayout(counts, Values(_, key)):
                letters = n_rows(key) + _LENGTH_BYTES * n if wide else text_bytes(counts, key)
                return letters + (0 if version is None else _HEADER_BYTES * n)
            case Fixed(size, inner), RegularLayout(_, content):
                return count(inner, content, size * n)
            case Items(inner, version, counted, flagged, _), ListLayout(_, content):
                own = (0 if version is None else _HEADER_BYTES) + _LENGTH_BYTES * counted + flagged
                return own * n + count(inner, content, _rows_below(content, n_rows))
            case Pairs(keys, values, _, pair, one, other), ListLayout(_, RecordLayout(((_, key), (_, value)))):
                own = _HEADER_BYTES * (1 + (one is not None) + (other is not None)) + len(pair) + _LENGTH_BYTES
                below = _rows_below(key, n_rows)
                return own * n + count(keys, key, below) + count(values, value, below)
            case Members(members, version, before), RecordLayout(fields):
                of = dict(fields)
                own = (0 if version is None else _HEADER_BYTES) + len(before)
                return own * n + sum(count(one, layout if name is None else of[name], n) for name, one in members)
        msg = f"{type(stream).__name__} cannot be made of {type(layout).__name__}"
        raise TypeError(msg)

    return count(stream, layout, n)


def _rows_below(layout: Layout, n_rows: Callable[[str], int]) -> int:
    """Number of rows of a layout, told by the first of its columns that has a row for each."""
    match layout:
        case Values(_, key) | ListLayout(key):
            return n_rows(key)
        case RecordLayout(fields):
            return _rows_below(fields[0][1], n_rows)
        case RegularLayout(size, content):
            return _rows_below(content, n_rows) // size
    msg = f"{type(layout).__name__} is written by no class"
    raise TypeError(msg)


def _rows(stream: Stream, content: Any) -> _Rows:
    content = unwrapped(content)
    n = len(content)
    match stream:
        case Constant(data):
            return _same(data, n)
        case Numbers(dtype):
            big = np.asarray(content.data, dtype).astype(np.dtype(dtype).newbyteorder(">"))
            return _Rows(big.view(np.uint8).ravel(), big.dtype.itemsize)
        case Text(version, wide):
            offsets, letters = _list_of(content)
            lengths = np.diff(offsets)
            heads = _big(lengths, ">u4") if wide else _short_lengths(lengths)
            return _headed(_joined([heads, _Rows(np.asarray(letters.data, np.uint8), lengths)], n), version, n)
        case Fixed(size, inner):
            regular = content.to_RegularArray()
            rows = _rows(inner, regular.content[: size * n])
            if isinstance(rows.sizes, int):
                return _Rows(rows.data, size * rows.sizes)
            return _grouped(rows, np.arange(n + 1, dtype=np.int64) * size)
        case Items(inner, version, counted, flagged, _):
            offsets, elements = _list_of(content)
            parts = [_big(np.diff(offsets), ">i4")] if counted else []
            parts = ([_big(np.diff(offsets) > 0, "u1")] if flagged else []) + parts
            return _headed(_joined([*parts, _grouped(_rows(inner, elements), offsets)], n), version, n)
        case Pairs(keys, values, version, pair, one, other):
            offsets, elements = _list_of(content)
            length = offsets[-1]
            parts = [_same(pair, n), _big(np.diff(offsets), ">i4")]
            for place, (inner, inner_version) in enumerate(((keys, one), (values, other))):
                below = _grouped(_rows(inner, unwrapped(elements).content(place)[:length]), offsets)
                parts.append(_headed(below, inner_version, n))
            return _headed(_joined(parts, n), version | _MEMBERWISE, n)
        case Members(members, version, before):
            parts = [_same(before, n)] if before else []
            for name, inner in members:
                parts.append(_rows(inner, content if name is None else content.content(name)[:n]))
            return _headed(_joined(parts, n), version, n)


def _list_of(content: Any) -> tuple[NDArray[np.int64], Any]:
    """Offsets from zero, and the elements."""
    lists = content.to_ListOffsetArray64(True)
    offsets = np.asarray(lists.offsets, np.int64)
    return offsets, unwrapped(lists.content[: offsets[-1]])


def _same(data: bytes, n: int) -> _Rows:
    return _Rows(np.tile(np.frombuffer(data, np.uint8), n), len(data))


def _big(values: NDArray[Any], dtype: str) -> _Rows:
    return _Rows(values.astype(dtype).view(np.uint8), np.dtype(dtype).itemsize)


def _short_lengths(lengths: NDArray[np.int64]) -> _Rows:
    """Lengths of strings: a byte, or 255 and four bytes."""
    long = lengths >= _LONG_TEXT
    first = np.minimum(lengths, _LONG_TEXT).astype(np.uint8)
    if not long.any():
        return _Rows(first, 1)
    more = _Rows(lengths[long].astype(">u4").view(np.uint8), np.where(long, _LENGTH_BYTES, 0))
    return _joined([_Rows(first, 1), more], len(lengths))


def _headed(rows: _Rows, version: int | None, n: int) -> _Rows:
    """Rows behind a header that tells their size and a version."""
    if version is None:
        return rows
    header = np.zeros((n, _HEADER_BYTES), np.uint8)
    follows = _each(rows.sizes, n) + 2
    header[:, :4] = (follows | _BYTE_COUNT).astype(">u4").view(np.uint8).reshape(n, 4)
    header[:, 4:] = np.frombuffer(np.array(version, ">u2").tobytes(), np.uint8)
    return _joined([_Rows(header.ravel(), _HEADER_BYTES), rows], n)


def _each(sizes: int | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.full(n, sizes, np.int64) if isinstance(sizes, int) else sizes


def _offsets(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def _grouped(rows: _Rows, offsets: NDArray[np.int64]) -> _Rows:
    """The rows of each list together."""
    if isinstance(rows.sizes, int):
        return _Rows(rows.data, np.diff(offsets) * rows.sizes)
    ends = _offsets(rows.sizes)
    return _Rows(rows.data, ends[offsets[1:]] - ends[offsets[:-1]])


def _joined(parts: Sequence[_Rows], n: int) -> _Rows:
    """Rows side by side."""
    if len(parts) == 1:
        return parts[0]
    fixed = [part.sizes for part in parts if isinstance(part.sizes, int)]
    if len(fixed) == len(parts):
        wide = [part.data.reshape(n, size) for part, size in zip(parts, fixed, strict=True)]
        return _Rows(np.concatenate(wide, axis=1).ravel() if wide else np.zeros(0, np.uint8), sum(fixed))
    sizes = [_each(part.sizes, n) for part in parts]
    total: NDArray[np.int64] = np.sum(sizes, axis=0)
    places = _offsets(total)
    out = np.empty(int(places[-1]), np.uint8)
    starts = places[:-1]
    for part, size in zip(parts, sizes, strict=True):
        out[np.repeat(starts - _offsets(size)[:-1], size) + np.arange(len(part.data))] = part.data
        starts = starts + size
    return _Rows(out, total)
