"""Verbs that make files: compress, decompress, train."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hepbaler.campaign.records import Redo, content_digest, read_record, write_record
from hepbaler.campaign.sampling import SAMPLE_READ_BYTES, choose_sample
from hepbaler.errors import HepbalerError

__all__ = ("compress", "decompress", "find_archive", "find_model", "find_root_file", "train")

Progress = Callable[[str, int, int], None]
Settings = Mapping[str, Any]


def __dir__() -> tuple[str, ...]:
    return __all__


def compress(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    """Make an archive."""
    from hepbaler import pipeline

    return pipeline.compress(source, target, force=replace, jobs=threads, progress=progress, **settings).to_dict()


def find_archive(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:
    """Whether there is an archive of this very file, made in this very way, and whole."""
    from hepbaler.archive import ARCHIVE_KIND
    from hepbaler.container import ContainerReader
    from hepbaler.pipeline import compress as function
    from hepbaler.provenance import file_fingerprint, settings_digest
    from hepbaler.reading import split_input
    from hepbaler.required import FEATURES

    if target is None or not Path(target).exists():
        return None
    file, tree = split_input(source)
    asked = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    try:
        with ContainerReader(target, features=FEATURES) as reader:
            meta = reader.meta
            made, how = meta.get("source"), meta.get("settings")
            if meta.get("kind") != ARCHIVE_KIND or not isinstance(made, dict) or not isinstance(how, dict):
                return Redo("it was no archive of a ROOT file")
            left_out = meta.get("left_out")
            if how.get("digest") != settings_digest(asked | dict(settings), tree) or (
                left_out and not settings.get("skip_unreadable")
            ):
                return Redo("the settings are others now")
            now = file_fingerprint(file)
            if now is None or made.get("fingerprint") != now:
                return Redo("the source has changed")
            for _ in reader.check():
                pass
            return {"source_bytes": made.get("bytes"), "archive_bytes": reader.size, "left_out": left_out}
    except (HepbalerError, OSError) as error:
        return Redo(f"the archive was damaged: {error}")


def train(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    """Train one model for many files."""
    from hepbaler import pretraining

    del source  # stands for all
    # Here, where they are read
    sources, notes = choose_sample(settings["sources"], settings)
    report = pretraining.train(
        sources,
        str(target),
        force=replace,
        jobs=threads,
        progress=progress,
        read_bytes=SAMPLE_READ_BYTES,
        **{name: value for name, value in settings.items() if name != "sources"},
    )
    return report.to_dict() | {"notes": [*notes, *report.notes]}


def find_model(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:  # noqa: ARG001
    """Whether there is a model that was trained in this very way, and is whole."""
    from hepbaler.container import ContainerReader
    from hepbaler.modelfile import MODEL_KIND
    from hepbaler.pretraining import train as function
    from hepbaler.provenance import settings_digest

    if target is None or not Path(target).exists():
        return None
    asked = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    given = {name: value for name, value in settings.items() if name != "sources"}
    try:
        with ContainerReader(target) as reader:
            how = reader.meta.get("settings")
            if reader.meta.get("kind") != MODEL_KIND or not isinstance(how, dict):
                return Redo("it was no model")
            # Which files it was trained on does not matter: more files of a kind shall not cost all archives there are.
            if how.get("digest") != settings_digest(asked | given):
                return Redo("the settings are others now")
            for _ in reader.check():
                pass
            return {"model_bytes": reader.size}
    except (HepbalerError, OSError) as error:
        return Redo(f"the model was damaged: {error}")


def decompress(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    """Make a ROOT file, and a record of it."""
    from hepbaler import decompressing
    from hepbaler.provenance import file_fingerprint, settings_digest

    del threads  # has none
    # Before, so that an archive that is replaced meanwhile is not taken for the one that was read.
    fingerprint = file_fingerprint(source)
    report = decompressing.decompress(source, target, force=replace, progress=progress, **settings)
    result = {
        "archive_bytes": report.archive_bytes,
        "target_bytes": report.target_bytes,
        "notes": [f"tree {tree.path} is not written: {tree.not_written}" for tree in report.trees if tree.not_written]
        + [
            f"{tree.path}:{branch.branch} is not written: {branch.reason}"
            for tree in report.trees
            for branch in tree.missing
        ]
        + [
            f"{path} ({classname}) is not written: {reason}"
            for path, classname, reason in (report.objects.missing if report.objects is not None else ())
        ],
    }
    write_record(
        Path(report.target),
        {
            "source": fingerprint,
            "settings": settings_digest(settings),
            "target": content_digest(Path(report.target)),
            "result": result,
        },
    )
    return result


def find_root_file(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:
    """Whether there is a ROOT file of this very archive, made in this very way, and unchanged."""
    from hepbaler.provenance import file_fingerprint, settings_digest

    if target is None or not Path(target).exists():
        return None
    record = read_record(Path(target))
    if record is None:
        # Somebody else's file.
        return None
    if record.get("settings") != settings_digest(settings):
        return Redo("the settings are others now")
    now = file_fingerprint(source)
    if now is None or record.get("source") != now:
        return Redo("the archive has changed")
    if record.get("target") != content_digest(Path(target)):
        return Redo("the ROOT file was changed or damaged")
    result = record.get("result")
    return result if isinstance(result, dict) else {}
