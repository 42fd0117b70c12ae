"""Entry ranges of about equal size, at borders of the file where possible."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hepbaler.reading.clusters import cut_ranges


@given(st.integers(0, 1000), st.lists(st.integers(-5, 1100)), st.floats(0, 1e6), st.integers(1, 10**6))
def test_ranges_cover_the_tree_and_are_bounded(n: int, borders: list[int], per_entry: float, target: int) -> None:
    ranges = cut_ranges(n, borders, per_entry, target)
    assert [entry for start, stop in ranges for entry in range(start, stop)] == list(range(n))
    assert all(start < stop for start, stop in ranges)
    rows = max(1, int(target / max(per_entry, 1.0)))
    assert all(stop - start <= 2 * rows for start, stop in ranges)


def test_ranges_end_at_borders() -> None:
    assert cut_ranges(1000, range(0, 1000, 100), 1.0, 250) == [
        (0, 200),
        (200, 400),
        (400, 600),
        (600, 800),
        (800, 1000),
    ]
    assert cut_ranges(1000, [300, 600, 900], 1.0, 250) == [(0, 300), (300, 600), (600, 900), (900, 1000)]


def test_borders_too_far_apart_are_cut_evenly() -> None:
    assert cut_ranges(1000, [], 1.0, 250) == [(0, 250), (250, 500), (500, 750), (750, 1000)]
    sizes = [stop - start for start, stop in cut_ranges(10**8, [0, 10**8], 2.0, 16_000_000)]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 8_000_000


def test_no_entries_no_ranges() -> None:
    assert cut_ranges(0, [0], 4.0, 100) == []
    assert list(pairwise(cut_ranges(5, [], 0.0, 1))) != []
