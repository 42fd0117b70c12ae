"""Which branch tells the counts of which lists.

A TTree keeps a list as the list's values and a counter branch (``Jet_pt[nJet]``); lists of the same counts share one.
The source says which branch that was (`Branch.count_branch`), or it is proved by content (`TreeSchema.same_as`).
Sources without counters (``std::vector``, RNTuple) get new ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

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

    @property
    def dtype(self) -> str:
        """Of the counter."""
        layout = None if self.source is None else self.source.layout
        return layout.dtype if isinstance(layout, Values) else "int32"


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
    scalars = {
        branch.layout.column: branch
        for branch in branches
        if isinstance(branch.layout, Values) and _is_counter_like(branch)
    }
    by_name = {branch.name: branch for branch in branches}
    members: dict[tuple[str, str], list[Leaf]] = {}
    for leaf in leaves:
        if leaf.counts is not None and not (leaf.streamed and leaf.branch in distrusted):
            members.setdefault(_group_of(leaf, by_name, scalars, same_as, distrusted), []).append(leaf)
    taken = {leaf.name for leaf in leaves}
    groups: list[ListGroup] = []
    differences: list[Difference] = []
    for (origin, key), group in members.items():
        source = by_name.get(key) if origin == "branch" else None
        if _is_counter_like(source):
            counter = next(leaf.name for leaf in leaves if leaf.branch == source.name)
        elif origin == "branch" and key not in taken and ("/" not in key or _is_in(group[0], key)):
            counter = key
        else:
            counter = _free_counter(group, taken)
        taken.add(counter)
        groups.append(ListGroup(counter, tuple(group), source if _is_counter_like(source) else None))
        differences += _differences(groups[-1], by_name, distrusted)
    return tuple(groups), tuple(differences)


def _is_in(leaf: Leaf, name: str) -> bool:
    """Whether a leaf is in the group of this name, however deep."""
    group = leaf.group
    while group is not None and group.name != name:
        group = group.parent
    return group is not None


def _claimed(branch: Branch, by_name: Mapping[str, Branch]) -> str | None:
    """Name of the branch that the source says to hold the counts; a short name is meant within the same parent."""
    claimed = branch.count_branch
    if claimed is None or claimed in by_name:
        return claimed
    sibling = branch.name.rpartition("/")[0] + f"/{claimed}"
    return sibling if sibling in by_name else claimed


def _is_counter_like(branch: Branch | None) -> TypeGuard[Branch]:
    return (
        branch is not None
        and isinstance(branch.layout, Values)
        and branch.layout.dtype.removeprefix("u").startswith("int")
    )


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
    claimed = _claimed(by_name[leaf.branch], by_name)
    # two columns may both be the same as a third, so proof runs over the column that is stored
    proven = [branch for column, branch in scalars.items() if same_as.get(column, column) == shared]
    if claimed is not None and (claimed not in by_name or _is_counter_like(by_name[claimed])):
        return "branch", claimed
    for branch in proven:
        if _is_named_after(branch.name, leaf.name):
            return "branch", branch.name
    return "counts", f"{shared} {_collection(leaf.name)}"


def _collection(name: str) -> str:
    """``Jet`` of ``Jet_pt``, ``AnalysisJetsAuxDyn`` of ``AnalysisJetsAuxDyn.pt``."""
    return name.partition("." if "." in name else "_")[0]


def _is_named_after(counter: str, name: str) -> bool:
    """Whether a counter is called as that of a list is: in a small file, other integers have the same values by chance."""
    short = counter.rpartition("/")[2].lower()
    collection = short.removeprefix("n").strip("_") if short.startswith("n") else short.removesuffix("_n")
    return collection not in ("", short) and name.lower().startswith(collection)


def _free_counter(group: Sequence[Leaf], taken: Collection[str]) -> str:
    names = [leaf.name for leaf in group]
    base = names[0]
    if len({leaf.branch for leaf in group}) == 1 and not group[0].streamed:
        # members of the elements of one list: the list's own name is what comes before theirs
        steps = group[0].steps
        inside = steps[steps.index(("list",)) :]
        base = base.rsplit(".", sum(step[0] == "field" for step in inside))[0]
    else:
        same = next((i for i, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), len(base))
        end = max(base.rfind("_", 0, same), base.rfind(".", 0, same))
        base = base[: max(end, 0)].rstrip("_.") or base
    base = base.replace("/", ".")
    return next(name for name in _candidates(base) if name not in taken)


def _candidates(base: str) -> Iterator[str]:
    yield f"n{base}"
    yield f"n{base}_counts"
    number = 2
    while True:
        yield f"n{base}_counts_{number}"
        number += 1


def _differences(group: ListGroup, by_name: Mapping[str, Branch], distrusted: Collection[str]) -> Iterator[Difference]:
    if group.source is not None:
        return
    for name in dict.fromkeys(leaf.branch for leaf in group.leaves):
        claimed = _claimed(by_name[name], by_name)
        if claimed is None or (claimed in by_name and not _is_counter_like(by_name[claimed])):
            if name == group.leaves[0].branch:
                yield Difference(name, "added", "", group.counter, "a TTree needs a counter for its lists")
        elif name in distrusted:
            reason = f"the values of {claimed} are not the counts of this branch; both are kept as they are"
            yield Difference(name, "counter", claimed, group.counter, reason)
        elif group.counter != claimed:
            yield Difference(name, "counter", claimed, group.counter, f"the name {claimed!r} is taken in the new tree")
        elif name == group.leaves[0].branch:
            reason = "the counter that the source names is not among the branches, and a TTree needs it"
            yield Difference(name, "added", "", claimed, reason)
