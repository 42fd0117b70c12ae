"""Entry ranges in which a tree is read, one after the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

__all__ = ("cut_ranges",)

# A range between borders of the file may be this much larger than asked for before it is cut inside.
SLACK = 2


def __dir__() -> tuple[str, ...]:
    return __all__


def cut_ranges(
    num_entries: int, borders: Sequence[int], bytes_per_entry: float, target_bytes: int
) -> list[tuple[int, int]]:
    """Cut a tree into entry ranges of about `target_bytes`.

    Ranges end at borders of the file, so that no basket is decompressed twice, unless those are too far apart: then they are cut
    evenly inside.

    Parameters
    ----------
    num_entries
        Of the tree.
    borders
        Entries at which all baskets begin anew; in any order, 0 and `num_entries` may be missing.
    bytes_per_entry
        Of uncompressed data, on average.
    target_bytes
        Of one range.

    Returns
    -------
    ranges
        ``(start, stop)`` of each, without gaps; none is empty. No ranges for no entries.
    """
    rows = max(1, int(target_bytes / max(bytes_per_entry, 1.0)))
    stops = sorted({border for border in borders if 0 < border < num_entries} | {num_entries})
    ranges: list[tuple[int, int]] = []
    start = 0
    while start < num_entries:
        # What is left in equal parts would end here: readers take them side by side.
        left = -(-(num_entries - start) // rows)
        ideal = start + (num_entries - start) / left
        stop = _nearest(stops, start, ideal)
        pieces = -(-(stop - start) // rows) if stop - start > SLACK * rows else 1
        edges = [start + (stop - start) * piece // pieces for piece in range(pieces + 1)]
        ranges += list(pairwise(edges))
        start = stop
    return ranges


def _nearest(stops: Sequence[int], start: int, ideal: float) -> int:
    """The border behind `start` that is nearest to a place."""
    first = bisect_right(stops, start)
    after = max(bisect_left(stops, ideal), first)
    return min(stops[max(after - 1, first) : after + 1], key=lambda stop: abs(stop - ideal))
