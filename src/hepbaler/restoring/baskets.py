"""One basket of a TTree as bytes, as uproot would write it without compression."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hepbaler.errors import CorruptFile
from hepbaler.restoring.arrays import elements
from hepbaler.restoring.bytestreams import pack_rows
from hepbaler.restoring.streaming import pack_string

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hepbaler.restoring.bytestreams import Stream

__all__ = ("NO_TIME", "BasketForm", "text_bytes")


def __dir__() -> tuple[str, ...]:
    return __all__


# fNbytes, fVersion, fObjlen, fDatime, fKeylen, fCycle, fSeekKey, fSeekPdir of a key with long pointers
_KEY = struct.Struct(">ihiIhhqq")
_LONG_KEY = 1004
# fVersion, fBufferSize, fNevBufSize, fNevBuf, fLast
_BASKET = struct.Struct(">Hiiii")
# 1995-01-01: ROOT's earliest time. Baskets of the same values are the same bytes whenever they are made.
NO_TIME = 1 << 22 | 1 << 17
_LONG_TEXT = 255


@dataclass(frozen=True)
class BasketForm:
    """What all baskets of a branch have in common.

    Attributes
    ----------
    branch, tree
        Names in the file.
    dtype
        Of an element; a numpy dtype without byte order.
    shape
        Of a C array, outermost first.
    lists
        Whether the baskets tell where each entry starts, because lists or objects are not all of one size.
    text
        Whether they hold strings.
    stream
        How objects are written, if they hold such.
    """

    branch: str
    tree: str
    dtype: str
    shape: tuple[int, ...] = ()
    lists: bool = False
    text: bool = False
    stream: Stream | None = None

    @property
    def key_bytes(self) -> int:
        """Bytes of a basket before its values."""
        names = pack_string("TBasket") + pack_string(self.branch) + pack_string(self.tree)
        return _KEY.size + len(names) + _BASKET.size + 1

    def num_bytes(self, n_entries: int, n_elements: int) -> int:
        """Size of a basket.

        Parameters
        ----------
        n_entries
            Its entries.
        n_elements
            Numbers in it, those of lists and C arrays one by one; for strings the bytes that `text_bytes` gives, for
            objects those that `hepbaler.restoring.bytestreams.stream_bytes` gives.
        """
        values = n_elements * (1 if self.text or self.stream is not None else np.dtype(self.dtype).itemsize)
        # lists and strings: where each entry starts, and how many such numbers there are
        return self.key_bytes + values + (4 * (n_entries + 2) if self.lists or self.text else 0)

    def pack(self, content: Any, *, seek: int, parent: int, num_bytes: int) -> bytes:
        """Make a basket.

        Parameters
        ----------
        content
            The values, as `hepbaler.restoring.arrays.leaf_values` gives them.
        seek
            Where it starts in the file.
        parent
            Where the key of its directory is.
        num_bytes
            What `num_bytes` said of it.

        Raises
        ------
        CorruptFile
            If the values are more or fewer than announced.
        """
        key_bytes = self.key_bytes
        if self.stream is not None:
            data, starts = self._objects(content, self.stream)
        else:
            data, starts = self._text(content) if self.text else self._numbers(content)
        n_entries = len(content)
        last = key_bytes + len(data)
        if starts is None:
            n_per_entry = len(data) // n_entries if n_entries else 0
        else:
            # uproot and ROOT take the end of the last entry from fLast
            places = (starts + key_bytes).astype(">i4")
            places[-1] = 0
            data += struct.pack(">I", len(places)) + places.tobytes()
            n_per_entry = n_entries + 1
        if key_bytes + len(data) != num_bytes:
            msg = (
                f"branch {self.branch!r} has {key_bytes + len(data)} bytes in a basket where {num_bytes} were announced"
            )
            raise CorruptFile(msg, section=self.branch, expected=num_bytes, found=key_bytes + len(data))
        key = _KEY.pack(num_bytes, _LONG_KEY, len(data), NO_TIME, key_bytes, 0, seek, parent)
        names = pack_string("TBasket") + pack_string(self.branch) + pack_string(self.tree)
        return key + names + _BASKET.pack(3, 32000, n_per_entry, n_entries, last) + b"\x00" + data

    def _numbers(self, content: Any) -> tuple[bytes, NDArray[np.int64] | None]:
        numbers = elements(content)
        data = numbers.astype(np.dtype(self.dtype).newbyteorder(">"), copy=False).tobytes()
        if not self.lists:
            return data, None
        itemsize = np.dtype(self.dtype).itemsize * int(np.prod(self.shape, dtype=np.int64))
        return data, np.asarray(content.offsets, np.int64) * itemsize

    def _objects(self, content: Any, stream: Stream) -> tuple[bytes, NDArray[np.int64] | None]:
        data, starts = pack_rows(stream, content)
        return data, starts if self.lists else None

    def _text(self, content: Any) -> tuple[bytes, NDArray[np.int64]]:
        chars = elements(content).tobytes()
        ends = np.asarray(content.offsets).tolist()
        parts, starts, position = [], [0], 0
        for start, stop in pairwise(ends):
            n = stop - start
            head = struct.pack(">B", n) if n < _LONG_TEXT else struct.pack(">BI", _LONG_TEXT, n)
            parts += [head, chars[start:stop]]
            position += len(head) + n
            starts.append(position)
        return b"".join(parts), np.array(starts, np.int64)


def text_bytes(counts: NDArray[np.integer[Any]]) -> int:
    """Bytes of strings of these lengths with their lengths before them."""
    return int(counts.sum()) + len(counts) + 4 * int(np.count_nonzero(counts >= _LONG_TEXT))
