"""One model for many files, each of which stands alone nevertheless."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import uproot

import hepbaler
from hepbaler import cli
from hepbaler.errors import InputError, ModelError

pytest.importorskip("torch")
FOUR = ("cut_4.root", "cut_5.root", "cut_6.root", "cut_8.root")
STEPS = {"train_steps": 40, "retries": 0}


@pytest.fixture
def cuts(many_cuts, tmp_path, monkeypatch):
    """Four files of a kind, one that is broken, one that has other branches."""
    monkeypatch.chdir(tmp_path)
    for i in range(4, 9):
        shutil.copy(many_cuts / f"cut_{i:02}.root", f"cut_{i}.root")
    with uproot.open("cut_4.root") as file, uproot.recreate("other.root") as other:
        other.mktree("Events", {"event": "uint64", "GenJet_p4_fPt": "var * float64"})
        pt = file["Events/GenJet_p4_fPt"].array()
        other["Events"].extend({"event": file["Events/event"].array(), "GenJet_p4_fPt": pt})
    return tmp_path


@pytest.mark.slow
def test_shared_model(cuts, states, snapshot, capsys):
    report = hepbaler.compress_many("*.root", "out", shared_model=True, **STEPS)
    assert states(report) == {f"cut_{i}.root": "done" for i in (4, 5, 6, 8)} | {
        "cut_7.root": "failed",
        "other.root": "done",
    }
    told = "\n".join(report.notes)
    assert "without" in told
    assert "cut_7.root" in told
    assert "other.root" in told
    by_name = {Path(outcome.task.source).name: outcome for outcome in report.outcomes}
    assert "a model of its own" in by_name["other.root"].result["notes"][0]
    for i in (4, 5, 6, 8):
        assert by_name[f"cut_{i}.root"].result["notes"] == ()
        assert sum(table["learned"] for table in by_name[f"cut_{i}.root"].result["tables"]) > 0
    # Each stands alone.
    before = snapshot("out")
    Path("out/shared.hbmodel").rename("elsewhere.hbmodel")
    assert hepbaler.verify_many("out/*.hbal", ".").ok
    Path("elsewhere.hbmodel").rename("out/shared.hbmodel")

    shutil.copy("cut_6.root", "cut_7.root")
    again = hepbaler.compress_many("*.root", "out", shared_model=True, **STEPS)
    assert [outcome.task.source for outcome in again.of("done")] == [str(cuts / "cut_7.root")]
    after = snapshot("out")
    assert {n: after[n] for n in before if n != "failures.json"} == {
        n: s for n, s in before.items() if n != "failures.json"
    }
    # Jobs take the model that is there, and train none.
    assert cli.main(["compress", "*.root", "-o", "out", "--shared-model", "--train-steps", "40", "-j", "1"]) == 0
    job = ["--job-index", "0", "--n-jobs", "2"]
    assert cli.main(["compress", "*.root", "-o", "out", "--shared-model", "--train-steps", "40", *job]) == 0
    capsys.readouterr()
    assert cli.main(["compress", "*.root", "-o", "new", "--shared-model", "--train-steps", "40", *job]) == 1
    assert "jobs do not train it" in capsys.readouterr().err


def test_a_file_that_falls_back(cuts):
    hepbaler.train(FOUR, "m.hbmodel", train_steps=20)
    with pytest.raises(ModelError, match="does not fit"):
        hepbaler.compress("other.root", model="m.hbmodel")
    report = hepbaler.compress("other.root", model="m.hbmodel", fall_back=True, train_steps=5)
    assert "a model of its own" in report.notes[0]
    assert hepbaler.verify("other.root.hbal", "other.root").ok


def test_a_file_without_entries_among_others(cuts, empty_tree_file):
    report = hepbaler.train(["cut_4.root", empty_tree_file, *FOUR[1:]], "m.hbmodel", train_steps=5)
    assert [note for note in report.notes if "without" in note] == [
        f"the model is trained without {empty_tree_file}, which has no entries"
    ]
    assert report.sources == FOUR
    with pytest.raises(InputError, match="none of the files has entries to train on"):
        hepbaler.train([empty_tree_file] * 2, "none.hbmodel")


def test_files_too_small_for_a_model(here, states):
    report = hepbaler.compress_many("events_?.root", "out", shared_model=True, **STEPS)
    assert report.ok
    assert "there is no shared model" in report.notes[0]
    assert not Path("out/shared.hbmodel").exists()


def test_nothing_to_train_on(here):
    with pytest.raises(ModelError, match="no file can be read"):
        hepbaler.compress_many("broken.root", "out", shared_model=True, **STEPS)
    with pytest.raises(InputError, match="needs a directory"):
        hepbaler.compress_many("events_?.root", shared_model=True)


def test_the_contents_of_a_model_count(here, cuts):
    files = ["cut_4.root", "cut_5.root", "cut_6.root", "cut_8.root"]
    hepbaler.train(files, "one.hbmodel", train_steps=20)
    hepbaler.train(files, "two.hbmodel", train_steps=21)
    hepbaler.compress_many("cut_4.root", "out", model="one.hbmodel")
    shutil.copy("one.hbmodel", "copy.hbmodel")
    assert hepbaler.compress_many("cut_4.root", "out", model="copy.hbmodel").of("skipped")
    assert "settings" in hepbaler.compress_many("cut_4.root", "out", model="two.hbmodel").of("done")[0].reason


def test_reading_only_a_part(cuts):
    """Training reads clusters here and there, and the model serves the rest."""
    files = ["cut_4.root", "cut_5.root", "cut_6.root", "cut_8.root"]
    seen = []
    total = sum(uproot.open(name)["Events"].uncompressed_bytes for name in files)
    report = hepbaler.train(
        files, "m.hbmodel", train_steps=20, read_bytes=3 * total // 4, progress=lambda *what: seen.append(what)
    )
    assert report.model_bytes > 0
    assert 1 <= len([phase for phase, *_ in seen if phase == "scan"]) < 4
    assert hepbaler.compress("cut_5.root", model="m.hbmodel").tables
