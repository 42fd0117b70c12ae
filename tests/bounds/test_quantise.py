from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.bounds import EXACT, Bound, Choice, ColumnFacts, choose_grid, holds, quantise, restore
from hepbaler.bounds.grids import FixedGrid, HybridGrid, IntegerGrid, LogGrid, MantissaGrid, UniformGrid
from hepbaler.errors import BoundError, CorruptFile, InputError

FLOATS = ("float16", "float32", "float64")

bounds = st.one_of(
    st.just(EXACT),
    st.builds(Bound, st.just("bits"), st.integers(1, 52)),
    st.builds(Bound, st.just("abs"), st.floats(1e-300, 1e300) | st.floats(1e-6, 100)),
    st.builds(Bound, st.just("rel"), st.floats(1e-15, 0.999)),
)


@st.composite
def columns(draw):
    """Float columns that are hard on quantisers: any bit pattern, spikes, a short mantissa, a wide range."""
    dtype = draw(st.sampled_from(FLOATS))
    width = np.dtype(dtype).itemsize
    n = draw(st.integers(0, 60))
    way = draw(st.sampled_from(["patterns", "normal", "spread", "short", "few"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    with np.errstate(over="ignore", under="ignore"):
        if way == "patterns":
            values = draw(hnp.arrays(f"u{width}", n)).view(dtype)
        elif way == "normal":
            values = random.normal(draw(st.floats(-100, 100)), draw(st.floats(1e-3, 100)), n).astype(dtype)
        elif way == "spread":
            span = float(np.log10(np.finfo(dtype).max))
            values = (10.0 ** random.uniform(-span, span, n) * random.choice([-1, 1], n)).astype(dtype)
        elif way == "short":
            values = (random.integers(-(2**9), 2**9, n) * 2.0 ** random.integers(-8, 6, n)).astype(dtype)
        else:
            values = random.choice(np.array([0, -0.0, np.nan, np.inf, -1, 1e-7, 0.1, 3, 1000]), n).astype(dtype)
    if n and draw(st.booleans()):
        at = draw(st.lists(st.integers(0, n - 1), max_size=3))
        for i in at:
            values[i] = draw(st.sampled_from([np.nan, -np.inf, np.inf, -0.0, 0.0]))
    return values


def facts_of(values):
    facts = ColumnFacts(values.dtype)
    facts.update(values)
    return facts


def choose(values, bound, sample=None):
    return choose_grid(bound, facts_of(values), values if sample is None else sample)


def there_and_back(values, choice):
    done = quantise(values, choice)
    assert done.integers.dtype == np.int64
    assert len(done.integers) == len(values)
    assert (np.diff(done.positions) > 0).all()
    return restore(done.integers, done.positions, done.patterns, choice, values.dtype)


def within(x, y, bound, scale):
    """Say whether the promise holds for one value, in rational numbers."""
    if x.tobytes() == y.tobytes():
        return True
    if not np.isfinite(x) or not np.isfinite(y) or abs(float(x)) < float(np.finfo(x.dtype).smallest_normal):
        return False
    error, size = abs(Fraction(float(x)) - Fraction(float(y))), abs(Fraction(float(x)))
    if bound.kind == "abs":
        return error <= Fraction(bound.value)
    if bound.kind == "rel":
        return error <= Fraction(bound.value) * size
    return bound.kind == "bits" and error <= max(size, Fraction(scale)) / 2 ** (int(bound.value) + 1)


@settings(max_examples=300, deadline=None)
@given(columns(), bounds, st.booleans())
def test_every_value_is_within_its_bound(values, bound, part):
    choice = choose(values, bound, values[::3] if part else None)
    back = there_and_back(values, choice)
    assert back.dtype == values.dtype
    assert choice.bound == bound
    if choice.exact:
        assert back.tobytes() == values.tobytes()
    wrong = [(x, y) for x, y in zip(values, back, strict=True) if not within(x, y, bound, choice.scale)]
    assert not wrong
    assert holds(values, back, bound, choice.scale).all()


@settings(max_examples=300, deadline=None)
@given(columns(), bounds, st.booleans())
def test_compressing_again_changes_no_value(values, bound, part):
    first = choose(values, bound, values[::3] if part else None)
    once = there_and_back(values, first)
    second = choose(once, bound, once[::3] if part else None)
    twice = there_and_back(once, second)
    assert twice.tobytes() == once.tobytes()


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 10, 14, 20])
@pytest.mark.parametrize("shape", ["lognormal", "wide", "spike", "flat"])
def test_compressing_again_finds_the_scale_in_use_even_from_another_sample(bits, shape):
    random = np.random.default_rng(bits)
    n = 40_000
    values = {
        "lognormal": random.lognormal(3, 1, n),
        # Quantising turns nearly half of these into zeros, which moves the median a lot.
        "wide": 10.0 ** np.where(random.random(n) < 0.45, random.uniform(-30, -20, n), random.uniform(0, 4, n)),
        "spike": np.where(random.random(n) < 0.3, 0.0, random.normal(0, 1e-3, n)),
        "flat": random.uniform(-math.pi, math.pi, n),
    }[shape].astype("float32")
    bound = Bound("bits", bits)
    first = choose(values, bound, values[:15_000])
    once = there_and_back(values, first)
    second = choose(once, bound, once[10_000:])
    assert there_and_back(once, second).tobytes() == once.tobytes()
    assert isinstance(first.grid, HybridGrid)
    assert once.tobytes() != values.tobytes()


@pytest.mark.parametrize("text", ["bits=10", "rel=0.0005", "abs=0.001", "exact", "bits=21"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ordinary_columns_need_no_exceptions(text, dtype):
    random = np.random.default_rng(7)
    values = (random.lognormal(1, 1.5, 50_000) * random.choice([-1, 1], 50_000)).astype(dtype)
    done = quantise(values, choose(values, Bound.parse(text)))
    assert len(done.positions) <= 2


def test_rounding_is_unbiased():
    values = np.random.default_rng(3).uniform(50, 150, 200_000).astype("float32")
    back = there_and_back(values, choose(values, Bound("bits", 10)))
    bias = float(np.mean((back.astype("float64") - values) / values))
    assert abs(bias) < 5e-6  # truncation at 10 bits gives 3.4e-4


def entropy(integers):
    _, counts = np.unique(integers, return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum() / counts.sum())


def test_margins_for_rounding_cost_no_entropy():
    # Against the same grid with no margin at all, computed with logarithms.
    values = np.random.default_rng(5).lognormal(0, 1.5, 300_000).astype("float32")
    bound, r = Bound("bits", 6), 2.0**-7
    choice = choose(values, bound)
    size, edge = values.astype("float64"), choice.scale * (1 + r)
    near = np.rint(size / (2 * r * choice.scale))
    far = 65 + np.floor(np.log(size / edge) / math.log((1 + r) / (1 - r)))
    ideal = entropy(np.where(size < edge, near, far))
    assert entropy(quantise(values, choice).integers) < ideal + 0.005


@pytest.mark.parametrize(
    ("values", "text", "kind", "exact"),
    [
        (np.arange(500, dtype="int16"), "bits=3", IntegerGrid, True),
        (np.arange(5000, dtype="float32"), "bits=3", FixedGrid, True),  # whole numbers may be ids
        (np.arange(5000, dtype="float32"), "abs=4", UniformGrid, False),
        (np.arange(5000, dtype="float32") / 8, "abs=0.05", FixedGrid, True),  # no finer than the bound
        (np.arange(5000, dtype="float32") / 8, "abs=0.0625", FixedGrid, True),
        (np.arange(5000, dtype="float32") / 8, "abs=0.07", UniformGrid, False),
        (np.linspace(1, 2, 5000, dtype="float32"), "exact", FixedGrid, True),
        (np.geomspace(1e-9, 1e9, 5000, dtype="float32"), "exact", MantissaGrid, True),
        (np.geomspace(1e-9, 1e9, 5000, dtype="float32"), "bits=10", HybridGrid, False),
        (np.geomspace(1e-9, 1e9, 5000, dtype="float32"), "rel=0.001", LogGrid, False),
        (np.geomspace(1e-9, 1e9, 5000, dtype="float32"), "bits=22", MantissaGrid, True),
        (np.geomspace(1e-9, 1e9, 5000, dtype="float64"), "bits=22", MantissaGrid, False),
        (np.geomspace(1e-4, 1e4, 5000, dtype="float16"), "bits=10", MantissaGrid, True),
        (np.full(100, 0.1, dtype="float32"), "bits=2", FixedGrid, True),
        (np.zeros(100, dtype="float32"), "bits=2", MantissaGrid, True),
        (np.full(100, np.nan, dtype="float32"), "bits=2", MantissaGrid, True),
        (np.empty(0, dtype="float32"), "bits=2", MantissaGrid, True),
        (np.linspace(1e-45, 1e-39, 1000, dtype="float32"), "bits=10", None, True),  # denormal
        (np.tile(np.array([0.9, 0.95, 1.1, 1.12], "float32"), 900), "bits=10", None, True),  # nothing to gain
    ],
)
def test_choice_of_grid(values, text, kind, exact):
    choice = choose(values, Bound.parse(text))
    assert kind is None or type(choice.grid) is kind
    assert choice.exact is exact
    back = there_and_back(values, choice)
    assert (back.tobytes() == values.tobytes()) is exact


def test_rounded_mantissas_stay_exact_at_their_own_precision():
    values = np.random.default_rng(0).lognormal(3, 2, 5000).astype("float32")
    coarse = (values.view("uint32") & np.uint32(0xFFFFE000)).view("float32")  # 10 explicit bits
    choice = choose(coarse, Bound("bits", 10))
    assert (choice.exact, choice.grid) == (True, MantissaGrid("float32", 10))
    assert len(quantise(coarse, choice).positions) == 0
    assert not choose(coarse, Bound("bits", 9)).exact


def test_frequent_nans_and_negative_zeros_are_no_exceptions():
    values = np.random.default_rng(0).normal(0, 1, 5000).astype("float32")
    values[::10] = np.nan
    values[1::10] = -0.0
    values.view("uint32")[2] = 0xFFA0_1234  # a NaN that says something
    for text in ("bits=10", "abs=0.01", "rel=0.01"):
        choice = choose(values, Bound.parse(text))
        done = quantise(values, choice)
        assert done.positions.tolist() == [2]
        assert done.patterns.tolist() == [0xFFA0_1234]
        assert done.integers[2] == done.integers[1]
        back = there_and_back(values, choice)
        assert back[::10].tobytes() == values[::10].tobytes()
        assert np.signbit(back[1::10]).all()


def test_scale_is_the_median_of_what_is_not_zero_rounded_down():
    values = np.concatenate([np.zeros(3000), np.random.default_rng(0).normal(0, 30, 3001)]).astype("float32")
    median = float(np.median(np.abs(values[values != 0])))
    scale = choose(values, Bound("bits", 10)).scale
    assert median * (1 - 1 / 32) < scale <= median
    mantissa, _ = math.frexp(scale)
    assert (mantissa * 64).is_integer()


def test_exceptions_across_blocks_repeat_the_last_good_integer():
    values = np.random.default_rng(0).normal(0, 1, 100_000).astype("float32")
    choice = choose(values, Bound("bits", 10))
    values[:5] = np.nan
    values[32_760:32_775] = np.nan
    done = quantise(values, choice)
    assert done.positions.tolist() == [*range(5), *range(32_760, 32_775)]
    assert done.integers[:5].tolist() == [0] * 5
    assert set(done.integers[32_760:32_775].tolist()) == {int(done.integers[32_759])}
    assert holds(values, there_and_back(values, choice), choice.bound, choice.scale).all()


def test_other_columns_on_a_given_grid_keep_the_bound():
    random = np.random.default_rng(0)
    choice = choose(random.normal(0, 1, 5000).astype("float32"), Bound("bits", 10))
    other = (random.normal(0, 1e6, 5000) ** 5).astype("float32")
    assert holds(other, there_and_back(other, choice), choice.bound, choice.scale).all()


@example(x=2.0**53, y=1.0)
@example(x=1.0, y=-(2.0**-60))
@given(x=st.floats(1e-3, 1e17), y=st.floats(-1e17, 1e17))
def test_the_check_compares_without_rounding(x, y):
    # The bound is the difference as float64 gives it, which is too small for about half of all pairs.
    error = abs(x - y)
    if not 0 < error < math.inf:
        return
    verdict = bool(holds(np.array([x]), np.array([y]), Bound("abs", error), 0.0)[0])
    assert verdict == (abs(Fraction(x) - Fraction(y)) <= Fraction(error))


@given(columns(), bounds)
def test_choice_survives_json(values, bound):
    choice = choose(values, bound)
    assert Choice.from_dict(json.loads(json.dumps(choice.to_dict()))) == choice


@pytest.mark.parametrize(
    "changes", [{"scale": -1.0}, {"scale": math.nan}, {"scale": "1"}, {"grid": 3}, {"bound": None}]
)
def test_descriptions_that_make_no_choice(changes):
    choice = Choice(UniformGrid("float32", (), 0.5), Bound("abs", 0.5), 0.0, exact=False)
    with pytest.raises(BoundError):
        Choice.from_dict(choice.to_dict() | changes)
    with pytest.raises(BoundError):
        Choice.from_dict({})


def test_exceptions_that_do_not_fit_are_corruption():
    choice = Choice(UniformGrid("float32", (), 0.5), Bound("abs", 0.5), 0.0, exact=False)
    q = np.zeros(3, np.int64)
    bits = np.zeros(1, np.uint64)
    for row in (-1, 3):
        with pytest.raises(CorruptFile, match=f"row {row} of a page with 3 rows"):
            restore(q, np.array([row]), bits, choice, "float32")
    with pytest.raises(CorruptFile, match="2 rows of exceptions, but 1"):
        restore(q, np.array([0, 1]), bits, choice, "float32")
    integers = Choice(IntegerGrid("int32"), EXACT, 0.0, exact=True)
    with pytest.raises(CorruptFile, match="needs none"):
        restore(q, np.array([0]), bits, integers, "int32")


def test_wrong_dtypes_and_shapes_are_refused():
    choice = Choice(UniformGrid("float32", (), 0.5), Bound("abs", 0.5), 0.0, exact=False)
    with pytest.raises(InputError, match="float64 do not fit a grid of float32"):
        quantise(np.zeros(3), choice)
    with pytest.raises(InputError, match="must be flat"):
        quantise(np.zeros((3, 2), "float32"), choice)
    with pytest.raises(InputError, match="float64 do not fit"):
        restore(np.zeros(3, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64), choice, "float64")
    with pytest.raises(InputError, match="sample of float64"):
        choose_grid(EXACT, ColumnFacts("float32"), np.zeros(3))
