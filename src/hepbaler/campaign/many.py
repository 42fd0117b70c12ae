"""`compress_many` and its like: a verb, many files, one report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from hepbaler.bounds import Plan
from hepbaler.campaign.cluster import Client, DaskExecutor
from hepbaler.campaign.executors import Executor, SerialExecutor
from hepbaler.campaign.filesets import File, Files, Fileset, archive_url, counterparts, named_files
from hepbaler.campaign.records import write_json
from hepbaler.campaign.running import CampaignReport, Watcher, run, share_of_job, write_failures
from hepbaler.campaign.sharing import share_model
from hepbaler.campaign.tasks import Task
from hepbaler.errors import InputError, OutputError
from hepbaler.latent.settings import LatentSettings

__all__ = ("CompressSettings", "Where", "compress_many", "decompress_many", "evaluate_many", "verify_many")

Where = Executor | Client | int | None
Folder = str | os.PathLike[str] | None

FAILURES = "failures.json"
FILESET = "fileset.json"
_ARCHIVE = ".hbal"


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
    output: Folder = None,
    *,
    shared_model: bool = False,
    fileset_out: Folder = None,
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
    shared_model
        Train one model on a sample of all files, keep it in `output` as ``shared.hbmodel``, and code all files by it. Files that it
        does not fit get models of their own, and a note.
    fileset_out
        Where the fileset of the archives goes, of the same form and with the same metadata; ``fileset.json`` in `output` by default.
        Files that failed are not in it.
    executor
        Where: None for here, one file after the other; a number of processes; a ``distributed.Client``; or an
        `hepbaler.campaign.Executor`.
    job
        ``(i, n)``: only every n-th file from the i-th on, for batch systems. A fileset is then not written.
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
    ModelError
        The shared model cannot be trained.
    OutputError
        The directory cannot be made.

    Examples
    --------
    >>> report = hepbaler.compress_many("ttbar_*.root", "archives", executor=4)  # doctest: +SKIP
    >>> report.ok, [outcome.task.source for outcome in report.failures]  # doctest: +SKIP
    """
    named, fileset = named_files(files)
    folder = _folder(output)
    where = _executor(executor)
    chosen: dict[str, Any] = dict(settings)
    notes: list[str] = []
    if shared_model:
        if folder is None or settings.get("model") is not None or settings.get("use_model") is False:
            msg = (
                "a shared model needs a directory for the archives, and excludes a model that is given, and none at all"
            )
            raise InputError(msg)
        paths = [file.path for file in named]
        chosen, notes = share_model(paths, folder, chosen, where, force=force, may_train=job is None, watcher=watcher)
    tasks = [Task("compress", file.path, str(_result(file, folder, _ARCHIVE)), chosen, force) for file in named]
    report = _run(tasks, folder, where, job, retries, watcher, notes)
    return _with_fileset(report, named, fileset, folder, fileset_out, job)


def decompress_many(
    files: Files,
    output: Folder = None,
    *,
    rntuple: bool | None = None,
    compression: str = "zstd:5",
    skip_unwritable: bool = False,
    fileset_out: Folder = None,
    executor: Where = None,
    job: tuple[int, int] | None = None,
    retries: int = 1,
    force: bool = False,
    watcher: Watcher | None = None,
) -> CampaignReport:
    """Turn many archives back into ROOT files, each once.

    What is done is noted in a directory ``.hepbaler`` beside the ROOT files, since these cannot say from which archive they are. A file
    that is there and is not noted is somebody else's, and is replaced under `force` only.

    Parameters
    ----------
    files
        Archives: paths and globs, a directory, or a fileset.
    output, fileset_out, executor, job, retries, force, watcher
        As for `compress_many`.
    rntuple, compression, skip_unwritable
        As for `hepbaler.decompress`.

    Returns
    -------
    CampaignReport
        What became of each file.

    Raises
    ------
    InputError, OutputError
        As for `compress_many`.
    """
    named, fileset = named_files(files, _ARCHIVE)
    folder = _folder(output)
    settings = {"rntuple": rntuple, "compression": compression, "skip_unwritable": skip_unwritable}
    tasks = [Task("decompress", file.path, str(_restored(file, folder)), settings, force) for file in named]
    report = _run(tasks, folder, _executor(executor), job, retries, watcher)
    return _with_fileset(report, named, fileset, folder, fileset_out, job)


def verify_many(
    files: Files,
    originals: Files | None = None,
    output: Folder = None,
    *,
    executor: Where = None,
    job: tuple[int, int] | None = None,
    retries: int = 1,
    force: bool = False,
    watcher: Watcher | None = None,
) -> CampaignReport:
    """Check many archives.

    Parameters
    ----------
    files
        Archives: paths and globs, a directory, or a fileset.
    originals
        The ROOT files that they were made from: a directory, paths and globs, or a fileset; ``x.root.hbal`` belongs to ``x.root``.
    output
        Directory for a report a file, ``x.root.hbal.verify.json``. What was found good there before, and is the same, is skipped.
    executor, job, retries, force, watcher
        As for `compress_many`.

    Returns
    -------
    CampaignReport
        An archive that is damaged or breaks its promise has failed.

    Raises
    ------
    InputError, OutputError
        As for `compress_many`.
    """
    named, _ = named_files(files, _ARCHIVE)
    folder = _folder(output)
    tasks = []
    others = counterparts(named, named_files(originals, ".root")[0])[0] if originals is not None else None
    for i, file in enumerate(named):
        settings = {} if others is None else {"original": others[i]}
        tasks.append(Task("verify", file.path, _report(file, folder, "verify"), settings, force))
    return _run(tasks, folder, _executor(executor), job, retries, watcher)


