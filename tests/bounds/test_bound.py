from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.bounds import EXACT, Bound
from hepbaler.errors import BoundError

bounds = st.one_of(
    st.just(EXACT),
    st.builds(Bound, st.just("bits"), st.integers(1, 52)),
    st.builds(Bound, st.just("abs"), st.floats(5e-324, 1.7e308)),
    st.builds(Bound, st.just("rel"), st.floats(5e-324, 1.0, exclude_max=True)),
)


@given(bounds)
def test_text_and_dict_give_the_bound_back(bound):
    assert Bound.parse(str(bound)) == bound
    assert Bound.from_dict(bound.to_dict()) == bound


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("10", Bound("bits", 10)),
        (" bits = 7 ", Bound("bits", 7)),
        ("abs=1e-4", Bound("abs", 1e-4)),
        ("rel=0.001", Bound("rel", 0.001)),
        ("exact", EXACT),
    ],
)
def test_what_users_write(text, bound):
    assert Bound.parse(text) == bound


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a number"),
        ("loose", "not a number"),
        ("exact=0", "'exact' is not a kind"),
        ("fuzzy=3", "'fuzzy' is not a kind"),
        ("abs=", "not a number"),
        ("abs=0", "written 'exact'"),
        ("abs=-1", "negative"),
        ("abs=inf", "finite"),
        ("rel=nan", "finite"),
        ("rel=1", "keep the sign"),
        ("bits=0", "from 1 to 52"),
        ("bits=53", "from 1 to 52"),
        ("bits=2.5", "whole number"),
        ("bits=-3", "negative"),
    ],
)
def test_senseless_bounds_say_why_and_what_to_write(text, reason):
    with pytest.raises(BoundError, match=reason) as caught:
        Bound.parse(text)
    assert "bits=10" in str(caught.value)


@pytest.mark.parametrize("data", [{}, {"kind": "abs"}, {"kind": "log", "value": 1.0}, {"kind": "abs", "value": "1"}, 3])
def test_dicts_that_describe_no_bound(data):
    with pytest.raises(BoundError):
        Bound.from_dict(data)


def test_allowed_errors_follow_the_formulas():
    x = np.array([0.0, -8.0, 0.25])
    assert EXACT.allowed(x, 1.0).tolist() == [0, 0, 0]
    assert Bound("abs", 0.5).allowed(x, 1.0).tolist() == [0.5, 0.5, 0.5]
    assert Bound("bits", 3).allowed(x, 1.0).tolist() == [1 / 16, 8 / 16, 1 / 16]
    assert Bound("rel", 0.125).allowed(x, 1.0) == pytest.approx([0, 1, 1 / 32], rel=1e-15)


@given(
    bound=bounds.filter(lambda b: b.kind in ("rel", "bits")),
    x=st.floats(allow_nan=False, allow_infinity=False),
    scale=st.floats(0.0, 1e300),
)
def test_allowed_errors_are_never_rounded_upwards(bound, x, scale):
    from fractions import Fraction

    allowed = Fraction(float(bound.allowed(np.array([x]), scale)[0]))
    if bound.kind == "rel":
        true = Fraction(bound.value) * abs(Fraction(x))
    else:
        true = max(abs(Fraction(x)), Fraction(scale)) / 2 ** (int(bound.value) + 1)
    assert allowed <= true
    assert float(allowed) == pytest.approx(float(true), rel=1e-15, abs=math.ulp(0.0))
