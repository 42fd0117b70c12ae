"""The files on which one model for all is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hepbaler.bounds import Plan
from hepbaler.errors import HepbalerError, InputError
from hepbaler.pipeline import select_trees
from hepbaler.reading import open_source

__all__ = ("SAMPLE_FILES", "SAMPLE_READ_BYTES", "choose_sample")

# Enough to see how files of a kind differ, and few enough to be open together.
SAMPLE_FILES = 32
# As plain arrays; a model sees a tenth of it at most.
SAMPLE_READ_BYTES = 1_000_000_000


def __dir__() -> tuple[str, ...]:
    return __all__


def choose_sample(sources: Sequence[str], settings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Choose files at even distances, and of these the largest group with the same trees and branches.

    Parameters
    ----------
    sources
        All files.
    settings
        Of `hepbaler.train`; `plan`, `keep` and `drop` choose the branches.

    Returns
    -------
    chosen, notes
        The files, and what has to be said of those that are left out.

    Raises
    ------
    InputError
        None of the files can be read.
    """
    n = min(len(sources), SAMPLE_FILES)
    groups: dict[object, list[str]] = {}
    notes: list[str] = []
    for path in (sources[i * len(sources) // n] for i in range(n)):
        try:
            groups.setdefault(_shape(path, settings), []).append(path)
        except HepbalerError as error:
            notes.append(f"the shared model is trained without {path}: {error}")
    if not groups:
        msg = f"no file can be read to train a shared model; the first: {notes[0]}"
        raise InputError(msg)
    chosen = max(groups.values(), key=len)
    notes += [
        f"the shared model is trained without {path}: its branches are not those of {chosen[0]}"
        for group in groups.values()
        if group is not chosen
        for path in group
    ]
    return chosen, notes


def _shape(path: str, settings: Mapping[str, Any]) -> tuple[object, ...]:
    """What has to be the same in files that are trained on together."""
    with open_source(path) as opened:
        plan = settings.get("plan") or Plan()
        trees, left_out = select_trees(opened, settings.get("keep", ()), settings.get("drop", ()), plan)
        if left_out and not settings.get("skip_unreadable"):
            msg = f"{left_out[0]} cannot be carried"
            raise InputError(msg)
        return tuple(
            (tree.path, frozenset((branch.name, repr(branch.layout)) for branch in tree.branches)) for tree in trees
        )
