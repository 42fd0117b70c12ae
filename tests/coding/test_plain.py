from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hepbaler.coding import plain
from hepbaler.coding.pages import join_page, split_page
from hepbaler.errors import CorruptFile

INT64 = st.integers(-(2**63), 2**63 - 1)
COLUMNS = st.one_of(
    npst.arrays(np.int64, st.integers(0, 300), elements=INT64),
    npst.arrays(np.int64, st.integers(0, 300), elements=st.integers(0, 1)),
    npst.arrays(np.int64, st.integers(0, 300), elements=st.integers(-4, 250)),
    st.builds(lambda n, value: np.full(n, value, np.int64), st.integers(0, 300), INT64),
)


@given(COLUMNS)
def test_decode_inverts_encode(values):
    back = plain.decode(plain.encode(values), len(values))
    assert back.dtype == np.int64
    assert np.array_equal(back, values)


@pytest.mark.parametrize("codec", plain.ALL_CODECS)
@pytest.mark.parametrize("high", [2, 200, 60_000, 2**31, 2**62])
def test_every_codec_and_width_round_trips_on_a_large_page(codec, high):
    values = np.random.default_rng(3).integers(0, high, 10_000)
    assert np.array_equal(plain.decode(plain.encode(values, (codec,)), len(values)), values)


def test_a_column_that_never_changes_costs_no_more_than_its_value():
    assert len(plain.encode(np.full(1_000_000, -3))) == 2


def test_a_page_is_never_much_larger_than_raw():
    values = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 5000)
    assert len(plain.encode(values)) <= values.nbytes + 16


def test_promising_keeps_the_best_codec():
    text = np.frombuffer(b"HLT_IsoMu24 HLT_IsoMu27 " * 500, np.uint8).astype(np.int64)
    noise = np.random.default_rng(0).normal(0, 3000, 20_000).astype(np.int64)
    assert "pco" in plain.promising(noise)
    assert set(plain.promising(text)) & {"zstd", "lzma"}


@given(st.binary(max_size=60), st.integers(0, 2000))
def test_hostile_pages_raise_or_give_the_right_number_of_rows(page, n_rows):
    try:
        values = plain.decode(page, n_rows)
    except CorruptFile:
        return
    assert values.shape == (n_rows,)


@given(COLUMNS.filter(len), st.data())
def test_a_damaged_page_never_gives_another_number_of_rows(values, data):
    page = bytearray(plain.encode(values))
    page[data.draw(st.integers(0, len(page) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        back = plain.decode(bytes(page), len(values))
    except CorruptFile:
        return
    assert back.shape == values.shape


def test_a_cut_page_is_corrupt():
    page = plain.encode(np.random.default_rng(0).integers(0, 1000, 5000))
    with pytest.raises(CorruptFile):
        plain.decode(page[: len(page) // 2], 5000)


@given(st.integers(1, 500), st.data())
def test_exceptions_come_back(n_rows, data):
    rows = data.draw(st.lists(st.integers(0, n_rows - 1), unique=True, max_size=20))
    positions = np.array(sorted(rows), np.int64)
    patterns = np.array(
        data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=len(rows), max_size=len(rows))), np.uint64
    )
    payload = data.draw(st.binary(max_size=20))
    found = split_page(join_page(positions, patterns, payload), n_rows)
    assert np.array_equal(found[0], positions)
    assert np.array_equal(found[1], patterns)
    assert found[2] == payload


@given(st.binary(max_size=40), st.integers(0, 300))
def test_hostile_exceptions_stay_inside_the_page(page, n_rows):
    try:
        positions, patterns, _ = split_page(page, n_rows)
    except CorruptFile:
        return
    assert len(positions) == len(patterns)
    assert np.all((positions >= 0) & (positions < n_rows))
    assert np.all(np.diff(positions) > 0)
