"""Which branches of a tree are written as objects: tried in memory, before anything is written.

A description of the tree is written without baskets, and uproot is asked what it would read there. Where that is what the
branch's layout says, its objects can be put together again; a branch where it is not is taken apart, or left out.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from hepbaler.errors import InputError
from hepbaler.layouts import flatten
from hepbaler.restoring.bytestreams import Fixed, Members, Numbers
from hepbaler.restoring.leaves import is_object
from hepbaler.restoring.objects import copy_objects
from hepbaler.restoring.plan import branches_by_path, plan_tree
from hepbaler.restoring.proving import is_of_class, made_up
from hepbaler.restoring.streamers import ODD_ANSWERS, CannotStream, stream_of
from hepbaler.restoring.trees import TreeSink
from hepbaler.table import Element, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.restoring.leaves import Leaf
    from hepbaler.restoring.plan import TreePlan
    from hepbaler.restoring.streamers import Style
    from hepbaler.table import Branch, Layout

__all__ = ("Settled", "settle_objects")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Settled:
    """What `settle_objects` found.

    Attributes
    ----------
    streams
        How the objects of a branch are written, by the branch's name.
    objects
        How uproot will call the types of these branches.
    reasons
        Why other branches of objects are not written so.
    """

    streams: Mapping[str, Stream] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


def settle_objects(branches: Sequence[Branch], same_as: Mapping[str, str], mini_root: bytes | None) -> Settled:
    """Find out which branches can be written as objects, and how.

    Parameters
    ----------
    branches, same_as
        Of one tree.
    mini_root
        A ROOT file that describes their classes, if there are any.

    Raises
    ------
    InputError
        If `mini_root` is not a ROOT file.
    OutputError
        If this uproot is too different to describe the tree.
    """
    wanted = {branch.name: branch.typename for branch in branches if is_object(branch)}
    if not wanted:
        return Settled()
    layouts = {branch.name: branch.layout for branch in branches}
    plan = plan_tree(branches, same_as, objects=wanted)
    alike: dict[Any, list[str]] = {}
    typenames: dict[str, str] = {}
    streams: dict[str, Stream] = {}
    reasons: dict[str, str] = {}
    groups = {branch.group.name for branch in branches if branch.group is not None}
    with _opened(plan, mini_root) as file:
        uproots = branches_by_path(file[_TREE])
        for leaf in plan.leaves:
            if leaf.streamed:
                typenames[leaf.branch] = _typename(uproots[leaf.name])
                kind = _kind(leaf, typenames[leaf.branch], layouts[leaf.branch])
                # One that has the name of a group is described as that group, and says nothing of others.
                alike.setdefault((kind, leaf.name in groups), []).append(leaf.branch)
        leaves = {leaf.branch: leaf for leaf in plan.leaves if leaf.streamed}
        waiting = [names[0] for names in alike.values()]
        for style in _STYLES:
            tried: dict[str, Stream] = {}
            for name in waiting:
                try:
                    tried[name] = _stream(leaves[name], uproots[leaves[name].name], layouts[name], style)
                except CannotStream as error:
                    reasons[name] = str(error)
            doubtful = {name: stream for name, stream in tried.items() if _needs_proof(stream)}
            streams |= {name: stream for name, stream in tried.items() if name not in doubtful}
            chosen = [branch for branch in branches if branch.name in doubtful]
            streams |= {name: doubtful[name] for name in _read_back(chosen, doubtful, wanted, mini_root)}
            waiting = [name for name in doubtful if name not in streams]
    reasons |= dict.fromkeys(waiting, "uproot does not read back what is written for its class")
    first = {name: names[0] for names in alike.values() for name in names}
    return Settled(
        {name: streams[one] for name, one in first.items() if one in streams},
        {name: typenames[name] for name, one in first.items() if one in streams},
        {name: reasons[one] for name, one in first.items() if one in reasons},
    )


def _typename(branch: Any) -> str:
    """What uproot calls a type; nothing if it does not understand it."""
    try:
        return str(branch.typename)
    except ODD_ANSWERS:
        return ""


def _kind(leaf: Leaf, typename: str, layout: Layout) -> Any:
    """What branches have in common that are written in one way."""
    element = leaf.element or Element("")
    sizes = leaf.short_name.partition("[")[2]
    return typename, element.type, element.streamer_type, sizes, _shape(layout), leaf.members


def _shape(layout: Layout) -> Any:
    """A layout without the names of columns."""
    match layout:
        case Values(dtype):
            return dtype
        case ListLayout(_, content, text, array):
            return "list", text, array, _shape(content)
        case RegularLayout(size, content):
            return "regular", size, _shape(content)
        case RecordLayout(fields, name):
            return "record", name, tuple((field, _shape(content)) for field, content in fields)
        case OptionLayout(_, content):
            return "option", _shape(content)
        case UnionLayout(_, contents):
            return "union", tuple(_shape(content) for content in contents)


def _stream(leaf: Leaf, branch: Any, layout: Layout, style: Style) -> Stream:
    return _leaf_list(leaf) if leaf.members else stream_of(branch, layout, style)


def _needs_proof(stream: Stream) -> bool:
    """Whether there are classes in it; a leaf list is none."""
    is_leaf_list = isinstance(stream, Members) and all(isinstance(one, Numbers | Fixed) for _, one in stream.members)
    return is_of_class(stream) and not (is_leaf_list and isinstance(stream, Members) and stream.version is None)


def _read_back(
    branches: Sequence[Branch], streams: Mapping[str, Stream], wanted: Mapping[str, str], mini_root: bytes | None
) -> list[str]:
    """Names of the branches of which uproot reads what is written."""
    if not branches:
        return []
    plan = plan_tree(branches, {}, objects={branch.name: wanted[branch.name] for branch in branches})
    arrays = {branch.name: made_up(branch.layout, streams[branch.name]) for branch in branches}
    layouts = {branch.name: branch.layout for branch in branches}
    good = []
    with _opened(plan, mini_root, plan.values(arrays), streams) as file:
        found = branches_by_path(file[_TREE])
        for leaf in plan.leaves:
            layout = layouts[leaf.branch]
            try:
                read = flatten(layout, found[leaf.name].array())
            except (*ODD_ANSWERS, OSError, InputError):
                continue
            expected = flatten(layout, arrays[leaf.branch])
            if all(np.array_equal(column, read[key]) for key, column in expected.items()):
                good.append(leaf.branch)
    return good


_TREE = "tree"
_STYLES: tuple[Style, ...] = ("version", "checksum", "nothing")


class _KeptBuffer(io.BytesIO):
    """Memory that stays readable: uproot closes what it has written to."""

    def close(self) -> None:
        """Do nothing."""


def _opened(
    plan: TreePlan,
    mini_root: bytes | None,
    values: Mapping[str, Any] | None = None,
    streams: Mapping[str, Stream] | None = None,
) -> Any:
    """The tree in a file in memory, as uproot sees it."""
    buffer = _KeptBuffer()
    with uproot.recreate(buffer, compression=None) as root:
        if mini_root is not None:
            copy_objects(root, mini_root, end=0, wanted=())
        sink = TreeSink(root, _TREE, "", plan.leaves, plan.groups, baskets=1, streams=streams)
        if values is not None:
            sink.extend(values)
    return uproot.open(io.BytesIO(buffer.getvalue()), object_cache=None, array_cache=None)


def _leaf_list(leaf: Leaf) -> Members:
    """How the numbers of a leaf list are written."""
    members: list[tuple[str | None, Stream]] = []
    for one in leaf.members:
        stream: Stream = Numbers(one.dtype)
        for size in reversed(one.shape):
            stream = Fixed(size, stream)
        members.append((one.name, stream))
    return Members(tuple(members))
