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
# # Bounds, and what they cost
#
# How many bits does a top mass need? Fewer bits make a smaller file, and at some point a wrong result. This tutorial finds the
# point for a sample of boosted top quarks: first what rounding does to a value, then what a bit costs, then what it does to the
# fitted mass, and at last where bits are spent badly.
#
# It needs `pip install 'hepbaler[analysis]'`, and runs for about half a minute.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
import uproot

import hepbaler
from hepbaler import Bound, Plan, Rule

folder = Path(tempfile.mkdtemp())
subprocess.run([sys.executable, "-m", "hepbaler", "sample", str(folder), "-q"], check=True)
original = folder / "ttbar_sample.root"
print(f"{original.name}: {original.stat().st_size / 1e6:.2f} MB")

# %% [markdown]
# ## Rounding is not truncation
#
# Ten bits of mantissa can be kept in two ways: set the other 13 of a float32 to zero, or round to the nearest value that has ten. The
# second is what hepbaler does. Both lose the same bits, but truncation moves every value in the same direction.

# %%
with uproot.open(original) as file:
    mass = ak.flatten(file["Events"]["FatJet_msoftdrop"].array()).to_numpy()
hard = mass > 30

truncated = (mass.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)

archive = folder / "ten.root.hbal"
hepbaler.compress(original, archive, plan=Plan(default=Bound("bits", 10)), use_model=False)
with hepbaler.open(archive) as file:
    rounded = ak.flatten(file["Events"]["FatJet_msoftdrop"].array()).to_numpy()

for name, values in (("truncated", truncated), ("rounded", rounded)):
    moved = (values.astype(float) - mass)[hard]
    error = moved.std() / np.sqrt(moved.size)
    print(
        f"{name:9}: moved by {moved.mean():+.4f} +- {error:.4f} GeV on average, {np.abs(moved).max():.3f} GeV at most"
    )

# %% [markdown]
# Single values move about as far in both. The truncated ones have a common bias, of many times the error of this very mean; the
# rounded ones have none that this sample could show.
#
# ## A sweep over bits
#
# Now every float of the file gets the same number of bits, from very few to plenty. `analyse` fits the soft-drop mass of jets above
# 400 GeV in both files. It refuses fits that do not hold, and its error of the shift is paired: the same events are in both files.
#
# No models are trained here, to save time. They would make all files smaller.

# %%
sweep = {}
for bits in (4, 6, 8, 10, 12):
    archive = folder / f"bits{bits}.root.hbal"
    report = hepbaler.compress(original, archive, plan=Plan(default=Bound("bits", bits)), use_model=False)
    top = hepbaler.analyse(original, archive, channel="boosted", replicas=40)
    sweep[bits] = archive.stat().st_size, top.masses

before = top.masses.before
print(f"before: {before.mass:.2f} +- {before.mass_error:.2f} GeV, p = {before.p_value:.2f}")
print("bits      size   of the ROOT file   shift of the mass")
for bits, (size, masses) in sweep.items():
    shift = masses.shift
    text = f"{shift.mass:+.3f} +- {shift.mass_error:.3f} GeV" if shift else masses.shift_refused
    print(f"{bits:4}  {size / 1e3:5.0f} kB  {size / original.stat().st_size:16.0%}   {text}")

# %%
fitted = {bits: (size, masses.shift) for bits, (size, masses) in sweep.items() if masses.shift}
figure, (top_axis, low_axis) = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True, layout="constrained")
top_axis.plot(list(sweep), [size / 1e6 for size, _ in sweep.values()], "o-")
top_axis.axhline(original.stat().st_size / 1e6, color="grey", linestyle="--")
top_axis.annotate("ROOT file", (4, original.stat().st_size / 1e6), xytext=(0, -12), textcoords="offset points")
top_axis.set(ylabel="size [MB]", ylim=(0, 3.4))
low_axis.axhspan(-before.mass_error, before.mass_error, color="0.9", label="statistical error of the sample")
low_axis.errorbar(
    list(fitted),
    [shift.mass for _, shift in fitted.values()],
    [shift.mass_error for _, shift in fitted.values()],
    fmt="o",
    capsize=3,
    label="shift, paired error",
)
low_axis.axhline(0, color="grey", linewidth=0.8)
low_axis.set(xlabel="bits of mantissa", ylabel="shift of the top mass [GeV]")
low_axis.legend(frameon=False)
plt.show()

