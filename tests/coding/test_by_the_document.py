"""A reader written from docs/format-coding.md alone, one row at a time, against the real one."""

from __future__ import annotations

import math
import struct
from decimal import Context, Decimal
from itertools import pairwise

import numpy as np
import pytest

from hepbaler.coding.entropy import ColumnCoder
from hepbaler.features.ranks import RankTable, fit_ranks

WORD = 1 << 32


class Stack:
    def __init__(self, stream: bytes) -> None:
        self.words = list(struct.unpack(f"<{len(stream) // 4}I", stream))
        self.state = 0
        while self.words and self.state < WORD:
            self.state = self.state * WORD + self.words.pop()

    def take(self, probabilities: list[int]) -> int:
        assert sum(probabilities) == 1 << 24
        t, below, symbol = self.state % (1 << 24), 0, 0
        while t >= below + probabilities[symbol]:
            below += probabilities[symbol]
            symbol += 1
        self.state = (self.state >> 24) * probabilities[symbol] + t - below
        if self.state < WORD and self.words:
            self.state = self.state * WORD + self.words.pop()
        return symbol


CONTEXT = Context(prec=50)
L = [
    int((Decimal(2**30) / (1 + CONTEXT.exp(Decimal(512 - i) / 32))).to_integral_value("ROUND_HALF_EVEN"))
    for i in range(1025)
]


def clip(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def f(x: int) -> int:
    x = clip(x, -16384, 16383)
    i = (x >> 5) + 512
    return L[i] + (((L[i + 1] - L[i]) * (x % 32)) >> 5)


def r_of(level: int) -> int:
    return math.isqrt(2 ** (level + 20))


def mix(w: list[int], total: int, h: list[int], m: int, u: int) -> list[int]:
    free = 2**24 - len(w)
    flat = free >> u
    part = [a * (free - flat) // total + ((b * flat) >> m) for a, b in zip(w, h, strict=True)]
    part[part.index(max(part))] += free - sum(part)
    return [p + 1 for p in part]


def differences(c: list[int]) -> list[int]:
    return [b - a for a, b in pairwise(c)]


def read_column(
    stream: bytes, escaped: list[int], ranks: RankTable, uniform: int, locations: list[int], levels: list[int]
) -> list[int]:
    masses, shift, base = ranks.mass.tolist(), [*ranks.shift.tolist(), 0], ranks.base.tolist()
    cumulative = [sum(masses[:b]) for b in range(len(masses) + 1)]
    n_bins, n_rows = len(base), len(locations)
    stack = Stack(stream)

    def relative(row: int, b: int) -> int:
        return levels[row] - (32 - (masses[b] * masses[b] - 1).bit_length())

    wide, narrow, bins = [], [], [0] * n_rows
    for row in range(n_rows):
        b = max(b for b in range(n_bins + 1) if cumulative[b] << 12 <= locations[row])
        if levels[row] > 20 and relative(row, b) >= 4:
            r = min(relative(row, b), 12)
            g = min((locations[row] - (cumulative[b] << 12)) * 64 // (masses[b] << 12), 63)
            narrow.append(((r - 4) * 64 + g, row, b, r, g))
        else:
            level = min(levels[row], 20)
            t = (2 * locations[row] * r_of(level) + 2**37) >> 38
            wide.append((t + sum((2 * r_of(lower) >> 10) + 2 for lower in range(level)), row, level, t))
    for _, row, level, t in sorted(wide):
        c = [f(((edge * r_of(level)) >> 16) - 512 * t) for edge in cumulative]
        bins[row] = stack.take(mix(differences(c), max(c[-1] - c[0], 1), masses, 16, uniform))
    none = []
    for _, row, b, r, g in sorted(narrow):
        x0, x1 = f(-(2 * g + 1) * r_of(r) // 128), f((127 - 2 * g) * r_of(r) // 128)
        symbol = stack.take(mix([x0, x1 - x0, 2**30 - x1, 0], 2**30, [0, 0, 0, 1], 0, uniform))
        bins[row] = b + symbol - 1
        if symbol == 3:
            none.append(row)
    for row in sorted(none):
        bins[row] = stack.take([mass << 8 for mass in masses])
    inner, left, offset = [], [shift[b] for b in bins], [0] * n_rows
    for row, b in enumerate(bins):
        r = min(relative(row, b), 12)
        if shift[b] >= 1 and r >= -3:
            q, big = min(shift[b], 5), clip((r + 1) // 2 + 1, 1, 6)
            g = clip(((locations[row] - (cumulative[b] << 12)) << big) // (masses[b] << 12), -8, 2**big + 7)
            a = sum(2 ** clip((lower + 1) // 2 + 1, 1, 6) + 16 for lower in range(-3, r))
            inner.append((((a + g + 8) << 3) | q, row, r, q, big, g))
            left[row] -= q
    for _, row, r, q, big, g in sorted(inner):
        c = [f((((i << (big + 1)) - ((2 * g + 1) << q)) * r_of(r)) >> (big + 1 + q)) for i in range(2**q + 1)]
        offset[row] = stack.take(mix(differences(c), max(c[-1] - c[0], 1), [1] * 2**q, q, 7))
    while any(left):
        for bits, row in sorted((min(n, 16), row) for row, n in enumerate(left) if n):
            offset[row] = (offset[row] << bits) | stack.take([1 << (24 - bits)] * (1 << bits))
            left[row] -= bits
    assert stack.take([1 << 8] * 65536) == 23235
    assert stack.state == 0
    assert not stack.words
    rest = iter(escaped)
    return [next(rest) if b == n_bins else base[b] + o for b, o in zip(bins, offset, strict=True)]


@pytest.mark.parametrize("spread", [40, 3000, 10**6, 10**13])
def test_a_stranger_reads_the_same_column(spread: int) -> None:
    rng = np.random.default_rng(spread % 1000)
    q = np.where(rng.random(150) < 0.2, 0, rng.normal(0, spread, 150)).astype(np.int64)
    q[3] = 7 * spread + 10**14
    ranks = fit_ranks(np.where(rng.random(4000) < 0.2, 0, rng.normal(0, spread, 4000)).astype(np.int64), max_bins=60)
    noise = rng.choice([0.0, 1e-5, 1e-3, 0.1], 150) * rng.normal(size=150)
    location = np.clip(ranks.ranks(q) + (noise * 2**28).astype(np.int64), 0, 2**28 - 1)
    level = rng.integers(0, 31, 150)
    stream, escaped = ColumnCoder(ranks, 6).encode(q, location, level)
    assert read_column(stream, escaped.tolist(), ranks, 6, location.tolist(), level.tolist()) == q.tolist()