def evaluate_many(
    before: Files,
    after: Files,
    output: Folder = None,
    *,
    cuts: Sequence[str] = (),
    filter_name: str | Sequence[str] | None = None,
    tree: str | None = None,
    seed: int = 0,
    executor: Where = None,
    job: tuple[int, int] | None = None,
    retries: int = 1,
    force: bool = False,
    watcher: Watcher | None = None,
) -> CampaignReport:
    """Compare every column of many pairs of files.

    Parameters
    ----------
    before, after
        ROOT files or archives: paths and globs, directories, or filesets; ``x.root.hbal`` belongs to ``x.root``. A file without a
        counterpart has failed.
    output
        Directory for a report a pair, ``x.root.evaluate.json``. What was found good there before, and is the same, is skipped.
    cuts, filter_name, tree, seed
        As for `hepbaler.evaluate`.
    executor, job, retries, force, watcher
        As for `compress_many`.

    Returns
    -------
    CampaignReport
        A pair of which a promise is broken has failed.

    Raises
    ------
    InputError, OutputError
        As for `compress_many`.
    """
    first, second = named_files(before)[0], named_files(after)[0]
    folder = _folder(output)
    common = {"cuts": tuple(cuts), "filter_name": filter_name, "tree": tree, "seed": seed}
    others, single = counterparts(first, second)
    if not any(others):
        msg = f"no file of the first {len(first)} has the name of one of the other {len(second)}, as in x.root and x.root.hbal"
        raise InputError(msg)
    pairs = [*zip(first, others, strict=True), *((file, None) for file in single)]
    tasks = [
        Task("evaluate", file.path, _report(file, folder, "evaluate"), common | {"after": other}, force)
        for file, other in pairs
    ]
    return _run(tasks, folder, _executor(executor), job, retries, watcher)


def _folder(output: Folder) -> Path | None:
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
    name = file.name + suffix
    if folder is not None:
        return folder / name
    # Beside a local file, and here for a URL.
    beside = Path.cwd() if "://" in file.path or "::" in file.path else Path(file.path).parent
    return beside / Path(name).name


def _restored(file: File, folder: Path | None) -> Path:
    from hepbaler.decompressing import root_name

    target = _result(file, folder, "")
    return root_name(str(target))


def _report(file: File, folder: Path | None, verb: str) -> str | None:
    return None if folder is None else str(folder / f"{file.name}.{verb}.json")


def _executor(where: Where) -> Executor:
    if where is None:
        return SerialExecutor()
    if isinstance(where, int):
        from hepbaler.campaign.processes import ProcessExecutor

        return ProcessExecutor(where)
    return DaskExecutor(where) if isinstance(where, Client) else where


def _run(
    tasks: Sequence[Task],
    folder: Path | None,
    executor: Executor,
    job: tuple[int, int] | None,
    retries: int,
    watcher: Watcher | None,
    notes: Sequence[str] = (),
) -> CampaignReport:
    targets = [task.target for task in tasks if task.target is not None]
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        msg = f"two files would be written to {twice[0]}; give their datasets other names"
        raise InputError(msg)
    mine = list(tasks) if job is None else share_of_job(tasks, *job)
    report = (
        run(mine, executor, retries=retries, watcher=watcher)
        if mine
        else CampaignReport(tasks[0].verb, (), 0.0, executor.name)
    )
    report = replace(report, notes=tuple(notes))
    if folder is None:
        return report
    if job is None:
        file = folder / FAILURES
        # All files were looked at: what single jobs have said is settled.
        for old in folder.glob("failures-*-of-*.json"):
            old.unlink(missing_ok=True)
    else:
        file = folder / f"failures-{job[0]}-of-{job[1]}.json"
    write_failures(report, file)
    return report if report.ok else replace(report, failures_file=str(file))


def _with_fileset(
    report: CampaignReport,
    named: Sequence[File],
    fileset: Fileset | None,
    folder: Path | None,
    fileset_out: Folder,
    job: tuple[int, int] | None,
) -> CampaignReport:
    if fileset is None or job is not None or (folder is None and fileset_out is None):
        return report
    path = Path(fileset_out) if fileset_out is not None else Path(str(folder)) / FILESET
    targets = {
        file: outcome.task.target
        for file, outcome in zip(named, report.outcomes, strict=True)
        if outcome.state != "failed" and outcome.task.target is not None
    }
    as_url = archive_url if report.verb == "compress" else str

    def new(file: File) -> tuple[str, str] | None:
        return (as_url(targets[file]), targets[file]) if file in targets else None

    write_json(fileset.replaced(new), path)
    return replace(report, fileset=str(path.absolute()))
