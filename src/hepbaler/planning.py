"""`hepbaler plan`: every branch of a file with the precision found in it and its bound, ready to edit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from .bounds import ColumnFacts, Plan, PlanLine, write_plan
from .layouts import columns_of
from .pipeline import CLUSTER_BYTES, select_trees
from .reading import SourceTree, open_source
from .scanning import read_columns

__all__ = ("make_plan",)

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


def make_plan(
    source: str | os.PathLike[str],
    plan: Plan | None = None,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    progress: Progress | None = None,
) -> str:
    """Write down the bounds of every branch.

    Parameters
    ----------
    source
        A ROOT file, or one of its trees.
    plan
        Bounds to start from.
    keep, drop
        Globs on branch names.
    progress
        Called as ``(phase, done, total)``.

    Returns
    -------
    str
        TOML for ``hepbaler compress --plan``.

    Raises
    ------
    InputError
        If the file cannot be read, or a rule of `plan` matches no branch.
    """
    plan = plan or Plan()
    lines = []
    with open_source(str(source)) as opened:
        trees, _ = select_trees(opened, keep, drop, plan)
        for tree in trees:
            lines += _lines(tree, plan, progress)
    return write_plan(lines)


def _lines(tree: SourceTree, plan: Plan, progress: Progress | None) -> list[PlanLine]:
    columns = {branch.name: columns_of(branch) for branch in tree.branches}
    facts = {column.key: ColumnFacts(column.dtype) for found in columns.values() for column in found}
    for start, stop in tree.clusters(CLUSTER_BYTES):
        for key, values in read_columns(tree, start, stop).items():
            facts[key].update(values)
        if progress is not None:
            progress("scan", stop, tree.num_entries)
    lines = []
    for branch in tree.branches:
        found = columns[branch.name]
        # Of a branch with several leaves the first float speaks, for only floats have a choice.
        floats = [column for column in found if column.dtype.startswith("float")]
        leaves = [column for column in found if column.role in ("values", "text")]
        speaker = (floats or leaves or list(found))[0]
        bound = plan.bound_for(branch.name, speaker.dtype, speaker.role, tree=tree.path)
        lines.append(PlanLine(tree.path, branch.name, branch.typename, facts[speaker.key].describe(), bound))
    return lines
