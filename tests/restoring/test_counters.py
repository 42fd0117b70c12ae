"""Which branch tells the counts: the source's word, proof by content, and what happens when they contradict."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

JETS = ak.Array([[1.5, 2.5], [], [3.5], [4.5]])
COUNTS = np.array([2, 0, 1, 1], np.int32)


def counters(target) -> dict[str, str]:
    with uproot.open(target) as file:
        branches = file["Events"].branches
        return {one.name: one.count_branch.name for one in branches if one.count_branch is not None}


def test_each_list_without_a_counter_gets_its_own(branch, write) -> None:
    arrays = {"pt": JETS, "npt": COUNTS, "eta": JETS}
    target, report = write([branch(name, array, "double[]") for name, array in arrays.items()], arrays)
    # the source's own npt is a branch of its own, whatever it holds
    assert counters(target) == {"pt": "npt_counts", "eta": "neta"}
    assert [(one.branch, one.restored) for one in report.differences if one.kind == "added"] == [
        ("pt", "npt_counts"), ("eta", "neta"),
    ]  # fmt: skip
    with uproot.open(target) as file:
        assert file["Events"].keys() == ["npt_counts", "pt", "npt", "neta", "eta"]


def test_proof_by_content_brings_the_counter_back(branch, write) -> None:
    arrays = {"nJet": COUNTS, "always": COUNTS, "Jet_pt": JETS, "Jet_eta": JETS}
    same_as = {"always": "nJet", "Jet_pt@counts": "nJet", "Jet_eta@counts": "nJet"}
    branches = [branch(name, array, "int32_t" if array is COUNTS else "double[]") for name, array in arrays.items()]
    target, report = write(branches, arrays, same_as=same_as)
    assert counters(target) == {"Jet_pt": "nJet", "Jet_eta": "nJet"}
    assert report.differences == ()


def test_proved_lists_of_a_collection_share_a_new_counter(branch, write) -> None:
    names = ("jet_pt", "jet_eta", "fat_pt", "Aux.pt", "Aux.eta")
    arrays = dict.fromkeys(names, JETS)
    same_as = {f"{name}@counts": "jet_pt@counts" for name in names[1:]}
    target, _ = write([branch(name, JETS) for name in names], arrays, same_as=same_as)
    assert counters(target) == {
        "jet_pt": "njet", "jet_eta": "njet", "fat_pt": "nfat_pt", "Aux.pt": "nAux", "Aux.eta": "nAux",
    }  # fmt: skip


@pytest.mark.parametrize("step", [4, 2, 1])
def test_counter_that_lies_is_kept_beside_the_counts(step: int, branch, write, same) -> None:
    lies = np.array([2, 0, 1, 7], np.uint32)
    arrays = {
        "nJet": lies,
        "Jet_pt": JETS,
        "Jet_xy": ak.Array(
            ak.contents.ListOffsetArray(
                ak.index.Index64(np.array([0, 2, 2, 3, 4])), ak.contents.NumpyArray(np.arange(8.0).reshape(4, 2))
            )
        ),
        "name": ak.Array(["a", "", "cc", "d" * 300]),
        "flags": np.array([[True, False]] * 4),
    }
    claimed = {"Jet_pt": "nJet", "Jet_xy": "nJet"}
    branches = [branch(name, array, "uint32_t", f"doc of {name}", claimed.get(name)) for name, array in arrays.items()]
    target, report = write(branches, arrays, step=step)
    assert counters(target) == {"Jet_pt": "nJet_pt", "Jet_xy": "nJet_xy"}
    reasons = [one.reason for one in report.differences if one.kind == "counter"]
    assert reasons == ["the values of nJet are not the counts of this branch; both are kept as they are"] * 2
    with uproot.open(target) as file:
        assert file.keys() == ["Events;1"]
        for name, array in arrays.items():
            assert same(file["Events"][name].array(), array)
            assert file["Events"][name].title == f"doc of {name}"


def test_lists_that_claim_one_counter_and_differ(branch, write) -> None:
    other = ak.Array([[1], [2], [3], [4]])
    arrays = {"nJet": COUNTS, "Jet_pt": JETS, "Jet_id": other}
    branches = [branch(name, array, count_branch="nJet" if name != "nJet" else None) for name, array in arrays.items()]
    target, report = write(branches, arrays)
    assert counters(target) == {"Jet_pt": "nJet", "Jet_id": "nJet_id"}
    assert [one.branch for one in report.differences if one.kind == "counter"] == ["Jet_id"]


def test_counter_that_was_dropped_keeps_its_name(branch, write) -> None:
    arrays = {"Jet_pt": JETS, "Jet_eta": JETS}
    target, report = write([branch(name, JETS, "double[]", "", "nJet") for name in arrays], arrays)
    assert counters(target) == {"Jet_pt": "nJet", "Jet_eta": "nJet"}
    assert [(one.branch, one.kind, one.restored) for one in report.differences] == [("Jet_pt", "added", "nJet")]


def test_counter_in_a_split_object_is_found(branch, write) -> None:
    arrays = {"evt/N": COUNTS, "evt/Slice": JETS}
    branches = [branch("evt/N", COUNTS, "int32_t"), branch("evt/Slice", JETS, "double[]", "", "N")]
    target, report = write(branches, arrays)
    assert counters(target) == {"Slice": "N"}
    assert {one.kind for one in report.differences} == {"name"}


def test_counter_that_is_no_integer_a_row_is_not_one(branch, write) -> None:
    arrays = {"n": np.array([2.0, 0.0, 1.0, 1.0]), "x": JETS, "y": JETS}
    branches = [branch("n", arrays["n"], "double"), *(branch(name, JETS, "double[]", "", "n") for name in "xy")]
    target, _ = write(branches, arrays)
    assert counters(target) == {"x": "nx", "y": "ny"}
    with uproot.open(target) as file:
        assert file["Events/n"].typename == "double"
