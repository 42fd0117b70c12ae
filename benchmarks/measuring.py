"""One peer, one direction, one process: ``python -m benchmarks.measuring encode|decode PEER WORKLOAD FOLDER``.

A process of its own has its own peak memory, and meets the files as a reader does. It writes one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .results import PeerRow
from .workload import Workload, agreement, load

__all__ = ("Settings", "measure")

_REPEATS = 3
# What takes longer than this is measured once.
_LONG_SECONDS = 10.0
# One core: nobody's threads, on either side of the comparison.
_ONE_CORE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLOSC_NTHREADS")


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    root_python
        A Python that can import ROOT.
    launcher
        Words before each command that is measured: ``taskset -c 0``, ``nice``, a queue.
    baler_steps
        Training steps of Baler's recipe, a table.
    """

    root_python: str | None = None
    launcher: Sequence[str] = ()
    baler_steps: int = 2000


def measure(name: str, work: Workload, saved: Path, settings: Settings) -> PeerRow | str:
    """Encode and decode a workload with a peer, and check every value.

    Parameters
    ----------
    name
        Of the peer.
    work, saved
        The workload, and the folder where it was saved.
    settings
        How.

    Returns
    -------
    PeerRow or str
        What was measured, or why the peer was skipped.
    """
    with tempfile.TemporaryDirectory() as folder:
        encoded = _process("encode", name, saved, folder, settings)
        if "missing" in encoded:
            return str(encoded["missing"])
        decoded = _process("decode", name, saved, folder, settings)
    megabytes = work.raw_bytes / 1e6 if encoded["complete"] else work.float_bytes / 1e6
    return PeerRow(
        file=work.source.name,
        bound=str(work.bound),
        peer=name,
        title=encoded["title"],
        bounded=encoded["bounded"],
        complete=encoded["complete"],
        raw_bytes=work.raw_bytes,
        float_bytes=work.float_bytes,
        n_bytes=encoded["n_bytes"],
        rest_bytes=encoded["rest_bytes"],
        encode_mb_s=megabytes / encoded["seconds"],
        decode_mb_s=work.float_bytes / 1e6 / decoded["seconds"],
        encode_memory=encoded["memory"],
        decode_memory=decoded["memory"],
        training_seconds=encoded["training_seconds"],
        values=decoded["values"],
        violations=decoded["violations"],
        worst=decoded["worst"],
        notes=(*encoded["notes"], *decoded["notes"]),
    )


def _process(direction: str, name: str, saved: Path, folder: str, settings: Settings) -> dict[str, Any]:
    options = json.dumps({"root_python": settings.root_python, "options": {"baler_steps": settings.baler_steps}})
    command = [*settings.launcher, sys.executable, "-m", "benchmarks.measuring"]
    done = subprocess.run(
        [*command, direction, name, str(saved), folder, options],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **dict.fromkeys(_ONE_CORE, "1")},
    )
    if done.returncode:
        msg = f"{direction} with {name} failed (exit code {done.returncode}):\n{done.stderr}"
        raise RuntimeError(msg)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _peak() -> int:
    """Most memory that this process, or a program that it called, has had; bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux ru_maxrss begins with what the parent had.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        own = int(line.split()[1]) * 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)


def _encode(name: str, saved: Path, folder: Any) -> dict[str, Any]:
    from .peers import PEERS

    peer = PEERS[name]
    lack = peer.missing(folder)
    if lack:
        return {"missing": lack}
    ready = peer.prepare(load(saved))
    seconds: list[float] = []
    begin = time.perf_counter()
    while not seconds or (len(seconds) < _REPEATS and time.perf_counter() - begin < _LONG_SECONDS):
        attempt = folder.path / str(len(seconds))
        attempt.mkdir()
        start = time.perf_counter()
        made = peer.encode(ready, replace(folder, path=attempt))
        took = time.perf_counter() - start if made.own_seconds is None else made.own_seconds
        seconds.append(took - made.training_seconds)
    return {
        "title": peer.title,
        "bounded": peer.bounded,
        "seconds": min(seconds),
        "memory": _peak(),
        **asdict(made),
    }


def _decode(name: str, saved: Path, folder: Any) -> dict[str, Any]:
    from .peers import PEERS

    peer, work = PEERS[name], load(saved)
    ready = peer.prepare(work)
    folder = replace(folder, path=folder.path / "0")
    seconds: list[float] = []
    while not seconds or (len(seconds) < _REPEATS and sum(seconds) < _LONG_SECONDS):
        start = time.perf_counter()
        decoded = peer.decode(ready, folder)
        seconds.append(time.perf_counter() - start)
    used = _peak()
    columns = peer.columns(decoded, work)
    found = [(column, agreement(column, columns[column.key])) for column in work.columns if column.key in columns]
    lost = [column.key for column in work.columns if column.key not in columns]
    return {
        "seconds": min(seconds),
        "memory": used,
        "values": sum(one.values for _, one in found),
        "violations": sum(one.violations for _, one in found),
        "worst": max((one.worst for _, one in found), default=0.0),
        "notes": [f"not decoded: {', '.join(lost)}"] if lost else [],
    }


def _main(direction: str, name: str, saved: str, folder: str, options: str) -> None:
    from .peers import Folder

    told = json.loads(options)
    where = Folder(Path(folder), told["root_python"], told["options"])
    answer = (_encode if direction == "encode" else _decode)(name, Path(saved), where)
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
