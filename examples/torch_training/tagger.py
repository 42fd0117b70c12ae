# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[train]", "torch", "numpy"]
# ///
"""Train a tagger of top quarks from archives, once from exact values and once from those of a lossy archive.

python examples/torch_training/tagger.py [FILE.root]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import hepbaler
from hepbaler.torch import EventBatches

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_sample.root"
FEATURES = ("pt", "mass", "msoftdrop", "tau1", "tau2", "tau3", "chHEF", "nConstituents")
EPOCHS = 12


def jets(batches: EventBatches, *, test: bool) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Features and truth of the large jets, batch by batch; every fifth event is for testing."""
    for batch in batches:
        counts = batch["FatJet_pt@counts"]
        mine = torch.repeat_interleave((batch["event"] % 5 == 0) == test, counts)
        if mine.any():
            values = torch.stack([batch[f"FatJet_{name}"].float() for name in FEATURES], dim=1)
            # momenta and masses spread over decades
            values[:, :3] = values[:, :3].clamp(min=1).log()
            yield values[mine], batch["FatJet_genTopMatched"][mine].float()


def area_under_curve(scores: np.ndarray, truth: np.ndarray) -> float:
    """Probability that a top jet scores above another jet; ties count one half."""
    _, place, n = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(n) - (n - 1) / 2)[place]
    tops = truth > 0.5
    n_tops, n_others = int(tops.sum()), int((~tops).sum())
    return float((ranks[tops].sum() - n_tops * (n_tops + 1) / 2) / (n_tops * n_others))


def train(archive: Path) -> float:
    """Train on an archive; the area under the curve of the events that were kept back."""
    torch.manual_seed(0)
    branches = ["event", "FatJet_genTopMatched", *(f"FatJet_{name}" for name in FEATURES)]
    batches = EventBatches(archive, filter_name=branches, jagged="flat", batch_size=128)
    n = len(FEATURES)
    model = torch.nn.Sequential(
        torch.nn.BatchNorm1d(n), torch.nn.Linear(n, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1), torch.nn.Flatten(0)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        for values, truth in jets(batches, test=False):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(values), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        found = [(model(values), truth) for values, truth in jets(batches, test=True)]
    scores, truth = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return area_under_curve(scores, truth)


def main() -> None:
    """Read the command line, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind, plan in (("exact", hepbaler.Plan(default=hepbaler.Bound.parse("exact"))), ("10 bits", None)):
            archive = Path(folder) / f"{kind.replace(' ', '_')}.root.hbal"
            hepbaler.compress(args.file, archive, plan=plan, use_model=False, keep=["event", "FatJet_*"])
            print(f"{kind:8} {archive.stat().st_size:9,} bytes, area under the curve {train(archive):.4f}")


if __name__ == "__main__":
    main()
