"""Elementary functions: as numpy's, but by a recipe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.features.elementary import (
    arc_tangent,
    cosine_and_sine,
    hyperbolic_arc_sine,
    hyperbolic_cosine,
    hyperbolic_sine,
)


def of(x):
    return np.array([x], np.float64)


@given(st.floats(-15, 15))
def test_hyperbolic_functions(x):
    assert hyperbolic_cosine(of(x))[0] == pytest.approx(np.cosh(x), rel=1e-11)
    assert hyperbolic_sine(of(x))[0] == pytest.approx(np.sinh(x), rel=1e-9, abs=2e-7)


@given(st.floats(-8, 8))
def test_cosine_and_sine(x):
    cosine, sine = cosine_and_sine(of(x))
    assert (cosine[0], sine[0]) == pytest.approx((np.cos(x), np.sin(x)), abs=1e-13)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_an_angle(x, y):
    # numpy knows a negative zero; an angle does not.
    assert arc_tangent(of(y), of(x))[0] == pytest.approx(np.arctan2(y, x + 0.0), abs=1e-14)


@given(st.floats(-1e90, 1e90))
def test_the_inverse_of_sinh(x):
    assert hyperbolic_arc_sine(of(x))[0] == pytest.approx(np.arcsinh(x), rel=1e-14, abs=1e-15)


def test_what_is_far_away_stays_finite():
    far = of(1e308)
    for function in (hyperbolic_cosine, hyperbolic_sine, hyperbolic_arc_sine):
        assert np.isfinite(function(far))[0]
    assert np.isfinite(arc_tangent(far, -far))[0]
