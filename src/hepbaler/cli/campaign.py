"""A verb over many files: its options, its screen, its closing words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from ..errors import InputError
from .options import Session
from .tables import bytes_text, is_verbose, plural, print_json, print_lines, ratio_text, seconds_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..campaign import CampaignReport, Outcome, Task
    from ..campaign.filesets import Files
    from ..campaign.many import Where

__all__ = ("Many", "fileset_options", "many_options", "run_many")

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
            "--scheduler",
            metavar="ADDRESS",
            help="Work on a dask cluster: tcp://host:8786, tls://..., or its scheduler file.",
        ),
        click.option(
            "--job-index",
            type=click.IntRange(min=0),
            metavar="I",
            help="Do only the I-th share of the files, from 0 ...",
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


def fileset_options(command: F) -> F:
    """Add ``--fileset`` and ``--fileset-out``."""
    given = click.option(
        "--fileset",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="The files of a fileset, a JSON file as coffea has it.",
    )
    out = click.option(
        "--fileset-out",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Write it with the new paths here (default: fileset.json in OUT).",
    )
    return given(out(command))


class _Call(Protocol):
    def __call__(self, **how: Any) -> CampaignReport: ...


@dataclass(frozen=True)
class Many:
    """What the options of a verb over many files ask for."""

    ctx: click.Context
    jobs: int | None
    job: tuple[int, int] | None
    scheduler: str | None
    retries: int
    fileset: str | None
    fileset_out: str | None

    @classmethod
    def asked(cls, ctx: click.Context) -> Many:
        """Read the options.

        Raises
        ------
        click.UsageError
            They contradict each other.
        """
        index, n_jobs = ctx.params["job_index"], ctx.params["n_jobs"]
        fileset, fileset_out = ctx.params.get("fileset"), ctx.params.get("fileset_out")
        job = None if index is None else (index, n_jobs)
        if (index is None) != (n_jobs is None):
            msg = "--job-index and --n-jobs go together"
        elif index is not None and index >= n_jobs:
            msg = f"there is no job {index} of {n_jobs}: --job-index counts from 0 to {n_jobs - 1}"
        elif job is not None and ctx.params["scheduler"] is not None:
            msg = "--job-index and --scheduler exclude each other"
        elif fileset is not None and ctx.params.get("inputs"):
            msg = "the files are those of --fileset; name no others"
        elif fileset_out is not None and fileset is None:
            msg = "--fileset-out needs --fileset"
        elif fileset_out is not None and job is not None:
            msg = "a job does not see the whole fileset: run the same command once more without --job-index to write it"
        else:
            return cls(
                ctx, ctx.params["jobs"], job, ctx.params["scheduler"], ctx.params["retries"], fileset, fileset_out
            )
        raise click.UsageError(msg, ctx=ctx)

    def wanted(self, inputs: Sequence[str], output: str | None = None) -> bool:
        """Whether this is about many files, be there only one of them.

        Raises
        ------
        click.UsageError
            There is no input, or `output` is a file.
        """
        if self.fileset is None and not inputs:
            msg = "name the files, or give a --fileset"
            raise click.UsageError(msg, ctx=self.ctx)

        from ..reading import expand_inputs

        folders = any(Path(path).is_dir() for path in inputs)
        asked = (
            folders or bool(self.fileset or self.job or self.scheduler) or self.ctx.params.get("shared_model", False)
        )
        many = asked or len(expand_inputs(inputs)) > 1
        into = output is not None and (Path(output).is_dir() or output.endswith("/"))
        if many and output is not None and Path(output).exists() and not Path(output).is_dir():
            msg = f"-o {output} is a file, but there are several inputs: give a directory"
            raise click.UsageError(msg, ctx=self.ctx)
        return many or into

    def files(self, inputs: Sequence[str]) -> Files:
        """What the library is to work on."""
        return list(inputs) if self.fileset is None else self.fileset

    @contextmanager
    def executor(self) -> Iterator[Where]:
        """Where it is to work."""
        if self.scheduler is None:
            yield self.jobs
            return

        from .._optional import need

        distributed: Any = need("distributed", extra="dask")
        from ..campaign.cluster import DaskExecutor

        file = {"scheduler_file": self.scheduler} if Path(self.scheduler).is_file() else {"address": self.scheduler}
        try:
            client = distributed.Client(**file, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            msg = f"no dask scheduler answers at {self.scheduler}: {error}"
            raise InputError(msg) from error
        with client:
            yield DaskExecutor(client, self.jobs or 1)


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
    as_json = bool(many.ctx.params.get("as_json"))
    with many.executor() as executor, _screen(lines=not as_json) as screen:
        report = call(executor=executor, job=many.job, retries=many.retries, watcher=screen)
    if as_json:
        print_json(report.to_dict())
    else:
        _close(report)
    return 0 if report.ok else 1


class _Screen:
    """Says what becomes of each file, and with a bar who is at what."""

    def __init__(self, bar: Progress | None, *, lines: bool) -> None:
        self._bar = bar
        self._lines = lines
        self._rows: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def begun(self, tasks: Sequence[Task]) -> None:
        """There are so many files."""
        # Training a model for all comes before the files, and is none of them.
        if self._bar is not None and tasks[0].verb != "train":
            self._all = self._bar.add_task("files", total=len(tasks), state=f"0/{len(tasks)}")

    def moved(self, task: Task, phase: str, done: int, total: int) -> None:
        """A file is at this phase."""
        if self._bar is None:
            return
        if task.key not in self._rows:
            name = "shared model" if task.verb == "train" else Path(task.source).name
            self._rows[task.key] = self._bar.add_task(_shortened(name), total=None, state=phase)
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
        path = outcome.task.target if outcome.task.verb == "train" else outcome.task.source
        name = Path(str(path)).name
        if outcome.state == "failed":
            if outcome.task.verb == "train":
                return
            # Most messages begin with the path.
            where = "" if name in outcome.message else f"{name}: "
            self._say(f"hepbaler: error: {where}{outcome.message}", err=True)
            if is_very_verbose():
                self._say(outcome.traceback, err=True)
        elif outcome.state == "done":
            again = f" (again: {outcome.reason})" if outcome.reason else ""
            self._say(f"{name}: {_told(outcome)}{seconds_text(outcome.seconds)}{again}")
        elif is_verbose():
            self._say(f"{name}: done before")

    def _say(self, line: str, *, err: bool = False) -> None:
        """A line on stdout or stderr; where that is the terminal of the bars, above them."""
        if not (err or self._lines):
            return
        if self._bar is not None and (err or sys.stdout.isatty()):
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif err:
            click.echo(line, err=True)
        else:
            print_lines([line])


@contextmanager
def _screen(*, lines: bool) -> Iterator[_Screen]:
    if click.get_current_context().ensure_object(Session).quiet or not sys.stderr.isatty():
        yield _Screen(None, lines=lines)
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
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
    with bar:
        yield _Screen(bar, lines=lines)


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
    result = outcome.result
    if outcome.task.verb == "train":
        return f"{bytes_text(result['model_bytes'])}, trained on {plural(len(result['sources']), 'file')}, "
    if outcome.task.verb == "verify":
        values = result["values"]
        return (
            f"{plural(values, 'value')} within their bounds, " if values else f"{bytes_text(result['bytes'])} sound, "
        )
    if outcome.task.verb == "evaluate":
        suspicious = result["suspicious"]
        return f"{plural(result['columns'], 'column')}, {len(suspicious)} suspicious, "
    before, after = _sizes([outcome])
    times = f", {ratio_text(before, after)} times smaller" if outcome.task.verb == "compress" else ""
    return f"{bytes_text(before)} -> {bytes_text(after)}{times}, "


def _sizes(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Bytes before and after, of all together."""
    old, new = (
        ("archive_bytes", "target_bytes")
        if outcomes[0].task.verb == "decompress"
        else ("source_bytes", "archive_bytes")
    )
    return sum(o.result.get(old) or 0 for o in outcomes), sum(o.result.get(new) or 0 for o in outcomes)


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
    sizes = ""
    good = [*done, *skipped]
    if good and report.verb in ("compress", "decompress"):
        before, after = _sizes(good)
        times = f", {ratio_text(before, after)} times smaller" if report.verb == "compress" else ""
        sizes = f"; {bytes_text(before)} -> {bytes_text(after)}{times}"
    files = f"{plural(len(report.outcomes), 'file')}: {', '.join(parts)}{sizes}"
    print_lines([f"{files}; {seconds_text(report.seconds)} in {report.executor}"])
    if report.fileset is not None:
        print_lines([f"fileset: {report.fileset}"])
    if failed:
        listed = f"; {report.failures_file} says why" if report.failures_file is not None else ""
        click.echo(
            f"hepbaler: error: {len(failed)} of {plural(len(report.outcomes), 'file')} failed{listed}; "
            "the same command does what is missing",
            err=True,
        )
