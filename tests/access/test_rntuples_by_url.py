"""RNTuples by URL: RNTuples again, with the same fields, of which pages are made when they are read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepbaler
from hepbaler.access.virtual import VirtualFile
from hepbaler.bounds import Bound, Plan
from hepbaler.container import ContainerReader
from hepbaler.testing.strategies import ntuple_contents

DATA = Path(__file__).resolve().parents[2] / "../shared/data/real"
EXACT = Plan((), Bound.parse("exact"))


def by_url(folder, arrays, title="", cluster_bytes=1 << 25):
    """The RNTuple itself, and the one that its archive shows; both open."""
    with uproot.recreate(folder / "some.root") as file:
        file.mkrntuple("inside/some", ak.Array(arrays), title)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", cluster_bytes)
        hepbaler.compress(folder / "some.root", use_model=False, plan=EXACT)
    url = f"hepbaler://some.root::{folder / 'some.root.hbal'}"
    return uproot.open(folder / "some.root")["inside/some"], uproot.open(url)["inside/some"]


def same(one, other, **entries):
    return ak.array_equal(one.array(**entries), other.array(**entries), equal_nan=True)


ARRAYS = {
    "number": ak.Array([1.5, 2.5, 3.5, 4.5]),
    "flag": ak.Array([[True, False, True], [], [True] * 9, [False]]),
    "nested": ak.Array([[[1, 2], []], [], [[3]], [[4], [5]]]),
    "words": ak.Array([["a", "bcd"], [], ["x" * 300], [""]]),
    "pair": ak.Array([(1, "a"), (2, "b"), (3, "c"), (4, "d")]),
    "block": ak.to_regular(ak.Array([[1, 2], [3, 4], [5, 6], [7, 8]]), axis=1),
    "hits": ak.Array([[{"q": 1.5, "at": [1, 2]}], [], [{"q": 2.5, "at": []}, {"q": 3.5, "at": [7]}], []]),
    "maybe": ak.Array([1.5, None, None, 2.5]),
    "maybe_word": ak.Array(["a", None, "ccc", ""]),
    "maybe_block": ak.Array([[1, 2], None, [5, 6], None]),
    "maybe_inside": ak.Array([[[1, None], []], [], [[3]], [[None]]]),
    "maybe_hits": ak.Array([[{"q": 1.5}, None], [], [None], [{"q": 2.5}]]),
    "maybe_twice": ak.Array([{"a": {"b": 1}}, {"a": {"b": None}}, {"a": None}, {"a": {"b": 2}}]),
}


@pytest.mark.parametrize("cluster_bytes", [1 << 25, 150])
def test_same_fields_types_and_values(tmp_path, cluster_bytes, caplog):
    one, other = by_url(tmp_path, ARRAYS, "what it is", cluster_bytes)
    assert type(other) is type(one)
    assert (len(other.cluster_summaries) > 1) == (cluster_bytes < 1000)
    assert (other.num_entries, other.description) == (4, "what it is")
    assert other.keys() == one.keys()
    assert other.typenames() == one.typenames()
    for name in one.keys():  # noqa: SIM118  (with fields in others)
        assert same(one[name], other[name])
        assert same(one[name], other[name], entry_start=1, entry_stop=3)
    assert other.arrays().to_list() == one.arrays().to_list()
    assert caplog.text == ""


@settings(deadline=None, max_examples=25)
@given(data=st.data(), n_rows=st.integers(0, 8), cluster_bytes=st.sampled_from([40, 1 << 25]))
def test_any_field(data, n_rows, cluster_bytes):
    arrays = {"a": ak.Array(data.draw(ntuple_contents(n_rows, options=True))), "b": ak.Array(np.arange(n_rows))}
    with tempfile.TemporaryDirectory() as folder:
        one, other = by_url(Path(folder), arrays, "", cluster_bytes)
        assert other.typenames() == one.typenames()
        assert (other.num_entries, other.keys()) == (n_rows, one.keys())
        assert other.arrays().to_list() == one.arrays().to_list() or same(one["a"], other["a"])


@pytest.fixture
def either():
    content = ak.contents.UnionArray(
        ak.index.Index8(np.array([0, 1, 1, 0], np.int8)),
        ak.index.Index64(np.array([0, 0, 1, 1])),
        [ak.Array([1.5, 2.5]).layout, ak.Array(["a", "bc"]).layout],
    )
    return ak.Array(content)


def test_variants_of_one_cluster(either, tmp_path, caplog):
    one, other = by_url(tmp_path, {"either": either, "number": ARRAYS["number"]})
    assert other["either"].array().to_list() == one["either"].array().to_list() == [1.5, "a", "bc", 2.5]
    assert other.typenames() == one.typenames()
    assert caplog.text == ""


def test_variants_of_several_clusters_are_named(either, tmp_path, caplog):
    _, other = by_url(tmp_path, {"either": either}, cluster_bytes=30)
    assert (other.keys(), other.num_entries) == ([], 4)
    assert "'either' (uproot reads a std::variant wrongly" in caplog.text


def test_only_what_is_touched_is_decoded(tmp_path, monkeypatch):
    _, other = by_url(tmp_path, {name: ARRAYS[name] for name in ("number", "hits", "words")}, cluster_bytes=150)
    read = []
    pages = ContainerReader.pages

    def spy(self, tree, wanted):
        slots = list(hepbaler.header.TreeHeader.from_dict(self.meta["trees"][tree]).slots())
        read.extend(slots[slot] for _, slot in wanted)
        return pages(self, tree, wanted)

    monkeypatch.setattr(ContainerReader, "pages", spy)
    other["hits.q"].array(entry_start=0, entry_stop=1)
    assert "hits.q" in read
    assert not [name for name in read if "at" in name or name in ("number", "words")]
    read.clear()
    other["number"].array()
    assert set(read) == {"number"}


def test_the_same_bytes_whenever_they_are_made(tmp_path):
    by_url(tmp_path, ARRAYS)
    files = []
    for _ in range(2):
        with hepbaler.open(tmp_path / "some.root.hbal") as archive:
            file = VirtualFile(archive)
            files.append(file.read([(0, file.size)])[0])
    assert files[0] == files[1]


@pytest.mark.shared
@pytest.mark.parametrize(
    "file",
    [
        "ntpl001_staff_rntuple_v1-0-0-0.root",
        "test_extension_columns_rntuple_v1-0-0-0.root",
        "test_int_vfloat_tlv_vtlv_rntuple_v1-0-0-0.root",
        "test_nested_structs_rntuple_v1-0-0-0.root",
        "test_stl_containers_rntuple_v1-0-0-0.root",
        "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root",
    ],
)
def test_files_of_others(file, tmp_path):
    if not (DATA / file).exists():
        pytest.skip(f"no {file} in {DATA}")
    hepbaler.compress(DATA / file, tmp_path / f"{file}.hbal", use_model=False, plan=EXACT)
    with uproot.open(DATA / file) as real, uproot.open(f"hepbaler://{file}::{tmp_path / f'{file}.hbal'}") as virtual:
        ntuples = [path for path, kind in real.classnames(cycle=False).items() if kind == "ROOT::RNTuple"]
        assert ntuples
        for path in ntuples:
            one, other = real[path], virtual[path]
            assert other.keys() == one.keys()
            for name in one.keys(recursive=False):
                if "RNTupleCardinality" not in one[name].typename:
                    assert other[name].typename == one[name].typename
                assert same(one[name], other[name], entry_stop=1000)
