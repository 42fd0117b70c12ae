# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[analysis]"]
# ///
"""What bins do to the shift of the top mass: the same fit of masses, and of the middles of the bins in which they lie.

python examples/top_mass/bin_width.py [FILE.root] [--bits 10] [--model crystal-ball] [--replicas 100]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

import hepbaler
from hepbaler.analysis import CHANNELS, Candidates, compare_masses

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_genjets_sample.root"
WIDTHS = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0)  # GeV; the last one stands for the masses themselves


def candidates(jets: ak.Array) -> Candidates:
    """Every jet with its mass."""
    counts = ak.to_numpy(ak.num(jets))
    slot = ak.to_numpy(ak.flatten(ak.local_index(jets)))
    return Candidates(np.repeat(np.arange(len(counts)), counts), slot, ak.to_numpy(ak.flatten(jets)).astype(np.float64))


def in_bins(jets: Candidates, width: float) -> Candidates:
    """Each mass as the middle of its bin."""
    return jets if not width else replace(jets, mass=(np.floor(jets.mass / width) + 0.5) * width)


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    parser.add_argument("--bits", type=int, default=10, help="of mantissa that stay")
    parser.add_argument("--model", default="crystal-ball", help="of peak and background, or gauss-line")
    parser.add_argument("--replicas", type=int, default=100, help="of the paired bootstrap")
    args = parser.parse_args()

    plan = hepbaler.Plan(default=hepbaler.Bound("bits", args.bits))
    with tempfile.TemporaryDirectory() as folder, uproot.open(args.file) as original:
        archive = Path(folder) / "jets.root.hbal"
        hepbaler.compress(args.file, archive, plan=plan, use_model=False)
        with hepbaler.open(archive) as read:
            before, after = (candidates(file["Events"]["GenJet_p4_fM"].array()) for file in (original, read))

    # Rounded masses beat with bins, which no fit describes. Here one wants to see what it would give.
    fit = replace(CHANNELS["genjet"].fit, model=args.model, min_p_value=0.0)
    print("bins [GeV]   shift of the mass [GeV]   of the width [%]   of the width, rest held [%]")
    for width in WIDTHS:
        masses = compare_masses(in_bins(before, width), in_bins(after, width), fit, replicas=args.replicas)
        name = f"{width:g}" if width else "none"
        if masses.shift is None:
            print(f"{name:>10}   {masses.shift_refused}")
            continue
        free, held, percent = masses.shift.free, masses.shift.held, 100 / masses.before.width
        print(
            f"{name:>10}   {free.mass:+.4f} +- {free.mass_error:.4f}"
            f"         {percent * free.width:+.2f} +- {percent * free.width_error:.2f}"
            f"      {percent * held.width:+.3f} +- {percent * held.width_error:.3f}"
        )


if __name__ == "__main__":
    main()
