from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.coding.entropy import ColumnCoder, ReadSymbols, WriteSymbols, histogram_model
from hepbaler.coding.tables import LAST_LEVEL
from hepbaler.errors import CorruptFile
from hepbaler.features.ranks import RANK_BITS, as_input, fit_ranks

pytestmark = pytest.mark.usefixtures("either_loops")


@st.composite
def _cases(draw: st.DrawFn) -> tuple:
    seed = draw(st.integers(0, 2**32 - 1))
    n_rows = draw(st.sampled_from([0, 1, 2, 50, 400]))
    spread = draw(st.sampled_from([1, 4, 300, 5000, 10**9, 2**61]))
    rng = np.random.default_rng(seed)
    sample = (rng.normal(0, 0.2, 500) * spread).astype(np.int64)
    q = (rng.normal(0, 0.2, n_rows) * spread).astype(np.int64)
    if n_rows and draw(st.booleans()):
        q[rng.integers(0, n_rows)] = draw(st.integers(-(2**63), 2**63 - 1))
    ranks = fit_ranks(sample, max_bins=draw(st.sampled_from([16, 60, 255])))
    away = rng.normal(0, draw(st.sampled_from([0.0, 1e-4, 0.1])), n_rows)
    location = np.clip(ranks.ranks(q) + (away * 2**RANK_BITS).astype(np.int64), 0, (1 << RANK_BITS) - 1)
    level = rng.integers(0, LAST_LEVEL + 1, n_rows)
    return q, ranks, draw(st.integers(1, 16)), location, level


@given(_cases())
@settings(max_examples=150, deadline=None)
def test_columns_come_back(case: tuple) -> None:
    q, ranks, uniform, location, level = case
    coder = ColumnCoder(ranks, uniform)
    stream, escaped = coder.encode(q, location, level)
    values, seen = coder.decode(stream, escaped, location, level)
    assert np.array_equal(values, q)
    assert np.array_equal(seen, as_input(ranks.ranks(q)))


@pytest.mark.parametrize("scale", [0.5, 0.05, 0.005, 5e-4, 6e-5])
def test_size_is_that_of_the_distribution(scale: float) -> None:
    rng = np.random.default_rng(2)
    n_rows = 20_000
    q = np.where(rng.random(n_rows) < 0.2, 0, rng.normal(0, 3000, n_rows).round()).astype(np.int64)
    ranks = fit_ranks(q)
    bins, offset = ranks.locate(q)
    width = ranks.mass[bins] / 65536 / 2.0 ** np.append(ranks.shift, 0)[bins]
    low = ranks.cumulative[bins] / 65536 + width * offset
    middle = np.clip(low + width / 2 + scale * rng.logistic(size=n_rows), 0, 1 - 1e-7)

    def below(x: np.ndarray) -> np.ndarray:
        return 0.5 * (1 + np.tanh(x / 2))

    mass = (below((low + width - middle) / scale) - below((low - middle) / scale)) / (
        below((1 - middle) / scale) - below(-middle / scale)
    )
    ideal = -np.log2(mass * (1 - 2**-8) + width * 2**-8).sum() / 8
    level = np.full(n_rows, round(-2 * np.log2(scale)))
    stream, escaped = ColumnCoder(ranks, 8).encode(q, (middle * 2**RANK_BITS).astype(np.int64), level)
    assert escaped.size == 0
    assert len(stream) < ideal * 1.04 + 8


def test_damaged_streams_are_noticed() -> None:
    rng = np.random.default_rng(5)
    q = rng.normal(0, 300, 500).round().astype(np.int64)
    ranks = fit_ranks(q)
    location, level = ranks.ranks(q), np.full(500, 8)
    coder = ColumnCoder(ranks, 6)
    stream, escaped = coder.encode(q, location, level)
    for damaged in (stream[:-4], stream[4:], stream[:-1], stream + b"\x01\x00\x00\x00", b""):
        with pytest.raises(CorruptFile):
            coder.decode(damaged, escaped, location, level)
    with pytest.raises(CorruptFile, match="outside the bins"):
        coder.decode(stream, np.zeros(3, np.int64), location, level)


def test_symbols_are_read_in_the_order_they_were_put() -> None:
    writer = WriteSymbols()
    model = histogram_model(np.array([30000, 30000, 5536]))
    writer.put(np.array([0, 1, 2, 1]), model)
    writer.put_grouped(np.array([2, 0, 1]), np.array([7, 3, 7]), lambda used: (model for _ in used))
    reader = ReadSymbols(writer.finish())
    assert reader.take(4, model).tolist() == [0, 1, 2, 1]
    assert reader.take_grouped(np.array([7, 3, 7]), lambda used: (model for _ in used)).tolist() == [2, 0, 1]
    reader.finish()
