# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[coffea]", "hist"]
# ///
"""A selection of boosted top quarks with coffea, run on a ROOT file and on its archive.

python examples/coffea_ttbar/ttbar.py [FILE.root]
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

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_sample.root"


class BoostedTops(processor.ProcessorABC):
    """Soft-drop mass of the leading large-radius jet, where it is hard and central."""

    def process(self, events: ak.Array) -> dict[str, object]:
        """Fill the histogram of a chunk."""
        jets = events.FatJet[(events.FatJet.pt > 400) & (abs(events.FatJet.eta) < 2.4)]
        leading = ak.firsts(jets[ak.argsort(jets.pt, ascending=False)])
        mass = ak.to_numpy(ak.drop_none(leading.msoftdrop))
        counts = hist.Hist.new.Reg(40, 50, 250, name="mass", label="soft-drop mass [GeV]").Double()
        return {"events": len(events), "selected": len(mass), "mass": counts.fill(mass=mass)}

    def postprocess(self, accumulator: dict[str, object]) -> dict[str, object]:
        """Give back what was added up."""
        return accumulator


def run(url: str) -> dict[str, object]:
    """Process a file, wherever it is."""
    NanoAODSchema.warn_missing_crossrefs = False
    runner = processor.Runner(processor.IterativeExecutor(status=False), schema=NanoAODSchema, chunksize=1_000)
    return runner({"ttbar": {"files": {url: "Events"}}}, processor_instance=BoostedTops())


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
    moved = np.abs(after["mass"].values() - before["mass"].values()).sum() / 2
    print(f"{moved:.0f} of {before['mass'].sum():.0f} entries are in another bin of 5 GeV")


if __name__ == "__main__":
    main()
