"""Cut the samples that ship with hepbaler from the full simulation.

    python examples/data/make_samples.py FOLDER_OF_THE_FULL_SIMULATION

Branch names, types, counters (``nJet``), titles and every bit of every value stay as they are; only the number of
events shrinks. Events are the first ones of each file: the simulation wrote them in random order.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["awkward>=2.8", "numpy>=2", "uproot>=5.7"]
# ///

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Cut:
    """One sample: which events of which file, and what it is called."""

    source: str
    target: str
    n_events: int


CUTS = (
    Cut("ttbar_boosted_nano_f32.root", "ttbar_sample.root", 3000),
    Cut("ttbar_resolved_nano_f32.root", "ttbar_resolved_sample.root", 1600),
    Cut("ttbar_genjets_highpt.root", "ttbar_genjets_sample.root", 4000),
)


def cut_sample(source: Path, target: Path, n_events: int) -> None:
    """Write the first `n_events` entries of the tree ``Events`` of `source` to `target`.

    Raises
    ------
    ValueError
        A branch would not come out as it went in.
    """
    with uproot.open(source) as file:
        tree = file["Events"]
        arrays = {branch.name: branch.array(entry_stop=n_events) for branch in tree.branches}
        counters = {
            branch.name: branch.count_branch.name for branch in tree.branches if branch.count_branch is not None
        }
        title = tree.title

    # uproot writes one counter for all fields of a record. Records are named after their counter here, and
    # `field_name` gives every field back its own full name.
    groups: dict[str, dict[str, ak.Array]] = {}
    for name, counter in counters.items():
        groups.setdefault(counter, {})[name] = arrays[name]
    content: dict[str, Any] = {}
    for name, array in arrays.items():
        if name in groups:
            content[f"of_{name}"] = ak.zip(groups[name], depth_limit=2)
        elif name not in counters:
            content[name] = array

    with uproot.recreate(target, compression=uproot.ZSTD(9)) as file:
        out = file.mktree(
            "Events",
            {name: array.type.content for name, array in content.items()},
            title=title,
            field_name=lambda _, inner: inner,
            counter_name=lambda outer: outer.removeprefix("of_"),
        )
        out.extend(content)

    check(source, target, n_events)


def check(source: Path, target: Path, n_events: int) -> None:
    """Compare names, types, titles and the bits of all values, and raise `ValueError` at the first difference."""
    with uproot.open(source) as before, uproot.open(target) as after:
        old, new = before["Events"], after["Events"]
        if set(old.keys()) != set(new.keys()):
            msg = f"{target}: branches {sorted(set(old.keys()) ^ set(new.keys()))} differ from those of {source}"
            raise ValueError(msg)
        for name in old.keys():  # noqa: SIM118 - a TTree is iterated over by its arrays, not its names
            a, b = old[name], new[name]
            if (a.typename, a.title) != (b.typename, b.title):
                msg = f"{target}: {name} is {b.typename} {b.title!r}, not {a.typename} {a.title!r}"
                raise ValueError(msg)
            x, y = a.array(entry_stop=n_events), b.array()
            same_counts = x.ndim == 1 or ak.all(ak.num(x) == ak.num(y))
            flat_x, flat_y = (np.asarray(ak.flatten(v, axis=None)) for v in (x, y))
            if len(y) != n_events or not same_counts or flat_x.tobytes() != flat_y.tobytes():
                msg = f"{target}: values of {name} differ from those of {source}"
                raise ValueError(msg)


def main(folder: Path) -> None:
    """Write every sample beside this script."""
    for cut in CUTS:
        target = HERE / cut.target
        cut_sample(folder / cut.source, target, cut.n_events)
        sys.stdout.write(f"{target.name}: {cut.n_events} events, {target.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
