# /// script
# requires-python = ">=3.11"
# dependencies = ["hepbaler[dask]", "hist"]
# ///
"""Compress many files on a dask cluster, and analyse the archives on it.

python examples/dask_cluster/many_files.py [--scheduler ADDRESS] [FILE.root ...]
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import hist
import numpy as np
import uproot
from distributed import Client, LocalCluster

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "ttbar_sample.root"


def cut_sample(folder: Path, n_files: int = 8) -> list[Path]:
    """Cut the sample into small files, and break one of them."""
    with uproot.open(SAMPLE) as file:
        arrays = file["Events"].arrays(filter_name=["event", "FatJet_*"])
    names = [name for name in arrays.fields if name.startswith("FatJet_")]
    jets = ak.zip({name.removeprefix("FatJet_"): arrays[name] for name in names})
    paths = [folder / f"ttbar_{i}.root" for i in range(n_files)]
    for path, entries in zip(paths, np.array_split(np.arange(len(arrays)), n_files), strict=True):
        with uproot.recreate(path) as file:
            file.mktree("Events", {"event": "uint64", "FatJet": jets.type.content})
            file["Events"].extend({"event": arrays.event[entries], "FatJet": jets[entries]})
    return paths


def compress(files: list[Path], archives: Path, address: str) -> int:
    """The public command; the exit code."""
    command = [sys.executable, "-m", "hepbaler", "compress", *map(str, files), "-o", str(archives)]
    return subprocess.run([*command, "--no-model", "--scheduler", address], check=False).returncode


def mass(url: str, start: int, stop: int) -> hist.Hist:
    """Soft-drop mass of hard large-radius jets in a range of entries, in GeV: what a worker does."""
    with uproot.open({url: "Events"}) as events:
        jets = events.arrays(["FatJet_pt", "FatJet_msoftdrop"], entry_start=start, entry_stop=stop)
    counts = hist.Hist.new.Reg(40, 50, 250, name="mass", label="soft-drop mass [GeV]").Double()
    return counts.fill(mass=ak.to_numpy(ak.flatten(jets.FatJet_msoftdrop[jets.FatJet_pt > 400])))


def analyse(urls: list[str], client: Client, step: int = 500) -> hist.Hist:
    """Fill on the workers, add up here."""
    parts = [
        (url, start, min(start + step, n))
        for url, _, n in uproot.num_entries([{url: "Events"} for url in urls])
        for start in range(0, n, step)
    ]
    return sum(client.gather(client.map(mass, *zip(*parts, strict=True))))


@contextlib.contextmanager
def cluster_at(address: str | None) -> Iterator[str]:
    """The address of a cluster: the one given, or that of two processes on this machine."""
    if address is not None:
        yield address
    else:
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster.scheduler_address


def main() -> None:
    """Read the command line, compress twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--scheduler", help="of a cluster that runs already")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, cluster_at(args.scheduler) as address:
        folder = Path(name)
        files = args.files or cut_sample(folder)
        archives = folder / "archives"
        if not args.files:
            whole = files[3].read_bytes()
            files[3].write_bytes(whole[:5000])
            print("exit code with a broken file:", compress(files, archives, address), flush=True)
            files[3].write_bytes(whole)
        print("exit code:", compress(files, archives, address), flush=True)
        with Client(address) as client:
            before = analyse([str(path) for path in files], client)
            after = analyse([f"hepbaler://{archives / path.name}" for path in files], client)
    sizes = f"{int(before.sum())} jets from ROOT files, {int(after.sum())} from archives"
    moved = np.abs(after.values() - before.values()).sum() / 2
    print(f"{sizes}; {moved:.0f} are in another bin of 5 GeV")


if __name__ == "__main__":
    main()
