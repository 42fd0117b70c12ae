"""One file of a campaign: what shall be done with it, and what became of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import xxhash

from hepbaler.campaign.records import Redo
from hepbaler.campaign.verbs import VERBS
from hepbaler.errors import (
    BoundError,
    BoundsBroken,
    HepbalerError,
    MissingExtra,
    ModelError,
    UnreadableBranches,
    UnwritableBranches,
)
from hepbaler.temporaries import remove_leftovers

__all__ = ("Outcome", "Progress", "State", "Task", "perform")

Progress = Callable[[str, int, int], None]
State = Literal["done", "skipped", "failed"]

# What no second attempt will change.
_FINAL = (BoundError, BoundsBroken, MissingExtra, ModelError, UnreadableBranches, UnwritableBranches)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Task:
    """A verb, a file, and what it becomes. Whoever gets it can do it: it may travel to another machine.

    Attributes
    ----------
    verb
        ``compress``, ``decompress``, ``verify``, ``evaluate`` or ``train``.
    source
        Path or URL; absolute.
    target
        What is written, absolute; None if nothing is.
    settings
        Other arguments of the verb.
    force
        Do it also where it is done already.
    """

    verb: str
    source: str
    target: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False

    @property
    def key(self) -> str:
        """Sixteen letters that tell this task from others, the same in every process."""
        return xxhash.xxh3_64_hexdigest("\0".join((self.verb, self.source, self.target or "")).encode())


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    task
        Which.
    state
        ``done``, ``skipped`` since it was done before, or ``failed``.
    seconds
        Wall time.
    result
        The verb's report as plain data.
    reason
        Why something that was there was made again; empty otherwise.
    error, message
        Class and text of what was raised.
    traceback
        Where, for those who look for a mistake of hepbaler's.
    hopeless
        Whether another attempt would end the same.
    attempts
        How often it was tried.
    """

    task: Task
    state: State
    seconds: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    error: str = ""
    message: str = ""
    traceback: str = field(default="", repr=False)
    hopeless: bool = False
    attempts: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "path": self.task.source,
            "target": self.task.target,
            "verb": self.task.verb,
            "state": self.state,
            "seconds": self.seconds,
            "attempts": self.attempts,
            **({"reason": self.reason} if self.reason else {}),
            **({"error": self.error, "message": self.message} if self.state == "failed" else {}),
            "result": dict(self.result),
        }

    def after(self, attempts: int) -> Outcome:
        """The same, after so many attempts in all."""
        return replace(self, attempts=attempts)


def perform(task: Task, progress: Progress | None = None, *, threads: int | None = None) -> Outcome:
    """Do a task, unless it is done already. What goes wrong is told in the outcome, and costs no other task.

    Parameters
    ----------
    task
        Which.
    progress
        Called as ``(phase, done, total)``.
    threads
        How many to use; None for the verb's own choice.

    Returns
    -------
    Outcome
        Whatever happens, except that this process is asked to end.
    """
    start = time.perf_counter()
    verb = VERBS[task.verb]
    reason = ""
    try:
        found = verb.find(task.source, task.target, task.settings)
        if isinstance(found, Redo):
            reason = found.reason
        elif found is not None and not task.force:
            return Outcome(task, "skipped", time.perf_counter() - start, found)
        if task.target is not None:
            target = Path(task.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target)
        # What was made by an earlier run may be replaced, what somebody else put there may not.
        replacing = task.force or isinstance(found, Redo)
        result = verb.do(task.source, task.target, task.settings, replacing, threads, progress)
    except Exception as error:  # noqa: BLE001 - one bad file of many must not cost the others, whatever is wrong with it
        return _failed(task, error, time.perf_counter() - start)
    return Outcome(task, "done", time.perf_counter() - start, result, reason)


def _failed(task: Task, error: Exception, seconds: float) -> Outcome:
    message = str(error) or type(error).__name__
    if not isinstance(error, HepbalerError):
        message = " ".join(message.split())
    return Outcome(
        task,
        "failed",
        seconds,
        error=type(error).__name__,
        message=message,
        traceback="".join(traceback.format_exception(error)),
        hopeless=isinstance(error, _FINAL),
    )
