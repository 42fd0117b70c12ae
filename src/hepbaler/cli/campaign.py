"""A verb over many files: its options, its screen, its closing words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from .options import Session
from .tables import bytes_text, is_verbose, plural, print_lines, ratio_text, seconds_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..campaign import CampaignReport, Executor, Outcome, Task

__all__ = ("Many", "many_options", "run_many")

F = TypeVar("F", bound=Callable[..., Any])

# Letters of a file's name beside its bar.
_NAME_WIDTH = 32
_PAST = {"compress": "compressed", "decompress": "decompressed", "verify": "verified", "evaluate": "evaluated"}


def __dir__() -> tuple[str, ...]:
    return __all__


def many_options(command: F) -> F:
    """Add the options of a verb that takes many files."""
    options = (
        click.option(
            "--job-index",
            type=click.IntRange(min=0),
            metavar="I",
            help="Do only the I-th part of the files, from 0 ...",
        ),
        click.option("--n-jobs", type=click.IntRange(min=1), metavar="N", help="... of N, for batch systems."),
        click.option(
            "--retries",
            type=click.IntRange(min=0),
            default=1,
            show_default=True,
            metavar="N",
            help="Try a file that failed so many times again.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


class _Call(Protocol):
    def __call__(self, **how: Any) -> CampaignReport: ...


@dataclass(frozen=True)
class Many:
    """What the options of a verb over many files ask for."""

    ctx: click.Context
    jobs: int | None
    job: tuple[int, int] | None
    retries: int

    @classmethod
    def asked(cls, ctx: click.Context) -> Many:
        """Read the options.

        Raises
        ------
        click.UsageError
            They contradict each other.
        """
        index, n_jobs = ctx.params["job_index"], ctx.params["n_jobs"]
        if (index is None) != (n_jobs is None):
            msg = "--job-index and --n-jobs go together"
            raise click.UsageError(msg, ctx=ctx)
        if index is not None and index >= n_jobs:
            msg = f"there is no job {index} of {n_jobs}: --job-index counts from 0 to {n_jobs - 1}"
            raise click.UsageError(msg, ctx=ctx)
        job = None if index is None else (index, n_jobs)
        return cls(ctx, ctx.params["jobs"], job, ctx.params["retries"])

    def wanted(self, inputs: Sequence[str], output: str | None) -> bool:
        """Whether this is about many files, be there only one of them.

        Raises
        ------
        click.UsageError
            There is no input, or `output` is a file.
        """
        if not inputs:
            msg = "say which files"
            raise click.UsageError(msg, ctx=self.ctx)

        from ..reading import expand_inputs

        n_files = len(expand_inputs(inputs))
        folder = output is not None and (Path(output).is_dir() or output.endswith("/"))
        many = n_files > 1 or folder or self.job is not None
        if many and output is not None and Path(output).exists() and not Path(output).is_dir():
            msg = f"-o {output} is a file, but there are {n_files} inputs: give a directory"
            raise click.UsageError(msg, ctx=self.ctx)
        return many

    def files(self, inputs: Sequence[str]) -> list[str]:
        """What the library is to work on."""
        return list(inputs)

    @contextmanager
    def executor(self) -> Iterator[Executor | int | None]:
        """Where it is to work."""
        yield self.jobs


def run_many(many: Many, call: _Call) -> int:
    """Run a verb over many files, and tell.

    Parameters
    ----------
    many
        The options.
    call
        The library's function, with all arguments but those of how to run it.

    Returns
    -------
    int
        The exit code.
    """
    with many.executor() as executor, _screen() as screen:
        report = call(executor=executor, job=many.job, retries=many.retries, watcher=screen)
    _close(report)
    return 0 if report.ok else 1


class _Screen:
    """Says what becomes of each file, and with a bar who is at what."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._rows: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def begun(self, tasks: Sequence[Task]) -> None:
        """There are so many files."""
        if self._bar is not None:
            self._all = self._bar.add_task("files", total=len(tasks), state=f"0/{len(tasks)}")

    def moved(self, task: Task, phase: str, done: int, total: int) -> None:
        """A file is at this phase."""
        if self._bar is None:
            return
        if task.key not in self._rows:
            self._rows[task.key] = self._bar.add_task(_shortened(Path(task.source).name), total=None, state=phase)
        self._bar.update(self._rows[task.key], completed=done, total=total or None, state=phase)

    def ended(self, outcome: Outcome) -> None:
        """A file is done, or has failed for good."""
        if self._bar is not None:
            if outcome.task.key in self._rows:
                self._bar.remove_task(self._rows.pop(outcome.task.key))
            if self._all is not None:
                self._bar.advance(self._all)
                row = next(task for task in self._bar.tasks if task.id == self._all)
                self._bar.update(self._all, state=f"{row.completed:.0f}/{row.total:.0f}")
        name = Path(outcome.task.source).name
        if outcome.state == "failed":
            # Most messages begin with the path.
            where = "" if name in outcome.message else f"{name}: "
            click.echo(f"hepbaler: error: {where}{outcome.message}", err=True)
            if is_very_verbose():
                click.echo(outcome.traceback, err=True)
        elif outcome.state == "done":
            again = f" (again: {outcome.reason})" if outcome.reason else ""
            print_lines([f"{name}: {_told(outcome)}{seconds_text(outcome.seconds)}{again}"])
        elif is_verbose():
            print_lines([f"{name}: done before"])


