"""Tasks in processes of their own: killed ones cost nothing, and nothing half-written is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hepbaler
from hepbaler.campaign import Watcher
from hepbaler.campaign.processes import ProcessExecutor

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as Unix has them")


def test_two_processes(here, states, recorder, snapshot):
    report = hepbaler.compress_many("*.root", "out", executor=2, watcher=recorder, use_model=False, retries=0)
    assert states(report) == {"broken.root": "failed"} | {f"events_{i}.root": "done" for i in range(3)}
    assert report.executor == "2 processes"
    assert [outcome.task.source for outcome in report.outcomes] == sorted(
        outcome.task.source for outcome in report.outcomes
    )
    assert "write" in recorder.phases["events_1.root"]
    before = snapshot("out")
    again = hepbaler.compress_many("events_?.root", "out", executor=2, use_model=False)
    assert set(states(again).values()) == {"skipped"}
    assert {n: s for n, s in snapshot("out").items() if n != "failures.json"} == {
        n: s for n, s in before.items() if n != "failures.json"
    }


@POSIX
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_worker_costs_nothing(here, states, workers):
    class Killer(Watcher):
        killed = 0

        def moved(self, task, phase, done, total):
            if not self.killed and phase == "write":
                (self.killed,) = workers()
                os.kill(self.killed, signal.SIGKILL)

    killer = Killer()
    report = hepbaler.compress_many(
        "events_?.root", "out", executor=ProcessExecutor(1), watcher=killer, use_model=False
    )
    assert killer.killed
    assert report.ok
    assert set(states(report).values()) <= {"done", "skipped"}
    assert sorted(path.name for path in Path("out").iterdir()) == [f"events_{i}.root.hbal" for i in range(3)]
    assert workers() == []


@POSIX
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_worker_that_dies_every_time_is_named(here, workers):
    class Killer(Watcher):
        def moved(self, task, phase, done, total):
            for worker in workers():
                os.kill(worker, signal.SIGKILL)

    report = hepbaler.compress_many(
        "events_0.root", "out", executor=ProcessExecutor(1), watcher=Killer(), use_model=False, retries=0
    )
    if report.ok:  # it was faster than the one that kills
        pytest.skip("the file was compressed before its process could be killed")
    (failure,) = report.failures
    assert failure.error == "WorkerLost"
    assert "SIGKILL" in failure.message
    assert [path.name for path in Path("out").iterdir()] == ["failures.json"]


# A run of which a file begins to be written, says so, and takes its time.
SLOW = """
import sys
from hepbaler import cli
from hepbaler.campaign import processes

processes._MODULE = "slow_worker"
sys.exit(cli.main())
"""
SLOW_WORKER = """
import time
from pathlib import Path
from hepbaler import pipeline
from hepbaler.campaign import worker
from hepbaler.container import ContainerWriter

def compress(source, target, **_):
    with ContainerWriter(target, overwrite=False) as writer:
        writer.add_section("objects", b"x" * 1000)
        Path(target + ".begun").touch()
        time.sleep(60)

pipeline.compress = compress
worker.main()
"""


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing_half_written(here, number, code):
    Path("slow_worker.py").write_text(SLOW_WORKER)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "compress", "events_0.root", "events_1.root", "-o", "out", "-j", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(Path("out").glob("*.begun"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(list(Path("out").glob("*.part"))) == 2
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "nothing half-written is left" in err
    assert sorted(path.suffix for path in Path("out").iterdir()) == [".begun", ".begun"]
