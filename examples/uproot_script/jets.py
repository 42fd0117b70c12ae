# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler", "uproot", "awkward"]
# ///
"""A script of uproot that knows nothing of hepbaler, run on a ROOT file and on its archive.

python examples/uproot_script/jets.py [FILE.root]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_sample.root"


def scalar_sums(url: str) -> np.ndarray:
    """Scalar sum of the momenta of jets above 30 GeV, for events with four of them; in GeV."""
    sums = []
    for events in uproot.iterate(url, ["Jet_pt", "Jet_eta"], step_size=1000):
        pt = events.Jet_pt[(events.Jet_pt > 30) & (abs(events.Jet_eta) < 2.4)]
        sums.append(ak.to_numpy(ak.sum(pt[ak.num(pt) >= 4], axis=1)))
    return np.concatenate(sums)


def main() -> None:
    """Read the command line, and compare."""
    import hepbaler

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{args.file.name}.hbal"
        hepbaler.compress(args.file, archive, use_model=False)
        before = scalar_sums(f"{args.file}:Events")
        after = scalar_sums(f"hepbaler://{archive.with_suffix('')}:Events")
    print(f"ROOT file: {len(before)} events, mean sum {before.mean():.2f} GeV")
    print(f"archive:   {len(after)} events, mean sum {after.mean():.2f} GeV")


if __name__ == "__main__":
    main()
