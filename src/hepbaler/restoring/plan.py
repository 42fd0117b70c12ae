"""How the branches of one tree become the leaves and counters of a TTree, and their values with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepbaler.errors import OutputError
from hepbaler.layouts import flatten, unflatten
from hepbaler.restoring.arrays import counts_of, elements, leaf_values, slice_rows
from hepbaler.restoring.counters import group_lists
from hepbaler.restoring.leaves import leaves_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hepbaler.restoring.counters import ListGroup
    from hepbaler.restoring.leaves import Leaf, Step
    from hepbaler.restoring.report import Difference
    from hepbaler.table import Branch, Layout

__all__ = ("TreePlan", "basket_sized", "branches_by_path", "common_length", "plan_tree")


def __dir__() -> tuple[str, ...]:
    return __all__


# uproot holds several copies of a basket while it writes, and refuses one of 2 GiB.
_MAX_BASKET_BYTES = 1 << 28
_REFUSED_BASKET_BYTES = (1 << 31) - (1 << 16)


@dataclass(frozen=True)
class TreePlan:
    """What `plan_tree` decided.

    Attributes
    ----------
    branches, same_as, distrusted, objects
        What it was decided from.
    leaves, groups, differences
        What will be in the file, and in what that is not the source.
    """

    branches: tuple[Branch, ...]
    same_as: Mapping[str, str]
    distrusted: frozenset[str]
    leaves: tuple[Leaf, ...]
    groups: tuple[ListGroup, ...]
    differences: tuple[Difference, ...]
    objects: Mapping[str, str] | None = None

    def values(self, cluster: Mapping[str, ak.Array]) -> dict[str, Any]:
        """Leaf name -> content, for the arrays of a cluster.

        Raises
        ------
        OutputError
            If a branch is missing, or not as its layout says, or of another length.
        """
        missing = [leaf.branch for leaf in self.leaves if leaf.branch not in cluster]
        if missing:
            msg = f"the cluster has no array for branch {missing[0]!r}; it has {sorted(cluster)[:8]}"
            raise OutputError(msg)
        common_length({leaf.branch: cluster[leaf.branch] for leaf in self.leaves})
        return {leaf.name: leaf_values(self._canonical(cluster[leaf.branch], leaf), leaf) for leaf in self.leaves}

    def _canonical(self, array: ak.Array, leaf: Leaf) -> ak.Array:
        """The array of objects made of the nodes of its layout alone."""
        if not leaf.streamed:
            return array
        layout = self._layouts[leaf.branch]
        return unflatten(layout, flatten(layout, array), len(array))

    @cached_property
    def _layouts(self) -> dict[str, Layout]:
        return {branch.name: branch.layout for branch in self.branches}

    def strangers(self, values: Mapping[str, Any]) -> frozenset[str]:
        """Names of branches whose counts are other than those of the counter they were given."""
        found = set()
        for group in self.groups:
            names = [leaf.name for leaf in group.leaves]
            told = elements(values[group.counter]) if group.source is not None else counts_of(values[names[0]])
            strange = {leaf.branch for leaf in group.leaves if not np.array_equal(counts_of(values[leaf.name]), told)}
            found |= strange
        return frozenset(found)

    def without(self, strangers: frozenset[str]) -> TreePlan:
        """The plan in which these branches have counters of their own."""
        return plan_tree(self.branches, self.same_as, self.distrusted | strangers, self.objects)

    def read_back(self, tree: Any, start: int, stop: int) -> dict[str, Any]:
        """`values` of entries that are in a file already, from an uproot tree that this class planned."""
        branches = branches_by_path(tree)
        values = {}
        for leaf in self.leaves:
            array = branches[leaf.name].array(entry_start=start, entry_stop=stop)
            if leaf.streamed:
                values[leaf.name] = leaf_values(self._canonical(array, leaf), leaf)
                continue
            steps: tuple[Step, ...] = (("text",),)
            if not leaf.text:
                array = ak.values_astype(array, leaf.dtype)
                dims: tuple[Step, ...] = tuple(("regular", size) for size in leaf.shape)
                steps = (("list",), *dims) if leaf.counts is not None else dims
            values[leaf.name] = leaf_values(array, replace(leaf, steps=steps))
        return values


def plan_tree(
    branches: Sequence[Branch],
    same_as: Mapping[str, str],
    distrusted: frozenset[str] = frozenset(),
    objects: Mapping[str, str] | None = None,
) -> TreePlan:
    """Decide about leaves and counters; see `leaves_of` and `group_lists`."""
    leaves, of_leaves = leaves_of(branches, objects)
    groups, of_counters = group_lists(branches, leaves, same_as, distrusted)
    # a counter replaces its source's own leaf, so what was said of that leaf's type is not so
    counters = {group.source.name for group in groups if group.source is not None}
    differences = [one for one in of_leaves if one.kind != "type" or one.branch not in counters]
    place = {branch.name: position for position, branch in enumerate(branches)}
    differences = sorted([*differences, *of_counters], key=lambda one: place[one.branch])
    return TreePlan(tuple(branches), same_as, distrusted, leaves, groups, tuple(differences), objects)


def branches_by_path(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Uproot's TBranches by full path; a path that leads to several of them leads to the first."""
    found: dict[str, Any] = {}
    for branch in tree.branches:
        path = prefix + branch.name
        found.setdefault(path, branch)
        for name, one in branches_by_path(branch, f"{path}/").items():
            found.setdefault(name, one)
    return found


def common_length(arrays: Mapping[str, Any]) -> int:
    """Length of all `arrays`.

    Raises
    ------
    OutputError
        If they differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        (one, rows), (other, other_rows) = min(lengths.items(), key=_second), max(lengths.items(), key=_second)
        msg = f"the branches of a cluster differ in length: {one!r} has {rows} entries, {other!r} has {other_rows}"
        raise OutputError(msg)
    return next(iter(lengths.values()), 0)


def _second(item: tuple[str, int]) -> int:
    return item[1]


def basket_sized(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Cut a cluster so that no leaf's basket is too large for ROOT; most clusters come out whole.

    Raises
    ------
    OutputError
        If a single entry is too large.
    """
    rows = common_length(values)
    largest = max(values, key=lambda name: _num_bytes(values[name]))
    size = _num_bytes(values[largest])
    if size <= _MAX_BASKET_BYTES or (rows == 1 and size < _REFUSED_BASKET_BYTES):
        if rows:
            yield dict(values)
        return
    if rows == 1:
        msg = f"one entry of {largest!r} has {size} bytes, and a basket of a ROOT file holds less than 2 GiB"
        raise OutputError(msg)
    half = rows // 2
    for start, stop in ((0, half), (half, rows)):
        yield from basket_sized({name: slice_rows(content, start, stop) for name, content in values.items()})


def _num_bytes(content: Any) -> int:
    try:
        numbers = elements(content)
    except AttributeError:
        # objects: their numbers are in several arrays
        return int(content.nbytes)
    offsets = 4 * (len(content) + 1) if isinstance(content, ak.contents.ListOffsetArray) else 0
    return int(numbers.nbytes) + offsets
