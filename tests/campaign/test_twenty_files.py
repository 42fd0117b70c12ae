"""Twenty files by the command, one of them broken: nineteen are done, one is named, and a second run does what is missing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from hepbaler import cli

pytestmark = pytest.mark.slow
BROKEN = "cut_07"
NAMES = [f"cut_{i:02}" for i in range(20)]
GOOD = [name for name in NAMES if name != BROKEN]


@pytest.fixture
def inputs(many_cuts, tmp_path):
    shutil.copytree(many_cuts, tmp_path / "in")
    return tmp_path / "in"


class Killer(threading.Thread):
    """Kills a worker when the third result is there."""

    def __init__(self, folder: Path, pattern: str, workers: Callable[[], list[int]]) -> None:
        super().__init__()
        self._folder, self._pattern, self._workers = folder, pattern, workers
        self._over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        while not self.killed and not self._over.wait(0.01):
            if len(list(self._folder.glob(self._pattern))) >= 3 and (found := self._workers()):
                os.kill(found[0], signal.SIGKILL)
                self.killed = found[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def kept(folder: Path, snapshot) -> dict[str, object]:
    """Name, contents and time of everything but the list of failures."""
    return {name: state for name, state in snapshot(folder).items() if "failures" not in name}


def failed(folder: Path, name: str = "failures.json") -> list[str]:
    return [Path(one["path"]).name for one in json.loads((folder / name).read_text())]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_in_processes_of_which_one_is_killed(inputs, tmp_path, snapshot, capsys, workers):
    out = tmp_path / "out"
    command = ["compress", str(inputs), "-o", str(out), "--no-model"]
    with Killer(out, "*.hbal", workers) as killer:
        assert cli.main([*command, "-j", "2"]) == 1
    assert killer.killed
    assert workers() == []
    assert "20 files: 19 compressed, 1 failed" in capsys.readouterr().out
    assert failed(out) == [f"{BROKEN}.root"]
    before = kept(out, snapshot)
    assert sorted(before) == [f"{name}.root.hbal" for name in GOOD]

    assert cli.main(command) == 1
    text, err = capsys.readouterr()
    assert "20 files: 0 compressed, 19 done before, 1 failed" in text
    assert f"{BROKEN}.root is truncated" in err
    assert kept(out, snapshot) == before

    shutil.copy(inputs / "cut_06.root", inputs / f"{BROKEN}.root")
    (out / "cut_03.root.hbal").unlink()
    assert cli.main(command) == 0
    assert "20 files: 2 compressed, 18 done before" in capsys.readouterr().out
    after = kept(out, snapshot)
    untouched = [f"{name}.root.hbal" for name in GOOD if name != "cut_03"]
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}


def test_as_jobs_of_a_batch_system(inputs, tmp_path, snapshot, capsys):
    out = tmp_path / "out"
    command = ["compress", str(inputs), "-o", str(out), "--no-model"]
    codes = [cli.main([*command, "--job-index", str(i), "--n-jobs", "4"]) for i in range(4)]
    assert codes == [int(i == 7 % 4) for i in range(4)]
    assert "5 files: 4 compressed, 1 failed" in capsys.readouterr().out
    assert failed(out, "failures-3-of-4.json") == [f"{BROKEN}.root"]
    before = kept(out, snapshot)
    assert sorted(before) == [f"{name}.root.hbal" for name in GOOD]
    # When all are through, the command without a job checks everything.
    assert cli.main(command) == 1
    assert "20 files: 0 compressed, 19 done before, 1 failed" in capsys.readouterr().out
    assert kept(out, snapshot) == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_the_other_verbs(inputs, tmp_path, snapshot, capsys, workers):
    archives = tmp_path / "archives"
    (inputs / f"{BROKEN}.root").unlink()
    assert cli.main(["compress", str(inputs), "-o", str(archives), "--no-model", "-q"]) == 0
    whole = (archives / "cut_05.root.hbal").read_bytes()
    (archives / "cut_05.root.hbal").write_bytes(whole[:-1000])
    for verb, files, word in (
        ("decompress", [archives], "decompressed"),
        ("verify", [archives, inputs], "verified"),
        ("evaluate", [inputs, archives], "evaluated"),
    ):
        out = tmp_path / verb
        command = [verb, *map(str, files), "-o", str(out)]
        if verb == "decompress":
            # What happens to processes is the same for all verbs, and starting them takes a while.
            with Killer(out, "*.root", workers) as killer:
                assert cli.main([*command, "-j", "2"]) == 1
            assert killer.killed
        else:
            assert cli.main(command) == 1
        text, err = capsys.readouterr()
        assert f"19 files: 18 {word}, 1 failed" in text
        assert "cut_05.root.hbal" in err
        before = kept(out, snapshot)
        assert cli.main(command) == 1
        assert "18 done before, 1 failed" in capsys.readouterr().out
        assert kept(out, snapshot) == before
        assert not [name for name in before if name.endswith(".part")]
