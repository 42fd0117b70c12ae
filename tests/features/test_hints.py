from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.features.elementary import hyperbolic_cosine
from hepbaler.features.hints import HintScale, LinearHint, Term, clean, term_values
from hepbaler.features.ranks import RANK_BITS, fit_ranks


@given(st.floats(-16, 16))
def test_cosh_by_products_and_sums_is_cosh(x: float) -> None:
    assert hyperbolic_cosine(np.array([x]))[0] == pytest.approx(np.cosh(x), rel=1e-11)


def test_terms_of_a_four_vector() -> None:
    pt, eta, mass = np.array([50.0]), np.array([1.5]), np.array([91.19])
    momentum = 50.0 * np.cosh(1.5)
    assert term_values("momentum", [pt, eta])[0] == pytest.approx(momentum)
    assert term_values("energy", [pt, eta, mass])[0] == pytest.approx(np.hypot(momentum, 91.19))
    assert term_values("product", [pt, eta])[0] == 75.0


def test_a_hint_that_knows_the_value_gives_its_own_rank() -> None:
    rng = np.random.default_rng(0)
    q = rng.normal(0, 2000, 20_000).round().astype(np.int64)
    ranks = fit_ranks(q)
    scale = HintScale.of(ranks, lambda n: n * 0.25)
    assert scale is not None
    bins, offset = ranks.locate(q)
    # The hint is linear between edges half-way between values, as the ranks are: they agree but for rounding.
    inner = (bins > 0) & (bins < ranks.n_bins - 1)
    assert np.abs(scale.rank(q * 0.25) - ranks.centre(bins, offset))[inner].max() <= 2


def test_hints_of_wild_values_stay_finite_and_in_range() -> None:
    hint = LinearHint((Term("value", (0,)), Term("product", (0, 1))), (1e30, -2.0), 1.0)
    columns = [
        clean(np.array([np.nan, np.inf, -np.inf, 1e300, 0.0])),
        clean(np.array([1e300, -1e300, 0.0, 1.0, np.nan])),
    ]
    predicted = hint.predict(lambda slot: columns[slot], 5)
    ranks = fit_ranks(np.arange(500))
    scale = HintScale.of(ranks, lambda n: n * 1.0)
    assert scale is not None
    rank = scale.rank(predicted)
    assert np.all(np.isfinite(predicted))
    assert rank.min() >= 0
    assert rank.max() < 1 << RANK_BITS


def test_no_scale_where_values_do_not_ascend() -> None:
    ranks = fit_ranks(np.arange(1000))
    assert HintScale.of(ranks, lambda n: (n % 7) * 1.0) is None
    assert HintScale.of(ranks, lambda n: n * np.nan) is None
