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
# # Compress a file, and check it
#
# A file of simulated top quark pairs goes in, a smaller one comes out, and every value in it is as close to the original as was
# promised. This tutorial compresses, reads back, and then does not believe it: it compares each value with its bound by hand, lets
# `evaluate` look at a distribution, and lets `verify` check every byte.
#
# It needs `pip install 'hepbaler[analysis]'`, and runs for a few seconds.

# %%
import tempfile
from pathlib import Path

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
import uproot

import hepbaler
from hepbaler import Bound, Plan, Rule

try:
    here = Path(__file__).resolve().parent
except NameError:  # in a notebook
    here = Path.cwd()
original = here.parent / "examples" / "data" / "ttbar_sample.root"
folder = Path(tempfile.mkdtemp())
with uproot.open(original) as file:
    events = file["Events"]
    print(
        f"{original.name}: {events.num_entries} events, {len(events.keys())} branches, {original.stat().st_size:,} bytes"
    )

# %% [markdown]
# ## Compress
#
# How far may a value move? That depends on what it is. The resolution of a calorimeter decides what a momentum needs; an angle wants
# an absolute bound, since its size says nothing about how well it is known; a discriminant is only cut on. A plan says so, rule by
# rule, and the last rule that matches a branch wins. Integers are always exact.
#
# To be quick we keep some branches of the jets only, and train no model: `use_model=False`. A model makes the file smaller, and
# changes no value: the bounds are the same.

# %%
plan = Plan(
    (
        Rule("*", Bound("bits", 10)),
        Rule("Jet_phi", Bound("abs", 1e-3)),
        Rule("Jet_eta", Bound("abs", 1e-3)),
        Rule("MET_pt", Bound("rel", 1e-3)),
        Rule("Jet_mass", Bound("exact")),
    )
)
keep = ["event", "MET_pt", "nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_btagDeepFlavB", "Jet_nConstituents"]
archive = folder / "jets.root.hbal"
report = hepbaler.compress(original, archive, plan=plan, keep=keep, use_model=False)
print(f"{report.branches} branches: {report.raw_bytes:,} bytes as arrays")
print(
    f"archive: {report.archive_bytes:,} bytes, {report.raw_bytes / report.archive_bytes:.2f} times smaller than the arrays"
)

# %% [markdown]
# `report.ratio` would compare with the whole ROOT file, most of which we have just dropped: a ratio is only worth something when both
# sides hold the same. That is why the arrays of the kept branches are compared here. They are not compressed at all, of course; a
# fair opponent is the same branches in a ROOT file.

# %%
skimmed = folder / "jets.root"
with uproot.open(original) as file:
    kept = file["Events"].arrays(keep)
with uproot.recreate(skimmed, compression=uproot.ZSTD(5)) as file:
    jet_names = [name for name in kept.fields if name.startswith("Jet_")]
    file["Events"] = {
        **{name: kept[name] for name in ("event", "MET_pt")},
        "Jet": ak.zip({name.removeprefix("Jet_"): kept[name] for name in jet_names}),
    }
print(f"ROOT file of the same branches: {skimmed.stat().st_size:,} bytes")

# %% [markdown]
# ## What is in the archive
#
# `info` knows each column: its bound, what coded it, and what it costs. On the command line the same is `hepbaler info`.

# %%
with hepbaler.open(archive) as file:
    info = file.info()
columns = [column for column in info["trees"][0]["columns"] if column["role"] == "values"]
print(f"{'branch':20} {'bound':12} {'bytes':>8}  bits a value")
for column in columns:
    bits = 8 * column["bytes"] / column["rows"]
    print(f"{column['branch']:20} {column['bound']:12} {column['bytes']:8,}  {bits:.1f}")

# %%
names = [column["branch"] for column in columns]
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
axis.barh(names, [8 * column["bytes"] / column["rows"] for column in columns], color="0.75")
axis.set(xlabel="bits a value in the archive")
axis.invert_yaxis()
plt.show()

# %% [markdown]
# The exact mass takes nearly as many bits as the 32 of its type: the last bits of a mantissa look like noise, and noise cannot be
# compressed. That is the reason for bounds.
#
# ## Read a column back
#
# An archive reads as uproot's trees do. Only what is asked for is decoded.

