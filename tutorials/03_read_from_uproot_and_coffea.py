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
# # Read archives with uproot and coffea
#
# An analysis should not be rewritten because its files became smaller. Archives can be read in two ways: by uproot and all that is
# built on it, with `hepbaler://` before the path; and by `hepbaler.open`, which looks like uproot and has no ROOT file in between.
#
# It needs `pip install hepbaler matplotlib`, and `hepbaler[coffea]` for the last part, which is left out without it. It runs for a
# few seconds.

# %%
import importlib.util
import tempfile
import warnings
from pathlib import Path

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
import uproot

import hepbaler

try:
    here = Path(__file__).resolve().parent
except NameError:  # in a notebook
    here = Path.cwd()
original = here.parent / "examples" / "data" / "ttbar_sample.root"
folder = Path(tempfile.mkdtemp())
archive = folder / "ttbar_sample.root.hbal"
report = hepbaler.compress(original, archive, use_model=False)
print(f"{report.source_bytes:,} -> {report.archive_bytes:,} bytes, {report.ratio:.2f} times smaller, ten bits a float")

# %% [markdown]
# ## uproot, with another path
#
# The name is that of the ROOT file, which need not be there any more: `hepbaler://data/events.root` reads `data/events.root.hbal`.
# hepbaler need not even be imported; it is enough that it is installed.

# %%
url = f"hepbaler://{folder}/ttbar_sample.root"
print("a ROOT file there?", (folder / "ttbar_sample.root").exists())
with uproot.open(url) as file:
    tree = file["Events"]
    print(tree)
    tree.show(filter_name=["nFatJet", "FatJet_pt", "FatJet_msoftdrop", "MET_pt", "HLT_*"])

# %% [markdown]
# Now a small analysis: the soft-drop mass of hard large-radius jets, where a boosted top quark is one jet. The function gets a URL and
# does not know what is behind it.


# %%
def top_candidates(url):
    """Soft-drop masses of large-radius jets above 400 GeV, chunk by chunk; in GeV."""
    masses = []
    for events in uproot.iterate(url, ["FatJet_pt", "FatJet_eta", "FatJet_msoftdrop"], step_size=1000):
        hard = (events.FatJet_pt > 400) & (abs(events.FatJet_eta) < 2.4)
        masses.append(ak.to_numpy(ak.flatten(events.FatJet_msoftdrop[hard])))
    return np.concatenate(masses)


before = top_candidates(f"{original}:Events")
after = top_candidates(f"{url}:Events")
print(f"ROOT file: {len(before)} jets, mean mass {before.mean():.3f} GeV")
print(f"archive:   {len(after)} jets, mean mass {after.mean():.3f} GeV")

# %%
edges = np.linspace(0, 250, 51)
counts = [np.histogram(masses, edges)[0] for masses in (before, after)]
figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
axis.stairs(counts[0], edges, fill=True, color="0.85", label="ROOT file")
axis.stairs(counts[1], edges, color="C3", label="archive")
axis.set(xlabel="soft-drop mass [GeV]", ylabel=f"jets / {edges[1]:.0f} GeV")
axis.legend(frameon=False)
plt.show()
print(
    f"{counts[0].sum()} and {counts[1].sum()} jets in the histogram; no bin changes by more than {np.abs(counts[1] - counts[0]).max()}"
)

# %% [markdown]
# The numbers of jets need not agree: a jet that is within rounding of a cut may be on its other side afterwards. A cut that has to be
# the same jet by jet wants a tighter bound, or `exact`, on its branch.
#
# Files in a row go through `uproot.concatenate`, also with wildcards. Here the same archive stands twice.

# %%
(folder / "ttbar_again.root.hbal").write_bytes(archive.read_bytes())
met = uproot.concatenate(f"hepbaler://{folder}/ttbar_*.root:Events", ["MET_pt"], library="np")["MET_pt"]
print(f"{len(met)} events from two archives")

# %% [markdown]
# An archive on a server stands behind `::`, as in `hepbaler://events.root:Events::https://host/events.root.hbal`, and only the
# pages that are touched are loaded.
#
# ## hepbaler, without ROOT in between
#
# With `hepbaler.open` names, filters, cuts and ranges of entries are as in uproot, and what is not asked for is not decoded.

# %%
with hepbaler.open(archive) as file:
    events = file["Events"]
    print(f"{events.num_entries} events, branches of MET: {events.keys(filter_name='MET_*')}")
    some = events.arrays(["MET_pt", "MET_phi"], "MET_pt > 100", entry_start=500, entry_stop=1000)
    print(f"{len(some)} of 500 events have more than 100 GeV of it; the first: {some[0].to_list()}")
    hardest = 0.0
    for chunk in events.iterate(["Jet_pt"], step_size=1000):
        hardest = max(hardest, ak.max(chunk.Jet_pt))
    print(f"the hardest jet has {hardest:.1f} GeV")

# %% [markdown]
# Both ways give the same values, to the last bit. That is no accident: the decoder computes with integers, on every machine the same.

# %%
names = ["Jet_pt", "Jet_btagDeepFlavB", "FatJet_msoftdrop", "GenPart_pdgId"]
with hepbaler.open(archive) as file, uproot.open(url) as root:
    ours, theirs = file["Events"].arrays(names), root["Events"].arrays(names)
for name in names:
    same = ak.to_numpy(ak.flatten(ours[name])).tobytes() == ak.to_numpy(ak.flatten(theirs[name])).tobytes()
    print(f"{name:18} the same bits: {same}")

# %% [markdown]
# ## coffea
#
# coffea opens files with uproot. So its `Runner`, `preprocess` and `NanoEventsFactory.from_root` read archives with `hepbaler://` before
# the path, on workers too. `hepbaler.nanoevents` gives the same events, each column decoded when it is touched.

# %%
if importlib.util.find_spec("coffea") is None:
    print("coffea is not installed, so this part is left out: pip install 'hepbaler[coffea]'")
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sample lacks collections that NanoAOD's schema asks for
        from coffea.nanoevents import NanoAODSchema

        NanoAODSchema.warn_missing_crossrefs = False
        events = hepbaler.nanoevents(archive)
        jets = events.FatJet[(events.FatJet.pt > 400) & (abs(events.FatJet.eta) < 2.4)]
        masses = ak.to_numpy(ak.flatten(jets.msoftdrop))
        print(f"coffea: {len(masses)} jets, the same masses as from uproot: {np.array_equal(masses, after)}")
        pairs = events[ak.num(events.Jet) >= 2].Jet
        print(f"mean mass of the two leading jets: {ak.mean((pairs[:, 0] + pairs[:, 1]).mass):.1f} GeV")

# %% [markdown]
# A whole processor, run on the ROOT file and on the archive, is in `examples/coffea_ttbar`, and a script of uproot that
# knows nothing of hepbaler in `examples/uproot_script`.
