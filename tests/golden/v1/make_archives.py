"""Write the golden archives that do not exist yet, from the samples; what was written once is history and stays.

A golden archive must be readable for ever, and to the same bits: `digests.json` holds the XXH3 of every column.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
import xxhash

import hepbaler
from hepbaler import LatentSettings

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "examples" / "data"
ARCHIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "archive_plain.hbal": ("ttbar_genjets_sample.root", {"use_model": False, "keep": ["GenJet_p4_*", "nGenJet"]}),
    "archive_rows.hbal": (
        "ttbar_sample.root",
        {"train_steps": 60, "keep": ["GenPart_*", "nGenPart", "GenJet_*", "nGenJet"]},
    ),
    "archive_learned.hbal": (
        "ttbar_sample.root",
        {"train_steps": 60, "keep": ["*Jet_pt", "*Jet_eta", "Jet_phi", "*Idx"]},
    ),
    # Rows that see the row before them; rows that are cut into two blocks.
    "archive_before.hbal": (
        "ttbar_sample.root",
        {"train_steps": 60, "preset": "small", "keep": ["GenJet_pt", "GenJet_eta", "GenJet_phi", "GenJet_mass"]},
    ),
    "archive_blocks.hbal": (
        "ttbar_sample.root",
        {"train_steps": 150, "keep": ["Jet_pt", "Jet_mass", "Jet_nConstituents", "Jet_btag*"]},
    ),
    # Lists of one length, each place a column.
    "archive_elements.hbal": ("weights.root", {"train_steps": 200}),
    # Columns that are sums of others, shares of an energy and spikes; latents of a row alone.
    "archive_latent.hbal": (
        "ttbar_genjets_sample.root",
        {
            "train_steps": 60,
            "keep": ["GenJet_p4_*", "GenJet_m_*Energy", "nGenJet"],
            "latent": LatentSettings(model="sae", latents=5, weights={"GenJet_p4_fM": 3.0}, rounding=0.5),
        },
    ),
    # Convolutions over the jets of an event.
    "archive_latent_lists.hbal": (
        "ttbar_sample.root",
        {
            "train_steps": 60,
            "keep": ["Jet_*", "nJet"],
            "latent": LatentSettings(model="conv-aae", latents=4, rounding=0.5),
        },
    ),
}


def write_weights(path: Path) -> None:
    """Nine weights an event, which follow from two numbers of the event."""
    rng = np.random.default_rng(0)
    up, down = rng.normal(0.0, 0.2, (2, 4000, 1))
    weights = np.exp(up * np.repeat([-1, 0, 1], 3) + down * np.tile([-1, 0, 1], 3)).astype(np.float32)
    with uproot.recreate(path) as file:
        file.mktree("Events", {"LHEScaleWeight": ak.Array(weights).type.content})
        file["Events"].extend({"LHEScaleWeight": weights})


def digests(path: Path) -> dict[str, str]:
    """XXH3 of the values of each branch, and of their counts."""
    out = {}
    with hepbaler.open(path) as archive:
        for tree in archive.trees.values():
            for name, array in ((name, tree[name].array()) for name in tree):
                values = np.asarray(ak.flatten(array, axis=None))
                counts = np.asarray(ak.num(array)) if array.ndim > 1 else np.empty(0, np.int64)
                little = values.astype(values.dtype.newbyteorder("<")).tobytes() + counts.astype("<i8").tobytes()
                out[f"{tree.object_path}:{name}"] = xxhash.xxh3_64_hexdigest(little)
    return out


def main() -> None:
    """Write what is missing."""
    known = HERE / "digests.json"
    found = json.loads(known.read_text()) if known.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder) / "weights.root")
        for name, (sample, options) in ARCHIVES.items():
            if not (HERE / name).exists():
                source = SAMPLES / sample
                hepbaler.compress(source if source.exists() else Path(folder) / sample, HERE / name, **options)
                found[name] = digests(HERE / name)
    known.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
