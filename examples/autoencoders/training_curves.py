# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[train,analysis]"]
# ///
"""Train every family of autoencoders on generator jets for a short while, and draw how the error falls.

python examples/autoencoders/training_curves.py [FILE.root] [--steps 400] [--ratio 1.6] [-o FOLDER]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from hepbaler.analysis.style import save_figure
from hepbaler.analysis.trainingplot import draw_history
from hepbaler.autoencoders import names, train
from hepbaler.autoencoders.registry import find_family
from hepbaler.tuning import largest_table

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_genjets_sample.root"


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--ratio", type=float, default=1.6, help="columns over latents")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    args = parser.parse_args()

    table = largest_table(args.file)
    n_latent = max(1, round(len(table.names) / args.ratio))
    histories = {}
    for name in names():
        settings = replace(find_family(name).recipe.settings, steps=args.steps, check_every=max(args.steps // 20, 1))
        trained = train(
            table.values, table.names, model=name, n_latent=n_latent, counts=table.counts, settings=settings
        )
        histories[name] = trained.history.to_dict()
        print(f"{name:>15}: {trained.history.checks[-1].validation['error']:.2g} after {args.steps} steps")
    args.output.mkdir(parents=True, exist_ok=True)
    save_figure(draw_history(histories), args.output / "training_curves.png")


if __name__ == "__main__":
    main()
