from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepbaler.bounds.grids import (
    LIMIT,
    FixedGrid,
    HybridGrid,
    IntegerGrid,
    LogGrid,
    MantissaGrid,
    UniformGrid,
    grid_from_dict,
)
from hepbaler.errors import BoundError

FLOATS = ("float16", "float32", "float64")
MANTISSA = {"float16": 10, "float32": 23, "float64": 52}


def hybrid(dtype="float32", p=4, scale=3.0, specials=()):
    r = 2.0 ** -(p + 1)
    step = 2 * r * scale
    first = (2**p + 0.5) * step * (1 + r)
    return HybridGrid(dtype, specials, first=first, ratio=(1 + r) / (1 - r), step=step, levels=2**p)


GRIDS = [
    IntegerGrid("uint64"),
    MantissaGrid("float32", 10),
    FixedGrid("float64", (1 << 63,), -3),
    UniformGrid("float16", (), 0.01),
    LogGrid("float32", (0x7FC00000,), first=1.2e-38, ratio=1.002),
    hybrid(),
    hybrid("float64", 20, 1e-30),
]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.kind)
def test_dict_gives_the_grid_back_also_through_json(grid):
    assert grid_from_dict(json.loads(json.dumps(grid.to_dict()))) == grid


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "cubic"}, "unknown kind of grid 'cubic'"),
        ({"kind": "uniform"}, "has the keys"),
        ({"step": -1.0}, "step -1.0 is not a positive float"),
        ({"step": math.nan}, "step nan"),
        ({"step": "1"}, "step '1'"),
        ({"first": math.inf}, "first inf"),
        ({"ratio": 1.0}, "ratio 1.0"),
        ({"levels": -1}, "levels -1"),
        ({"levels": 1.5}, "levels 1.5"),
        ({"dtype": "int32"}, "'int32' is not a float"),
        ({"dtype": "nonsense"}, "cannot be built"),
        ({"specials": [1 << 32]}, "bit patterns of float32"),
        ({"specials": ["x"]}, "bit patterns of float32"),
        ({"specials": 3}, "cannot be built"),
    ],
)
def test_descriptions_that_make_no_grid(changes, message):
    with pytest.raises(BoundError, match=message):
        grid_from_dict(hybrid().to_dict() | changes)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "mantissa", "dtype": "float32", "bits": 24},
        {"kind": "mantissa", "dtype": "int8", "bits": 2},
        {"kind": "fixed", "dtype": "float32", "specials": [], "exponent": 5000},
        {"kind": "integer", "dtype": "float32"},
        {"kind": "integer", "dtype": "nonsense"},
        {},
    ],
)
def test_other_descriptions_that_make_no_grid(data):
    with pytest.raises(BoundError):
        grid_from_dict(data)


@given(
    st.sampled_from(["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64"]).flatmap(
        lambda d: hnp.arrays(d, st.integers(0, 20))
    )
)
def test_integers_come_back(values):
    grid = IntegerGrid(values.dtype.name)
    back = grid.to_values(grid.to_integers(values))
    assert back.dtype == values.dtype
    assert back.tolist() == values.tolist()


@given(st.sampled_from(FLOATS), st.data())
def test_mantissas_come_back_with_every_pattern_on_the_grid_and_in_order(dtype, data):
    bits = data.draw(st.integers(0, MANTISSA[dtype]))
    width = np.dtype(dtype).itemsize
    raw = data.draw(hnp.arrays(f"u{width}", st.integers(1, 20)))
    on_grid = ((raw >> (MANTISSA[dtype] - bits)) << (MANTISSA[dtype] - bits)).view(dtype)
    grid = MantissaGrid(dtype, bits)
    integers = grid.to_integers(on_grid)
    assert grid.to_values(integers).tobytes() == on_grid.tobytes()
    finite = np.isfinite(on_grid)
    order = np.argsort(integers[finite])
    assert (np.diff(on_grid[finite].astype("float64")[order]) >= 0).all()


@given(st.sampled_from(["float32", "float64"]), st.integers(1, 20), st.data())
def test_mantissas_are_rounded_to_nearest(dtype, bits, data):
    values = data.draw(
        hnp.arrays(dtype, 10, elements={"min_value": -(2.0**100), "max_value": 2.0**100, "allow_subnormal": False})
    )
    grid = MantissaGrid(dtype, bits)
    back = grid.to_values(grid.to_integers(values)).astype("float64")
    assert (np.abs(back - values) <= np.abs(values.astype("float64")) * 2.0 ** -(bits + 1)).all()
    assert (grid.to_integers(back.astype(dtype)) == grid.to_integers(values)).all()


