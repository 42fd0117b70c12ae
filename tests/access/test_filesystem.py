"""Archives read by uproot through ``hepbaler://``, found by its entry point."""

from __future__ import annotations

import io
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from pathlib import Path

import awkward as ak
import fsspec
import numpy as np
import pytest
import uproot
from uproot.source.coalesce import CoalesceConfig

import hepbaler
from hepbaler.access.filesystem import HepbalerFileSystem
from hepbaler.access.virtual import VirtualFile
from hepbaler.caching import ColumnCache
from hepbaler.container import ContainerReader
from hepbaler.errors import FormatError
from hepbaler.restoring.skeleton import GAP

FILES = ("nano_file", "odd_values_file", "strings_file", "crowded_file", "ntuple_file")


@pytest.fixture(scope="module")
def archive_of(tmp_path_factory):
    """Plainly coded archives of about ten clusters."""
    done = {}

    def make(source: Path) -> Path:
        if source not in done:
            target = tmp_path_factory.mktemp("archives") / f"{source.name}.hbal"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", source.stat().st_size // 8)
                hepbaler.compress(source, target, use_model=False)
            done[source] = target
        return done[source]

    return make


@pytest.fixture
def pages_read(monkeypatch):
    """Names of the columns whose pages were read, cluster by cluster."""
    read = []
    pages = ContainerReader.pages

    def spy(self, tree, wanted):
        slots = list(hepbaler.header.TreeHeader.from_dict(self.meta["trees"][tree]).slots())
        read.extend((cluster, slots[slot]) for cluster, slot in wanted)
        return pages(self, tree, wanted)

    monkeypatch.setattr(ContainerReader, "pages", spy)
    return read


def url_of(archive: Path) -> str:
    return f"hepbaler://events.root::{archive}"


def assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    assert len(one) == len(other)
    if one.dtype == object:
        for a, b in zip(one, other, strict=True):
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
                assert a.tobytes() == b.tobytes()
            else:
                assert type(a) is type(b)
                assert str(a) == str(b)
    else:
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", FILES)
def test_uproot_sees_what_decompress_writes(name, request, archive_of, tmp_path):
    archive = archive_of(request.getfixturevalue(name))
    back = tmp_path / "back.root"
    hepbaler.decompress(archive, back, compression="none", skip_unwritable=True)
    with uproot.open(url_of(archive)) as virtual, uproot.open(back) as real:
        assert virtual.classnames() == real.classnames()
        for path, classname in real.classnames().items():
            if classname == "ROOT::RNTuple":
                assert virtual[path].keys() == real[path].keys()
                assert ak.array_equal(virtual[path].arrays(), real[path].arrays(), equal_nan=True)
            elif classname == "TTree":
                one, other = virtual[path], real[path]
                assert (one.title, one.num_entries) == (other.title, other.num_entries)
                assert one.typenames() == other.typenames()
                assert [branch.title for branch in one.branches] == [branch.title for branch in other.branches]
                arrays = other.arrays(library="np")
                for branch, values in one.arrays(library="np").items():
                    assert_same_bits(values, arrays[branch])
            elif classname.startswith("TH"):
                np.testing.assert_array_equal(virtual[path].values(), real[path].values())


def test_trees_without_entries(empty_tree_file, archive_of, tmp_path):
    source = tmp_path / "some_empty.root"
    with uproot.open(empty_tree_file) as empty, uproot.recreate(source) as file:
        file.mktree("one/full", {"x": "float32"})
        file["one/full"].extend({"x": np.ones(3, np.float32)})
        file.mktree("none", {"x": "float32", "Jet": ak.types.from_datashape("var * {pt: float32}", highlevel=False)})
        assert empty["Events"].num_entries == 0
    with uproot.open(url_of(archive_of(source))) as virtual:
        assert virtual["none"].num_entries == 0
        assert virtual["none"].typenames() == {"x": "float", "nJet": "int32_t", "Jet_pt": "float[]"}
        assert ak.to_list(virtual["none"].arrays()) == []
        assert ak.to_list(virtual["one/full"]["x"].array()) == [1, 1, 1]


