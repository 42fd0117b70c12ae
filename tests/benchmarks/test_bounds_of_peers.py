from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.rounding import round_to_bound
from benchmarks.stretching import Stretch
from benchmarks.workload import FloatColumn, Workload, agreement
from hypothesis import example, given
from hypothesis import strategies as st

from hepbaler.bounds import Bound, Choice, Grid
from hepbaler.bounds.grids import MantissaGrid

BOUNDS = [Bound("bits", 10), Bound("bits", 3), Bound("rel", 0.01), Bound("abs", 0.25)]
VALUES = st.lists(st.floats(width=32, allow_subnormal=False, min_value=-1e6, max_value=1e6), min_size=1, max_size=50)


def column(values: np.ndarray, bound: Bound) -> FloatColumn:
    grid: Grid = MantissaGrid("float32", 23)
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    scale = float(np.median(sizes)) if sizes.size else 0.0
    return FloatColumn("x", "x", "Events", values, Choice(grid, bound, scale, exact=False))


@given(VALUES, st.sampled_from(BOUNDS))
def test_rounding_keeps_the_bound_and_repeats_nothing(values: list[float], bound: Bound) -> None:
    one = column(np.array(values, np.float32), bound)
    rounded = round_to_bound(one.values, bound)
    assert agreement(one, rounded).violations == 0
    np.testing.assert_array_equal(round_to_bound(rounded, bound), rounded)


def test_rounding_takes_bits_away() -> None:
    values = np.random.default_rng(1).normal(100.0, 30.0, 1000).astype(np.float32)
    rounded = round_to_bound(values, Bound("bits", 10))
    assert not (rounded.view(np.uint32) & ((1 << 13) - 1)).any()
    assert abs(float((rounded / values - 1).mean())) < 1e-4  # to nearest, not towards zero


@given(VALUES, st.sampled_from(BOUNDS), st.floats(-1.0, 1.0))
@example([0.0], Bound("bits", 10), 1.0)
def test_an_error_within_the_tolerance_of_the_axis_is_within_the_bound(
    values: list[float], bound: Bound, share: float
) -> None:
    one = column(np.array(values, np.float32), bound)
    stretch = Stretch.of(one)
    if stretch is None:
        return
    back = stretch.backward(stretch.forward(one.values) + share * stretch.tolerance)
    assert back.dtype == np.float32
    assert agreement(one, back).violations == 0


def test_agreement_counts_what_is_beyond_the_bound() -> None:
    values = np.array([1.0, 2.0, np.nan, np.inf, 4.0], np.float32)
    one = column(values, Bound("abs", 0.5))
    found = agreement(one, np.array([1.5, 2.6, np.nan, np.inf, 3.9]))
    assert (found.values, found.violations) == (5, 1)
    assert found.worst == pytest.approx(1.2)
    assert agreement(one, np.array([1.0, 2.0, 0.0, np.inf, 4.0])).violations == 1
    assert agreement(one, values[:-1]).violations == 5
    exact = replace(one, choice=replace(one.choice, bound=Bound("exact")))
    assert agreement(exact, values + np.float32(1e-6)).worst == np.inf


def test_the_workload_is_what_the_file_holds(work: Workload) -> None:
    assert {one.key for one in work.columns} == {"Jet_pt", "Jet_eta", "MET_pt"}
    assert work.float_branches == ["Jet_pt", "Jet_eta", "MET_pt"]
    assert work.entries == 400
