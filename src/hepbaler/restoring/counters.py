"""Which branch tells the counts of which lists.

A TTree keeps a list as the list's values and a counter branch (``Jet_pt[nJet]``); lists of the same counts share one.
The source says which branch that was (`Branch.count_branch`), or it is proved by content (`TreeSchema.same_as`).
Sources without counters (``std::vector``, RNTuple) get new ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hepbaler.restoring.report import Difference
from hepbaler.table import Values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from hepbaler.restoring.leaves import Leaf
    from hepbaler.table import Branch

__all__ = ("ListGroup", "group_lists")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ListGroup:
    """Lists that share a counter.

    Attributes
    ----------
    counter
        Name of the counter branch in the file.
    leaves
        The lists' leaves, in the order of the source.
    source
        The source's branch that the counter brings back; `None` where the counter is new.
    """

    counter: str
    leaves: tuple[Leaf, ...]
    source: Branch | None = None


def group_lists(
    branches: Sequence[Branch],
    leaves: Sequence[Leaf],
    same_as: Mapping[str, str],
    distrusted: Collection[str] = (),
) -> tuple[tuple[ListGroup, ...], tuple[Difference, ...]]:
    """Find counters for all lists.

    Parameters
    ----------
    branches, leaves
        Of one tree.
    same_as
        Columns that are known to hold the same values everywhere, as in `hepbaler.table.TreeSchema`.
    distrusted
        Names of branches whose lists must not share a counter with others, nor bring back the source's: their
        counts were found to be other than those of the branch that should tell them.

    Returns
    -------
    groups
        Each list in exactly one of them; counter names are unique, and new ones collide with no leaf.
    differences
        Of counters.
    """
    scalars = {branch.layout.column: branch for branch in branches if _is_counter_like(branch)}
    by_name = {branch.name: branch for branch in branches}
    members: dict[tuple[str, str], list[Leaf]] = {}
    for leaf in leaves:
        if leaf.counts is not None:
            members.setdefault(_group_of(leaf, by_name, scalars, same_as, distrusted), []).append(leaf)
    taken = {leaf.name for leaf in leaves}
    groups: list[ListGroup] = []
    differences: list[Difference] = []
    for (origin, key), group in members.items():
        source = by_name.get(key) if origin == "branch" and _is_counter_like(by_name.get(key)) else None
        if source is not None:
            counter = next(leaf.name for leaf in leaves if leaf.branch == source.name)
        elif origin == "branch" and key not in taken:
            counter = key
        else:
            counter = _free_counter(group, taken)
        taken.add(counter)
        groups.append(ListGroup(counter, tuple(group), source))
        differences += _differences(groups[-1], by_name, distrusted)
    return tuple(groups), tuple(differences)


def _is_counter_like(branch: Branch | None) -> bool:
    return branch is not None and isinstance(branch.layout, Values) and branch.layout.dtype.lstrip("u").startswith("int")


def _group_of(
    leaf: Leaf,
    by_name: Mapping[str, Branch],
    scalars: Mapping[str, Branch],
    same_as: Mapping[str, str],
    distrusted: Collection[str],
) -> tuple[str, str]:
    counts = leaf.counts or ""
    if leaf.branch in distrusted:
        return "alone", counts
    shared = same_as.get(counts, counts)
    claimed = by_name[leaf.branch].count_branch
    # two columns may both be the same as a third, so proof runs over the column that is stored
    proven = [branch for column, branch in scalars.items() if same_as.get(column, column) == shared]
    if proven and not any(branch.name == claimed for branch in proven):
        return "branch", proven[0].name
    if claimed is not None:
        return "branch", claimed
    return "counts", shared


def _free_counter(group: Sequence[Leaf], taken: Collection[str]) -> str:
    names = [leaf.name for leaf in group]
    base = names[0]
    if len(names) > 1:
        common = os.path.commonprefix(names)
        base = common[: max(common.rfind("_"), common.rfind("."))].rstrip("_.") or names[0]
    return next(name for name in _candidates(base) if name not in taken)


def _candidates(base: str) -> Iterator[str]:
    yield f"n{base}"
    yield f"n{base}_counts"
    number = 2
    while True:
        yield f"n{base}_counts_{number}"
        number += 1


def _differences(
    group: ListGroup, by_name: Mapping[str, Branch], distrusted: Collection[str]
) -> Iterator[Difference]:
    if group.source is not None and group.source.typename != "int32_t":
        reason = "uproot writes counters as int32_t"
        yield Difference(group.source.name, "type", group.source.typename, "int32_t", reason)
    if group.source is not None:
        return
    for name in dict.fromkeys(leaf.branch for leaf in group.leaves):
        claimed = by_name[name].count_branch
        if claimed is None:
            if name == group.leaves[0].branch:
                yield Difference(name, "added", "", group.counter, "a TTree needs a counter for its lists")
        elif name in distrusted:
            reason = f"the values of {claimed} are not the counts of this branch; both are kept as they are"
            yield Difference(name, "counter", claimed, group.counter, reason)
        elif group.counter == claimed:
            if name == group.leaves[0].branch:
                yield Difference(name, "added", "", claimed, "the counter that the source names is not among the branches")
        else:
            reason = f"{claimed} is not among the branches as an integer a row"
            yield Difference(name, "counter", claimed, group.counter, reason)