@pytest.mark.slow
def test_learned_columns(sample_path, tmp_path, pages_read):
    archive = tmp_path / "sample.root.hbal"
    # One list whose columns depend on each other is enough, and trains in seconds.
    hepbaler.compress(sample_path, archive, keep=["nJet", "Jet_*"], train_steps=60)
    with hepbaler.open(archive) as opened:
        tree = opened["Events"]
        learned = [key for model in tree.header.models for key in model.columns]
        truth = tree.arrays(learned, library="np")
    assert len(learned) > 2
    pages_read.clear()
    virtual = uproot.open(url_of(archive))["Events"]
    # decoded one by one, and once only: what a column depends on is kept
    for name in reversed(learned):
        assert_same_bits(virtual[name].array(library="np"), truth[name])
    assert set(learned) <= {name for _, name in pages_read}
    # in any order, and whatever was forgotten in between
    with hepbaler.open(archive) as opened:
        tree = opened["Events"]
        for seed, max_bytes in enumerate((10**9, 300_000, 60_000)):
            cached = tree.cached(ColumnCache(max_bytes))
            for name in np.random.default_rng(seed).permutation(learned)[:6]:
                assert_same_bits(cached[name].array(library="np"), truth[name])


def test_opening_decodes_nothing(archive_of, nano_file, pages_read):
    archive = archive_of(nano_file)
    tree = uproot.open(url_of(archive))["Events"]
    tree.show(stream=io.StringIO())
    assert len(tree.common_entry_offsets()) > 3
    assert pages_read == []


def test_a_branch_decodes_its_columns_of_the_clusters_asked_for(archive_of, nano_file, pages_read, tmp_path):
    # a copy, of which nothing is kept from other tests
    archive = shutil.copy(archive_of(nano_file), tmp_path)
    tree = uproot.open(url_of(archive))["Events"]
    borders = tree.common_entry_offsets()
    tree["MET_pt"].array(entry_start=borders[1], entry_stop=borders[2])
    assert pages_read == [(1, "MET_pt")]
    pages_read.clear()
    tree["nJet"].array(entry_start=borders[2], entry_stop=borders[3])
    assert pages_read == [(2, "nJet")]
    pages_read.clear()
    tree.arrays(["MET_pt", "MET_phi", "Jet_pt"], entry_start=borders[2], entry_stop=borders[3])
    # the counts of the jets are kept from before
    assert sorted(pages_read) == [(2, "Jet_pt"), (2, "MET_phi"), (2, "MET_pt")]


def test_what_was_decoded_is_kept(archive_of, nano_file, pages_read):
    for _ in range(2):
        with uproot.open(url_of(archive_of(nano_file)), array_cache=None) as file:
            file["Events"].arrays(["Jet_pt", "MET_phi"])
    assert len(pages_read) == len(set(pages_read))


