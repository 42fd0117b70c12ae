"""What a ROOT file of an archive's trees would look like, told from the header alone."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.archive import Archive
from hepbaler.header import TreeHeader
from hepbaler.restoring.baskets import text_bytes
from hepbaler.restoring.bytestreams import Stream, stream_bytes
from hepbaler.restoring.ntuplepages import PageColumn, page_columns
from hepbaler.restoring.ntuples import plan_fields
from hepbaler.restoring.plan import TreePlan, plan_tree
from hepbaler.restoring.settling import settle_objects
from hepbaler.restoring.skeleton import AnnouncedNTuple, AnnouncedTree, Skeleton, build_skeleton
from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values
from hepbaler.tree import Tree

if TYPE_CHECKING:
    from hepbaler.restoring.counters import ListGroup
    from hepbaler.restoring.leaves import Leaf, Step

__all__ = ("announced_ntuple", "announced_tree", "leaf_layout", "proven_plan", "skeleton_of")

_log = logging.getLogger(__name__)
_ABSENT = (
    "%d of the branches of tree %r are not in the ROOT file that hepbaler:// shows, but hepbaler.open reads them: %s"
)
_APART = "%d of the branches of tree %r are taken apart in the ROOT file that hepbaler:// shows, a branch a member: %s"
# Branches that a warning names.
_TOLD = 5
# Strings shorter than this have their length in one byte.
_LONG_TEXT = 255


def __dir__() -> tuple[str, ...]:
    return __all__


def skeleton_of(archive: Archive) -> Skeleton:
    """The file without its baskets; its trees are numbered as in `Archive.trees`.

    Nothing is decoded but the lengths of long strings, and which optional values are present: a file cannot do without.

    Raises
    ------
    OutputError
        If the archive holds what one ROOT file cannot hold.
    FormatError
        If the archive is damaged.
    """
    stored = archive.objects_file()
    trees = [
        announced_ntuple(tree) if tree.kind == "RNTuple" else announced_tree(tree, stored)
        for tree in archive.trees.values()
    ]
    return build_skeleton(trees, stored, uuid.UUID(bytes=archive.reader.fingerprint))


def announced_tree(tree: Tree, mini_root: bytes | None) -> AnnouncedTree:
    """A tree as `build_skeleton` wants it: one basket a cluster.

    Parameters
    ----------
    tree
        Of the archive.
    mini_root
        The archive's ROOT file with other objects, which describes classes too.
    """
    header = tree.header
    schema = header.schema
    settled = settle_objects(schema.branches, schema.same_as, mini_root)
    plan = proven_plan(header, settled.objects)
    absent = {one.branch: one.reason for one in plan.differences if one.kind == "missing"}
    _tell(tree, _ABSENT, {name: settled.reasons.get(name, reason) for name, reason in absent.items()})
    _tell(tree, _APART, {name: reason for name, reason in settled.reasons.items() if name not in absent})
    layouts = {branch.name: branch.layout for branch in schema.branches}
    home = header.table_of()
    elements = {
        leaf.name: _object_bytes(tree, settled.streams[leaf.branch], layouts[leaf.branch], home)
        if leaf.streamed
        else _elements(tree, leaf, layouts[leaf.branch], home)
        for leaf in plan.leaves
    }
    return AnnouncedTree(tree.object_path, tree.title, plan, header.borders, elements, settled.streams)


def announced_ntuple(tree: Tree) -> AnnouncedNTuple:
    """An RNTuple as `build_skeleton` wants it: one page a column and cluster."""
    header = tree.header
    fields, differences = plan_fields(header.schema.branches, one_cluster=header.n_clusters <= 1, described=True)
    absent = {one.branch: one.reason for one in differences if one.kind == "missing"}
    for name, branch in list(fields.items()):
        if not all(header.constants.get(header.schema.same_as.get(key, key)) for key in _in_variants(branch.layout)):
            absent[branch.name] = "it has variants of which the value may be missing"
            del fields[name]
    _tell(tree, _ABSENT, absent)
    columns = tuple(column for branch in fields.values() for column in page_columns(branch.layout))
    home = header.table_of()
    elements = [_page_elements(tree, column, home) for column in columns]
    return AnnouncedNTuple(
        tree.object_path,
        tree.title,
        fields,
        header.borders,
        columns,
        np.array(elements, np.int64).reshape(len(columns), header.n_clusters),
    )


def proven_plan(header: TreeHeader, objects: Mapping[str, str]) -> TreePlan:
    """Leaves and counters as `decompress` finds them, without a look at the values.

    `decompress` believes what the source says of counters until values contradict. Here the header decides: columns
    that held the same values everywhere were written as one, and others do not.
    """
    schema = header.schema
    plan = plan_tree(schema.branches, schema.same_as, objects=objects)
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


def _tell(tree: Tree, message: str, reasons: Mapping[str, str]) -> None:
    if reasons:
        told = "; ".join(f"{name!r} ({reason})" for name, reason in list(reasons.items())[:_TOLD])
        _log.warning(message, len(reasons), tree.object_path, told)


def _page_elements(tree: Tree, column: PageColumn, home: Mapping[str, int]) -> list[int]:
    """Elements of an RNTuple's column in each cluster."""
    header = tree.header
    rows = header.rows[home[column.key]]
    if not column.deciding:
        return list(rows)
    clusters = [cluster for cluster, n in enumerate(rows) if n]
    found = dict(zip(clusters, tree.decoder.columns(clusters, column.deciding), strict=True))
    return [column.num_kept(found[cluster]) if n else 0 for cluster, n in enumerate(rows)]


