"""Many files: each once, broken ones named, nothing done twice, what is not as it should be done again."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import get_type_hints

import pytest
import uproot

import hepbaler
from hepbaler.campaign.many import CompressSettings
from hepbaler.errors import InputError, OutputError
from hepbaler.provenance import NO_MATTER

PLAIN = {"use_model": False, "retries": 0}


def test_each_file_and_what_failed(here, states, recorder):
    report = hepbaler.compress_many("*.root", "out", watcher=recorder, use_model=False)
    assert states(report) == {
        "broken.root": "failed",
        "events_0.root": "done",
        "events_1.root": "done",
        "events_2.root": "done",
    }
    assert not report.ok
    (failure,) = report.failures
    assert failure.error == "InputError"
    assert failure.attempts == 2
    assert report.failures_file == str(here / "out" / "failures.json")
    (listed,) = json.loads((here / "out" / "failures.json").read_text())
    assert listed["path"] == str(here / "broken.root")
    assert listed["error"] == "InputError"
    assert "broken.root" in listed["message"]
    assert recorder.phases["events_0.root"] == ["scan", "write"]
    assert [outcome.task for outcome in recorder.outcomes] == [
        outcome.task for outcome in sorted(report.outcomes, key=lambda outcome: outcome.state == "failed")
    ]
    with hepbaler.open("out/events_1.root.hbal") as archive, uproot.open("events_1.root") as file:
        assert archive["Events"].num_entries == file["Events"].num_entries
    assert json.dumps(report.to_dict())


def test_a_second_run_does_only_what_is_missing(here, states, snapshot):
    hepbaler.compress_many("*.root", "out", **PLAIN)
    before = snapshot("out")
    shutil.copy("events_1.root", "broken.root")
    report = hepbaler.compress_many("*.root", "out", **PLAIN)
    assert report.ok
    assert states(report) == {"broken.root": "done"} | {f"events_{i}.root": "skipped" for i in range(3)}
    after = snapshot("out")
    assert "failures.json" not in after
    assert {name: after[name] for name in before if name != "failures.json"} == {
        name: state for name, state in before.items() if name != "failures.json"
    }
    assert hepbaler.compress_many("*.root", "out", **PLAIN).of("skipped")[0].result["archive_bytes"] > 0
    assert snapshot("out") == after


def test_what_one_file_gets_alone_counts(here, states):
    hepbaler.compress("events_0.root", use_model=False)
    report = hepbaler.compress_many("events_?.root", **PLAIN)
    assert states(report) == {"events_0.root": "skipped", "events_1.root": "done", "events_2.root": "done"}
    assert report.failures_file is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": 1}, "settings"),
        ({"keep": ("Jet_*", "nJet")}, "settings"),
        ({"plan": hepbaler.Plan(default=hepbaler.Bound.parse("bits=6"))}, "settings"),
        ({"device": "cpu", "skip_unreadable": True}, None),
    ],
)
def test_other_settings(here, change, reason):
    hepbaler.compress_many("events_0.root", "out", **PLAIN)
    (outcome,) = hepbaler.compress_many("events_0.root", "out", **PLAIN, **change).outcomes
    assert outcome.state == ("skipped" if reason is None else "done")
    assert (reason or "") in outcome.reason


def test_another_source_of_the_same_size(here):
    hepbaler.compress_many("events_0.root", "out", **PLAIN)
    content = bytearray(Path("events_0.root").read_bytes())
    content[80] ^= 1
    Path("events_0.root").write_bytes(content)
    (outcome,) = hepbaler.compress_many("events_0.root", "out", **PLAIN).outcomes
    assert outcome.state == "done"
    assert "source" in outcome.reason


def flip(content: bytearray) -> bytes:
    content[len(content) // 2] ^= 4
    return bytes(content)


@pytest.mark.parametrize(
    "damage", [flip, lambda content: bytes(content[: len(content) // 2]), lambda _: b"", lambda _: b"something else"]
)
def test_a_broken_archive(here, damage):
    target = Path("out/events_0.root.hbal")
    hepbaler.compress_many("events_0.root", "out", **PLAIN)
    before = target.read_bytes()
    target.write_bytes(damage(bytearray(before)))
    (outcome,) = hepbaler.compress_many("events_0.root", "out", **PLAIN).outcomes
    assert outcome.state == "done"
    assert "damaged" in outcome.reason
    assert target.read_bytes() == before


def test_force(here, states):
    hepbaler.compress_many("events_?.root", "out", **PLAIN)
    report = hepbaler.compress_many("events_?.root", "out", force=True, **PLAIN)
    assert set(states(report).values()) == {"done"}


def test_jobs_share_the_files(here, states, snapshot):
    reports = [hepbaler.compress_many("*.root", "out", job=(i, 3), **PLAIN) for i in range(3)]
    assert [sorted(states(report)) for report in reports] == [
        ["broken.root", "events_2.root"],
        ["events_0.root"],
        ["events_1.root"],
    ]
    assert [report.ok for report in reports] == [False, True, True]
    assert [path.name for path in Path("out").glob("*.json")] == ["failures-0-of-3.json"]
    before = snapshot("out")
    for i in range(3):
        hepbaler.compress_many("*.root", "out", job=(i, 3), **PLAIN)
    assert {name: s for name, s in snapshot("out").items() if "failures" not in name} == {
        name: s for name, s in before.items() if "failures" not in name
    }


def test_more_jobs_than_files(here):
    assert hepbaler.compress_many("events_?.root", "out", job=(7, 9), **PLAIN).outcomes == ()
    with pytest.raises(InputError, match="no job 9 of 9"):
        hepbaler.compress_many("events_?.root", "out", job=(9, 9), **PLAIN)


def test_leftovers_of_killed_processes_go(here):
    Path("out").mkdir()
    left = Path("out/.events_0.root.hbal.0123456789abcdef.part")
    other = Path("out/.events_1.root.hbal.0123456789abcdef.part")
    for path in (left, other):
        path.write_bytes(b"half")
    hepbaler.compress_many("events_0.root", "out", **PLAIN)
    assert not left.exists()
    assert other.exists()


def test_what_cannot_be_done_at_all(here):
    with pytest.raises(InputError, match="no file matches"):
        hepbaler.compress_many("*.rot", "out", **PLAIN)
    with pytest.raises(InputError, match="no file"):
        hepbaler.compress_many([], "out", **PLAIN)
    with pytest.raises(OutputError, match=r"events_0\.root"):
        hepbaler.compress_many("*.root", "events_0.root", **PLAIN)


def test_every_argument_of_compress_is_a_setting_or_does_not_matter():
    arguments = set(inspect.signature(hepbaler.compress).parameters)
    assert set(get_type_hints(CompressSettings)) == arguments - {
        "source",
        "target",
        "force",
        "jobs",
        "progress",
        "view",
    }
    assert arguments | set(inspect.signature(hepbaler.train).parameters) >= NO_MATTER


@pytest.mark.parametrize("name", sorted(set(inspect.signature(hepbaler.compress).parameters) - NO_MATTER))
def test_every_setting_is_in_the_digest(name, here):
    """What `compress` writes into the archive is what `compress_many` looks for, whichever argument is given."""
    other = {
        "plan": hepbaler.Plan(default=hepbaler.Bound.parse("bits=6")),
        "latent": hepbaler.LatentSettings(latents=2),
        "keep": ("Jet_*", "nJet"),
        "drop": ("Jet_eta",),
        "use_model": True,
        "train_steps": 3,
        "train_time": 1.0,
        "seed": 4,
        "preset": "fast",
    }
    if name == "model":
        pytest.skip("has a test of its own")
    settings = {"use_model": False, name: other[name]}
    hepbaler.compress_many("events_1.root", "out", **settings)
    (same,) = hepbaler.compress_many("events_1.root", "out", **settings).outcomes
    assert same.state == "skipped"
    (without,) = hepbaler.compress_many("events_1.root", "out", use_model=False).outcomes
    assert without.state == "done"
