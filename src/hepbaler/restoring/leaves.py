"""From the branches of a source to the leaves that a TTree can hold: names, types and the way to each leaf's values.

A leaf of a TTree, as uproot writes it, is one number, string or C array an entry, or a list of numbers or C arrays.
A branch that is more than that is taken apart: one leaf for each member of a record, one more for "is it there".
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hepbaler.restoring.report import Difference
from hepbaler.table import Element, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from hepbaler.table import Branch, Group, Layout

__all__ = ("Leaf", "Step", "cpp_name", "is_leaf_list", "is_object", "leaves_of")


def __dir__() -> tuple[str, ...]:
    return __all__


# One step from an array towards the values of a leaf; the string is the field's name, the number a C array's size.
Step = tuple[Literal["list", "option", "mask", "text"]] | tuple[Literal["regular"], int] | tuple[Literal["field"], str]

_CPP = {"bool": "bool", "float32": "float", "float64": "double"}
_SIZES = re.compile(r"\[[^\]]*\]")
# Types of branches that are no objects, as uproot names them.
_PLAIN = re.compile(r"(bool|float|double|u?int\d+_t|Double32_t|Float16_t|char\*)(\[[^\]]*\])*")
# A type of RNTuples alone, of which a TTree would have a list with a counter.
_FLAT = re.compile(r"ROOT::VecOps::RVec<[^<>]*>$")
_CPP_INTEGERS = {
    "int8_t": "signed char",
    "uint8_t": "unsigned char",
    "int16_t": "short",
    "uint16_t": "unsigned short",
    "int32_t": "int",
    "uint32_t": "unsigned int",
    "int64_t": "Long64_t",
    "uint64_t": "ULong64_t",
}
_INTEGERS = re.compile(r"\b(std::)?(?P<type>u?int(8|16|32|64)_t)\b")
# fStreamerType of a member that points to numbers, which stand behind a byte of their own.
_POINTERS = range(41, 60)
_HINT = "write an RNTuple instead (--rntuple)"


@dataclass(frozen=True)
class Leaf:
    """A leaf of the tree to write.

    Attributes
    ----------
    name, title
        In the file. `title` is `None` where the source has none.
    branch
        Name of the source's branch.
    steps
        From the branch's array to this leaf's values.
    dtype, shape
        Of one element: a numpy dtype without byte order and the sizes of a C array, outermost first.
    counts
        Key of the counts column of a list; `None` for a leaf with one element an entry.
    text
        Whether it is a string.
    streamed
        Whether it holds objects as `hepbaler.restoring.bytestreams` makes them; `dtype` is empty then.
    members
        Names of the leaves of a leaf list, whose numbers stand side by side; `streamed` then too.
    element, group
        What is known of its class, and the branch that it is in.
    """

    name: str
    title: str | None
    branch: str
    steps: tuple[Step, ...]
    dtype: str
    shape: tuple[int, ...] = ()
    counts: str | None = None
    text: bool = False
    streamed: bool = False
    members: tuple[Leaf, ...] = ()
    element: Element | None = None
    group: Group | None = None

    @property
    def short_name(self) -> str:
        """`name` without the path of the group."""
        return self.name if self.group is None else self.name.removeprefix(f"{self.group.name}/")


def cpp_name(leaf: Leaf) -> str:
    """The type of a leaf as uproot names it when it reads the file (``float[]``, ``int32_t[5]``)."""
    if leaf.members:
        return f"struct {{{' '.join(f'{cpp_name(one)} {one.name};' for one in leaf.members)}}}"
    if leaf.text:
        return "char*"
    dims = "[]" * (leaf.counts is not None) + "".join(f"[{size}]" for size in leaf.shape)
    return _CPP.get(leaf.dtype, f"{leaf.dtype}_t") + dims


def leaves_of(
    branches: Sequence[Branch], objects: Mapping[str, str] | None = None
) -> tuple[tuple[Leaf, ...], tuple[Difference, ...]]:
    """Take branches apart into leaves.

    Parameters
    ----------
    branches
        Those of one tree.
    objects
        Branches that are written as objects and not taken apart: how uproot will call their types, by name.

    Returns
    -------
    leaves
        With names that are unique in the tree, in the order of the branches.
    differences
        Of names and types, and what cannot be written to a TTree at all.
    """
    kept = {branch.name for branch in branches if objects is not None and (branch.group or "/" not in branch.name)}
    short = {name: name for name in kept}
    short |= _short_names([branch for branch in branches if branch.name not in kept], kept)
    leaves: list[Leaf] = []
    differences: list[Difference] = []
    taken: set[str] = {short[branch.name] for branch in branches}
    seen: set[str] = set()
    for branch in branches:
        if branch.name in seen:
            reason = "another branch of this tree has the same name"
            differences.append(Difference(branch.name, "missing", branch.typename, "", reason))
            continue
        seen.add(branch.name)
        whole = Leaf(short[branch.name], branch.title, branch.name, (), "")
        if objects is not None:
            whole = replace(whole, element=branch.element, group=branch.group)
        if objects is not None and branch.name in objects:
            leaves.append(_streamed(branch, whole))
            if whole.name != branch.name:
                differences.append(_renamed(branch, whole.name))
            if objects[branch.name] != branch.typename:
                reason = "as the type is called in a TTree"
                differences.append(Difference(branch.name, "type", branch.typename, objects[branch.name], reason))
            continue
        found = list(_walk(branch.layout, whole))
        good = [item for item in found if isinstance(item, Leaf)]
        named = [leaf if leaf.name == short[branch.name] else _with_free_name(leaf, taken) for leaf in good]
        taken.update(leaf.name for leaf in named)
        leaves += named
        if named:
            differences += _changes(branch, short[branch.name], named)
        for item in found:
            if isinstance(item, str):
                differences.append(Difference(branch.name, "missing", branch.typename, "", item))
    return tuple(leaves), tuple(differences)


def _streamed(branch: Branch, leaf: Leaf) -> Leaf:
    """The leaf of a branch that is written as objects, or as a leaf list."""
    layout = branch.layout
    if is_leaf_list(branch) and isinstance(layout, RecordLayout):
        found = [next(_walk(content, Leaf(name, None, branch.name, (), ""))) for name, content in layout.fields]
        return replace(leaf, streamed=True, members=tuple(one for one in found if isinstance(one, Leaf)))
    in_list = branch.count_branch is not None and isinstance(layout, ListLayout)
    return replace(
        leaf,
        streamed=True,
        counts=layout.counts if in_list and isinstance(layout, ListLayout) else None,
        element=branch.element or Element(_class_name(branch.typename)),
    )


def _class_name(typename: str) -> str:
    """ROOT's name of a type that uproot has told: ``vector<vector<int> >`` of ``std::vector<std::vector<int32_t>>``."""
    plain = _INTEGERS.sub(lambda match: _CPP_INTEGERS[match["type"]], typename)
    return plain.replace("std::", "").replace(", ", ",").replace(">>", "> >").replace(">>", "> >")


