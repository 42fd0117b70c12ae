"""From a ROOT file: its trees seen through a cut, so that what reads trees reads the chosen entries alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnreadableBranches
from ..layouts import columns_of, flatten, unflatten
from ..pipeline import CLUSTER_BYTES, cannot_carry, compress
from ..reading import Source, SourceTree
from ..restoring import RootWriter
from .choosing import Chosen, choose, tree_of_cuts
from .gathering import Gathered
from .job import Job
from .reports import SkimReport

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("chosen_entries", "compress_root", "skim_root")


def __dir__() -> tuple[str, ...]:
    return __all__


def chosen_entries(tree: SourceTree, chosen: Chosen) -> SourceTree:
    """The tree as if it held the chosen entries only."""
    return replace(tree, num_entries=chosen.num_entries, reader=_ChosenReader(tree, chosen))


class _ChosenReader:
    """Reads ranges of the tree one after the other, and keeps of each what was chosen."""

    def __init__(self, tree: SourceTree, chosen: Chosen) -> None:
        self._tree = tree
        self._chosen = chosen
        self._starts = chosen.starts()
        self._branches = {branch.name: branch for branch in tree.branches}

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """As `TreeReader.read`; entries count the chosen ones."""
        columns = [column for name in names for column in columns_of(self._branches[name])]
        gathered = Gathered(columns)
        number = max(bisect_right(self._starts, start) - 1, 0)
        while number < len(self._chosen.ranges) and self._starts[number] < stop:
            first, last = max(start - self._starts[number], 0), stop - self._starts[number]
            places = np.flatnonzero(self._chosen.mask(number))[first:last]
            if len(places):
                begin, end = self._chosen.ranges[number]
                mask = np.zeros(end - begin, np.bool_)
                mask[places] = True
                arrays = self._tree.reader.read(names, begin, end)
                flat: dict[str, Any] = {}
                for name in names:
                    flat |= flatten(self._branches[name].layout, arrays.pop(name))
                gathered.add(flat, mask)
            number += 1
        taken, n_entries = gathered.take()
        return {name: unflatten(self._branches[name].layout, taken, n_entries) for name in names}

    def borders(self, names: Sequence[str]) -> list[int]:  # noqa: ARG002 - as the protocol has it
        """Entries at which the ranges of the first look begin."""
        return self._starts

    def uncompressed_bytes(self, names: Sequence[str]) -> int:
        """In proportion to the entries."""
        total = self._tree.reader.uncompressed_bytes(names)
        return total * self._chosen.num_entries // max(self._tree.num_entries, 1)


def skim_root(job: Job, opened: Source, rntuple: bool | None, compression: str, skip_unreadable: bool) -> SkimReport:
    """From a ROOT file to a ROOT file; the arguments are those of `skim`."""
    trees = {tree.path: tree for tree in opened.trees}
    cut_tree = tree_of_cuts(job.cuts, {p: [b.name for b in t.branches] for p, t in trees.items()}, job.source, job.tree)
    selected = opened.select(job.keep, job.drop) if job.keep or job.drop else opened.trees
    objects, objects_left = opened.copy_objects()
    left_out = [f"{left.name} ({left.classname}): {left.reason}" for left in objects_left]
    left_out += [f"{t.path}:{one.name} ({one.typename}): {one.reason}" for t in selected for one in t.unreadable]
    if left_out and not skip_unreadable:
        raise UnreadableBranches(cannot_carry(job.source, left_out))
    counts, written, flow = {}, [], None
    with RootWriter(job.out, compression=compression, rntuple=rntuple) as writer:
        if objects:
            writer.write_objects(objects)
        for tree in selected:
            seen = tree
            if tree.path == cut_tree and job.cuts:
                flow = _chosen_of_root(job, trees[tree.path])
                seen = chosen_entries(tree, flow)
            clusters = seen.clusters(CLUSTER_BYTES)
            arrays = (seen.read(start, stop) for start, stop in clusters)
            written.append(
                writer.write_tree(tree.path, tree.title, tree.branches, arrays, seen.num_entries, kind=tree.kind)
            )
            counts[tree.path] = tree.num_entries, seen.num_entries, len(tree.branches)
    return job.report(
        opened.size, counts, cut_tree, flow, written=tuple(written), notes=opened.notes, left_out=tuple(left_out)
    )


def compress_root(
    job: Job, settings: Mapping[str, Any], *, skip_unreadable: bool, force: bool, jobs: int | None
) -> SkimReport:
    """From a ROOT file to an archive, without another file between: `compress` sees the trees through the cut.

    Parameters
    ----------
    settings
        Arguments of `hepbaler.compress`.
    """
    counts: dict[str, tuple[int, int, int]] = {}
    flow: Chosen | None = None
    cut_tree: str | None = None

    def view(opened: Source, trees: Sequence[SourceTree]) -> tuple[list[SourceTree], dict[str, Any], list[str]]:
        nonlocal flow, cut_tree
        whole = {tree.path: tree for tree in opened.trees}
        names = {path: [branch.name for branch in tree.branches] for path, tree in whole.items()}
        cut_tree = tree_of_cuts(job.cuts, names, job.source, job.tree)
        out, before = [], 0
        for tree in trees:
            seen = tree
            if tree.path == cut_tree and job.cuts:
                flow, before = _chosen_of_root(job, whole[tree.path]), tree.num_entries
                seen = chosen_entries(tree, flow)
            counts[tree.path] = tree.num_entries, seen.num_entries, len(tree.branches)
            out.append(seen)
        return out, job.settings(), [job.note(cut_tree, before, flow)]

    made = compress(
        job.source,
        job.out,
        keep=job.keep,
        drop=job.drop,
        skip_unreadable=skip_unreadable,
        force=force,
        jobs=jobs,
        progress=job.tell,
        view=view,
        **settings,
    )
    return job.report(
        made.source_bytes, counts, cut_tree, flow, notes=made.notes, left_out=made.left_out, compressed=made
    )


def _chosen_of_root(job: Job, tree: SourceTree) -> Chosen:
    return choose(
        lambda names, start, stop: tree.read(start, stop, list(names)),
        tree.clusters(CLUSTER_BYTES),
        job.cuts,
        [branch.name for branch in tree.branches],
        (job.source, tree.path),
        lambda done: job.tell("cut", done, tree.num_entries),
    )
