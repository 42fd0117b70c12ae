from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.bounds import ColumnFacts
from hepbaler.errors import InputError

FLOATS = ("float16", "float32", "float64")


def facts_of(values, pieces=1):
    facts = ColumnFacts(values.dtype)
    for piece in np.array_split(values, pieces):
        facts.update(piece)
    return facts


any_floats = st.sampled_from(FLOATS).flatmap(
    lambda dtype: hnp.arrays(f"u{np.dtype(dtype).itemsize}", st.integers(0, 40)).map(lambda bits: bits.view(dtype))
)


@given(any_floats, st.integers(1, 4))
def test_float_facts_agree_with_one_value_at_a_time(values, pieces):
    facts = facts_of(values, pieces)
    wide = [float(v) for v in values]
    finite = [v for v in wide if np.isfinite(v)]
    smallest_normal = float(np.finfo(values.dtype).smallest_normal)
    assert facts.count == len(values)
    assert facts.n_nan == sum(np.isnan(v) for v in wide)
    assert facts.n_inf == sum(np.isinf(v) for v in wide)
    assert facts.n_zero == sum(v == 0 for v in wide)
    assert facts.n_negative_zero == sum(v == 0 and np.signbit(v) for v in wide)
    assert facts.n_denormal == sum(0 < abs(v) < smallest_normal for v in finite)
    assert (facts.min, facts.max) == ((min(finite), max(finite)) if finite else (None, None))
    assert facts.constant == (len({v.tobytes() for v in values}) == 1)
    assert facts.digest == xxhash.xxh3_64(values.tobytes()).intdigest()


@given(any_floats)
def test_precision_is_the_smallest_that_holds_every_value(values):
    facts = facts_of(values)
    nonzero = [Fraction(float(v)) for v in values if np.isfinite(v) and v != 0]
    # A number is odd * 2^k for one k.
    units = [(n & -n).bit_length() - d.bit_length() for n, d in ((abs(f.numerator), f.denominator) for f in nonzero)]
    assert facts.lsb_exponent == (min(units) if units else None)
    info = np.finfo(values.dtype)
    field = [int(v.view(f"u{v.itemsize}")) & ((1 << info.nmant) - 1) for v in values if np.isfinite(v)]
    needed = [info.nmant - ((f & -f).bit_length() - 1) if f else 0 for f in field]
    assert facts.mantissa_bits == max(needed, default=0)


@given(
    st.sampled_from(["bool", "int8", "uint16", "int32", "uint64", "int64"]).flatmap(
        lambda d: hnp.arrays(d, st.integers(0, 30))
    )
)
def test_integer_facts(values):
    facts = facts_of(values, 2)
    assert (facts.min, facts.max) == ((int(values.min()), int(values.max())) if len(values) else (None, None))
    assert facts.constant == (len(set(values.tolist())) == 1)
    assert facts.n_zero == sum(int(v) == 0 for v in values)
    assert facts.digest == xxhash.xxh3_64(values.astype("<i8").tobytes()).intdigest()
    assert facts.mantissa_bits == 0
    assert facts.lsb_exponent is None


def test_equal_counts_of_different_width_have_equal_digests():
    counts = np.arange(100_000) % 7
    assert facts_of(counts.astype("uint8")).digest == facts_of(counts.astype("int64"), 5).digest


def test_zeros_of_both_signs_are_not_constant_and_byte_order_does_not_matter():
    assert not facts_of(np.array([0.0, -0.0], dtype="float32")).constant
    values = np.linspace(-1, 1, 11, dtype="float32")
    assert facts_of(values.astype(">f4")).digest == facts_of(values).digest
    assert facts_of(values.astype(">f4")).lsb_exponent == facts_of(values).lsb_exponent


def test_constant_value_keeps_its_bits():
    nan = np.array([0x7FC0_1234] * 3, dtype="uint32").view("float32")
    facts = facts_of(nan)
    assert facts.constant
    assert np.asarray(facts.constant_value).tobytes() == nan[:1].tobytes()
    assert facts_of(np.empty(0, "float32")).constant_value is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.empty(0, "float32"), "empty"),
        (np.full(3, 2.5, "float32"), "constant 2.5"),
        (np.array([1, 200], "uint8"), "1 to 200"),
        (np.array([1, 200], "float32"), "whole numbers"),
        (np.array([1, 1.25], "float32"), "2 mantissa bits"),
        (np.array([1, 1.1], "float32"), "full precision"),
        (np.array([np.nan, 0], "float32"), "no finite value other than 0"),
    ],
)
def test_precision_in_words(values, words):
    assert facts_of(values).describe() == words


def test_other_dtypes_are_refused():
    with pytest.raises(InputError, match="complex64"):
        ColumnFacts("complex64")
    with pytest.raises(InputError, match="float32 was given values of float64"):
        ColumnFacts("float32").update(np.zeros(3))
    with pytest.raises(InputError, match="2 dimensions"):
        ColumnFacts("float64").update(np.zeros((3, 1)))
