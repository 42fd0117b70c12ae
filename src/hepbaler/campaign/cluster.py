"""Tasks on a dask cluster, through any ``distributed.Client``.

Clusters belong to whoever starts them: nothing here makes one. Workers need hepbaler and see the same file system. A worker that
dies costs nothing but time: dask gives its task to another one, and only a task that has killed several workers fails.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

from hepbaler.campaign.executors import Tell
from hepbaler.campaign.tasks import Outcome, Task, perform
from hepbaler.errors import InputError

__all__ = ("Client", "DaskExecutor")

# Between two messages about the same phase of a task, which all pass the scheduler.
_SECONDS = 1.0
# How long to wait for news before looking whether the scheduler is still there.
_PATIENCE = 5.0
_PACKAGE = "hepbaler.campaign"


def __dir__() -> tuple[str, ...]:
    return __all__


@runtime_checkable
class Client(Protocol):
    """What is asked of a ``distributed.Client``."""

    status: str

    def submit(self, function: Any, *args: Any, **options: Any) -> Any:
        """Run a function on a worker."""

    def run(self, function: Any, *args: Any, **options: Any) -> Any:
        """Run a function on all workers, outside of their tasks."""

    def cancel(self, futures: Any, **options: Any) -> Any:
        """Run them no more."""

    def subscribe_topic(self, topic: str, handler: Any) -> None:
        """Listen to what workers say."""

    def unsubscribe_topic(self, topic: str) -> None:
        """Listen no more."""


class DaskExecutor:
    """Does each task on a worker of a cluster.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    threads
        For each task. One by default: dask gives a worker as many tasks as it has threads.
    """

    name = "a dask cluster"

    def __init__(self, client: Client, threads: int = 1) -> None:
        self._client = client
        self._threads = threads

    def run(self, tasks: Sequence[Task], tell: Tell) -> Generator[Outcome, None, None]:
        """See `hepbaler.campaign.Executor.run`. What already runs when somebody leaves goes on to its end on its worker."""
        self._check_workers()
        news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # Each run has keys of its own, or dask would remember the failures of the one before.
        run = f"hepbaler-{secrets.token_hex(4)}"
        futures: dict[str, tuple[Task, Any]] = {}
        self._client.subscribe_topic(run, news.put)
        try:
            for task in tasks:
                key = f"{run}-{task.verb}-{task.key}"
                future = self._client.submit(perform_there, task, run, key, self._threads, key=key, pure=False)
                futures[key] = (task, future)
                future.add_done_callback(news.put)
            while futures:
                try:
                    item = news.get(timeout=_PATIENCE)
                except queue.Empty:
                    if self._client.status == "closed":
                        for task, _ in futures.values():
                            yield _lost(task, "the connection to the scheduler is lost")
                        futures.clear()
                    # Not all ends of a future are told: whoever cannot even be sent is cancelled in silence.
                    for key in [key for key, (_, future) in futures.items() if future.status != "pending"]:
                        yield _outcome_of(*futures.pop(key))
                    continue
                if isinstance(item, tuple):
                    # What workers say comes with its time.
                    key, phase, done, total = item[1]
                    if key in futures:
                        tell(futures[key][0], phase, done, total)
                elif item.key in futures:
                    task, future = futures.pop(item.key)
                    yield _outcome_of(task, future)
        finally:
            self._client.cancel([future for _, future in futures.values()])
            self._client.unsubscribe_topic(run)

    def _check_workers(self) -> None:
        """Raise `InputError` if a worker does not have hepbaler: dask would wait for it for ever."""
        found = self._client.run(find_spec, _PACKAGE, on_error="return")
        without = [worker for worker, spec in found.items() if spec is None or isinstance(spec, Exception)]
        if without:
            more = f" and {len(without) - 1} more" if len(without) > 1 else ""
            msg = f"the dask worker {without[0]}{more} has no {_PACKAGE}: install the same hepbaler there"
            raise InputError(msg)


def perform_there(task: Task, topic: str, key: str, threads: int) -> Outcome:
    """Do a task, on a worker."""
    from distributed import get_worker

    worker = get_worker()
    lock = threading.Lock()
    last: tuple[str, float] = ("", 0.0)

    def say(phase: str, done: int, total: int) -> None:
        nonlocal last
        with lock:
            now = time.monotonic()
            if phase == last[0] and now - last[1] < _SECONDS:
                return
            last = (phase, now)
        worker.log_event(topic, (key, phase, done, total))

    return perform(task, say, threads=threads)


def _outcome_of(task: Task, future: Any) -> Outcome:
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status != "error":
        return _lost(task, f"dask has {future.status} it")
    error = future.exception()
    name = type(error).__name__
    if name == "KilledWorker":
        return _lost(task, "each worker that worked on it died (out of memory?)")
    return Outcome(task, "failed", error=name, message=" ".join(str(error).split()) or name)


def _lost(task: Task, message: str) -> Outcome:
    return Outcome(task, "failed", error="WorkerLost", message=message)
