"""A dask cluster of two workers: one is killed in the middle, one file is broken, and nothing else is lost."""

from __future__ import annotations

import json
import operator
import os
import shutil
import signal
from pathlib import Path

import pytest

import hepbaler
from hepbaler import cli
from hepbaler.campaign import Watcher
from hepbaler.campaign import cluster as module
from hepbaler.errors import InputError

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_FILES, BROKEN = 20, "cut_07"


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as running:
        yield running


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as connected:
        yield connected


class Killer(Watcher):
    """Kills a worker after the third file, and remembers what was said."""

    def __init__(self, client) -> None:
        self.client = client
        self.killed = 0
        self.n_ended = 0
        self.phases: set[str] = set()

    def moved(self, task, phase, done, total):
        self.phases.add(phase)
        if self.n_ended >= 3 and not self.killed:
            self.killed = next(iter(self.client.run(os.getpid).values()))
            os.kill(self.killed, signal.SIGKILL)

    def ended(self, outcome):
        self.n_ended += 1


def test_nineteen_done_and_one_named(many_cuts, tmp_path, client, cluster, snapshot, capsys):
    out = tmp_path / "out"
    shutil.copytree(many_cuts, tmp_path / "in")
    killer = Killer(client)
    report = hepbaler.compress_many(tmp_path / "in", out, executor=client, watcher=killer, use_model=False)
    assert killer.killed
    assert {"scan", "write"} <= killer.phases
    assert len(report.of("done")) + len(report.of("skipped")) == N_FILES - 1
    assert [Path(outcome.task.source).stem for outcome in report.failures] == [BROKEN]
    (listed,) = json.loads((out / "failures.json").read_text())
    assert listed["path"].endswith(f"{BROKEN}.root")
    assert listed["error"] == "InputError"
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(
        ["failures.json", *(f"cut_{i:02}.root.hbal" for i in range(N_FILES) if f"cut_{i:02}" != BROKEN)]
    )
    for name in names[:-1]:
        assert hepbaler.verify(out / name, tmp_path / "in" / name.removesuffix(".hbal")).ok

    before = snapshot(out)
    command = ["compress", str(tmp_path / "in"), "-o", str(out), "--no-model", "--scheduler", cluster.scheduler_address]
    assert cli.main(command) == 1
    text, err = capsys.readouterr()
    assert "20 files: 0 compressed, 19 done before, 1 failed" in text
    assert f"{BROKEN}.root" in err
    assert {n: s for n, s in snapshot(out).items() if n != "failures.json"} == {
        n: s for n, s in before.items() if n != "failures.json"
    }

    shutil.copy(tmp_path / "in" / "cut_06.root", tmp_path / "in" / f"{BROKEN}.root")
    assert cli.main(command) == 0
    assert "1 compressed, 19 done before" in capsys.readouterr().out
    after = snapshot(out)
    assert set(after) == set(before) - {"failures.json"} | {f"{BROKEN}.root.hbal"}
    assert {n: after[n] for n in before if n != "failures.json"} == {
        n: s for n, s in before.items() if n != "failures.json"
    }


def test_other_verbs_on_a_cluster(many_cuts, tmp_path, client):
    archives, back = tmp_path / "archives", tmp_path / "back"
    hepbaler.compress_many(f"{many_cuts}/cut_0[0-2].root", archives, use_model=False)
    assert hepbaler.verify_many(archives, many_cuts, executor=client).ok
    assert hepbaler.decompress_many(archives, back, executor=client).ok
    assert hepbaler.evaluate_many(back, archives, executor=client).ok


def test_errors_that_are_not_hepbalers_are_outcomes_too(tmp_path, client, nano_file, monkeypatch):
    # Workers can import it, and it takes one argument.
    monkeypatch.setattr(module, "perform_there", operator.index)
    report = hepbaler.compress_many(nano_file, tmp_path / "out", executor=client, retries=0)
    assert report.failures[0].error == "TypeError"


def test_workers_without_hepbaler(tmp_path, client, nano_file, monkeypatch):
    monkeypatch.setattr(module, "_PACKAGE", "hepbaler_that_is_not_there")
    with pytest.raises(InputError, match="install the same hepbaler there"):
        hepbaler.compress_many(nano_file, tmp_path / "out", executor=client)


def test_no_scheduler(nano_file, tmp_path, capsys):
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        code = cli.main(
            ["compress", str(nano_file), "-o", str(tmp_path), "--no-model", "--scheduler", "tcp://127.0.0.1:1"]
        )
    assert code == 1
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err
