"""The compiled loops give what numpy gives, bit by bit, and refuse what does not fit."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.bounds.grids import HybridGrid, LogGrid
from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.coding.entropy import ColumnCoder
from hepbaler.coding.tables import LAST_LEVEL, constants, mass_levels
from hepbaler.errors import CorruptFile
from hepbaler.features.elementary import cosine_and_sine, hyperbolic_cosine, hyperbolic_sine
from hepbaler.features.hints import HintScale, clean
from hepbaler.features.ranks import MISSING, RANK_BITS, RankTable, fit_ranks
from hepbaler.loops import kernels

needs_loops = pytest.mark.skipif(kernels() is None, reason="installed without compiled loops")


def both(compute):
    """What a function gives with either loops."""
    out = []
    for loops in ("compiled", "numpy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEPBALER_LOOPS", loops)
            out.append(compute())
    return out


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform == "win32", reason="no C compiler here")
def test_where_there_is_a_compiler_there_are_loops() -> None:
    assert kernels() is not None, "install hepbaler anew: `pip install .` compiles them"


def test_the_environment_switches_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPBALER_LOOPS", "numpy")
    assert kernels() is None


def tables() -> st.SearchStrategy[RankTable]:
    def of(seed: int, spread: int, bins: int, missing: bool) -> RankTable:
        sample = (np.random.default_rng(seed).normal(0, 0.2, 400) * spread).astype(np.int64)
        if missing:
            sample[::7] = MISSING
        return fit_ranks(sample, max_bins=bins)

    spreads = st.sampled_from([1, 4, 300, 10**5, 10**12, 2**61])
    return st.builds(of, st.integers(0, 2**32 - 1), spreads, st.sampled_from([16, 100, 255]), st.booleans())


any_integer = st.integers(-(2**63), 2**63 - 1)


@needs_loops
@given(tables(), st.integers(0, 2**32 - 1), st.lists(any_integer, max_size=5), st.integers(1, 16))
@settings(max_examples=40)
def test_columns(ranks: RankTable, seed: int, odd: list[int], uniform: int) -> None:
    rng = np.random.default_rng(seed)
    inside = ranks.base[rng.integers(0, ranks.n_bins, 300)]
    q = np.concatenate([inside, rng.integers(-(2**40), 2**40, 20), np.array(odd, np.int64)])
    rng.shuffle(q)
    level = rng.integers(0, LAST_LEVEL + 1, q.size)
    away = rng.normal(size=q.size) * 2.0 ** (RANK_BITS - level / 2)
    location = np.clip(ranks.ranks(q) + away.astype(np.int64), 0, (1 << RANK_BITS) - 1)
    coder = ColumnCoder(ranks, uniform)
    (mine, mine_escaped), (theirs, theirs_escaped) = both(lambda: coder.encode(q, location, level))
    assert mine == theirs
    assert np.array_equal(mine_escaped, theirs_escaped)
    for values, seen in both(lambda: coder.decode(mine, mine_escaped, location, level)):
        assert np.array_equal(values, q)
        assert np.array_equal(seen, ranks.inputs(q))


@needs_loops
@given(tables(), st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=40)
def test_damaged_streams(ranks: RankTable, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    q = ranks.base[rng.integers(0, ranks.n_bins, 60)]
    level = rng.integers(0, LAST_LEVEL + 1, q.size)
    location = ranks.ranks(q)
    coder = ColumnCoder(ranks, 5)
    stream, escaped = coder.encode(q, location, level)
    broken = bytearray(stream)
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=4)):
        broken[at] ^= data.draw(st.integers(1, 255))

    def outcome() -> object:
        try:
            return coder.decode(bytes(broken), escaped, location, level)[0].tolist()
        except CorruptFile as error:
            return str(error)

    mine, theirs = both(outcome)
    assert mine == theirs


@needs_loops
@given(st.integers(0, 70), st.integers(1, 50), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_networks(n_inputs: int, width: int, n_rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [(width, n_inputs), (width + 3, width), (3, width + 3)]
    limits = [4096 * max(n_inputs, 1), 1024 * width, 1024 * (width + 3)]
    layers = []
    for shape, limit in zip(shapes, limits, strict=True):
        largest = min(2**23 // limit, 120)
        weight = rng.integers(-largest, largest + 1, shape)
        layers.append(IntegerLayer(weight, rng.integers(-(2**20), 2**20, shape[0]), rng.integers(-2, 9, shape[0])))
    network = IntegerNet((layers[0], layers[1], layers[2]))
    inputs = [rng.integers(-2048, 2048, n_rows).astype(np.float32) for _ in range(n_inputs)]
    mine, theirs = both(lambda: network.run(inputs, n_rows=n_rows))
    for left, right in zip(mine, theirs, strict=True):
        assert left.dtype == right.dtype
        assert np.array_equal(left, right)


@needs_loops
@given(tables(), st.lists(any_integer, max_size=40))
def test_inputs(ranks: RankTable, values: list[int]) -> None:
    last = ranks.base + ((1 << ranks.shift) - 1)
    edges = np.concatenate([ranks.base, ranks.base - 1, last, last + 1])
    q = np.concatenate([np.array(values, np.int64), edges])
    mine, theirs = both(lambda: ranks.inputs(q))
    assert np.array_equal(mine, theirs)


@needs_loops
@given(tables(), st.lists(st.floats(-1e100, 1e100), max_size=40), st.sampled_from([1.0, 0.25, 1e-300, 1e80]))
def test_predicted_values(ranks: RankTable, values: list[float], unit: float) -> None:
    scale = HintScale.of(ranks, lambda q: q.astype(np.float64) * unit)
    if scale is None:
        return
    third = scale.edges[:-1] / 3 * 2 + scale.edges[1:] / 3
    wanted = np.clip(np.concatenate([np.array(values), scale.edges, third]), -1e100, 1e100)
    (mine, mine_seen), (theirs, theirs_seen) = both(lambda: scale.place(wanted))
    assert np.array_equal(mine, theirs)
    assert np.array_equal(mine_seen, theirs_seen)


@needs_loops
@pytest.mark.parametrize(
    "grid",
    [
        LogGrid("float32", (), 1e-3, 1.001),
        LogGrid("float64", (), 1e-300, 1.5),
        HybridGrid("float32", (), 0.5, 1.0005, 0.01, 50),
        HybridGrid("float64", (), 1e300, 2.0, 1e298, 2**29),
    ],
)
def test_ladders(grid: LogGrid | HybridGrid) -> None:
    rng = np.random.default_rng(1)
    near = np.arange(-200, 200)
    far = np.array([-(2**63), -(2**63) + 1, 2**63 - 1, 2**30, -(2**30), 2**29, 2**29 + 1, -(2**29) - 1])
    q = np.concatenate([near, far, rng.integers(-(2**31), 2**31, 500)])
    mine, theirs = both(lambda: grid.to_values(q))
    assert np.array_equal(mine.view(np.uint8), theirs.view(np.uint8))


@needs_loops
@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=50), st.lists(st.floats(), max_size=20))
def test_elementary_functions(values: list[float], odd: list[float]) -> None:
    x = np.concatenate([np.array(values), np.array(values) % 20 - 10, np.linspace(-17, 17, 60), [0.0, -0.0]])
    for function in (hyperbolic_cosine, hyperbolic_sine, lambda one: np.stack(cosine_and_sine(one))):
        mine, theirs = both(lambda function=function: function(x))
        assert np.array_equal(mine.view(np.int64), theirs.view(np.int64))
    mine, theirs = both(lambda: clean(np.concatenate([x, np.array(odd), [np.inf, -np.inf, np.nan, 1e101, -1e200]])))
    assert np.array_equal(mine.view(np.int64), theirs.view(np.int64))


@needs_loops
def test_arrays_that_do_not_fit_are_refused() -> None:
    loops = kernels()
    ranks = fit_ranks(np.arange(1000))
    q, seen = np.arange(10), np.empty(10, np.float32)
    with pytest.raises(ValueError, match="bytes where"):
        loops.see_ranks(q, 11, ranks.arrays, seen)
    with pytest.raises(ValueError, match="bytes where"):
        loops.see_ranks(q, 10, ranks.arrays, seen[:9])
    with pytest.raises(BufferError):
        loops.see_ranks(q, 10, ranks.arrays, memoryview(bytes(40)))
    with pytest.raises((BufferError, ValueError)):
        loops.see_ranks(np.arange(20)[::2], 10, ranks.arrays, seen)
    bins, offset = ranks.locate(q)
    table = (ranks.arrays, mass_levels(ranks.mass), 5, constants())
    for location, level in ((-1, 3), (1 << RANK_BITS, 3), (0, -1), (0, LAST_LEVEL + 1)):
        where = (np.full(10, location), np.full(10, level), 10)
        with pytest.raises(ValueError, match="out of range"):
            loops.encode_symbols(*where, *table, bins.astype(np.int64), offset)
        with pytest.raises(ValueError, match="out of range"):
            loops.decode_symbols(np.zeros(0, np.uint32), np.zeros(0, np.int64), 0, *where, *table, q.copy(), seen)
    good = (np.zeros(10, np.int64), np.zeros(10, np.int64), 10)
    with pytest.raises(ValueError, match="no bin"):
        loops.encode_symbols(*good, *table, np.full(10, 300), offset)
    with pytest.raises(ValueError, match="no bin"):
        loops.encode_symbols(*good, *table, bins.astype(np.int64), np.full(10, 1 << 40))
    with pytest.raises(ValueError, match="multiple of four"):
        loops.run_net((), 1, tuple(np.zeros(n, np.float32) for n in (0, 3, 0, 0, 0, 0)), (q[:1].copy(),) * 3)


@needs_loops
def test_threads_share_nothing() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from hepbaler.coding.entropy import ColumnCoder
from hepbaler.features.ranks import fit_ranks
q = (np.random.default_rng(0).normal(size=20_000) * 1000).astype(np.int64)
coder = ColumnCoder(fit_ranks(q), 6)
location, level = coder.ranks.ranks(q), np.random.default_rng(1).integers(0, 20, q.size)
stream, escaped = coder.encode(q, location, level)
with ThreadPoolExecutor(4) as pool:
    for values, _ in pool.map(lambda _: coder.decode(stream, escaped, location, level), range(12)):
        assert np.array_equal(values, q)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
