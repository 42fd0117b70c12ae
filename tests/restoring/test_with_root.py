"""ROOT itself as the reader."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.restoring import RootWriter

pytestmark = [pytest.mark.root, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def root() -> Any:
    """ROOT, with its warnings as failures of the test that reads."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("ROOT")


class _Kept(io.BytesIO):
    def close(self) -> None:
        """uproot closes what it has written; the bytes are wanted."""


def _objects() -> bytes:
    sink = _Kept()
    with uproot.recreate(sink) as file:
        file["folder/counts"] = np.histogram([1.0, 2.0, 2.5], bins=4, range=(0, 4))
        file["text"] = "a string"
        file.mkdir("folder/empty")
    return sink.getvalue()


@pytest.fixture
def arrays() -> dict[str, Any]:
    """All that a TTree holds."""
    rng = np.random.default_rng(3)
    counts = np.array([2, 0, 1, 3, 0, 4])
    numbers = {
        f"{kind}": rng.integers(0, 100, 6).astype(kind) - (50 if kind.startswith("int") else 0)
        for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
    }
    return {
        **{name: values.astype(name) for name, values in numbers.items()},
        "flag": np.array([True, False, True, True, False, False]),
        "nJet": counts.astype(np.int32),
        "Jet_pt": ak.unflatten(rng.exponential(30, 10).astype(np.float32), counts),
        "Jet_flag": ak.unflatten(rng.random(10) > 0.5, counts),
        "Jet_cov": ak.unflatten(ak.Array(ak.contents.NumpyArray(rng.random((10, 2, 3)))), counts),
        "matrix": rng.random((6, 2, 2)).astype(np.float32),
        "text": ak.Array(["", "a", "bc" * 200, "d", "é", "f"]),
        "p4": ak.zip({"fX": ak.unflatten(rng.random(10), counts), "fE": ak.unflatten(rng.random(10), counts)}),
    }


@pytest.mark.parametrize("compression", ["zstd:5", "lzma:9", "lz4:4", "zlib:1", "none"])
def test_tree(compression: str, root: Any, arrays: dict[str, Any], branch: Any, tmp_path: Path) -> None:
    target = tmp_path / "back.root"
    claimed = dict.fromkeys(["Jet_pt", "Jet_flag", "Jet_cov"], "nJet")
    branches = [branch(name, array, "", f"doc of {name}", claimed.get(name)) for name, array in arrays.items()]
    clusters = [{name: ak.Array(array)[at] for name, array in arrays.items()} for at in (slice(0, 2), slice(2, 6))]
    with RootWriter(target, compression=compression) as writer:
        writer.write_tree("one/Events", "the events", branches, clusters, 6)
        writer.write_tree("one/Empty", "", branches, [], 0)
        writer.write_objects(_objects())
    file = root.TFile.Open(str(target))
    assert not file.IsZombie()
    assert not file.TestBit(root.TFile.kRecovered)
    tree = file.Get("one/Events")
    assert tree.GetEntries() == 6
    assert tree.GetTitle() == "the events"
    assert file.Get("one/Empty").GetEntries() == 0
    assert file.Get("folder/counts").GetBinContent(3) == 2
    assert file.Get("text").GetName() == "a string"
    assert file.Get("folder/empty").GetNkeys() == 0
    assert tree.GetBranch("Jet_pt").GetTitle() == "doc of Jet_pt"
    assert tree.GetLeaf("Jet_pt").GetLeafCount().GetName() == "nJet"
    names = [one.GetName() for one in tree.GetListOfBranches()]
    assert names[:14] == list(arrays)[:14]
    for entry in range(6):
        assert tree.GetEntry(entry) > 0
        for name in set(names) - {"text"}:
            leaf = tree.GetLeaf(name)
            value = leaf.GetTypedValue["Long64_t"] if "int" in name else leaf.GetValue
            read = [value(place) for place in range(leaf.GetLen())]
            whole, _, field = name.partition(".")
            wanted = len(arrays["p4"][entry]) if name == "np4" else arrays[whole][entry]
            assert read == ak.ravel(ak.Array([wanted[field] if field else wanted])).to_list()
    file.Close()


def test_frame_over_trees_and_ntuples(root: Any, arrays: dict[str, Any], branch: Any, tmp_path: Path) -> None:
    chosen = {name: arrays[name] for name in ("int32", "float32", "flag", "nJet", "Jet_pt", "text")}
    branches = [
        branch(name, array, count_branch="nJet" if name == "Jet_pt" else None) for name, array in chosen.items()
    ]
    clusters = [{name: ak.Array(array)[at] for name, array in chosen.items()} for at in (slice(0, 2), slice(2, 6))]
    for rntuple in (False, True):
        target = tmp_path / f"{rntuple}.root"
        with RootWriter(target, rntuple=rntuple) as writer:
            writer.write_tree("Events", "", branches, clusters, 6)
        frame = root.RDataFrame("Events", str(target))
        assert frame.Count().GetValue() == 6
        assert frame.Sum("int32").GetValue() == chosen["int32"].sum()
        assert frame.Filter("flag").Count().GetValue() == 3
        assert [list(one) for one in frame.Take["ROOT::RVec<float>"]("Jet_pt").GetValue()] == chosen["Jet_pt"].to_list()
        text = frame.Define("s", "std::string(text.data())") if not rntuple else frame.Alias("s", "text")
        assert [str(one) for one in text.Take["std::string"]("s").GetValue()] == chosen["text"].to_list()
        assert frame.Define("n", "Jet_pt.size() == nJet").Filter("n").Count().GetValue() == 6


def test_ntuple_of_nested_things(root: Any, branch: Any, tmp_path: Path) -> None:
    arrays = {"nested": ak.Array([[[1.5], []], [], [[2.5, 3.5]]]), "texts": ak.Array([["a", "bc"], [], [""]])}
    branches = [branch(name, array) for name, array in arrays.items()]
    with RootWriter(tmp_path / "back.root", rntuple=True) as writer:
        clusters = [{name: array[at] for name, array in arrays.items()} for at in (slice(0, 1), slice(1, None))]
        writer.write_tree("Events", "", branches, clusters, 3)
    frame = root.RDataFrame("Events", str(tmp_path / "back.root"))
    nested = frame.Take["ROOT::RVec<ROOT::RVec<double>>"]("nested").GetValue()
    assert [[list(inner) for inner in one] for one in nested] == arrays["nested"].to_list()
    texts = frame.Take["ROOT::RVec<std::string>"]("texts").GetValue()
    assert [[str(text) for text in one] for one in texts] == arrays["texts"].to_list()
