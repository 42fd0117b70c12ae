"""Tables with the kinds of columns that a plan has to know."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

NAMES = ("Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_chEn", "Jet_neEn", "Jet_muEn", "Jet_n", "Jet_one", "Jet_sum")


@pytest.fixture(scope="session")
def jets():
    """Values (n_rows, 10), names and counts: four-vectors, energies that add up, counts, a constant, a sum."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 7, 700)
    n = int(counts.sum())
    pt, eta = rng.gamma(2.0, 60.0, n) + 20, rng.normal(0, 1.6, n)
    phi, mass = rng.uniform(-np.pi, np.pi, n), pt * rng.gamma(6.0, 0.02, n)
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    muon = np.where(rng.random(n) < 0.85, 0.0, rng.uniform(0.01, 0.3, n))
    neutral = (1 - muon) * rng.beta(2, 6, n)
    charged = 1 - muon - neutral
    number = rng.poisson(12 * neutral)
    columns = [pt, eta, phi, mass, charged * energy, neutral * energy, muon * energy, number, np.full(n, 3.0)]
    table = np.stack(columns, axis=1).astype(np.float32).astype(np.float64)
    table = np.column_stack([table, np.float32(table[:, 4] + table[:, 5])])
    return table, NAMES, counts


@pytest.fixture
def file(tmp_path, jets):
    """The same as a ROOT file."""
    table, names, counts = jets
    path = tmp_path / "jets.root"
    branches = {
        name: ak.unflatten(table[:, i].astype(np.int32 if name == "Jet_n" else np.float32), counts)
        for i, name in enumerate(names)
    }
    with uproot.recreate(path) as root:
        root["Events"] = {**branches, "MET_pt": np.arange(len(counts), dtype=np.float32)}
    return path
