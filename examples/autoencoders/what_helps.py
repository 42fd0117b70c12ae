# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[train]"]
# ///
"""Train one autoencoder again and again, each time without one of the things that help it, and compare.

python examples/autoencoders/what_helps.py [FILE.root] [--model sae] [--steps 3000] [--ratio 1.6]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from hepbaler.autoencoders import train
from hepbaler.autoencoders.registry import find_family
from hepbaler.tuning import largest_table

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_genjets_sample.root"
PEAK = (150.0, 200.0)  # GeV
WITHOUT = {
    "as it is": {},
    "no sums, energies or shares": {"relations": False},
    "no linear skip": {"config": {"skip": False}},
    "min-max scaling": {"scaling": "minmax"},
    "none of the three": {"relations": False, "config": {"skip": False}, "scaling": "minmax"},
}


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    parser.add_argument("--model", default="sae", help="a family that has a linear skip")
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument("--ratio", type=float, default=1.6, help="columns over latents")
    parser.add_argument("--mass", default="GenJet_p4_fM", help="column of the mass")
    args = parser.parse_args()

    table = largest_table(args.file)
    n_latent = max(1, round(len(table.names) / args.ratio))
    settings = replace(find_family(args.model).recipe.settings, steps=args.steps)
    mass = table.values[:, table.names.index(args.mass)]
    peak = (mass > PEAK[0]) & (mass < PEAK[1])
    low, high = np.quantile(table.values, (0.16, 0.84), axis=0)
    spread = np.where(high > low, (high - low) / 2, table.values.std(axis=0))
    print(f"{len(table.names)} columns, {n_latent} latents, {len(mass)} rows, {args.steps} steps\n")
    print("Error over spread, mean of the columns: RMS, and the error that 68 % of the values do not exceed.\n")
    print("| | features | RMS | 68 % | RMS error of the mass, 150 to 200 GeV |")
    print("|---|---|---|---|---|")
    for name, options in WITHOUT.items():
        trained = train(
            table.values,
            table.names,
            model=args.model,
            n_latent=n_latent,
            counts=table.counts,
            settings=settings,
            **options,
        )
        after = trained.decode(trained.encode(table.values, table.counts), table.counts)
        off = after - table.values
        rms = 100 * np.mean(np.sqrt(np.mean(off**2, axis=0)) / spread)
        typical = 100 * np.mean(np.quantile(np.abs(off), 0.68, axis=0) / spread)
        in_peak = np.sqrt(np.mean(off[peak, table.names.index(args.mass)] ** 2))
        print(f"| {name} | {trained.plan.n_features} | {rms:.1f} % | {typical:.1f} % | {in_peak:.2f} GeV |")


if __name__ == "__main__":
    main()
