from __future__ import annotations

from pathlib import Path

import awkward as ak
import pytest

from hepbaler.bounds import Bound, ColumnFacts, choose_grid, holds, quantise, restore

uproot = pytest.importorskip("uproot")

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def float_columns(path):
    for branch in uproot.open(path)["Events"].branches:
        array = branch.array()
        flat = ak.to_numpy(ak.flatten(array, axis=None))
        if flat.dtype.kind == "f" and len(flat):
            yield branch.name, flat


@pytest.mark.shared
@pytest.mark.parametrize("text", ["bits=10", "bits=4", "rel=0.001", "abs=0.01"])
@pytest.mark.parametrize("name", ["nano_dy.root", "Run2012B_SingleMu_1000.root"])
def test_files_keep_their_bounds_and_do_not_change_again(name, text):
    path = DATA / "real" / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    bound = Bound.parse(text)
    n_columns = 0
    for branch, values in float_columns(path):
        once = values
        for _ in range(2):
            before = once
            facts = ColumnFacts(before.dtype)
            facts.update(before)
            choice = choose_grid(bound, facts, before)
            done = quantise(before, choice)
            once = restore(done.integers, done.positions, done.patterns, choice, before.dtype)
            assert holds(before, once, bound, choice.scale).all(), branch
            assert len(done.positions) <= 0.03 * len(before) + 1, branch
        assert once.tobytes() == before.tobytes(), branch
        n_columns += 1
    assert n_columns > 20
