"""How runs end: exit codes, one line of error, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from hepbaler import cli, pipeline
from hepbaler.errors import BoundError, CorruptFile, InputError, OutputError, UnreadableBranches

# `compress` that has begun to write, says so, and takes its time.
SLOW = """
import sys, time
from hepbaler import cli, pipeline
from hepbaler.container import ContainerWriter

def compress(source, target, **_):
    with ContainerWriter(target, overwrite=False) as writer:
        writer.add_section("objects", b"x" * 1000)
        print("ready", flush=True)
        time.sleep(60)

pipeline.compress = compress
sys.exit(cli.main())
"""

# The command, which says when a thread trains.
TRAINING = """
from torch.optim import Adam
from hepbaler import cli

step = Adam.step

def said(*args, **options):
    print("ready", flush=True)
    return step(*args, **options)

Adam.step = said
cli.run()
"""


@pytest.fixture
def failing(monkeypatch, nano_file):
    """Run ``hepbaler compress`` so that the library raises."""

    def run(error: BaseException, *args: str) -> int:
        def compress(*_, **__):
            raise error

        monkeypatch.setattr(pipeline, "compress", compress)
        return cli.main(["compress", str(nano_file), *args])

    return run


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("events.root holds no tree"), 1, "events.root holds no tree"),
        (OutputError("events.root.hbal exists"), 1, "events.root.hbal exists"),
        (CorruptFile("page 3 is damaged", section="page"), 1, "page 3 is damaged"),
        (BoundError("bits=99 cannot hold"), 2, "bits=99 cannot hold"),
        (FileNotFoundError(2, "No such file or directory", "x.root"), 1, "x.root: No such file or directory"),
        (OSError(28, "No space left on device", "x.hbal"), 1, "x.hbal: no space left on the disk"),
        (MemoryError(), 1, "out of memory"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-written is left"),
        (
            TypeError("a\nb"),
            1,
            "unexpected TypeError: a b (a mistake of hepbaler's: -vv shows where; please report it)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_failure_is_one_line(failing, capsys, error, code, line):
    assert failing(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip("\n") == f"hepbaler: error: {line}"


def test_lists_of_branches_keep_their_lines(failing, capsys):
    assert failing(UnreadableBranches("2 branches cannot be carried:\n  a: why\n  b: why")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "hepbaler: error: 2 branches cannot be carried:",
        "  a: why",
        "  b: why",
    ]


def test_a_traceback_only_for_those_who_ask(failing, capsys):
    failing(TypeError("x"), "-v")
    assert "Traceback" not in capsys.readouterr().err
    failing(TypeError("x"), "-vv")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_leave_nothing_half_written(nano_file, tmp_path, number, code, word):
    target = tmp_path / "nano.hbal"
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "compress", str(nano_file), "-o", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.strip("\n").splitlines() == [f"hepbaler: error: {word}; nothing half-written is left"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")
@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_training_ends_at_once_and_quietly(sample_path, tmp_path, number, code, word):
    command = ["compress", str(sample_path), "-o", str(tmp_path / "x.hbal"), "--train-steps", "1000000"]
    command += ["--keep", "Jet_pt", "--keep", "Jet_eta"]
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        # A second one, as of an impatient user or a batch system, finds the cleaning up under way or the process gone.
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.strip("\n").splitlines() == [f"hepbaler: error: {word}; nothing half-written is left"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as Unix has them")
def test_a_closed_pipe_is_quiet():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "hepbaler", "--help"], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == ""


def test_python_dash_m():
    done = subprocess.run([sys.executable, "-m", "hepbaler", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("hepbaler ")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("quiet", "shown"), [([], True), (["-q"], False)])
def test_progress_only_for_those_who_see_it(nano_file, tmp_path, quiet, shown):
    screen, terminal = os.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hepbaler",
            "compress",
            "--no-model",
            str(nano_file),
            "-o",
            str(tmp_path / "x.hbal"),
            *quiet,
        ],
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(screen, 65536)
        except OSError:  # Linux says so when the other side has closed
            break
        if not part:
            break
        seen += part
    os.close(screen)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (b"scan" in seen and b"write" in seen) == shown
    assert bool(out) == shown
