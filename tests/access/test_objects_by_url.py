"""Lists of lists, strings, maps, split objects by URL: as in the ROOT file."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler
from hepbaler.bounds import Bound, Plan

DATA = Path(__file__).resolve().parents[2] / "../shared/data/real"
EXACT = Plan((), Bound.parse("exact"))


def test_an_archive_of_a_merged_or_skimmed_file_keeps_groups(tmp_path):
    shared = DATA / "uproot-HZZ-objects.root"
    if not shared.exists():
        pytest.skip(f"no {shared}")
    hepbaler.compress(shared, tmp_path / "one.root.hbal", use_model=False, plan=EXACT)
    hepbaler.merge(tmp_path / "two.root.hbal", [tmp_path / "one.root.hbal"] * 2)
    hepbaler.skim(tmp_path / "one.root.hbal", tmp_path / "cut.root.hbal", keep=["jetp4", "num_primaryvertex"])
    with uproot.open(shared) as real:
        for name in ("two", "cut"):
            with uproot.open(f"hepbaler://{name}.root::{tmp_path / f'{name}.root.hbal'}") as file:
                branch = file["events/jetp4"]
                assert branch.typename == "std::vector<TLorentzVector>"
                assert ak.array_equal(branch.array(entry_stop=100), real["events/jetp4"].array(entry_stop=100))


FILES = [
    ("uproot-HZZ-objects.root", "events"),
    ("uproot-stl_containers.root", "tree"),
    ("uproot-vectorVectorDouble.root", "t"),
    ("uproot-issue-880.root", "Z"),
    ("uproot-leaflist.root", "tree"),
    ("uproot-nesteddirs.root", "three/tree"),
    ("cms_ntuple_wjet.root", "variable"),
    ("atlas_ntuple_74ev_unroot-issue246.root", "main_variable"),
    pytest.param("atlas_PHYSLITE_100ev.root", "CollectionTree", marks=pytest.mark.slow),
]


@pytest.mark.shared
@pytest.mark.parametrize(("file", "path"), FILES)
def test_same_names_types_and_values_as_the_file(file, path, tmp_path):
    if not (DATA / file).exists():
        pytest.skip(f"no {file} in {DATA}")
    with uproot.open(DATA / file) as real:
        if path not in {key.partition(";")[0] for key in real.keys()}:  # noqa: SIM118  (with cycles, and in folders)
            path = next(key for key, kind in real.classnames(cycle=False).items() if kind == "TTree")
        archive = tmp_path / f"{file}.hbal"
        hepbaler.compress(DATA / file, archive, use_model=False, plan=EXACT, skip_unreadable=True)
        with uproot.open(f"hepbaler://{file}::{archive}") as virtual, hepbaler.open(archive) as opened:
            one, other = real[path], virtual[path]
            carried = set(opened.trees[path].keys())
            compared = 0
            for name, branch in one.iteritems():
                is_group = bool(branch.branches)
                is_there = any(one.startswith(f"{name}/") for one in carried) if is_group else name in carried
                if not is_there or "Double32_t" in branch.typename:
                    continue
                assert other[name].typename == branch.typename
                assert other[name].num_entries == branch.num_entries
                if not is_group and "Float16_t" not in branch.typename:
                    assert repr(other[name].interpretation) == repr(branch.interpretation)
                    assert ak.array_equal(
                        branch.array(entry_stop=100), other[name].array(entry_stop=100), equal_nan=True
                    )
                    compared += 1
            assert compared > 0
            assert np.array_equal(one.num_entries, other.num_entries)


def test_objects_that_others_refer_to(tmp_path):
    # uproot's own test data, where they are installed; no download
    package = pytest.importorskip("skhep_testdata")
    source = Path(package.__file__).parent / "data" / "uproot-issue513.root"
    if not source.exists():
        pytest.skip(f"no {source}")
    archive = tmp_path / "delphes.root.hbal"
    hepbaler.compress(source, archive, use_model=False, plan=EXACT, skip_unreadable=True, keep=["EFlowPhoton*", "Jet*"])
    with uproot.open(source) as real, uproot.open(f"hepbaler://delphes.root::{archive}") as virtual:
        one, other = real["Delphes"], virtual["Delphes"]
        assert set(other.keys()) <= set(one.keys())
        for name in ("EFlowPhoton", "EFlowPhoton/EFlowPhoton.fBits", "Jet/Jet.Constituents", "Jet/Jet.PT", "Jet_size"):
            assert other[name].typename == one[name].typename
            assert ak.array_equal(other[name].array(), one[name].array())
