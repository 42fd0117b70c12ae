"""Small files of one kind, and a broken one among them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import awkward as ak
import pytest
import uproot

from hepbaler.campaign import Outcome, Watcher


@pytest.fixture
def here(tmp_path, monkeypatch, nano_file, other_nano_file):
    """A working directory: three ROOT files and one that is none."""
    monkeypatch.chdir(tmp_path)
    for i, source in enumerate((nano_file, other_nano_file, nano_file)):
        shutil.copy(source, f"events_{i}.root")
    Path("broken.root").write_bytes(b"root" + b"\0" * 50)
    return tmp_path


@pytest.fixture
def workers():
    """Gives the processes that this one has started to work on files."""

    def found() -> list[int]:
        numbers = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getpid() and b"hepbaler.campaign.worker" in command:
                numbers.append(int(entry.name))
        return numbers

    return found


class Recorder(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.phases: dict[str, list[str]] = {}
        self.outcomes: list[Outcome] = []

    def moved(self, task, phase, done, total):
        phases = self.phases.setdefault(Path(task.source).name, [])
        if phase not in phases:
            phases.append(phase)

    def ended(self, outcome):
        self.outcomes.append(outcome)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def states():
    """State of each file of a report, by name."""
    return lambda report: {Path(outcome.task.source).name: outcome.state for outcome in report.outcomes}


@pytest.fixture
def snapshot():
    """Name, bytes and time of change of all files in a folder."""

    def look(folder):
        return {
            str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in Path(folder).rglob("*")
            if path.is_file()
        }

    return look


@pytest.fixture(scope="session")
def many_cuts(tmp_path_factory, sample_path):
    """Twenty small cuts of a sample, the eighth of them broken."""
    folder = tmp_path_factory.mktemp("many_cuts")
    with uproot.open(sample_path.with_name("ttbar_genjets_sample.root")) as file:
        arrays = file["Events"].arrays(entry_stop=2000)
    jets = {name.removeprefix("GenJet_"): arrays[name] for name in arrays.fields if name.startswith("GenJet_")}
    content = {"event": arrays.event, "GenJet": ak.zip(jets)}
    for i in range(20):
        path = folder / f"cut_{i:02}.root"
        with uproot.recreate(path) as file:
            file.mktree("Events", {name: array.type.content for name, array in content.items()})
            file["Events"].extend({name: array[100 * i : 100 * (i + 1)] for name, array in content.items()})
    (folder / "cut_07.root").write_bytes((folder / "cut_07.root").read_bytes()[:9000])
    return folder
