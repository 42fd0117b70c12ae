"""A process that does tasks: ``python -m hepbaler.campaign.worker``, started by `hepbaler.campaign.processes`.

Tasks come pickled on stdin. Progress and outcomes go back on what was stdout; whatever prints meanwhile is sent to stderr.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from types import FrameType
from typing import IO

from hepbaler.campaign.tasks import perform

__all__ = ("main",)

# Between two messages about the same phase.
_SECONDS = 0.2


def __dir__() -> tuple[str, ...]:
    return __all__


class _Teller:
    """Sends progress, but not each of a thousand steps."""

    def __init__(self, channel: IO[bytes]) -> None:
        self._channel = channel
        # Several threads train, and each tells.
        self._lock = threading.Lock()
        self._phase = ""
        self._last = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        with self._lock:
            now = time.monotonic()
            if phase == self._phase and done < total and now - self._last < _SECONDS:
                return
            self._phase, self._last = phase, now
            pickle.dump((phase, done, total), self._channel)
            self._channel.flush()


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Do tasks until stdin ends."""
    # As an exception, so that writers take their temporary files along.
    signal.signal(signal.SIGTERM, _leave)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        while True:
            try:
                task, threads = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            outcome = perform(task, _Teller(channel), threads=threads)
            pickle.dump(outcome, channel)
            channel.flush()


if __name__ == "__main__":
    try:
        main()
    except SystemExit as leaving:
        # Files are cleaned up. Threads may still compute, in torch's code, too, and nobody waits for what they find.
        os._exit(leaving.code if isinstance(leaving.code, int) else 1)
