"""Columns to features and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.autoencoders.curve import Curve, choose_kind
from hepbaler.autoencoders.plan import Coded, Constant, FeaturePlan, Sum
from hepbaler.errors import ColumnNotFound, InputError
from hepbaler.features.scaling import KINDS

FINITE = st.floats(-1e6, 1e6, width=32)


def rule(plan, name):
    return plan.rules[plan.names.index(name)]


def test_every_kind_of_column_is_seen(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    kinds = {name: type(r) for name, r in zip(names, plan.rules, strict=True)}
    assert kinds["Jet_one"] is Constant
    # Charged + neutral is Jet_sum, and charged + neutral + muon is the energy of the four-vector.
    assert {name for name, kind in kinds.items() if kind is Sum} == {"Jet_sum", "Jet_chEn"}
    assert rule(plan, "Jet_neEn").total is not None
    assert rule(plan, "Jet_muEn").total is not None
    assert rule(plan, "Jet_n").curve.whole
    assert plan.n_features == 7
    features = plan.apply(table)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-9)


def test_columns_come_back(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    back = plan.invert(plan.apply(table))
    energy = np.sqrt((table[:, 0] * np.cosh(table[:, 1])) ** 2 + table[:, 3] ** 2)
    assert np.all(np.abs(back - table) <= 1e-6 * energy[:, None])
    np.testing.assert_array_equal(back[:, 7:9], table[:, 7:9])


def test_a_spike_is_restored_exactly_from_about_its_place(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    features = plan.apply(table)
    column = names.index("Jet_muEn")
    place = plan.features.index(column)
    features[:, place] += np.random.default_rng(0).normal(0, 0.1, len(features))
    zero = table[:, column] == 0
    assert np.all(plan.invert(features)[zero, column] == 0)


def test_no_relations_where_none_are_wanted(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table, scaling="minmax", relations=False)
    assert plan.n_features == 9
    np.testing.assert_allclose(plan.invert(plan.apply(table)), table, rtol=1e-9, atol=1e-9)


def test_a_sum_that_holds_only_nearly_is_no_relation():
    rng = np.random.default_rng(2)
    a, b = rng.gamma(2, 3, (2, 1000))
    assert FeaturePlan.fit(("a", "b", "c"), np.stack([a, b, a + b], axis=1)).n_features == 2
    loose = np.stack([a, b, (a + b) * rng.normal(1, 0.01, 1000)], axis=1)
    assert FeaturePlan.fit(("a", "b", "c"), loose).n_features == 3
    broken = np.stack([a, b, a + b], axis=1)
    broken[500, 2] += 1
    assert FeaturePlan.fit(("a", "b", "c"), broken).n_features == 3


def test_numbers_that_are_not_finite_are_typical(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    holes = table.copy()
    holes[3, 0], holes[4, 3], holes[5, 2] = np.nan, np.inf, -np.inf
    assert np.all(np.isfinite(plan.apply(holes)))
    assert np.all(np.isfinite(plan.invert(plan.apply(holes))))


def test_weights_reach_the_columns_that_a_sum_is_made_of(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    weights = dict(zip([names[i] for i in plan.features], plan.feature_weights({"Jet_mass": 10}), strict=True))
    assert weights["Jet_mass"] == pytest.approx(10 * weights["Jet_pt"])
    weights = dict(zip([names[i] for i in plan.features], plan.feature_weights({"Jet_chEn": 4}), strict=True))
    assert weights["Jet_muEn"] == pytest.approx(4 * weights["Jet_phi"])
    assert np.mean(list(weights.values())) == pytest.approx(1)


def test_a_plan_is_plain_data(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table, scaling={"*_pt": "log", "Jet_eta": "standard"})
    assert FeaturePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize("kind", [*KINDS, None])
@given(values=hnp.arrays(np.float64, st.integers(2, 60), elements=FINITE), whole=st.booleans())
def test_a_curve_is_its_own_way_back(kind, values, whole):
    if whole:
        values = np.rint(values)
    if values.min() == values.max():
        return
    curve = Curve.fit(values, kind, whole=whole)
    back = curve.invert(curve.apply(values))
    if whole:
        np.testing.assert_array_equal(back, values)
    else:
        np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-6 * np.abs(values).max())
    assert Curve.from_dict(json.loads(json.dumps(curve.to_dict()))) == curve
    assert np.all(np.isfinite(curve.apply(np.array([np.nan, np.inf, -np.inf, 1e300]))))


@given(features=hnp.arrays(np.float64, 20, elements=st.floats(-50, 50)))
def test_a_curve_never_falls(features):
    values = np.concatenate([np.zeros(50), np.random.default_rng(3).gamma(2, 10, 200)])
    curve = Curve.fit(values)
    restored = curve.invert(np.sort(features))
    assert np.all(np.diff(restored) >= 0)
    assert restored.min() >= 0


def test_kinds_are_chosen_by_looks():
    rng = np.random.default_rng(0)
    assert choose_kind(rng.uniform(-3, 3, 1000)) == "minmax"
    assert choose_kind(rng.gamma(1, 10, 1000)) == "normal"
    assert choose_kind(np.where(rng.random(1000) < 0.3, 0.0, rng.uniform(0, 1, 1000))) == "normal"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FeaturePlan.fit(("a",), np.ones((3, 2))), InputError, r"shape \(n_rows, 1\)"),
        (lambda: FeaturePlan.fit(("a", "a"), np.ones((3, 2))), InputError, "2 different columns"),
        (lambda: FeaturePlan.fit(("a",), np.ones((3, 1)), scaling={"b": "log"}), ColumnNotFound, "called 'b'"),
        (lambda: FeaturePlan.from_dict({"names": ["a"]}), InputError, "no plan"),
        (lambda: FeaturePlan(("a",), (Constant(1.0),), (1,)), InputError, "rules in the order"),
        (lambda: FeaturePlan.fit(("a",), np.ones((3, 1))).invert(np.ones((3, 1))), InputError, "has 0 features"),
        (lambda: FeaturePlan.fit(("a",), np.ones((3, 1))).apply(np.ones((3, 2))), InputError, "for 1 columns"),
        (lambda: FeaturePlan.fit(("a",), np.ones((3, 1))).feature_weights({"a": 0}), InputError, "must be positive"),
        (lambda: Curve((0.0, 0.0), (1.0, 2.0)), InputError, "must rise"),
        (lambda: Curve((0.0, 1.0), (2.0, 1.0)), InputError, "must not fall"),
        (lambda: Curve((0.0,), (2.0,)), InputError, "two knots"),
        (lambda: Curve.from_dict({"scores": [0, 1]}), InputError, "no curve"),
    ],
)
def test_nonsense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_rule_needs_what_is_restored_before_it(jets):
    table, names, _ = jets
    plan = FeaturePlan.fit(names, table)
    coded = next(i for i, r in enumerate(plan.rules) if isinstance(r, Coded))
    with pytest.raises(InputError, match="not restored before it"):
        FeaturePlan(plan.names, plan.rules, (*(i for i in plan.order if i != coded), coded))