# %% [markdown]
# Each bit costs about the same number of bytes. The shift becomes small long before the default of ten bits, compared with what this
# sample can tell (the grey band). A thousand times more events would shrink the band thirtyfold: bounds are chosen for the largest
# sample that will ever be made of such files.
#
# A mass that survives is not the end of it: the fit looks at one branch.
#
# ## Look at every column
#
# `evaluate` compares all of them, and says what it finds suspicious.

# %%
for bits in (6, 10):
    result = hepbaler.evaluate(original, folder / f"bits{bits}.root.hbal")
    print(f"{bits} bits: {len(result.suspicious)} of {len(result.columns)} columns are suspicious; the first:")
    for column in result.suspicious[:5]:
        print(f"  {column.column:18} {'; '.join(column.remarks)}")

# %% [markdown]
# With ten bits what remains is combs: columns such as a jet's area lie all near one value, and ten bits *of the value* are few
# bits *of its spread*. Here is what a histogram of it sees.

# %%
with uproot.open(original) as file, hepbaler.open(folder / "bits6.root.hbal") as coarse:
    area = ak.flatten(file["Events"]["Jet_area"].array()).to_numpy()
    area_of_6 = ak.flatten(coarse["Events"]["Jet_area"].array()).to_numpy()
edges = np.linspace(0.4, 0.6, 65)
figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
axis.stairs(np.histogram(area, edges)[0], edges, fill=True, color="0.85", label="before")
axis.stairs(np.histogram(area_of_6, edges)[0], edges, label="6 bits")
axis.set(xlabel="area of a jet", ylabel="jets")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Spend bits where they count
#
# A plan gives each branch what it needs: ten bits for most, more for the area, an absolute bound for angles, whose size says nothing
# about how well they are known, and few bits for scores that only ever meet a cut.

# %%
plan = Plan(
    (
        Rule("*", Bound("bits", 10)),
        Rule("*_phi", Bound("abs", 1e-3)),
        Rule("*_eta", Bound("abs", 1e-3)),
        Rule("*Jet_area", Bound("bits", 13)),
        Rule("*_rawFactor", Bound("bits", 13)),
        Rule("Jet_btag*", Bound("abs", 2e-3)),
    )
)
hepbaler.compress(original, folder / "planned.root.hbal", plan=plan, use_model=False)


def bytes_by_branch(path):
    """What each branch takes in an archive."""
    with hepbaler.open(path) as archive:
        columns = archive.info()["trees"][0]["columns"]
    return {column["branch"]: column["bytes"] for column in columns if column["role"] == "values"}


ten, planned = bytes_by_branch(folder / "bits10.root.hbal"), bytes_by_branch(folder / "planned.root.hbal")
for name in ("Jet_pt", "Jet_phi", "Jet_eta", "Jet_area", "Jet_btagDeepFlavB"):
    print(f"{name:18} {ten[name] / 1e3:5.1f} kB with 10 bits, {planned[name] / 1e3:5.1f} kB planned")
size = (folder / "planned.root.hbal").stat().st_size
print(f"all: {sweep[10][0] / 1e3:.0f} kB with 10 bits, {size / 1e3:.0f} kB planned")

# %% [markdown]
# `hepbaler plan events.root -o plan.toml` writes such a plan for all branches of a file, to be edited and given to
# `hepbaler compress --plan`. How to decide: [choosing bounds](../docs/bounds.md).
