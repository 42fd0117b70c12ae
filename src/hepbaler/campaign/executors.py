"""Where tasks are done: `SerialExecutor` does them here, one after the other. Others are in processes.py and cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Protocol

from hepbaler.campaign.tasks import Outcome, Task, perform

__all__ = ("Executor", "SerialExecutor", "Tell")

# Task, phase, done, total.
Tell = Callable[[Task, str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


class Executor(Protocol):
    """Does tasks.

    Attributes
    ----------
    name
        For the summary, as in ``2 processes``.
    """

    name: str

    def run(self, tasks: Sequence[Task], tell: Tell) -> Generator[Outcome, None, None]:
        """Do all tasks, in any order, and yield what became of each as soon as it is known.

        Parameters
        ----------
        tasks
            What to do.
        tell
            Called with task, phase, done and total, as often as is cheap.

        Yields
        ------
        Outcome
            One a task. A task whose process dies is ``failed``, and costs no other. Whoever leaves before the end (`close` of the
            iterator, Ctrl-C) stops what is running, and leaves nothing half-written.
        """
        ...


class SerialExecutor:
    """Does one task after the other in this process.

    Parameters
    ----------
    threads
        For each; as many as there are cores by default.
    """

    name = "one process"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    def run(self, tasks: Sequence[Task], tell: Tell) -> Generator[Outcome, None, None]:
        """See `Executor.run`."""
        for task in tasks:
            yield perform(task, partial(tell, task), threads=self._threads)
