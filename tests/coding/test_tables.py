from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.coding import tables
from hepbaler.features.ranks import RANK_BITS, fit_ranks

WHOLE = 1 << tables.PRECISION


def _column(n: int = 5000) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.where(rng.random(n) < 0.2, 0, rng.normal(0, 900, n).round()).astype(np.int64)


def test_all_wide_tables_are_probabilities() -> None:
    ranks = fit_ranks(_column(), max_bins=40)
    index = np.arange(int(tables.wide_offsets()[-1]))
    weights = tables.wide_weights(index, ranks, 8)
    assert weights.shape == (index.size, ranks.n_bins + 1)
    assert weights.min() >= 1
    assert np.all(weights.sum(axis=1) == WHOLE)


def test_all_narrow_and_inner_tables_are_probabilities() -> None:
    low, high = tables.NARROW_LEVELS
    for index in range((high - low) * tables.NARROW_STEPS):
        weights = tables.narrow_weights(index, 6)
        assert weights.sum() == WHOLE
        assert weights.min() >= 1
    for level in range(*tables.INNER_LEVELS):
        for bits in range(1, 6):
            location = np.arange(-40, 80, dtype=np.int64) << (RANK_BITS - 8)
            size = location.size
            index = tables.inner_index(
                location,
                np.full(size, level),
                np.full(size, 256 * 8),
                np.full(size, 256 * 16),
                np.full(size, bits),
            )
            for one in np.unique(index).tolist():
                weights = tables.inner_weights(one)
                assert weights.size == 1 << bits
                assert weights.sum() == WHOLE
                assert weights.min() >= 1


@given(st.integers(0, (1 << RANK_BITS) - 1), st.integers(0, tables.WIDE_LEVEL))
def test_a_wide_table_is_the_logistic_at_its_location(location: int, level: int) -> None:
    ranks = fit_ranks(_column(), max_bins=40)
    index = tables.wide_index(np.array([location]), np.array([level]))
    weights = tables.wide_weights(index, ranks, 16)[0] / WHOLE
    scale = 2.0 ** (-level / 2)
    half_steps = round(2 * location / 2**RANK_BITS / scale)
    edges = ranks.cumulative / 65536
    below = 0.5 * (1 + np.tanh((edges / scale - half_steps / 2) / 2))
    expected = np.diff(below) / (below[-1] - below[0])
    assert np.abs(weights - expected).max() < 2e-3


def test_tables_are_the_same_for_ever() -> None:
    # A file is read with the tables of the version that reads it: this digest must never change.
    ranks = fit_ranks(np.arange(-300, 900), max_bins=50)
    digest = hashlib.sha256()
    digest.update(tables.wide_weights(np.arange(0, 7000, 13), ranks, 7).astype("<i8").tobytes())
    for index in range(0, 576, 5):
        digest.update(tables.narrow_weights(index, 5).astype("<i8").tobytes())
    index = tables.inner_index(
        np.arange(0, 1 << 22, 1 << 14), np.full(256, 5), np.full(256, 300), np.full(256, 500), np.full(256, 4)
    )
    for one in np.unique(index).tolist():
        digest.update(tables.inner_weights(one).astype("<i8").tobytes())
    assert digest.hexdigest() == "0c3322d6ae6b8445eade0e4adb290452eaddcea028c8192776219f1eaf545ca7"


def test_mass_levels_halve_with_the_square_root() -> None:
    assert tables.mass_levels(np.array([65536, 65535, 32768, 256, 1])).tolist() == [0, 0, 2, 16, 32]


@pytest.mark.parametrize("uniform", [1, 16])
def test_the_histogram_share_is_kept(uniform: int) -> None:
    ranks = fit_ranks(_column(), max_bins=40)
    weights = tables.wide_weights(tables.wide_index(np.array([0]), np.array([20])), ranks, uniform)[0]
    assert np.all(weights >= ranks.mass * 2.0 ** (8 - uniform) * 0.9999 - 2)