def is_object(branch: Branch) -> bool:
    """Whether uproot takes the entries of a branch for objects: of a class, a container, or several leaves."""
    if is_leaf_list(branch):
        return True
    if isinstance(branch.layout, Values):
        return False
    of_class = branch.element is not None and (
        isinstance(branch.layout, ListLayout)
        and (branch.layout.text is not None or branch.element.streamer_type in _POINTERS)
    )
    return of_class or not (_PLAIN.fullmatch(branch.typename) or (not branch.element and _FLAT.match(branch.typename)))


def is_leaf_list(branch: Branch) -> bool:
    """Whether a branch has several leaves of numbers side by side (``x/F:y/I``)."""
    if not isinstance(branch.layout, RecordLayout) or not branch.typename.startswith("struct {"):
        return False
    contents = [content for _, content in branch.layout.fields]
    while any(isinstance(content, RegularLayout) for content in contents):
        contents = [content.content if isinstance(content, RegularLayout) else content for content in contents]
    return bool(contents) and all(isinstance(content, Values) and content.dtype != "unknown" for content in contents)


def _walk(layout: Layout, leaf: Leaf) -> Iterator[Leaf | str]:
    """Leaves below `leaf`, which says what is known on the way down; or why there is none, as text."""
    match layout:
        case Values(dtype="unknown"):
            yield f"{_part(leaf)} has values of no type that uproot knows"
        case Values():
            dtype = "float32" if layout.dtype == "float16" else layout.dtype
            yield replace(leaf, dtype=dtype)
        case ListLayout(text=None):
            if leaf.counts is not None or leaf.shape:
                yield f"{_part(leaf)} is a list inside a list or C array, which uproot cannot write to a TTree; {_HINT}"
            else:
                yield from _walk(layout.content, replace(leaf, counts=layout.counts, steps=(*leaf.steps, ("list",))))
        case ListLayout():
            if leaf.counts is not None or leaf.shape:
                yield f"{_part(leaf)} has strings inside a list, which uproot cannot write to a TTree; {_HINT}"
            else:
                yield replace(leaf, dtype="uint8", text=True, steps=(*leaf.steps, ("text",)), element=None)
        case RegularLayout():
            if layout.size == 0:
                yield f"{_part(leaf)} is a C array of no elements, which a TTree cannot hold"
            else:
                step: Step = ("regular", layout.size)
                shape = (*leaf.shape, layout.size)
                yield from _walk(layout.content, replace(leaf, shape=shape, steps=(*leaf.steps, step)))
        case RecordLayout():
            if not layout.fields:
                yield f"{_part(leaf)} has no members, so there is nothing that a TTree could hold"
            for field, content in layout.fields:
                name = f"{leaf.name.rstrip('.')}.{_SIZES.sub('', _without_slashes(field))}"
                yield from _walk(content, replace(leaf, name=name, steps=(*leaf.steps, ("field", field)), element=None))
        case OptionLayout():
            yield from _walk(layout.content, replace(leaf, steps=(*leaf.steps, ("option",))))
            name, steps = f"{leaf.name}_present", (*leaf.steps, ("mask",))
            yield replace(leaf, name=name, title=None, dtype="bool", steps=steps, element=None)
        case UnionLayout():
            yield f"{_part(leaf)} may have several types, which a TTree cannot hold; {_HINT}"