# %%
with hepbaler.open(archive) as file:
    back = file["Events"].arrays()
print("before:", kept["Jet_pt"][0].to_list())
print("after: ", back["Jet_pt"][0].to_list())

# %% [markdown]
# ## Every value against its bound
#
# Here is what each bound promises, written down once more, independently of hepbaler. For `bits` it is
# $|x - x'| \le 2^{-11} \max(|x|, s)$ with ten bits, where $s$ is the column's median $|x|$: relative for large values, absolute near
# zero. The archive keeps $s$, and `info` tells it.


# %%
def allowed(x, column):
    """How far each value may move, from the words of its bound."""
    kind, _, number = column["bound"].partition("=")
    if kind == "bits":
        return 2.0 ** -(int(number) + 1) * np.maximum(np.abs(x), column["scale"])
    if kind == "rel":
        return float(number) * np.abs(x)
    return np.full(len(x), float(number) if kind == "abs" else 0.0)


checked = outside = 0
shares = {}
print(f"{'branch':20} {'values':>8} {'largest error':>14} {'of the bound':>13}")
for column in columns:
    name = column["branch"]
    x, y = (ak.to_numpy(ak.flatten(array[name], axis=None)).astype(np.float64) for array in (kept, back))
    error, limit = np.abs(x - y), allowed(x, column)
    checked, outside = checked + len(x), outside + np.count_nonzero(error > limit)
    moved = limit > 0
    shares[name] = error[moved] / limit[moved]
    share = f"{shares[name].max():.4f}" if moved.any() else "exact"
    print(f"{name:20} {len(x):8,} {error.max():14.3g} {share:>13}")
print(f"{checked:,} values compared, {outside} outside their bound")

# %% [markdown]
# The largest errors come close to what is allowed, and do not pass it. How are the others distributed? Where a value is rounded to a
# grid much finer than the spectrum, its error is uniform.

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
edges = np.linspace(0, 1, 41)
for name in ("Jet_pt", "Jet_eta", "Jet_phi"):
    axis.stairs(np.histogram(shares[name], edges, density=True)[0], edges, label=name)
axis.set(xlabel="error / what the bound allows", ylabel="density", ylim=(0, None))
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Does a distribution notice?
#
# A kept bound does not mean a harmless one: that depends on what is done with the values. `evaluate` compares distributions and counts
# what crosses a cut.

# %%
result = hepbaler.evaluate(original, archive, filter_name="Jet_pt", cuts=["Jet_pt>30"])
pt = next(column for column in result.columns if column.column == "Jet_pt")
print(f"{pt.column}: moved by {pt.bias:+.2g} GeV on average, RMS {pt.rms:.3g} GeV, spread {pt.spread:.3g} GeV")
print(f"largest distance of the cumulative distributions: {pt.ks:.2g}")
print(f"remarks: {'; '.join(pt.remarks) or 'none'}")
(cut,) = result.cuts
print(f"{cut.cut}: {cut.before:,} before, {cut.after:,} after; {cut.gained} gained, {cut.lost} lost")

# %% [markdown]
# Whoever cuts at 30 GeV may lose or gain a jet that was within rounding of it. If that matters, as in the synchronisation of two
# analyses, that branch should be exact.
#
# ## Verify
#
# What we did by hand is one call. It reads the archive from the disk as anyone else would, checks the checksum of every byte, and
# compares every value with the original.

# %%
check = hepbaler.verify(archive, original)
print(
    f"{check.bytes_checked:,} bytes and {check.values:,} values checked, {check.violations} outside their bound: ok = {check.ok}"
)

# %% [markdown]
# And it would notice. Let us turn one bit of the file, as a bad disk does.

# %%
damaged = bytearray(archive.read_bytes())
damaged[len(damaged) // 2] ^= 1
(folder / "damaged.root.hbal").write_bytes(damaged)
try:
    hepbaler.verify(folder / "damaged.root.hbal")
except hepbaler.errors.FormatError as error:
    print(f"{type(error).__name__}: {str(error).replace(str(folder), '...')}")

# %% [markdown]
# Next: [what autoencoders do to a top mass](02_autoencoders_and_the_top_mass.py), where nothing is promised, and
# [reading archives with uproot and coffea](03_read_from_uproot_and_coffea.py).
