"""The compiled loops give what numpy gives, bit by bit, and refuse what does not fit."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler import loops
from hepbaler.bounds.grids import HybridGrid, LogGrid
from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.coding.entropy import ColumnCoder
from hepbaler.coding.tables import LAST_LEVEL, constants, mass_levels
from hepbaler.errors import CorruptFile
from hepbaler.features.elementary import cosine_and_sine, hyperbolic_cosine, hyperbolic_sine
from hepbaler.features.hints import TERM_KINDS, HintScale, LinearHint, Term, clean
from hepbaler.features.ranks import MISSING, RANK_BITS, RankTable, at_rows, fit_ranks
from hepbaler.lineage import Family, Lineage
from hepbaler.loops import kernels

needs_loops = pytest.mark.skipif(kernels() is None, reason="installed without compiled loops")


def both(compute):
    """What a function gives with either loops."""
    out = []
    for chosen in (loops._kernels, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loops, "_chosen", chosen)
            out.append(compute())
    return out


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform == "win32", reason="no C compiler here")
def test_where_there_is_a_compiler_there_are_loops() -> None:
    assert kernels() is not None, "install hepbaler anew: `pip install .` compiles them"


def test_the_environment_switches_them_off() -> None:
    code = "from hepbaler.loops import kernels; raise SystemExit(kernels() is not None)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "HEPBALER_LOOPS": "numpy"}, check=True)


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


_SPANS = {"value": 1, "product": 2, "momentum": 2, "energy": 3, "daughter": 8}
momenta = st.one_of(st.floats(-10, 10), st.floats(0, 1e4), st.floats(-1e100, 1e100), st.sampled_from([0.0, -0.0]))


@needs_loops
@given(st.data())
def test_hints(data: st.DataObject) -> None:
    n_rows, n_columns = data.draw(st.integers(0, 150)), data.draw(st.integers(1, 8))
    few = data.draw(st.lists(momenta, min_size=1, max_size=40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    columns = rng.choice(np.array(few), (n_columns, n_rows)) * rng.choice([1.0, 0.5, 3.25], (n_columns, n_rows))
    columns = clean(columns)
    kinds = data.draw(st.lists(st.sampled_from(TERM_KINDS), min_size=1, max_size=5))
    terms = tuple(Term(kind, tuple(rng.integers(0, n_columns, _SPANS[kind]).tolist())) for kind in kinds)
    weights = tuple(data.draw(st.lists(st.floats(), min_size=len(terms), max_size=len(terms))))
    hint = LinearHint(terms, weights, data.draw(st.floats()))
    mine, theirs = both(lambda: hint.predict(columns.__getitem__, n_rows))
    assert np.array_equal(mine.view(np.int64), theirs.view(np.int64))


@needs_loops
@given(st.lists(st.lists(st.integers(-1, 12), max_size=12), max_size=8), st.integers(0, 2**32 - 1))
def test_families(places: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, place = np.array([len(one) for one in places], np.int64), np.array(list(itertools.chain(*places)), np.int64)
    largest = rng.choice([3, 1000, 2**40])
    columns = {key: rng.integers(-largest, largest + 1, place.size) for key in ("pt", "eta", "phi", "mass")}
    lineage = Lineage("mother", ("pt", "phi"), ("pt", "eta", "phi", "mass"))
    units = {"pt": 0.25, "eta": 1e-3, "phi": 1e-3, "mass": 1e60 if seed % 5 == 0 else 0.5}
    values = {key: lambda q, unit=unit: q.astype(np.float64) * unit for key, unit in units.items()}

    def seen() -> dict[str, np.ndarray]:
        return Family(lineage, counts, place, values).all_inputs(columns.__getitem__)

    mine, theirs = both(seen)
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert np.array_equal(array, theirs[name])


@needs_loops
@given(st.lists(any_integer, max_size=20), st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_rows_of_other_tables(column: list[int], seed: int, n_rows: int) -> None:
    rows = np.random.default_rng(seed).integers(-1, len(column), n_rows) if column else np.full(n_rows, -1)
    mine, theirs = both(lambda: at_rows(np.array(column, np.int64), rows))
    assert mine.tolist() == theirs.tolist() == [column[row] if row >= 0 else MISSING for row in rows.tolist()]


@needs_loops
@given(st.integers(0, 2**32 - 1), st.integers(1, 255), st.sampled_from([1.0, 30.0, 1e4]), st.integers(1, 16))
@settings(max_examples=60)
def test_tables_of_uneven_columns(seed: int, n_bins: int, unevenness: float, uniform: int) -> None:
    """Where one bin has nearly everything, or the location lies at an end, the largest part lies anywhere."""
    rng = np.random.default_rng(seed)
    parts = rng.exponential(size=n_bins + 1) ** (1 + np.log10(unevenness))
    mass = 1 + np.floor(parts / parts.sum() * (65536 - n_bins - 1)).astype(np.int64)
    mass[rng.integers(0, n_bins + 1)] += 65536 - int(mass.sum())
    ranks = RankTable(np.arange(n_bins) * 8, rng.integers(0, 4, n_bins), mass)
    location = rng.choice([0, 1 << 27, (1 << RANK_BITS) - 1, 12345678], 400) + rng.integers(-(2**20), 2**20, 400)
    location = np.clip(location, 0, (1 << RANK_BITS) - 1)
    level = rng.integers(0, LAST_LEVEL + 1, 400)
    q = rng.integers(-3, n_bins * 8 + 8, 400)
    coder = ColumnCoder(ranks, uniform)
    (mine, escaped), (theirs, _) = both(lambda: coder.encode(q, location, level))
    assert mine == theirs
    for values, _ in both(lambda: coder.decode(mine, escaped, location, level)):
        assert np.array_equal(values, q)


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
    for row in (-2, 5):
        with pytest.raises(ValueError, match="not there"):
            loops.gather(q[:5].copy(), 5, np.full(3, row), 3, q[:3].copy())
        rest, out = np.zeros((4, 5)), np.empty((4, 1), np.int64)
        family = (np.full(5, row), np.full(5, -1), np.zeros(5, np.int64))
        with pytest.raises(ValueError, match="not there"):
            loops.what_is_left(np.zeros(1, np.int64), 1, family, rest, rest, 5, out)
        with pytest.raises(ValueError, match="not there"):
            loops.learn(np.full(1, row), 1, (np.zeros(1),) * 4, rest, 5)
    for kind in ([-1, 0], [5, 0], [0, 1], [1, 0]):
        kinds = np.full((1, 9), -1)
        kinds[0, :2] = kind
        with pytest.raises(ValueError, match="no known kind"):
            loops.predict_hint(1, kinds, np.ones(1), 0.0, (np.zeros(3),), 3, np.empty(3))
    with pytest.raises(ValueError, match="bytes are needed"):
        loops.predict_hint(0, np.empty((0, 9), np.int64), np.empty(0), 0.0, (np.zeros(2),), 3, np.empty(3))
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
