"""What a TTree says of the classes of its branches, and which streamers of the file describe those classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import uproot

from hepbaler.reading.failures import attempt
from hepbaler.table import Branch, Element, Group

__all__ = ("counting_group", "element_of", "groups_of", "needed_streamers")

# A name of a class within that of another, as in vector<xAOD::Jet_v1>.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*")
# fType of a TBranchElement: a TClonesArray and an STL list that are split, and the members of their objects.
_LISTS = frozenset({3, 4})
_MEMBERS_OF_LISTS = frozenset({31, 41})
_MEMBERS = ("fClassName", "fParentName", "fClonesName", "fCheckSum", "fClassVersion", "fID", "fType", "fStreamerType")


def __dir__() -> tuple[str, ...]:
    return __all__


def element_of(branch: Any) -> Element | None:
    """What an uproot ``TBranch`` says of its class, or None if it has none."""
    values = attempt(lambda: [branch.member(name, none_if_missing=True) for name in _MEMBERS])
    if isinstance(values, Exception) or values[0] is None or any(value is None for value in values):
        return None
    one, parent, clones = (str(name) for name in values[:3])
    return Element(one, parent, clones, *(int(number) for number in values[3:]))


def groups_of(found: Iterable[tuple[str, Any]]) -> dict[str, Group | None]:
    """The group that each branch is in.

    Parameters
    ----------
    found
        Full path and uproot's TBranch of all branches, a group before what is in it.
    """
    groups: dict[int, Group] = {}
    inside: dict[str, Group | None] = {}
    for name, branch in found:
        parent = groups.get(id(getattr(branch, "parent", None)))
        # a path that uproot has shortened leads elsewhere
        inside[name] = parent if parent is not None and name.startswith(f"{parent.name}/") else None
        if len(branch.branches):
            groups[id(branch)] = Group(name, str(branch.title), element_of(branch), inside[name])
    return inside


def counting_group(element: Element | None, group: Group | None) -> str | None:
    """Name of the group of objects of which a branch is a member, and whose number it therefore has in an entry.

    uproot would name the first member instead, since that is where the file describes the counter.
    """
    if element is None or element.type not in _MEMBERS_OF_LISTS:
        return None
    while group is not None and (group.element is None or group.element.type not in _LISTS):
        group = group.parent
    return None if group is None else group.name


def needed_streamers(
    branches: Iterable[Branch], classes: Iterable[str], streamers: Mapping[str, Mapping[int, Any]]
) -> list[Any]:
    """The streamers of all classes that branches name, and of those that these are made of.

    Parameters
    ----------
    branches
        Of any trees of the file.
    classes
        Names of further classes.
    streamers
        uproot's, by class and version.
    """
    by_name = {name.replace(" ", ""): versions for name, versions in streamers.items()}
    waiting = [*classes, *(text for branch in branches for text in _told(branch))]
    seen: dict[str, None] = {}
    while waiting:
        for name in _names_in(waiting.pop()):
            if name in seen:
                continue
            seen[name] = None
            for streamer in by_name.get(name, {}).values():
                waiting += [_type_of(element) for element in streamer.elements]
    return [streamer for name in seen for streamer in by_name.get(name, {}).values()]


def _told(branch: Branch) -> Iterator[str]:
    """Every text of a branch and its groups that names classes."""
    yield branch.typename
    elements, group = [branch.element], branch.group
    while group is not None:
        elements.append(group.element)
        group = group.parent
    for element in elements:
        if element is not None:
            yield from (element.class_name, element.parent_name, element.clones_name)


def _type_of(element: Any) -> str:
    """The class of a member, or a base class."""
    is_base = isinstance(element, uproot.streamers.Model_TStreamerBase)
    return str(element.name if is_base else element.typename)


def _names_in(typename: str) -> Iterator[str]:
    """Names of classes in a type, those with arguments whole: ``vector<A<B>>``, ``A<B>`` and ``B``."""
    text = typename.replace(" ", "")
    for match in _NAME.finditer(text):
        yield match[0]
        depth = 0
        for place in range(match.end(), len(text)):
            depth += (text[place] == "<") - (text[place] == ">")
            if depth <= 0:
                if place > match.end():
                    yield text[match.start() : place + 1]
                break
