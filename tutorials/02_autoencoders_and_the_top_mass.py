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
# # Autoencoders and the top mass
#
# In latent mode an autoencoder squeezes the columns of each jet into fewer numbers, its latents, and its decoder turns them back.
# Nothing is promised then: errors are measured, not bounded. What is left of a top mass? This tutorial trains two autoencoders,
# fits the peak before and after, and then looks at what a good peak hides.
#
# It needs `pip install 'hepbaler[train,analysis]'`, and runs for about half a minute. Training is much shorter than the default, of
# smaller networks and on a small sample: these are not the best that autoencoders can do.

# %%
import tempfile
from pathlib import Path

import awkward as ak
import hist
import matplotlib.pyplot as plt
import mplhep
import numpy as np

import hepbaler
from hepbaler import LatentSettings

try:
    here = Path(__file__).resolve().parent
except NameError:  # in a notebook
    here = Path.cwd()
original = here.parent / "examples" / "data" / "ttbar_genjets_sample.root"
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## Two autoencoders
#
# `sae` is a sparse autoencoder; `swae` draws its latents towards a chosen distribution by a sliced Wasserstein distance. Both see the
# same jets: generator jets of boosted top quarks, some of which hold a whole top. `ratio` is that of columns to latents. The error of
# the mass gets ten times the weight of the others, since it is what we want to look at: a choice with consequences, as we shall see.
#
# `bounded` is for comparison: no network, and ten bits of each value.

# %%
archives, reports = {}, {}
for model in ("sae", "swae"):
    settings = LatentSettings(
        model=model, ratio=1.6, weights={"GenJet_p4_fM": 10}, training={"batch_rows": 256}, config={"widths": (64, 32)}
    )
    archives[model] = folder / f"{model}.root.hbal"
    reports[model] = hepbaler.compress(original, archives[model], latent=settings, train_steps=150, jobs=1)
archives["bounded"] = folder / "bounded.root.hbal"
reports["bounded"] = hepbaler.compress(original, archives["bounded"], use_model=False)
for name, report in reports.items():
    print(f"{name:8} {report.source_bytes:,} -> {report.archive_bytes:,} bytes, {report.ratio:.2f} times smaller")

# %% [markdown]
# ## What info says
#
# The nominal ratio of columns to latents is not the ratio of bytes. Latents are rounded and coded, the decoder has to be stored, and
# integers stay exact outside.

# %%
errors = {}
for model in ("sae", "swae"):
    with hepbaler.open(archives[model]) as file:
        (tree,) = file.info()["trees"]
    for one in tree["autoencoders"]:
        print(
            f"{model}: {len(one['columns'])} columns in {one['latents']} latents is {one['nominal_ratio']:.2f}; "
            f"bytes as float32 over bytes stored are {one['float32_ratio']:.2f}, with a decoder of {one['decoder_bytes']:,} bytes"
        )
    errors[model] = {c["branch"]: c["error"] for c in tree["columns"] if c["coder"] == "latent" and c["error"]}

# %%
with hepbaler.open(archives["bounded"]) as file:
    exact = file["Events"].arrays(list(errors["sae"]))
print(f"{'column':32}{'spread':>9}" + "".join(f"{model + ' RMS':>11}{'largest':>10}" for model in errors))
for name in errors["sae"]:
    spread = ak.std(exact[name])
    print(
        f"{name:32}{spread:9.3g}"
        + "".join(f"{errors[model][name]['rms']:11.3g}{errors[model][name]['largest']:10.3g}" for model in errors)
    )

# %% [markdown]
# These errors were measured over all values when the archive was written. The largest is many times the RMS: rare jets are not like
# those that the network learned from. An RMS says nothing about them, and no bound holds them. The two autoencoders are alike: both
# begin as principal components, and with so little training they have not gone far from them.
#
# ## The peak
#
# `analyse` fits the mass of the jets in both files, and refuses to tell a number where a fit does not hold: a refusal is a result too.
# The same jets are in both files, so the error of the shift is paired, from a bootstrap.
#
# Few jets do not tell the width of a peak from its tails. So the shift is found in two ways: by two free fits, and with all but mass
# and width held at what they were before. Where both agree, the second is quoted, since it is far better known; where they do not,
# more than the peak has changed, and the free fits are.

