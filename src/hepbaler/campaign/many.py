"""`compress_many` and its like: a verb, many files, one report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from hepbaler.bounds import Plan
from hepbaler.campaign.executors import Executor, SerialExecutor
from hepbaler.campaign.filesets import File, files_of, read_fileset
from hepbaler.campaign.running import CampaignReport, Watcher, run, share_of_job, write_failures
from hepbaler.campaign.tasks import Task
from hepbaler.errors import InputError, OutputError
from hepbaler.latent.settings import LatentSettings
from hepbaler.reading import expand_inputs

__all__ = ("CompressSettings", "Files", "Where", "compress_many")

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, Any]
Where = Executor | int | None

FAILURES = "failures.json"


def __dir__() -> tuple[str, ...]:
    return __all__


class CompressSettings(TypedDict, total=False):
    """Arguments of `hepbaler.compress` that are the same for all files."""

    plan: Plan | None
    latent: LatentSettings | None
    keep: Sequence[str]
    drop: Sequence[str]
    model: str | os.PathLike[str] | None
    use_model: bool
    preset: str
    train_steps: int | None
    train_time: float | None
    device: str
    seed: int
    skip_unreadable: bool
    fall_back: bool


def compress_many(
    files: Files,
    output: str | os.PathLike[str] | None = None,
    *,
    executor: Where = None,
    job: tuple[int, int] | None = None,
    retries: int = 1,
    force: bool = False,
    watcher: Watcher | None = None,
    **settings: Unpack[CompressSettings],
) -> CampaignReport:
    """Compress many files, each once: what is done already with the same settings is skipped.

    Parameters
    ----------
    files
        Paths and globs, or a fileset as coffea has it: a dict, or the path of a JSON file.
    output
        Directory for the archives, made where it is missing; a fileset gets a directory a dataset in it. By default each archive is
        beside its source. Where something fails, ``failures.json`` in it says what.
    executor
        Where: None for here, one file after the other; a number of processes; or an `Executor`.
    job
        ``(i, n)``: only every n-th file from the i-th on, for batch systems.
    retries
        How often a file that failed is tried again.
    force
        Compress also what is done already.
    watcher
        Who wants to know how far it is.
    settings
        As for `hepbaler.compress`.

    Returns
    -------
    CampaignReport
        What became of each file. A file that failed raises nothing.

    Raises
    ------
    InputError
        No file is named, or two archives would have the same name.
    OutputError
        The directory cannot be made.

    Examples
    --------
    >>> report = hepbaler.compress_many("ttbar_*.root", "archives", executor=4)  # doctest: +SKIP
    >>> report.ok, [outcome.task.source for outcome in report.failures]  # doctest: +SKIP
    """
    named = _named(files)
    folder = _folder(output)
    tasks = [Task("compress", file.path, str(_result(file, folder, ".hbal")), dict(settings), force) for file in named]
    return _run(tasks, folder, _executor(executor), job, retries, watcher)


def _named(files: Files) -> list[File]:
    if isinstance(files, Mapping) or (
        isinstance(files, str | os.PathLike) and os.fspath(files).endswith(".json") and Path(files).is_file()
    ):
        return read_fileset(files).files()
    paths = [files] if isinstance(files, str | os.PathLike) else list(files)
    found = files_of(expand_inputs([os.fspath(path) for path in paths]))
    if not found:
        msg = "there is no file to work on"
        raise InputError(msg)
    return found


def _folder(output: str | os.PathLike[str] | None) -> Path | None:
    if output is None:
        return None
    folder = Path(output).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the directory {folder} cannot be made: {error.strerror or error}"
        raise OutputError(msg) from error
    return folder


def _result(file: File, folder: Path | None, suffix: str) -> Path:
    if folder is not None:
        return folder / (file.name + suffix)
    beside = file.path if "://" not in file.path else file.name
    return Path(beside).absolute().with_name(Path(file.name).name + suffix)


def _executor(where: Where) -> Executor:
    if where is None:
        return SerialExecutor()
    if isinstance(where, int):
        from hepbaler.campaign.processes import ProcessExecutor

        return ProcessExecutor(where)
    return where


def _run(
    tasks: Sequence[Task],
    folder: Path | None,
    executor: Executor,
    job: tuple[int, int] | None,
    retries: int,
    watcher: Watcher | None,
) -> CampaignReport:
    targets = [task.target for task in tasks]
    twice = sorted({target for target in targets if target is not None and targets.count(target) > 1})
    if twice:
        msg = f"two files would be written to {twice[0]}; give their datasets other names"
        raise InputError(msg)
    mine = list(tasks) if job is None else share_of_job(tasks, *job)
    report = (
        run(mine, executor, retries=retries, watcher=watcher)
        if mine
        else CampaignReport(tasks[0].verb, (), 0.0, executor.name)
    )
    if folder is None:
        return report
    file = folder / (FAILURES if job is None else f"failures-{job[0]}-of-{job[1]}.json")
    write_failures(report, file)
    return report if report.ok else replace(report, failures_file=str(file))
