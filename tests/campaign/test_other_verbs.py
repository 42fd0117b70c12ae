"""decompress, verify and evaluate over many files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import uproot

import hepbaler
from hepbaler import cli
from hepbaler.errors import InputError


@pytest.fixture
def archives(here):
    """Three archives in a directory, beside their ROOT files."""
    hepbaler.compress_many("events_?.root", "archives", use_model=False)
    return here / "archives"


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def test_decompress(archives, states, snapshot):
    report = hepbaler.decompress_many(archives, "back")
    assert report.ok
    for i in range(3):
        with uproot.open(f"back/events_{i}.root") as new, uproot.open(f"events_{i}.root") as old:
            assert new["Events"].num_entries == old["Events"].num_entries
    before = snapshot("back")
    assert set(states(hepbaler.decompress_many(archives, "back")).values()) == {"skipped"}
    assert snapshot("back") == before
    assert not [name for name in before if name.endswith(".part")]


def test_decompress_again_where_something_changed(archives):
    hepbaler.decompress_many(archives, "back")
    damage(Path("back/events_0.root"))
    hepbaler.compress("events_2.root", archives / "events_1.root.hbal", use_model=False, force=True)
    reasons = [outcome.reason for outcome in hepbaler.decompress_many(archives, "back").outcomes]
    assert reasons == ["the ROOT file was changed or damaged", "the archive has changed", ""]
    again = hepbaler.decompress_many(archives, "back", compression="none")
    assert {outcome.reason for outcome in again.outcomes} == {"the settings are others now"}


def test_decompress_replaces_nobody_elses_file(archives, here):
    before = Path("events_0.root").read_bytes()
    report = hepbaler.decompress_many(archives, ".", retries=0)
    assert {failure.error for failure in report.failures} == {"OutputError"}
    assert Path("events_0.root").read_bytes() == before


def test_verify(archives, states, snapshot):
    assert hepbaler.verify_many(archives).ok
    report = hepbaler.verify_many(archives, "*.root", "reports")
    assert report.ok
    assert all(outcome.result["values"] > 1000 for outcome in report.outcomes)
    kept = json.loads(Path("reports/events_1.root.hbal.verify.json").read_text())
    assert kept["ok"]
    assert kept["report"]["columns"]
    before = snapshot("reports")
    assert set(states(hepbaler.verify_many(archives, "*.root", "reports")).values()) == {"skipped"}
    assert snapshot("reports") == before


def test_verify_names_what_is_broken(archives, states):
    hepbaler.verify_many(archives, ".", "reports")
    damage(archives / "events_0.root.hbal")
    shutil.copy("events_0.root", "events_1.root")
    Path("events_2.root").unlink()
    report = hepbaler.verify_many(archives, ".", "reports")
    assert [(failure.error, failure.attempts) for failure in report.failures] == [
        ("CorruptFile", 2),
        ("InputError", 2),
        ("InputError", 2),
    ]
    assert "no counterpart" in report.failures[2].message
    assert Path("reports/failures.json").exists()


def test_verify_finds_values_outside_their_bounds(here):
    hepbaler.compress("events_0.root", "out.root.hbal", keep=["MET_pt"], use_model=False)
    Path("changed").mkdir()
    with uproot.open("events_0.root") as file, uproot.recreate("changed/out.root") as changed:
        met = file["Events/MET_pt"].array(library="np")
        met[3] *= 1.1
        changed.mktree("Events", {"MET_pt": "float32"})
        changed["Events"].extend({"MET_pt": met})
    (failure,) = hepbaler.verify_many("out.root.hbal", "changed", "reports").failures
    assert failure.error == "BoundsBroken"
    assert failure.attempts == 1
    assert "Events:MET_pt" in failure.message
    # A report that says no is no reason to skip.
    assert not hepbaler.verify_many("out.root.hbal", "changed", "reports").ok


def test_evaluate(archives, states, snapshot):
    report = hepbaler.evaluate_many("*.root", archives, "reports", cuts=["MET_pt>30"])
    assert states(report) == {"broken.root": "failed"} | {f"events_{i}.root": "done" for i in range(3)}
    assert "no counterpart" in report.failures[0].message
    kept = json.loads(Path("reports/events_0.root.evaluate.json").read_text())
    assert kept["report"]["cuts"][0]["before"] > 0
    before = snapshot("reports")
    again = hepbaler.evaluate_many("*.root", archives, "reports", cuts=["MET_pt>30"])
    assert len(again.of("skipped")) == 3
    assert snapshot("reports").keys() == before.keys()
    with pytest.raises(InputError, match="has the name of one"):
        hepbaler.evaluate_many("broken.root", archives)


def test_commands(archives, capsys):
    """The same from the command line, which also says what it does."""
    for args, text in [
        (["decompress", "archives", "-o", "back"], "3 files: 3 decompressed"),
        (["decompress", "archives/*.hbal", "-o", "back", "-j", "1"], "3 files: 0 decompressed, 3 done before"),
        (["verify", "archives"], "3 files: 3 verified"),
        (["verify", "archives", "events_?.root", "-o", "checked"], "3 files: 3 verified"),
        (["verify", "archives/events_0.root.hbal", "archives/events_1.root.hbal"], "2 files: 2 verified"),
        (
            ["verify", "archives/*.hbal", "back", "-o", "checked", "--job-index", "1", "--n-jobs", "2"],
            "1 file: 1 verified",
        ),
        (["evaluate", "back", "archives"], "3 files: 3 evaluated"),
        (
            ["evaluate", "events_?.root", "archives/*.hbal", "-o", "judged", "--cut", "MET_pt>30"],
            "3 files: 3 evaluated",
        ),
    ]:
        assert cli.main(args) == 0, capsys.readouterr().err
        assert text in capsys.readouterr().out
    assert cli.main(["verify", "archives", "events_?.root", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 3


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["compress"], "name the files"),
        (["compress", "x.root", "--job-index", "1"], "--n-jobs"),
        (["compress", "x.root", "--job-index", "3", "--n-jobs", "3"], "no job 3 of 3"),
        (["compress", "x.root", "--fileset", "x.json"], "name no others"),
        (["compress", "x.root", "--fileset-out", "x.json"], "--fileset-out needs --fileset"),
        (
            ["compress", "--fileset", "a", "--fileset-out", "b", "--job-index", "0", "--n-jobs", "1"],
            "once more without",
        ),
        (["compress", "x.root", "--shared-model"], "-o"),
        (["compress", "x.root", "--shared-model", "--no-model", "-o", "out"], "exclude each other"),
        (["compress", "x.root", "--scheduler", "tcp://a:1", "--job-index", "0", "--n-jobs", "1"], "exclude each other"),
        (["decompress", "a.hbal", "b.hbal", "-o", "events_0.root"], "is a file"),
        (["evaluate", ".", ".", "--html", "x.html"], "--html is about one pair"),
    ],
)
def test_wrong_usage(args, word, here, capsys):
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert word in err
    assert err.count("\n") == 1
