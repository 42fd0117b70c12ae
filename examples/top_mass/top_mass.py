# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[analysis]"]
# ///
"""Compress a file of jets within a bound, and see what that does to its columns and to the top mass.

python examples/top_mass/top_mass.py [FILE.root] [--bits 10] [--model crystal-ball] [-o FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import hepbaler
from hepbaler.analysis import CHANNELS
from hepbaler.analysis.massplot import draw_masses
from hepbaler.analysis.style import save_figure

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_genjets_sample.root"


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    parser.add_argument("--bits", type=int, default=10, help="of mantissa that stay")
    parser.add_argument("--model", default="crystal-ball", help="of peak and background, or gauss-line, voigt")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    args = parser.parse_args()

    plan = hepbaler.Plan(default=hepbaler.Bound("bits", args.bits))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "jets.root.hbal"
        hepbaler.compress(args.file, archive, plan=plan, use_model=False)

        columns = hepbaler.evaluate(args.file, archive, cuts=["GenJet_p4_fPt>400"])
        print(f"{len(columns.columns)} columns, every promise kept: {columns.ok}")
        for column in columns.suspicious:
            print(f"  {column.column}: {'; '.join(column.remarks)}")
        cut = columns.cuts[0]
        print(f"{cut.cut}: {cut.before:,} jets before, {cut.after:,} after ({cut.gained} gained, {cut.lost} lost)")

        fit = replace(CHANNELS["genjet"].fit, model=args.model)
        top = hepbaler.analyse(args.file, archive, channel="genjet", fit=fit)

    masses = top.masses
    for name, one in (("before", masses.before), ("after", masses.after)):
        if one.ok:
            print(
                f"{name}: {one.mass:.2f} +- {one.mass_error:.2f} GeV, width {one.width:.2f} +- {one.width_error:.2f} GeV"
            )
        else:
            print(f"{name}: refused, since {'; '.join(one.refused)}")
    if masses.shift is not None:
        shift = masses.shift
        print(
            f"shift: {shift.mass:+.4f} +- {shift.mass_error:.4f} GeV (paired), width {shift.width:+.4f} +- {shift.width_error:.4f} GeV"
        )
    args.output.mkdir(parents=True, exist_ok=True)
    save_figure(draw_masses(masses, top.label), args.output / "top_mass.png")


if __name__ == "__main__":
    main()
