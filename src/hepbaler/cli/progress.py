"""Progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .options import Session
from .tables import bytes_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ("Report", "progress_bar")

Report = Callable[[str, int, int], None]

# What a phase counts; the others count entries.
_UNITS = {"train": "steps", "checksums": "bytes", "merge": "bytes", "bootstrap": "replicas"}


def __dir__() -> tuple[str, ...]:
    return __all__


@contextmanager
def progress_bar() -> Iterator[Report | None]:
    """A bar for each phase of a long call, with rate and time left.

    Yields
    ------
    callable or None
        Takes the phase, what is done and the total (entries, steps or bytes). `None` where nobody would see a bar: under
        ``-q``, or where stderr is not a terminal.
    """
    session = click.get_current_context().ensure_object(Session)
    if session.quiet or not sys.stderr.isatty():
        yield None
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:>16}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        yield _Phases(bar)


class _Phases:
    """One line of the bar for each phase, in the order in which they begin."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task(phase, total=None, rate="")
        task = self._tasks[phase]
        state = next(t for t in self._bar.tasks if t.id == task)
        if done < state.completed:
            # The next tree of the file.
            self._bar.reset(task)
        self._bar.update(task, completed=done, total=total or None)
        self._bar.update(task, rate=_rate_text(state.finished_speed or state.speed, _UNITS.get(phase, "entries")))


def _rate_text(speed: float | None, unit: str) -> str:
    if not speed:
        return ""
    if unit == "bytes":
        return f"{bytes_text(speed)}/s"
    return f"{speed / 1000:,.0f} k{unit}/s" if speed >= 10_000 else f"{speed:,.0f} {unit}/s"