@contextmanager
def _screen() -> Iterator[_Screen]:
    if click.get_current_context().ensure_object(Session).quiet or not sys.stderr.isatty():
        yield _Screen(None)
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[state]:>10}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # What goes into a file or a pipe must not come out at the terminal.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )
    with bar:
        yield _Screen(bar)


def _shortened(name: str) -> str:
    if len(name) <= _NAME_WIDTH:
        return name
    half = (_NAME_WIDTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def is_very_verbose() -> bool:
    """Whether ``-vv`` was given."""
    return click.get_current_context().ensure_object(Session).verbosity > 1


def _told(outcome: Outcome) -> str:
    """What there is to say of a file that is done, before the seconds."""
    before, after = _sizes([outcome])
    return f"{bytes_text(before)} -> {bytes_text(after)}, {ratio_text(before, after)} times smaller, " if after else ""


def _sizes(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    return (
        sum(outcome.result.get("source_bytes") or 0 for outcome in outcomes),
        sum(outcome.result.get("archive_bytes") or 0 for outcome in outcomes),
    )


def _close(report: CampaignReport) -> None:
    """The closing summary."""
    notes: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        for kind, key in (("note", "notes"), ("left out", "left_out")):
            for text in outcome.result.get(key) or ():
                notes.setdefault(f"{kind}: {text}", []).append(Path(outcome.task.source).name)
    for text, names in notes.items():
        others = f" and {plural(len(names) - 1, 'other')}" if len(names) > 1 else ""
        print_lines([f"{text} ({names[0]}{others})"])
    print_lines(f"note: {note}" for note in report.notes)
    done, skipped, failed = (report.of(state) for state in ("done", "skipped", "failed"))
    parts = [f"{len(done):,} {_PAST[report.verb]}"]
    if skipped:
        parts.append(f"{len(skipped):,} done before")
    if failed:
        parts.append(f"{len(failed):,} failed")
    before, after = _sizes([*done, *skipped])
    sizes = f"; {bytes_text(before)} -> {bytes_text(after)}, {ratio_text(before, after)} times smaller" if after else ""
    where = f" in {report.executor}"
    print_lines(
        [f"{plural(len(report.outcomes), 'file')}: {', '.join(parts)}{sizes}; {seconds_text(report.seconds)}{where}"]
    )
    if failed:
        listed = f"; {report.failures_file} says why" if report.failures_file is not None else ""
        click.echo(
            f"hepbaler: error: {len(failed)} of {plural(len(report.outcomes), 'file')} failed{listed}; "
            "the same command does what is missing",
            err=True,
        )
