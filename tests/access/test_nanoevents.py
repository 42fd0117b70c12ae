from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler

pytest.importorskip("coffea")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def archive(sample_path, tmp_path_factory):
    target = tmp_path_factory.mktemp("coffea") / "sample.root.hbal"
    keep = ["run", "luminosityBlock", "event", "nJet", "Jet_*", "MET_*"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", 300_000)
        hepbaler.compress(sample_path, target, use_model=False, keep=keep)
    return target


def test_same_events_as_coffea_makes_of_the_root_file(archive, tmp_path):
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    back = tmp_path / "back.root"
    hepbaler.decompress(archive, back)
    log = []
    events = hepbaler.nanoevents(archive, access_log=log, metadata={"dataset": "ttbar"})
    truth = NanoEventsFactory.from_root({back: "Events"}, schemaclass=NanoAODSchema).events()
    assert log == []
    assert events.fields == truth.fields
    assert events.metadata["dataset"] == "ttbar"
    for field in ("Jet", "MET"):
        assert events[field].fields == truth[field].fields
        for member in truth[field].fields:
            assert ak.array_equal(events[field][member], truth[field][member], check_parameters=False)
    assert ak.all(np.isclose((events.Jet[:, :1] + events.Jet[:, :1]).pt, 2 * events.Jet[:, :1].pt))
    assert {one.branch for one in log} <= set(uproot.open(back)["Events"].keys())


def test_only_what_is_touched_is_read(archive):
    log = []
    events = hepbaler.nanoevents(archive, access_log=log)
    assert len(events.Jet.pt[events.MET.pt > 40]) > 0
    ak.materialize(events.Jet.pt)
    assert {one.branch for one in log} == {"MET_pt", "nJet", "Jet_pt"}


def test_entry_ranges(archive):
    events = hepbaler.nanoevents(archive)
    for start, stop in ((0, 0), (17, 1_253), (-10, None), (2_990, 10_000)):
        part = hepbaler.nanoevents(archive, entry_start=start, entry_stop=stop)
        assert ak.array_equal(part.Jet.pt, events.Jet.pt[start:stop])


def test_coffea_reads_the_url(archive):
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    url = f"hepbaler://events.root::{archive}"
    read = NanoEventsFactory.from_root({url: "Events"}, schemaclass=BaseSchema).events()
    assert ak.array_equal(read.Jet_pt, hepbaler.nanoevents(archive, BaseSchema).Jet_pt, check_parameters=False)


def test_runner_gives_the_same_for_both_files(archive, tmp_path):
    from coffea import processor
    from coffea.nanoevents import NanoAODSchema

    def sums(events):
        return {"n": len(events), "pt": float(ak.sum(events.Jet.pt))}

    back = tmp_path / "back.root"
    hepbaler.decompress(archive, back)
    run = processor.Runner(processor.IterativeExecutor(status=False), schema=NanoAODSchema, chunksize=1_100)
    of = [
        run({"ttbar": {"files": {str(url): "Events"}}}, processor_instance=sums)
        for url in (back, f"hepbaler://events.root::{archive}")
    ]
    assert of[0] == of[1]
    assert of[0]["n"] == 3_000
