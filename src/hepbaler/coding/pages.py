"""A column's page: the integers of one cluster, and the values that the grid could not hold.

``page = exceptions payload``, where the payload belongs to the plain or to the learned coder, and the exceptions are
one zero byte if there are none. `docs/format-coding.md` gives the layout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptFile
from . import plain

__all__ = ("join_page", "join_parts", "split_page", "split_parts")


def __dir__() -> tuple[str, ...]:
    return __all__


def join_page(positions: NDArray[np.int64], patterns: NDArray[np.uint64], payload: bytes) -> bytes:
    """Put exceptions before the payload of a column.

    Parameters
    ----------
    positions
        Rows that the grid does not hold, rising; shape ``(n_exceptions,)``.
    patterns
        Their bits, shape ``(n_exceptions,)``.
    payload
        The coded integers of all rows.
    """
    if not len(positions):
        return b"\0" + payload
    where = plain.encode(np.diff(positions, prepend=-1) - 1)
    what = plain.encode(patterns.view(np.int64))
    return (
        plain.write_varint(len(positions))
        + plain.write_varint(len(where))
        + plain.write_varint(len(what))
        + where
        + what
        + payload
    )


def split_page(page: bytes, n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.uint64], bytes]:
    """Inverse of `join_page`.

    Raises
    ------
    CorruptFile
        If the exceptions contradict the number of rows.
    """
    n, start = plain.read_varint(page, 0)
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint64), page[start:]
    n_where, start = plain.read_varint(page, start)
    n_what, start = plain.read_varint(page, start)
    if n > n_rows or start + n_where + n_what > len(page):
        msg = f"a page of {n_rows} rows and {len(page)} bytes claims {n} exceptions"
        raise CorruptFile(msg, section="page", expected=n_rows, found=n)
    gaps = plain.decode(page[start : start + n_where], n)
    patterns = plain.decode(page[start + n_where : start + n_where + n_what], n)
    if gaps.min() < 0 or gaps.max() >= n_rows or int(gaps.sum()) + n > n_rows:
        msg = f"exceptions lie outside a page of {n_rows} rows"
        raise CorruptFile(msg, section="page", expected=n_rows)
    return np.cumsum(gaps + 1) - 1, patterns.view(np.uint64), page[start + n_where + n_what :]


def join_parts(parts: Sequence[bytes]) -> bytes:
    """One payload of the parts of a column, each with its length before it."""
    return b"".join(piece for part in parts for piece in (plain.write_varint(len(part)), part))


def split_parts(payload: bytes, n_parts: int) -> list[bytes]:
    """Inverse of `join_parts`.

    Raises
    ------
    CorruptFile
        If the parts do not fill the payload.
    """
    parts, position = [], 0
    for _ in range(n_parts):
        length, position = plain.read_varint(payload, position)
        if position + length > len(payload):
            msg = f"a payload of {len(payload)} bytes claims a part of {length} bytes"
            raise CorruptFile(msg, section="page", expected=length, found=len(payload) - position)
        parts.append(payload[position : position + length])
        position += length
    if position != len(payload):
        msg = f"a payload of {len(payload)} bytes holds {len(payload) - position} bytes behind its {n_parts} parts"
        raise CorruptFile(msg, section="page", expected=position, found=len(payload))
    return parts