def _part(leaf: Leaf) -> str:
    fields = [str(step[1]) for step in leaf.steps if step[0] == "field"]
    return f"member {'.'.join(fields)}" if fields else "it"


def _changes(branch: Branch, short: str, leaves: Sequence[Leaf]) -> Iterator[Difference]:
    if len(leaves) == 1 and leaves[0].name == short:
        if short != branch.name:
            yield _renamed(branch, short)
        restored = cpp_name(leaves[0])
        if restored != branch.typename:
            yield Difference(branch.name, "type", branch.typename, restored, _why(branch))
        return
    names = ", ".join(leaf.name for leaf in leaves)
    if any(leaf.steps and leaf.steps[-1] == ("mask",) for leaf in leaves):
        reason = "a TTree knows no missing values: they are 0 (or an empty list), and a branch '..._present' tells them"
    else:
        reason = "uproot writes no objects to a TTree: each member is a branch"
    yield Difference(branch.name, "type", branch.typename, names, reason)


def _renamed(branch: Branch, short: str) -> Difference:
    reason = "'/' and '[...]' in a branch name mean a parent and a size"
    return Difference(branch.name, "name", branch.name, short, reason)


def _why(branch: Branch) -> str:
    match branch.layout:
        case Values(dtype="float16") | RegularLayout(content=Values(dtype="float16")):
            return "uproot writes no float16; float32 holds every value of it"
        case ListLayout(text="utf8" | "bytes"):
            return "uproot writes strings to a TTree as char*"
        case ListLayout():
            return "uproot writes lists to a TTree as arrays with a counter"
        case _:
            return "the nearest type that uproot writes to a TTree"


def _short_names(branches: Sequence[Branch], others: Collection[str]) -> dict[str, str]:
    """Names without slashes and sizes; a split branch gets the last part of its path, as ROOT calls it, if unique."""
    plain = {branch.name: _SIZES.sub("", branch.name.rstrip("/")) or branch.name for branch in branches}
    last = {name: short.rpartition("/")[2] for name, short in plain.items()}
    uses = Counter([*last.values(), *others])
    names: dict[str, str] = {}
    taken = set(others) | {name for name in plain if plain[name] == last[name] == name}
    for name, path in plain.items():
        short = name
        if name not in taken:
            short = _free(last[name] if uses[last[name]] == 1 else _without_slashes(path), taken)
            taken.add(short)
        names[name] = short
    return names


def _without_slashes(name: str) -> str:
    return ".".join(part.rstrip(".") for part in name.split("/") if part.rstrip("."))


def _with_free_name(leaf: Leaf, taken: set[str]) -> Leaf:
    name = _free(leaf.name, taken)
    taken.add(name)
    return replace(leaf, name=name)


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