def _in_variants(layout: Layout) -> list[str]:
    """Masks of the types of variants. uproot takes all of them for optional; in a file they are not."""
    match layout:
        case UnionLayout(contents=contents):
            masks = [content.mask for content in contents[1:] if isinstance(content, OptionLayout)]
            return masks + [key for content in contents for key in _in_variants(content)]
        case RecordLayout(fields):
            return [key for _, content in fields for key in _in_variants(content)]
        case ListLayout() | RegularLayout() | OptionLayout():
            return _in_variants(layout.content)
        case _:
            return []


def _is_counted_by(header: TreeHeader, leaf: Leaf, group: ListGroup) -> bool:
    if group.source is not None and leaf.group is not None and leaf.group.name == group.counter:
        # A member of a list of objects says where each entry starts. uproot reads more fBits than there are objects, where
        # other objects refer to these, and should do so here as well.
        return True
    layout = group.source.layout if group.source is not None else None
    told = layout.column if isinstance(layout, Values) else group.leaves[0].counts
    same_as, constants = header.schema.same_as, header.constants
    one, other = (same_as.get(key or "", key or "") for key in (leaf.counts, told))
    return one == other or (one in constants and constants[one] == constants.get(other))


def _elements(tree: Tree, leaf: Leaf, layout: Layout, home: Mapping[str, int]) -> NDArray[np.int64]:
    """Numbers, or bytes of text with their lengths, of a leaf in each cluster."""
    header = tree.header
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


def _object_bytes(tree: Tree, stream: Stream, layout: Layout, home: Mapping[str, int]) -> NDArray[np.int64]:
    """Bytes of the objects of a branch in each cluster."""
    header = tree.header

    def n_rows(cluster: int, key: str) -> int:
        return header.rows[home[key]][cluster]

    def of_text(cluster: int, counts: str, letters: str) -> int:
        n_letters = n_rows(cluster, letters)
        if n_letters < _LONG_TEXT:
            return n_letters + n_rows(cluster, counts)
        return text_bytes(tree.decoder.columns([cluster], [counts])[0][counts])

    entries = np.diff(header.borders).tolist()
    return np.array(
        [
            stream_bytes(stream, layout, n, partial(n_rows, cluster), partial(of_text, cluster))
            for cluster, n in enumerate(entries)
        ],
        np.int64,
    )


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