@given(hnp.arrays("int64", 20, elements=st.integers(-(2**23), 2**23)), st.integers(-100, 60))
def test_multiples_of_a_power_of_two_come_back(integers, exponent):
    grid = FixedGrid("float32", (), exponent)
    assert grid.to_integers(grid.to_values(integers)).tolist() == integers.tolist()


@pytest.mark.parametrize(
    ("grid", "largest"),
    [
        (UniformGrid("float32", (), 0.3), 2**21),
        (UniformGrid("float64", (), 1e-3), LIMIT),
        (LogGrid("float32", (), first=1.2e-38, ratio=1.002), 80_000),
        (LogGrid("float64", (), first=2.3e-308, ratio=1.002), 700_000),
        (LogGrid("float64", (), first=2.3e-308, ratio=5.0), 850),
        (LogGrid("float16", (), first=6.2e-5, ratio=1.1), 200),
        (hybrid(p=1), 170),
        (hybrid(p=10), 90_000),
        (hybrid(p=20, dtype="float64"), 600_000_000),
    ],
)
def test_integers_of_grid_points_are_found_again_and_in_order(grid, largest):
    integers = np.unique(np.random.default_rng(1).integers(-largest, largest, 20_000))
    integers = np.union1d(integers, np.arange(-2000, 2001)[np.abs(np.arange(-2000, 2001)) <= largest])
    values = grid.to_values(integers)
    assert values.dtype == grid.dtype
    assert np.isfinite(values).all()
    assert (np.diff(values.astype("float64")) > 0).all()
    assert grid.to_integers(values).tolist() == integers.tolist()
    assert (values == -grid.to_values(-integers)).all()


def test_steps_of_the_hybrid_grid_go_on_where_the_levels_end():
    grid = hybrid(p=6, scale=5.0)
    points = grid.to_values(np.arange(200), "float64")
    steps = np.diff(points)
    assert steps[:63] == pytest.approx(grid.step, rel=1e-5)
    assert points[65:] / points[64:-1] == pytest.approx(grid.ratio, rel=0.01)
    assert steps.min() > 0.99 * grid.step


def test_values_have_these_bits_on_every_machine():
    grid = hybrid(p=10, scale=0.7)
    values = grid.to_values(np.array([-30_000, -1025, -1024, -1, 0, 1, 512, 1024, 1025, 5122, 40_000, 80_000]))
    assert values.view("uint32").tolist() == [
        3550386168,
        3207815171,
        3207803699,
        3123917619,
        0,
        976433971,
        1051931443,
        1060320051,
        1060331523,
        1108946040,
        1521003024,
        1993851601,
    ]
    wide = LogGrid("float64", (), first=2.0**-1000, ratio=1.0 + 2.0**-9).to_values(np.array([1, 4096, 4097, 300_000]))
    assert wide.view("uint64").tolist() == [
        103582791429521408,
        155110357920511258,
        155123036768591893,
        3906494576982166587,
    ]


def test_frequent_patterns_have_codes_of_their_own():
    specials = (0x7FC00000, 0x80000000, 0xFF800000)
    grid = hybrid(specials=specials)
    values = np.array([*specials, 0x3F800000, 0], dtype="uint32").view("float32")
    integers = grid.to_integers(values)
    assert integers[:3].tolist() == [-(2**31) + 1, -(2**31) + 2, -(2**31) + 3]
    assert grid.to_values(integers)[[0, 1, 2, 4]].tobytes() == values[[0, 1, 2, 4]].tobytes()


@pytest.mark.parametrize("grid", GRIDS[1:], ids=lambda grid: grid.kind)
def test_any_value_and_any_integer_pass_without_a_warning(grid):
    values = np.array([0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e308, -1e308, 1e-40], dtype="float64")
    with np.errstate(all="ignore"):
        integers = grid.to_integers(values.astype(grid.dtype))
    assert grid.kind == "mantissa" or (np.abs(integers[~np.isin(integers, [-(2**31) + 1])]) <= LIMIT).all()
    odd = np.array([2**62, -(2**62), 2**63 - 1, -(2**63), 2**30, -(2**31)])
    assert len(grid.to_values(odd)) == len(odd)
