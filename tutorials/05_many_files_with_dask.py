# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Many files with dask
#
# A data set is many files. Some of them are broken, workers die, and new files come in a week later. Here eight files are compressed on
# a dask cluster, one of them broken; then the cluster fills the soft-drop mass of boosted top quarks from the archives.
#
# It needs `pip install 'hepbaler[dask]' hist matplotlib`, and `hepbaler[dask-awkward]` for the last part, which is left out without it. It
# runs for a few seconds.

# %%
import importlib.util
import tempfile
from pathlib import Path

import awkward as ak
import hist
import matplotlib.pyplot as plt
import numpy as np
import uproot
from distributed import Client, LocalCluster

import hepbaler

try:
    here = Path(__file__).resolve().parent
except NameError:  # in a notebook
    here = Path.cwd()
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# The sample, cut into eight files. The last one was not copied to its end.

# %%
with uproot.open(here.parent / "examples" / "data" / "ttbar_sample.root") as file:
    arrays = file["Events"].arrays(["event", "FatJet_pt", "FatJet_eta", "FatJet_msoftdrop"])
jets = ak.zip({name.removeprefix("FatJet_"): arrays[name] for name in arrays.fields if name != "event"})
files = [folder / f"ttbar_{i}.root" for i in range(8)]
for path, entries in zip(files, np.array_split(np.arange(len(arrays)), len(files)), strict=True):
    with uproot.recreate(path) as file:
        file.mktree("Events", {"event": "uint64", "FatJet": jets.type.content})
        file["Events"].extend({"event": arrays.event[entries], "FatJet": jets[entries]})
whole = files[-1].read_bytes()
files[-1].write_bytes(whole[:5000])
print(f"{len(files)} files of about {files[0].stat().st_size / 1000:.0f} kB")

# %% [markdown]
# ## A cluster
#
# Here its two workers are threads of this process, so that the tutorial runs anywhere. `LocalCluster()` starts processes, and
# `Client("tcp://host:8786")` connects to a cluster of a computing centre. Nothing below changes.

# %%
cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
client = Client(cluster)

# %% [markdown]
# ## Compress
#
# A file is a task. What fails is tried again, then named, and costs no other file. On the command line this is
#
# ```
# hepbaler compress 'ttbar_*.root' -o archives --no-model --scheduler tcp://host:8786
# ```
#
# with exit code 1 if a file failed. `archives/failures.json` says which and why.

# %%
archives = folder / "archives"
report = hepbaler.compress_many(files, archives, executor=client, use_model=False)
print(f"{len(report.of('done'))} done in {report.executor}")
for outcome in report.failures:
    print(f"failed: {outcome.error}: {outcome.message.replace(str(folder), '...')}")

# %% [markdown]
# The file is copied again, and the same call does what is missing. What is done already is known from the archives themselves: each holds a
# digest of its settings and a fingerprint of its source, and all its checksums are looked at.

# %%
files[-1].write_bytes(whole)
report = hepbaler.compress_many(files, archives, executor=client, use_model=False)
print(f"{len(report.of('skipped'))} were done before, {len(report.of('done'))} done now, {len(report.failures)} failed")
print(", ".join(sorted(path.name for path in archives.iterdir())))

# %% [markdown]
# Without dask, `executor=2` (`-j 2`) works in two processes. On a batch system each job takes its share: `--job-index 3 --n-jobs 50`.
#
# ## Analyse
#
# Workers get URLs and ranges of entries, and give histograms back. The function knows uproot only.


# %%
def soft_drop_mass(url, start, stop):
    """Histogram of the soft-drop mass of hard, central large-radius jets; in GeV."""
    with uproot.open({url: "Events"}) as events:
        some = events.arrays(["FatJet_pt", "FatJet_eta", "FatJet_msoftdrop"], entry_start=start, entry_stop=stop)
    hard = (some.FatJet_pt > 400) & (abs(some.FatJet_eta) < 2.4)
    mass = hist.Hist.new.Reg(40, 50, 250, name="mass", label="soft-drop mass [GeV]").Double()
    return mass.fill(mass=ak.to_numpy(ak.flatten(some.FatJet_msoftdrop[hard])))


def filled(urls, step=250):
    """The sum over all files, filled by the workers."""
    ranges = [
        (url, start, min(start + step, n))
        for url, _, n in uproot.num_entries([{url: "Events"} for url in urls])
        for start in range(0, n, step)
    ]
    return sum(client.gather(client.map(soft_drop_mass, *zip(*ranges, strict=True)))), len(ranges)


before, _ = filled([str(path) for path in files])
after, n_tasks = filled([f"hepbaler://{archives / path.name}" for path in files])
print(f"{n_tasks} tasks; {before.sum():.0f} jets from the ROOT files, {after.sum():.0f} from the archives")

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
edges = before.axes[0].edges
axis.stairs(before.values(), edges, fill=True, color="0.85", label="ROOT files")
axis.stairs(after.values(), edges, color="C3", label="archives, ten bits a float")
axis.set(xlabel="soft-drop mass [GeV]", ylabel=f"jets / {edges[1] - edges[0]:.0f} GeV")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# The top quark is the peak at its mass, and jets that caught only the W boson are the one below. Both are where they were. A jet within
# rounding of 400 GeV or of the edge of a bin may change sides:

# %%
moved = np.abs(after.values() - before.values()).sum() / 2
print(f"{moved:.0f} of {before.sum():.0f} jets are in another bin of {edges[1] - edges[0]:.0f} GeV")

# %% [markdown]
# ## Lazy arrays
#
# With dask-awkward, `uproot.dask` gives lazy arrays of archives as of ROOT files, and so does `hepbaler.dask`, without a ROOT file in between.
# Only the branches that the result needs are decoded. dask-awkward asks for an older dask than the newest one, so it is an extra of its own.

# %%
if importlib.util.find_spec("dask_awkward") is None:
    print("dask-awkward is not installed, so this part is left out: pip install 'hepbaler[dask-awkward]'")
else:
    events = hepbaler.dask(sorted(archives.glob("*.hbal")))
    hard = (events.FatJet_pt > 400) & (abs(events.FatJet_eta) < 2.4)
    masses = ak.to_numpy(ak.flatten(events.FatJet_msoftdrop[hard]).compute())
    same = np.array_equal(np.histogram(masses, edges)[0], after.values())
    print(f"{events.npartitions} partitions; the same histogram: {same}")

# %%
client.close()
cluster.close()

# %% [markdown]
# `examples/dask_cluster` does the same with the command and with processes, and takes the address of a cluster.
