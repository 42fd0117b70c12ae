"""What a ROOT file of an archive's trees would look like, told from the header alone."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.archive import Archive
from hepbaler.header import TreeHeader
from hepbaler.restoring.baskets import text_bytes
from hepbaler.restoring.plan import TreePlan, plan_tree
from hepbaler.restoring.skeleton import AnnouncedTree, Skeleton, build_skeleton
from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, Values
from hepbaler.tree import Tree

if TYPE_CHECKING:
    from hepbaler.restoring.counters import ListGroup
    from hepbaler.restoring.leaves import Leaf, Step

__all__ = ("announced_tree", "leaf_layout", "proven_plan", "skeleton_of")

# Strings shorter than this have their length in one byte.
_LONG_TEXT = 255


def __dir__() -> tuple[str, ...]:
    return __all__


def skeleton_of(archive: Archive) -> Skeleton:
    """The file without its baskets; its trees are numbered as in `Archive.trees`.

    Nothing is decoded but the lengths of long strings, which a file cannot do without.

    Raises
    ------
    OutputError
        If the archive holds what one ROOT file cannot hold.
    FormatError
        If the archive is damaged.
    """
    trees = [announced_tree(tree) for tree in archive.trees.values()]
    return build_skeleton(trees, archive.objects_file(), uuid.UUID(bytes=archive.reader.fingerprint))


def announced_tree(tree: Tree) -> AnnouncedTree:
    """A tree as `build_skeleton` wants it: one basket a cluster."""
    header = tree.header
    plan = proven_plan(header)
    layouts = {branch.name: branch.layout for branch in header.schema.branches}
    elements = {leaf.name: _elements(tree, leaf, layouts[leaf.branch]) for leaf in plan.leaves}
    return AnnouncedTree(tree.object_path, tree.title, plan, header.borders, elements)


def proven_plan(header: TreeHeader) -> TreePlan:
    """Leaves and counters as `decompress` finds them, without a look at the values.

    `decompress` believes what the source says of counters until values contradict. Here the header decides: columns
    that held the same values everywhere were written as one, and others do not.
    """
    schema = header.schema
    plan = plan_tree(schema.branches, schema.same_as)
    while header.n_clusters:
        strangers = frozenset(
            leaf.branch for group in plan.groups for leaf in group.leaves if not _is_counted_by(header, leaf, group)
        )
        if strangers <= plan.distrusted:
            return plan
        plan = plan.without(strangers)
    return plan


def leaf_layout(layout: Layout, steps: Sequence[Step]) -> Layout:
    """The part of a branch that a leaf is made of."""
    if not steps or steps[0] == ("mask",):
        return layout
    step, rest = steps[0], steps[1:]
    if isinstance(layout, RecordLayout) and step[0] == "field":
        # a map or tuple of one member is none any more
        return RecordLayout(((step[1], leaf_layout(dict(layout.fields)[step[1]], rest)),))
    if isinstance(layout, ListLayout | RegularLayout | OptionLayout):
        return replace(layout, content=leaf_layout(layout.content, rest))
    return layout


def _is_counted_by(header: TreeHeader, leaf: Leaf, group: ListGroup) -> bool:
    layout = group.source.layout if group.source is not None else None
    told = layout.column if isinstance(layout, Values) else group.leaves[0].counts
    same_as, constants = header.schema.same_as, header.constants
    one, other = (same_as.get(key or "", key or "") for key in (leaf.counts, told))
    return one == other or (one in constants and constants[one] == constants.get(other))


def _elements(tree: Tree, leaf: Leaf, layout: Layout) -> NDArray[np.int64]:
    """Numbers, or bytes of text with their lengths, of a leaf in each cluster."""
    header = tree.header
    home = header.table_of()
    key, counts = _value_column(layout, leaf.steps)
    rows = np.array(header.rows[home[key]], np.int64)
    if not leaf.text or counts is None:
        return rows
    for cluster, n_chars in enumerate(rows.tolist()):
        n_strings = header.rows[home[counts]][cluster]
        lengths = (
            _no_lengths(n_strings) if n_chars < _LONG_TEXT else tree.decoder.columns([cluster], [counts])[0][counts]
        )
        rows[cluster] = text_bytes(lengths) + (n_chars if n_chars < _LONG_TEXT else 0)
    return rows


def _no_lengths(n_strings: int) -> NDArray[Any]:
    return np.zeros(n_strings, np.int64)


def _value_column(layout: Layout, steps: Sequence[Step]) -> tuple[str, str | None]:
    """Key of the column with a leaf's values, and of the lengths if it is text."""
    counts = None
    for step in steps:
        match layout:
            case OptionLayout(mask=mask) if step == ("mask",):
                return mask, None
            case ListLayout():
                counts, layout = layout.counts, layout.content
            case RegularLayout() | OptionLayout():
                layout = layout.content
            case RecordLayout() if step[0] == "field":
                layout = dict(layout.fields)[step[1]]
    if not isinstance(layout, Values):
        msg = f"the steps {steps} do not lead to values"
        raise TypeError(msg)
    return layout.column, counts