# %%
tops = {name: hepbaler.analyse(original, archive, replicas=20) for name, archive in archives.items()}
before = tops["sae"].masses.before
print(
    f"before:  {before.mass:.2f} +- {before.mass_error:.2f} GeV, width {before.width:.2f} GeV, p = {before.p_value:.2f}"
)
for name, top in tops.items():
    shift, peak = top.masses.shift, top.masses.peak
    if shift is None:
        print(f"{name:8} no shift, since {'; '.join(top.masses.after.refused) or top.masses.shift_refused}")
    else:
        print(f"{name:8} do both ways agree: p = {shift.agreement:.2g}")
        for way, one in shift.ways.items():
            print(
                f"{'':8} {way}: {one.mass:+.3f} +- {one.mass_error:.3f} GeV, "
                f"of the width {one.width:+.3f} +- {one.width_error:.3f} GeV"
            )
    if peak is not None:
        print(f"{'':8} masses in the peak are off by {peak.bias:+.3f} GeV on average, {peak.rms:.3f} GeV RMS")


# %%
def read(path, *names):
    """Columns of all jets, one after the other."""
    with hepbaler.open(path) as file:
        events = file["Events"].arrays(list(names))
    return [ak.to_numpy(ak.flatten(events[name])) for name in names]


# Ten bits are near enough to the truth for a histogram: what they move is printed above.
masses = {name: read(path, "GenJet_p4_fM")[0] for name, path in archives.items()}
spectra = {
    name: hist.Hist.new.Reg(50, 120, 220, label="mass of a jet [GeV]").Double().fill(m) for name, m in masses.items()
}
figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 5.4), sharex=True, height_ratios=(3, 1), layout="constrained")
mplhep.histplot(spectra["bounded"], ax=above, histtype="fill", color="0.85", label="ten bits", yerr=False, flow="none")
for color, model in (("C0", "sae"), ("C3", "swae")):
    mplhep.histplot(spectra[model], ax=above, color=color, label=model, yerr=False, flow="none")
    pull = (spectra[model].values() - spectra["bounded"].values()) / np.sqrt(np.maximum(spectra["bounded"].values(), 1))
    below.stairs(pull, spectra["bounded"].axes[0].edges, color=color)
below.axhline(0, color="grey", linewidth=0.8)
above.set(xlabel="", ylabel="jets / 2 GeV")
below.set(xlabel="mass of a jet [GeV]", ylabel="difference\n/ stat. error", xlim=(120, 220))
above.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What a good peak hides
#
# A peak forgives. It is a distribution, and errors that move as many jets up as down are gone from it, up to a change of its width.
# And its jets are the common ones here, which the network has seen most. So look at single jets, at those outside of the peak, and at
# the other columns.

# %%
names = ("GenJet_p4_fPt", "GenJet_m_EmEnergy")
truth = read(archives["bounded"], *names)
for model in ("sae", "swae"):
    off = masses[model] - masses["bounded"]
    near = np.abs(masses["bounded"] - before.mass) < 10
    heavy = masses["bounded"] > 220
    print(
        f"{model}: masses off by {off[near].std():.2f} GeV RMS within 10 GeV of the peak, "
        f"by {off[heavy].std():.2f} GeV above 220 GeV ({heavy.sum()} jets)"
    )
    (pt, em) = read(archives[model], *names)
    crossed = (pt > 400) != (truth[0] > 400)
    print(
        f"  momenta off by {np.std(pt - truth[0]):.1f} GeV RMS; {crossed.sum()} of {(truth[0] > 400).sum()} jets cross 400 GeV"
    )
    print(f"  electromagnetic energies off by {np.std(em - truth[1]):.1f} GeV RMS")

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
edges = np.linspace(-10, 10, 81)
for color, model in (("C0", "sae"), ("C3", "swae")):
    off = masses[model] - masses["bounded"]
    axis.stairs(np.histogram(np.clip(off, -9.99, 9.99), edges)[0], edges, color=color, label=model)
axis.set(xlabel="error of the mass [GeV], the last bins with all beyond", ylabel="jets", yscale="log")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# The tails reach far, and need not be alike on both sides. `evaluate` does this for every column; here are those that come from latents.

# %%
result = hepbaler.evaluate(original, archives["swae"], filter_name=list(errors["swae"]))
print(f"swae: {len(result.suspicious)} suspicious columns")
for column in result.suspicious[:5]:
    print(f"  {column.column:32} {'; '.join(column.remarks)}")

# %% [markdown]
# What to take home:
#
# - A fit of the peak is a check of one column, averaged over jets. It cannot say whether a file is good for an analysis that cuts.
# - The weight on the mass was paid for by the others. One may choose what suffers, and has to know beforehand what will be needed.
# - A mass that moved by less than its statistical error did so for this sample. A larger one has a smaller error, and the same bias.
# - Compare at the same bytes with plain rounding: [bounds and what they cost](04_bounds_and_what_they_cost.py). Where a promise is
#   needed, a bound gives it.
#
# Measured with full training on a larger sample: [docs/study.md](../docs/study.md).