def test_memory_is_bounded(archive_of, sample_path):
    with hepbaler.open(archive_of(sample_path)) as archive:
        file = VirtualFile(archive, cache_bytes=50_000)
        cache = file._sources[0]._decoder._cache
        for start in range(0, file.size, file.size // 50):
            file.read([(start, start + file.size // 50)])
            assert 0 <= cache.num_bytes <= 50_000
        assert cache.num_bytes == sum(column.nbytes for column in cache._columns.values()) > 0


def test_baskets_lie_further_apart_than_uproot_reads_at_once():
    assert CoalesceConfig().max_range_gap < GAP


def test_expressions_cuts_and_aliases(archive_of, nano_file):
    with uproot.open(url_of(archive_of(nano_file))) as virtual, uproot.open(nano_file) as real:
        for tree in (virtual["Events"], real["Events"]):
            found = tree.arrays(["twice"], "HLT_IsoMu24 & (nJet > 2)", aliases={"twice": "2 * nJet"}, library="np")
            kept = tree.arrays(["nJet", "HLT_IsoMu24"], library="np")
            chosen = kept["HLT_IsoMu24"] & (kept["nJet"] > 2)
            np.testing.assert_array_equal(found["twice"], 2 * kept["nJet"][chosen])


def test_many_files(archive_of, nano_file, other_nano_file, tmp_path):
    archives = [archive_of(nano_file), archive_of(other_nano_file)]
    files = [{url_of(path): "Events"} for path in archives]
    truth = np.concatenate(
        [uproot.open(path)["Events/event"].array(library="np") for path in (nano_file, other_nano_file)]
    )
    np.testing.assert_array_equal(uproot.concatenate(files, "event", library="np")["event"], truth)
    assert [n for *_, n in uproot.num_entries(files)] == [400, 200]
    steps = list(uproot.iterate(files, ["event"], step_size=150, library="np", report=True))
    np.testing.assert_array_equal(np.concatenate([arrays["event"] for arrays, _ in steps]), truth)
    assert steps[-1][1].global_entry_stop == 600
    for path in archives:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for many in (f"hepbaler://{tmp_path}/*.root:Events", {f"hepbaler://{tmp_path}/*.root.hbal": "Events"}):
        assert len(uproot.concatenate(many, "event")) == 600


@pytest.mark.parametrize(
    "form",
    [
        "hepbaler://events.root:Events::{path}",
        "hepbaler://events.root:Events::file://{path}",
        "hepbaler://events.root:Events::simplecache::memory://{memory}",
        "hepbaler://events.root:Events::memory://{memory}",
        "hepbaler://{root}:Events",
    ],
)
def test_urls(form, archive_of, nano_file):
    archive = archive_of(nano_file)
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/some/nano.root.hbal", archive.read_bytes())
    url = form.format(path=archive, memory="some/nano.root.hbal", root=str(archive).removesuffix(".hbal"))
    truth = uproot.open(nano_file)["Events/event"].array(library="np")
    np.testing.assert_array_equal(uproot.open(url)["event"].array(library="np"), truth)
    np.testing.assert_array_equal(uproot.concatenate(url, "event", library="np")["event"], truth)


def test_a_replaced_archive_is_read_again(nano_file, other_nano_file, archive_of, tmp_path):
    path = tmp_path / "events.root.hbal"
    lengths, ids = [], []
    for source in (nano_file, other_nano_file, nano_file):
        other = tmp_path / "new"
        other.write_bytes(archive_of(source).read_bytes())
        other.replace(path)
        with uproot.open(url_of(path)) as file:
            lengths.append(file["Events"].num_entries)
            ids.append(file.file.uuid)
    assert lengths == [400, 200, 400]
    assert ids[0] == ids[2] != ids[1]


def test_trees_can_be_sent_to_other_processes(archive_of, nano_file):
    tree = uproot.open(url_of(archive_of(nano_file)))["Events"]
    copy = pickle.loads(pickle.dumps(tree))
    assert ak.array_equal(copy["Jet_pt"].array(), tree["Jet_pt"].array())
    system = HepbalerFileSystem(fo=str(archive_of(nano_file)), target_protocol="file")
    assert pickle.loads(pickle.dumps(system)).size("events.root") == system.size("events.root")


def test_threads_read_the_same(archive_of, sample_path):
    with hepbaler.open(archive_of(sample_path)) as archive:
        truth = VirtualFile(archive)
        file = VirtualFile(archive, cache_bytes=200_000)
        edges = np.linspace(0, file.size, 60).astype(int).tolist()
        ranges = list(pairwise(edges))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda one: file.read([one])[0], ranges * 2))
        assert b"".join(answers) == b"".join(truth.read(ranges)) * 2


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_do_not_tell_the_time(archive_of, request, name, monkeypatch):
    archive_path = archive_of(request.getfixturevalue(name))
    # Every time that uproot notes is another one.
    times = count(1)
    monkeypatch.setattr(uproot._util, "datetime_to_code", lambda _: next(times))
    contents = []
    for _ in range(2):
        with hepbaler.open(archive_path) as archive:
            file = VirtualFile(archive)
            contents.append(file.read([(0, file.size)])[0])
    assert contents[0] == contents[1]
    assert next(times) > 4


def test_the_bytes_are_a_root_file(archive_of, nano_file):
    url = url_of(archive_of(nano_file))
    with fsspec.open(url) as file:
        head = file.read(4)
        content = head + file.read()
    assert head == b"root"
    system, path = fsspec.url_to_fs(url)
    assert len(content) == system.size(path)
    assert content == system.cat_file(path)
    assert system.cat_ranges([path] * 3, [0, -7, 5], [4, None, 5]) == [b"root", content[-7:], b""]
    copied = uproot.open(io.BytesIO(content))["Events"].arrays(library="np")
    for branch, values in uproot.open(url)["Events"].arrays(library="np").items():
        assert_same_bits(copied[branch], values)


def test_errors_name_the_file(archive_of, nano_file, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.root.hbal"):
        uproot.open(url_of(tmp_path / "absent.root.hbal"))
    with pytest.raises(FileNotFoundError, match="hepbaler://events.root:Events::file"):
        uproot.open(f"{url_of(archive_of(nano_file))}:Events")
    damaged = bytearray(archive_of(nano_file).read_bytes())
    damaged[1000] ^= 0xFF
    path = tmp_path / "damaged.root.hbal"
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="damaged"):
        uproot.open(url_of(path))["Events"].arrays()
    with pytest.raises(OSError, match="read only"):
        fsspec.open(url_of(path), "wb").open()
