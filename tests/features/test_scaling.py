from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.errors import ColumnNotFound, InputError
from hepbaler.features.scaling import KINDS, ColumnScaling, ScalingPlan

FINITE = st.floats(-1e150, 1e150, allow_nan=False)
FITTING = hnp.arrays(
    np.float64, st.integers(0, 60), elements=st.floats(-1e150, 1e150) | st.sampled_from([0.0, -1.0, math.nan, math.inf])
)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@given(kind=st.sampled_from(KINDS), values=FITTING)
def test_values_come_back(kind, values):
    scaling = ColumnScaling.fit(kind, values)
    x = values[np.isfinite(values)]
    back = scaling.invert(scaling.apply(x))
    size = np.abs(x).max(initial=0.0)
    # log compresses: its error is relative to each value, times the size of the logarithm.
    tolerance = 1e-9 * np.maximum(np.abs(x), scaling.unit) if kind == "log" else 1e-9 * size
    assert np.all(np.abs(back - x) <= tolerance)


@given(kind=st.sampled_from(KINDS), values=FITTING)
def test_scaled_values_are_of_order_one(kind, values):
    scaling = ColumnScaling.fit(kind, values)
    y = scaling.apply(values[np.isfinite(values)])
    if scaling.kind in ("minmax", "rank"):
        assert np.all((y >= -1e-9) & (y <= 1 + 1e-9))
    elif scaling.kind in ("standard", "log"):
        # No one of n values lies further than sqrt(n) standard deviations from their mean.
        assert np.all(np.abs(y) <= math.sqrt(max(len(y), 1)) + 1e-6)


@given(kind=st.sampled_from(KINDS), values=FITTING, low=FINITE, high=FINITE)
def test_order_is_kept(kind, values, low, high):
    y = ColumnScaling.fit(kind, values).apply(np.array(sorted([low, high])))
    # But for the last digit: numbers as near as 1e-158 may change places there.
    assert y[0] <= y[1] or y[0] == pytest.approx(y[1], rel=1e-14)


@given(kind=st.sampled_from(KINDS), values=FITTING)
def test_plan_survives_json(kind, values):
    plan = ScalingPlan.fit({"a": values, "b": np.arange(3)}, {"a": kind, "b": "minmax"})
    assert ScalingPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -3.5, 1e-310, 1e300, True])
def test_constant_column_comes_back(kind, value):
    scaling = ColumnScaling.fit(kind, np.array([value] * 5))
    y = scaling.apply(np.array([value]))
    assert np.isfinite(y).all()
    np.testing.assert_allclose(scaling.invert(y), float(value), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_neither_fits_nor_vanishes(kind):
    values = np.array([1.0, 2.0, 3.0, 5.0])
    scaling = ColumnScaling.fit(kind, np.append(values, [np.nan, np.inf, -np.inf]))
    assert scaling == ColumnScaling.fit(kind, values)
    assert np.isnan(scaling.apply(np.array([np.nan]))).all()
    assert scaling.apply(np.array([np.inf])).tolist() == [np.inf]
    assert scaling.invert(np.array([-np.inf])).tolist() == [-np.inf]


def test_standard_has_mean_zero_and_deviation_one():
    x = rng().normal(172.5, 4.0, 10_000)
    y = ColumnScaling.fit("standard", x).apply(x)
    assert abs(y.mean()) < 1e-12
    assert y.std() == pytest.approx(1.0)


def test_rank_is_flat_and_puts_a_spike_in_its_middle():
    x = np.concatenate([np.zeros(5000), rng().exponential(50.0, 5000)])
    y = ColumnScaling.fit("rank", x).apply(x)
    np.testing.assert_allclose(np.quantile(y[x > 0], [0.5, 0.9]), [0.66, 0.93], atol=0.03)
    assert np.unique(y[x == 0]).size == 1


def test_ranks_go_on_beyond_the_sample():
    scaling = ColumnScaling.fit("rank", np.arange(11.0))
    y = scaling.apply(np.array([-5.0, 20.0]))
    np.testing.assert_allclose(y, [-0.5, 2.0])
    np.testing.assert_allclose(scaling.invert(y), [-5.0, 20.0])


def test_log_tames_a_tail():
    x = rng().exponential(50.0, 5000) ** 3
    y = ColumnScaling.fit("log", x).apply(x)
    assert np.abs(y).max() < 6 < np.abs(ColumnScaling.fit("standard", x).apply(x)).max()


def test_integers_and_float32_are_taken():
    for dtype in (np.uint8, np.int64, np.float32, np.bool_):
        values = np.array([0, 1, 1, 0], dtype)
        assert ColumnScaling.fit("minmax", values).apply(values).tolist() == [0.0, 1.0, 1.0, 0.0]


def test_values_that_span_too_much_are_refused_by_name():
    with pytest.raises(InputError, match="column 'weight': values from .* span more than float64"):
        ScalingPlan.fit({"weight": np.array([-1.7e308, 1.7e308])}, "minmax")


def test_unknown_kind():
    with pytest.raises(InputError, match="unknown scaling 'zscore'; known: standard"):
        ColumnScaling.fit("zscore", np.zeros(3))


def test_unknown_columns_are_named():
    plan = ScalingPlan.fit({"Jet_pt": np.arange(3.0)})
    with pytest.raises(ColumnNotFound, match="no column 'Jet_eta'; it has: Jet_pt"):
        plan.apply({"Jet_eta": np.arange(3.0)})
    with pytest.raises(ColumnNotFound, match="'Jet_pt' has no kind"):
        ScalingPlan.fit({"Jet_pt": np.arange(3.0)}, {})
    with pytest.raises(ColumnNotFound, match="'Jet_m' has a kind of scaling but is not"):
        ScalingPlan.fit({"Jet_pt": np.arange(3.0)}, {"Jet_pt": "log", "Jet_m": "log"})


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "standard", "centre": 0.0, "width": 0.0, "unit": 1.0},
        {"kind": "standard", "centre": math.nan, "width": 1.0, "unit": 1.0},
        {"kind": "cosine", "centre": 0.0, "width": 1.0, "unit": 1.0},
        {"kind": "rank", "centre": 0.0, "width": 1.0, "unit": 1.0, "knots": [1.0, 0.0], "ranks": [0.0, 1.0]},
        {"kind": "standard"},
        "standard",
    ],
)
def test_broken_plans_are_refused(data):
    with pytest.raises(InputError):
        ScalingPlan.from_dict({"a": data})
