"""A file whose jets have eight floats that follow from four numbers, and its archive in latent mode."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler


@pytest.fixture(scope="session")
def jets_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("latent") / "jets.root"
    rng = np.random.default_rng(5)
    n_events = 2_000
    counts = rng.poisson(4.0, n_events)
    total = int(counts.sum())
    pt = 30 + rng.exponential(50, total)
    eta, area = rng.normal(0, 1.5, total), rng.normal(0.5, 0.03, total)
    em = rng.beta(2, 5, total)
    columns = {
        "pt": pt,
        "eta": eta,
        "area": area,
        "emFraction": em,
        "hadFraction": 1 - em + rng.normal(0, 0.02, total),
        "rawPt": pt * (1 + 0.05 * rng.normal(size=total)),
        "detEta": eta + rng.normal(0, 0.01, total),
        "mass": pt * 0.12 * (1 + 0.1 * rng.normal(size=total)),
        "uncertainty": 0.02 + 1 / pt,
        "btag": rng.beta(1, 3, total),
    }
    columns = {name: values.astype(np.float32) for name, values in columns.items()}
    columns["mass"][[3, 100, 2000]] = [np.nan, np.inf, -np.inf]
    columns["nTracks"] = rng.poisson(8, total).astype(np.int32)
    columns["flavour"] = rng.choice([0.0, 4.0, 5.0], total).astype(np.float32)
    columns["weight"] = np.ones(total, np.float32)
    with uproot.recreate(path) as file:
        arrays = {
            "event": np.arange(n_events, dtype=np.uint64),
            "MET_pt": rng.exponential(30, n_events).astype(np.float32),
            "Jet": ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()}),
        }
        file.mktree("Events", {"event": "uint64", "MET_pt": "float32", "Jet": arrays["Jet"].type.content})
        # Clusters of their own, so that a range of entries lies in several.
        for part in range(4):
            some = slice(part * n_events // 4, (part + 1) * n_events // 4)
            file["Events"].extend({name: values[some] for name, values in arrays.items()})
    return path


@pytest.fixture(scope="session")
def latent_archive(jets_file, tmp_path_factory):
    """The file in latent mode, with one column bounded, in several clusters; and the report."""
    target = tmp_path_factory.mktemp("latent") / "jets.root.hbal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", 120_000)
        report = hepbaler.compress(
            jets_file,
            target,
            latent=hepbaler.LatentSettings(
                model="sae", ratio=1.6, weights={"Jet_mass": 3}, config={"widths": [32]}, rounding=0.3
            ),
            plan=hepbaler.Plan((hepbaler.Rule("Jet_btag", hepbaler.Bound.parse("bits=7")),)),
            train_steps=300,
        )
    return target, report
