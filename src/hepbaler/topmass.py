"""`hepbaler analyse`: the top mass in two files of the same events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .analysis.candidates import Candidates, Selection, find_channel, resolve_branches, without_truth
from .analysis.masses import MassComparison, compare_masses
from .errors import ColumnNotFound
from .pairing import EventFile, TreePair, pair_trees

if TYPE_CHECKING:
    import os

    from .analysis.candidates import Channel
    from .analysis.settings import FitSettings

__all__ = ("TopMassReport", "analyse")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TopMassReport:
    """What `analyse` found.

    Attributes
    ----------
    before, after
        The files.
    tree, channel, label, branches
        What was looked at, its axis label, and the branch of each role.
    selection
        The cuts.
    masses
        Fits, shifts and spectra.
    """

    before: str
    after: str
    tree: str
    channel: str
    label: str
    branches: dict[str, str]
    selection: Selection
    masses: MassComparison

    @property
    def ok(self) -> bool:
        """Whether both fits may be used."""
        return self.masses.ok

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "tree": self.tree,
            "channel": self.channel,
            "branches": self.branches,
            "selection": vars(self.selection),
            **self.masses.to_dict(),
        }


def analyse(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    *,
    channel: str = "genjet",
    branches: Mapping[str, str] | None = None,
    tree: str | None = None,
    truth: bool = True,
    selection: Selection | None = None,
    fit: FitSettings | None = None,
    replicas: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> TopMassReport:
    """Fit the top mass in both files, and find the shift with its paired error.

    Parameters
    ----------
    before, after
        ROOT files or archives of the same events, in any mix.
    channel
        ``"genjet"``, ``"boosted"`` or ``"resolved"``.
    branches
        Branch of a role where it has not NanoAOD's name: ``{"mass": "GenJet_p4_fM"}``.
    tree
        The tree, where the first one that has the branches is not meant.
    truth
        Whether ``resolved`` matches jets to generated quarks where the file has them.
    selection, fit
        Cuts, and window and model of the fit; by default the channel's own.
    replicas, seed
        Of the paired bootstrap.
    progress
        Called with what is done, how much is, and how much there is.

    Raises
    ------
    InputError
        The files are not of the same events, or there is no such channel.
    ColumnNotFound
        A branch does not exist.
    """
    how = find_channel(channel)
    if not truth:
        how = without_truth(how)
    cuts = selection if selection is not None else how.selection
    with EventFile(before) as first, EventFile(after) as second:
        pair, roles = _tree_with(how, pair_trees(first, second, tree), dict(branches or {}))
        if "gen_pdg_id" in roles:
            how = replace(how, label=f"{how.label.removesuffix(' [GeV]')}, matched to quarks [GeV]")
        candidates = _candidates(how, pair, roles, cuts, progress)
        masses = compare_masses(*candidates, fit or how.fit, replicas=replicas, seed=seed, progress=progress)
        return TopMassReport(first.path, second.path, pair.path, how.name, how.label, roles, cuts, masses)


def _tree_with(channel: Channel, pairs: list[TreePair], branches: dict[str, str]) -> tuple[TreePair, dict[str, str]]:
    """The first tree that has the branches."""
    errors = []
    for pair in pairs:
        try:
            return pair, resolve_branches(channel, pair.names, branches)
        except ColumnNotFound as error:
            errors.append(error)
    # The tree with most branches is the one that was meant.
    raise errors[max(range(len(pairs)), key=lambda i: len(pairs[i].names))]


def _candidates(
    channel: Channel, pair: TreePair, roles: dict[str, str], cuts: Selection, progress: Progress | None
) -> tuple[Candidates, Candidates]:
    parts: tuple[list[Candidates], list[Candidates]] = ([], [])
    names = list(dict.fromkeys(roles.values()))
    for start, stop in pair.steps():
        for part, arrays in zip(parts, pair.arrays(start, stop, names), strict=True):
            part.append(channel.find({role: arrays[name] for role, name in roles.items()}, cuts, start))
        if progress is not None:
            progress("read", stop, pair.before.num_entries)
    return Candidates.join(parts[0]), Candidates.join(parts[1])
