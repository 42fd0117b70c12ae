# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[coffea]", "hist"]
# ///
"""Resolved top quarks with coffea: the hardest three jets' mass and HT, on a ROOT file and on its archive.

python examples/coffea_ttbar/trijets.py [FILE.root]

The selection is that of the Analysis Grand Challenge's ttbar analysis, without its leptons: four jets, one of them b-tagged
where the file says so, and of all combinations of three jets that with the largest transverse momentum.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.nanoevents import NanoAODSchema

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_resolved_sample.root"


class ResolvedTops(processor.ProcessorABC):
    """Mass of the trijet with the largest transverse momentum, and the sum of the jets' transverse momenta."""

    def process(self, events: ak.Array) -> dict[str, object]:
        """Fill the histograms of a chunk."""
        jets = events.Jet[(events.Jet.pt > 30) & (abs(events.Jet.eta) < 2.4)]
        selected = ak.num(jets) >= 4
        if "btagDeepFlavB" in jets.fields:
            selected = selected & (ak.sum(jets.btagDeepFlavB > 0.5, axis=1) >= 1)
        jets = jets[selected]
        three = ak.combinations(jets, 3, fields=["first", "second", "third"])
        top = three.first + three.second + three.third
        hardest = top[ak.argmax(top.pt, axis=1, keepdims=True)]
        mass = hist.Hist.new.Reg(25, 50, 550, name="mass", label="trijet mass [GeV]").Double()
        ht = hist.Hist.new.Reg(30, 0, 1500, name="ht", label="HT [GeV]").Double()
        return {
            "events": len(events),
            "selected": int(ak.sum(selected)),
            "mass": mass.fill(mass=ak.to_numpy(ak.flatten(hardest.mass))),
            "ht": ht.fill(ht=ak.to_numpy(ak.sum(jets.pt, axis=1))),
        }

    def postprocess(self, accumulator: dict[str, object]) -> dict[str, object]:
        """Give back what was added up."""
        return accumulator


def run(url: str) -> dict[str, object]:
    """Process a file, wherever it is."""
    NanoAODSchema.warn_missing_crossrefs = False
    runner = processor.Runner(processor.IterativeExecutor(status=False), schema=NanoAODSchema, chunksize=1_000)
    return runner({"ttbar": {"files": {url: "Events"}}}, processor_instance=ResolvedTops())


def main() -> None:
    """Read the command line, and compare."""
    import hepbaler

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=SAMPLE, type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"{args.file.name}.hbal"
        hepbaler.compress(args.file, archive, use_model=False)
        before, after = run(str(args.file)), run(f"hepbaler://{archive.with_suffix('')}")
    for name, result in (("ROOT file", before), ("archive", after)):
        print(f"{name}: {result['selected']} of {result['events']} events selected")
    for name, width in (("mass", 20), ("ht", 50)):
        moved = np.abs(after[name].values() - before[name].values()).sum() / 2
        print(f"{name}: {moved:.0f} of {before[name].sum():.0f} entries are in another bin of {width} GeV")


if __name__ == "__main__":
    main()
