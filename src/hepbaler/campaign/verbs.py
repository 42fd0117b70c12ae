"""How each verb treats one file of many, and how it knows that there is nothing left to do.

A product is looked at, not a list of what was done: an archive says from which file and how it was made, and its checksums
whether it is whole. So a run that was killed, a file that was replaced and a disk that lost a block are all seen. A ROOT file
cannot say that; beside it there is a record (records.py). Reports of `verify` and `evaluate` are their own records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hepbaler.campaign import checking, making
from hepbaler.campaign.records import Redo

__all__ = ("VERBS", "Verb")

Settings = Mapping[str, Any]


def __dir__() -> tuple[str, ...]:
    return __all__


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
    do: Callable[[str, str | None, Settings, bool, int | None, Any], Mapping[str, Any]]


VERBS: Mapping[str, Verb] = {
    "compress": Verb(making.find_archive, making.compress),
    "decompress": Verb(making.find_root_file, making.decompress),
    "evaluate": Verb(checking.find_evaluation, checking.evaluate),
    "train": Verb(making.find_model, making.train),
    "verify": Verb(checking.find_verification, checking.verify),
}
