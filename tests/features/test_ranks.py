from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hepbaler.errors import CorruptFile, InputError
from hepbaler.features.ranks import MASS_BITS, RANK_BITS, RankTable, fit_ranks

small = arrays(np.int64, st.integers(1, 200), elements=st.integers(-300, 300))
any_size = arrays(np.int64, st.integers(1, 60), elements=st.integers(-(2**63), 2**63 - 1))


@given(st.one_of(small, any_size), st.integers(16, 255))
def test_every_value_of_the_sample_has_a_bin_and_comes_back(sample: np.ndarray, max_bins: int) -> None:
    ranks = fit_ranks(sample, max_bins=max_bins)
    bins, offset = ranks.locate(sample)
    assert ranks.n_bins <= max_bins
    assert bins.max() < ranks.n_bins
    assert np.array_equal(ranks.values(bins, offset), sample)


@given(small, st.one_of(small, any_size))
def test_values_never_seen_are_in_a_bin_or_escape(sample: np.ndarray, others: np.ndarray) -> None:
    ranks = fit_ranks(sample, max_bins=20)
    bins, offset = ranks.locate(others)
    inside = bins < ranks.n_bins
    assert np.array_equal(ranks.values(bins, offset)[inside], others[inside])
    assert np.all(offset[inside] < (1 << ranks.shift[bins[inside]]))
    # What escapes really lies in no bin.
    ends = [int(b) + (1 << int(s)) for b, s in zip(ranks.base, ranks.shift, strict=True)]
    for value in others[~inside].tolist():
        assert not any(int(base) <= value < end for base, end in zip(ranks.base, ends, strict=True))


@given(st.one_of(small, any_size))
def test_ranks_ascend_with_the_values(sample: np.ndarray) -> None:
    ranks = fit_ranks(sample)
    ordered = np.unique(sample)
    rank = ranks.ranks(ordered)
    assert np.all(np.diff(rank) >= 0)
    assert rank.min() >= 0
    assert rank.max() < 1 << RANK_BITS
    assert ranks.mass.min() >= 1
    assert ranks.mass.sum() == 1 << MASS_BITS


def test_a_spike_is_an_atom_and_the_rest_is_evenly_filled() -> None:
    rng = np.random.default_rng(1)
    sample = np.concatenate([np.zeros(40_000, np.int64), rng.normal(500, 3000, 100_000).round().astype(np.int64)])
    ranks = fit_ranks(sample)
    spike = ranks.locate(np.zeros(1, np.int64))[0][0]
    assert ranks.shift[spike] == 0
    assert ranks.mass[spike] / 65536 == pytest.approx(40_000 / 140_000, rel=0.02)
    others = np.delete(ranks.mass[:-1], spike)
    assert others.max() < 4 * 65536 / 200
    assert ranks.n_bins > 150


def test_tables_that_contradict_themselves_are_refused() -> None:
    good = fit_ranks(np.arange(1000))
    with pytest.raises(CorruptFile, match="sum 65536"):
        RankTable(good.base, good.shift, good.mass + 1)
    with pytest.raises(CorruptFile, match="overlap"):
        RankTable(good.base[::-1].copy(), good.shift, good.mass)
    with pytest.raises(CorruptFile, match="fit together"):
        RankTable(good.base, good.shift[1:], good.mass)
    with pytest.raises(InputError, match="at least one value"):
        fit_ranks(np.zeros(0, np.int64))
