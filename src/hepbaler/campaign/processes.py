"""Tasks in processes beside this one.

Each is a fresh interpreter (nothing is forked, for torch and its threads do not survive that) that runs `hepbaler.campaign.worker`
and is given one task after the other. A process that is killed costs the task that it was at, and another takes its place.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, Any

import hepbaler
from hepbaler.campaign.executors import Tell
from hepbaler.campaign.tasks import Outcome, Task

__all__ = ("ProcessExecutor",)

# A worker that is asked to end removes what it has half written.
_SECONDS_TO_END = 10
_MODULE = "hepbaler.campaign.worker"

Queue = queue.SimpleQueue[Any]


def __dir__() -> tuple[str, ...]:
    return __all__


class ProcessExecutor:
    """Does several tasks at a time, each in a process.

    Parameters
    ----------
    processes
        How many.
    threads
        For each; by default the cores are shared out.
    """

    def __init__(self, processes: int, threads: int | None = None) -> None:
        self.name = f"{processes} processes" if processes > 1 else "one process"
        self._processes = processes
        self._threads = threads or max(1, (os.cpu_count() or 1) // processes)

    def run(self, tasks: Sequence[Task], tell: Tell) -> Generator[Outcome, None, None]:
        """See `hepbaler.campaign.Executor.run`."""
        waiting: Queue = queue.SimpleQueue()
        news: Queue = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        workers = [_Worker(waiting, news, self._threads) for _ in range(min(self._processes, len(tasks)))]
        try:
            for worker in workers:
                worker.start()
            left = len(tasks)
            while left:
                item = news.get()
                if isinstance(item, Outcome):
                    left -= 1
                    yield item
                elif isinstance(item, BaseException):
                    raise item
                else:
                    tell(*item)
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.join()


class _Worker(threading.Thread):
    """Waits for one process, and starts another one where that has died."""

    def __init__(self, waiting: Queue, news: Queue, threads: int) -> None:
        super().__init__(daemon=True)
        self._waiting = waiting
        self._news = news
        self._threads = threads
        self._stopping = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def run(self) -> None:
        """Hand over tasks until none is left."""
        try:
            while not self._stopping:
                try:
                    task = self._waiting.get_nowait()
                except queue.Empty:
                    break
                outcome = self._done_by_process(task)
                if outcome is not None:
                    self._news.put(outcome)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for news, who would wait for ever
            self._news.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """Ask the process to end, from another thread."""
        self._stopping = True
        with self._lock:
            if self._process is not None:
                self._process.terminate()

    def _done_by_process(self, task: Task) -> Outcome | None:
        """The outcome; None if somebody has said stop."""
        process = self._running()
        if process is None:
            return None
        try:
            pickle.dump((task, self._threads), process.stdin)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]
            while not isinstance(answer := pickle.load(process.stdout), Outcome):  # type: ignore[arg-type]
                self._news.put((task, *answer))
        except (EOFError, OSError, pickle.UnpicklingError):
            message = self._end()
            return None if self._stopping else Outcome(task, "failed", error="WorkerLost", message=message)
        # The task as it is here, where it may be looked up.
        return answer

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopping:
                return None
            if self._process is None:
                self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
                package = str(Path(hepbaler.__file__).parents[1])
                paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
                threads = {name: str(self._threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
                # A group of its own: Ctrl-C is for this process, which asks the others to end.
                group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
                self._process = subprocess.Popen(
                    [sys.executable, "-m", _MODULE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._said,
                    env=threads | os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                    **group,
                )
            return self._process

    def _end(self) -> str:
        """End the process, and say how it ended."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return ""
        # It ends when there is nothing more to read.
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            code = process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        said = ""
        if self._said is not None:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
            said = f": {lines[-1]}" if lines else ""
            self._said.close()
        if code >= 0:
            return f"the process that worked on it ended with code {code}{said}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the process that worked on it was killed by {name}{hint}{said}"
