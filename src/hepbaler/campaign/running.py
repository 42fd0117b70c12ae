"""Do many tasks, try again what failed, and keep account."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hepbaler.campaign.executors import Executor
from hepbaler.campaign.records import write_json
from hepbaler.campaign.tasks import Outcome, Task
from hepbaler.errors import InputError
from hepbaler.temporaries import remove_leftovers

__all__ = ("CampaignReport", "Watcher", "run", "share_of_job", "write_failures")

T = TypeVar("T")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class CampaignReport:
    """What became of many files.

    Attributes
    ----------
    verb
        What was asked for.
    outcomes
        One a file, in the order of the files.
    seconds
        Wall time.
    executor
        As in ``2 processes``.
    notes
        What the reader should know, a sentence each.
    failures_file
        Where the failures are listed; None if there are none, or no directory for it.
    fileset
        Where the fileset of the results is; None if there is none.
    """

    verb: str
    outcomes: tuple[Outcome, ...]
    seconds: float
    executor: str
    notes: tuple[str, ...] = ()
    failures_file: str | None = None
    fileset: str | None = None

    def of(self, state: str) -> tuple[Outcome, ...]:
        """Outcomes that are ``done``, ``skipped`` or ``failed``."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == state)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Outcomes that are ``failed``."""
        return self.of("failed")

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "verb": self.verb,
            "ok": self.ok,
            "files": len(self.outcomes),
            **{state: len(self.of(state)) for state in ("done", "skipped", "failed")},
            "seconds": self.seconds,
            "executor": self.executor,
            "notes": list(self.notes),
            "failures_file": self.failures_file,
            "fileset": self.fileset,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }


class Watcher:
    """Is told what happens. This one does nothing with it; derive your own from it."""

    def begun(self, tasks: Sequence[Task]) -> None:
        """These tasks will be done."""

    def moved(self, task: Task, phase: str, done: int, total: int) -> None:
        """A task is at this phase; as often as is cheap."""

    def ended(self, outcome: Outcome) -> None:
        """What became of a task, for good."""


def run(
    tasks: Sequence[Task],
    executor: Executor,
    *,
    retries: int = 1,
    watcher: Watcher | None = None,
) -> CampaignReport:
    """Do all tasks, and those that failed again when the others are done.

    Parameters
    ----------
    tasks
        At least one, with differing targets.
    executor
        Where.
    retries
        How often a file that failed is tried again. What no second attempt changes (a bound that cannot hold, branches that cannot
        be carried) is tried once.
    watcher
        Who wants to know.

    Returns
    -------
    CampaignReport
        With one outcome for each task, in their order.
    """
    start = time.perf_counter()
    watcher = watcher or Watcher()
    watcher.begun(tasks)
    final: dict[str, Outcome] = {}
    waiting = list(tasks)
    for attempt in range(1, retries + 2):
        again = []
        with closing(executor.run(waiting, watcher.moved)) as outcomes:
            for outcome in outcomes:
                if outcome.state == "failed" and not outcome.hopeless and attempt <= retries:
                    again.append(outcome.task)
                    continue
                final[outcome.task.key] = outcome.after(attempt)
                if outcome.state == "failed" and outcome.task.target is not None:
                    # Of a process that was killed.
                    remove_leftovers(Path(outcome.task.target))
                watcher.ended(final[outcome.task.key])
        waiting = again
        if not waiting:
            break
    ordered = tuple(final[task.key] for task in tasks)
    return CampaignReport(tasks[0].verb, ordered, time.perf_counter() - start, executor.name)


def share_of_job(items: Sequence[T], index: int, n_jobs: int) -> list[T]:
    """The items that job `index` of `n_jobs` has to do; the same in every job that is given the same items.

    Raises
    ------
    InputError
        There is no such job.
    """
    if not 0 <= index < n_jobs:
        msg = f"there is no job {index} of {n_jobs}: they count from 0 to {n_jobs - 1}"
        raise InputError(msg)
    return list(items[index::n_jobs])


def write_failures(report: CampaignReport, path: Path) -> None:
    """Write what failed as JSON: a list of path, error class, message. Without failures, remove the file of an earlier run."""
    if report.ok:
        path.unlink(missing_ok=True)
        return
    write_json(
        [
            {
                "path": outcome.task.source,
                "error": outcome.error,
                "message": outcome.message,
                "attempts": outcome.attempts,
            }
            for outcome in report.failures
        ],
        path,
    )
