from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from benchmarks.workload import Workload, make

from hepbaler.bounds import Bound


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets and an event-level column, with a zero, a NaN and an infinity."""
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 6, 400)
    pt = rng.exponential(40.0, counts.sum()).astype(np.float32) + 15
    eta = rng.normal(0.0, 1.5, counts.sum()).astype(np.float32)
    eta[3] = 0.0
    met = rng.exponential(30.0, 400).astype(np.float32)
    met[:2] = [np.nan, np.inf]
    path = tmp_path_factory.mktemp("benchmarks") / "small.root"
    jets = ak.zip({"pt": ak.unflatten(pt, counts), "eta": ak.unflatten(eta, counts)})
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"Jet": jets.type.content, "MET_pt": "float32", "run": "int64"})
        tree.extend({"Jet": jets, "MET_pt": met, "run": np.arange(400) // 100})
    return path


@pytest.fixture(scope="session", params=["bits=10", "rel=0.001", "abs=0.01", "exact"])
def work(request: pytest.FixtureRequest, small_file: Path) -> Workload:
    return make(small_file, Bound.parse(request.param))
