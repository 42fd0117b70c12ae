"""Batches of entries of archives."""

from __future__ import annotations

import pickle

import awkward as ak
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

import hepbaler  # noqa: E402
from hepbaler.errors import ColumnNotFound, HepbalerError, InputError  # noqa: E402
from hepbaler.torch import EventBatches  # noqa: E402

BRANCHES = ["event", "MET_pt", "HLT_IsoMu24", "LHEScaleWeight", "Jet_pt", "Jet_jetId"]


@pytest.fixture(scope="module")
def archives(nano_file, other_nano_file, tmp_path_factory):
    """Two archives, of several clusters and of one."""
    folder = tmp_path_factory.mktemp("event_batches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", 8_000)
        hepbaler.compress(nano_file, folder / "a.root.hbal", use_model=False)
    hepbaler.compress(other_nano_file, folder / "b.root.hbal", use_model=False)
    return folder


@pytest.fixture(scope="module")
def truth(archives):
    return hepbaler.concatenate(f"{archives}/*.root.hbal", BRANCHES)


def batches_of(archives, **options):
    return EventBatches(f"{archives}/*.root.hbal", **{"filter_name": BRANCHES, "batch_size": 64} | options)


def events_of(batches) -> list[int]:
    return torch.cat([batch["event"] for batch in batches]).tolist()


def jets_of(batches) -> dict[tuple[int, float], list[float]]:
    """Transverse momenta of the jets of each event; the other file has the same events with other values."""
    return {
        (event, met): jets[:n]
        for batch in batches
        for event, met, jets, n in zip(
            *(batch[name].tolist() for name in ("event", "MET_pt", "Jet_pt", "Jet_pt@counts")), strict=True
        )
    }


def test_in_order_every_entry_comes_once(archives, truth):
    batches = list(batches_of(archives, shuffle=False))
    assert [len(batch["event"]) for batch in batches] == [64] * 9 + [24]
    assert events_of(batches) == truth.event.to_list()
    np.testing.assert_array_equal(torch.cat([batch["MET_pt"] for batch in batches]).numpy(), truth.MET_pt)
    weights = torch.cat([batch["LHEScaleWeight"] for batch in batches])
    assert weights.shape == (600, 9)
    np.testing.assert_array_equal(weights.numpy(), truth.LHEScaleWeight)
    assert {str(values.dtype) for batch in batches for values in batch.values()} == {
        "torch.int64",
        "torch.float32",
        "torch.bool",
        "torch.int32",
    }


@pytest.mark.parametrize("buffer_entries", [1, 100, 10**6])
def test_shuffled_entries_stay_whole(archives, truth, buffer_entries):
    batches = list(batches_of(archives, buffer_entries=buffer_entries))
    assert events_of(batches) != truth.event.to_list()
    met = truth.MET_pt.to_list()
    assert jets_of(batches) == dict(
        zip(zip(truth.event.to_list(), met, strict=True), truth.Jet_pt.to_list(), strict=True)
    )


def test_lists_as_tensors(archives, truth):
    options = {"shuffle": False, "batch_size": 1000, "filter_name": "Jet_pt"}
    (flat,) = batches_of(archives, jagged="flat", **options)
    np.testing.assert_array_equal(flat["Jet_pt"].numpy(), ak.flatten(truth.Jet_pt))
    np.testing.assert_array_equal(flat["Jet_pt@counts"].numpy(), ak.num(truth.Jet_pt))
    for length in (1, 3, 40):
        (cut,) = batches_of(archives, jagged=length, padding=-1, **options)
        expected = ak.fill_none(ak.pad_none(truth.Jet_pt, length, clip=True), -1)
        np.testing.assert_array_equal(cut["Jet_pt"].numpy(), expected)
        np.testing.assert_array_equal(cut["Jet_pt@counts"].numpy(), np.minimum(ak.num(truth.Jet_pt), length))
    (padded,) = batches_of(archives, **options)
    assert padded["Jet_pt"].shape == (600, ak.max(ak.num(truth.Jet_pt)))


def test_seed_and_epoch_set_the_order(archives):
    batches = batches_of(archives)
    first = events_of(batches)
    assert events_of(pickle.loads(pickle.dumps(batches_of(archives)))) == first
    assert events_of(batches_of(archives, seed=1)) != first
    batches.set_epoch(1)
    assert events_of(batches) != first
    batches.set_epoch(0)
    assert events_of(batches) == first


def test_shares_have_no_entry_in_common(archives, truth):
    shares = [jets_of(batches_of(archives, share=(i, 3))) for i in range(3)]
    assert sum(map(len, shares)) == len(truth) == len(set().union(*shares))


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_share_the_clusters(archives, truth, n_workers):
    loader = DataLoader(batches_of(archives), batch_size=None, num_workers=n_workers, multiprocessing_context="spawn")
    met = truth.MET_pt.to_list()
    assert sorted(jets_of(loader)) == sorted(zip(truth.event.to_list(), met, strict=True))


def test_drop_last_leaves_whole_batches(archives):
    assert {len(batch["event"]) for batch in batches_of(archives, drop_last=True)} == {64}


def test_nothing_else_is_decoded(archives, monkeypatch):
    decoded = set()

    def remember(self, clusters, wanted):
        wanted = list(wanted)
        decoded.update(wanted)
        return original(self, clusters, wanted)

    original = hepbaler.decoding.ClusterDecoder.columns
    monkeypatch.setattr("hepbaler.decoding.ClusterDecoder.columns", remember)
    list(batches_of(archives, filter_name=["Jet_pt"]))
    assert decoded == {"Jet_pt", "Jet_pt@counts"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size should be at least 1"),
        ({"buffer_entries": 0}, "buffer_entries should be at least 1"),
        ({"jagged": "ragged"}, "jagged should be 'pad', 'flat' or a length"),
        ({"share": (2, 2)}, "share should be"),
    ],
)
def test_wrong_options_are_refused(archives, options, message):
    with pytest.raises(InputError, match=message):
        batches_of(archives, **options)


def test_what_is_no_number_is_refused(archives, strings_file, ntuple_file, tmp_path):
    with pytest.raises(ColumnNotFound, match="it holds run, event"):
        batches_of(archives, filter_name="Tau_*")
    for file, branch in ((strings_file, "name"), (ntuple_file, "hits")):
        archive = tmp_path / f"{branch}.root.hbal"
        hepbaler.compress(file, archive, use_model=False)
        with pytest.raises(InputError, match=f"branch '{branch}' .* is neither numbers nor lists"):
            EventBatches(archive)
    with pytest.raises(ColumnNotFound, match="has no branch 'event'"):
        EventBatches([archives / "a.root.hbal", tmp_path / "name.root.hbal"], filter_name="event")


def test_urls_name_the_same_archives(archives, truth):
    folder = archives.as_posix()
    for files in (
        f"hepbaler://{folder}/*.root",
        [f"hepbaler://{folder}/a.root", f"hepbaler://any.root:Events::{folder}/b.root.hbal"],
        {f"hepbaler://{folder}/a.root.hbal": "Events", f"{folder}/b.root.hbal": None},
    ):
        batches = EventBatches(files, filter_name=BRANCHES, shuffle=False)
        assert events_of(batches) == truth.event.to_list()
    with pytest.raises(InputError, match="no archive matches"):
        EventBatches(f"hepbaler://{folder}/c*.root")
    with pytest.raises(HepbalerError, match="'Runs' not found in .*a.root.hbal; it holds: 'Events'"):
        EventBatches(f"hepbaler://a.root:Runs::{folder}/a.root.hbal")
