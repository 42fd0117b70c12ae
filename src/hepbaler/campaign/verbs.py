"""How each verb treats one file of many, and how it knows that there is nothing left to do.

A product is looked at, not a list of what was done: an archive says from which file and how it was made, and its checksums
whether it is whole. So a run that was killed, a file that was replaced and a disk that lost a block are all seen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepbaler.errors import HepbalerError

__all__ = ("VERBS", "Redo", "Verb")

Progress = Callable[[str, int, int], None]
Settings = Mapping[str, Any]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Redo:
    """There is a product, and it has to be made again.

    Attributes
    ----------
    reason
        Half a sentence: what is not as it should be.
    """

    reason: str


@dataclass(frozen=True)
class Verb:
    """What a verb means for one file.

    Attributes
    ----------
    find
        ``(source, target, settings)``: the report of what is there and still good, `Redo` where it has to be made again, None where
        there is nothing, or nothing that was made by hepbaler.
    do
        ``(source, target, settings, replace, threads, progress)``: do it, and report as plain data.
    """

    find: Callable[[str, str | None, Settings], Mapping[str, Any] | Redo | None]
    do: Callable[[str, str | None, Settings, bool, int | None, Progress | None], Mapping[str, Any]]


def _compress(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    from hepbaler.pipeline import compress

    return compress(source, target, force=replace, jobs=threads, progress=progress, **settings).to_dict()


def _find_archive(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:
    from hepbaler.archive import ARCHIVE_KIND
    from hepbaler.container import ContainerReader
    from hepbaler.pipeline import compress
    from hepbaler.provenance import file_fingerprint, settings_digest
    from hepbaler.reading import split_input
    from hepbaler.required import FEATURES

    if target is None or not Path(target).exists():
        return None
    file, tree = split_input(source)
    asked = {name: parameter.default for name, parameter in inspect.signature(compress).parameters.items()}
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


VERBS: Mapping[str, Verb] = {
    "compress": Verb(_find_archive, _compress),
}
