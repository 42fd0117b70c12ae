"""A ROOT file that does not tell when it was written: the same contents are the same bytes.

uproot notes the time in the key of every record, in the list of keys, and in every directory; and space that it has given
back keeps what stood there. Here the records that the file's directories lead to are visited; anything between them is emptied.

::

    header -> root directory -> list of keys -> records, directories -> their lists of keys ...
           -> streamers, free segments
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hepbaler.restoring.baskets import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("without_times",)


def __dir__() -> tuple[str, ...]:
    return __all__


_BIG_FILE = 1_000_000
_LONG_POINTERS = 1000
_DIRECTORIES = (b"TDirectory", b"TDirectoryFile")
_TIME = struct.pack(">I", NO_TIME)


def without_times(data: bytes, records: Sequence[int] = ()) -> bytes:
    """The same file, as if it had been written on 1995-01-01.

    Parameters
    ----------
    data
        A whole file as uproot writes it; anything may follow its last record.
    records
        Where those are that no directory lists.

    Returns
    -------
    Of the same length.
    """
    walk = _Walk(bytearray(data))
    big = walk.numbers(">i", 4)[0] >= _BIG_FILE
    begin, _, free, _, _, length_of_name = walk.numbers(">iqqiii" if big else ">iiiiii", 8)
    (streamers,) = walk.numbers(">q" if big else ">i", 8 + struct.calcsize(">iqqiiibi" if big else ">iiiiiibi"))
    walk.kept.append((0, begin))
    walk.record(begin)
    for other in (free, streamers, *records):
        if other:
            walk.record(other)
    walk.directory(begin + length_of_name)
    end = 0
    for start, stop in sorted(walk.kept):
        if start > end:
            walk.data[end:start] = bytes(start - end)
        end = max(end, stop)
    walk.data[end:] = bytes(len(walk.data) - end)
    return bytes(walk.data)


@dataclass
class _Walk:
    """A file being visited; what was visited is kept."""

    data: bytearray
    kept: list[tuple[int, int]] = field(default_factory=list)

    def numbers(self, form: str, start: int) -> tuple[int, ...]:
        return struct.unpack_from(form, self.data, start)

    def key(self, start: int) -> tuple[int, int, int, bytes]:
        """Take the time out of a key; give the bytes of its record, its own, where the record is, and of which class."""
        size, version, _, _, own, _ = self.numbers(">ihiIhh", start)
        self.data[start + 10 : start + 14] = _TIME
        long = version > _LONG_POINTERS
        (place,) = self.numbers(">q" if long else ">i", start + 18)
        name = start + (34 if long else 26)
        return size, own, place, bytes(self.data[name + 1 : name + 1 + self.data[name]])

    def record(self, start: int) -> int:
        """Visit a record; gives where its contents begin."""
        size, own, _, _ = self.key(start)
        self.kept.append((start, start + size))
        return start + own

    def directory(self, start: int) -> None:
        """Visit the directory described at `start`, and all that is in it."""
        (version,) = self.numbers(">h", start)
        self.data[start + 2 : start + 10] = 2 * _TIME
        long = version > _LONG_POINTERS
        keys = self.numbers(">qqq" if long else ">iii", start + 18)[2]
        if not keys:
            return
        at = self.record(keys)
        (n_keys,) = self.numbers(">i", at)
        at += 4
        for _ in range(n_keys):
            _, own, place, kind = self.key(at)
            at += own
            contents = self.record(place)
            if kind in _DIRECTORIES:
                self.directory(contents)
