"""Branches and the groups that hold them <-> plain data for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from hepbaler.fields import fail, field_of, index_of, typed
from hepbaler.layouts.document import layout_from_dict, layout_to_dict
from hepbaler.table import Branch, Element, Group

__all__ = ("branches_from_dict", "branches_to_dict")

# Smallest and largest value of the numbers of an `Element`, in their order: what ROOT has room for.
_LIMITS = ((0, 2**32 - 1), (-(2**15), 2**15 - 1), *((-(2**31), 2**31 - 1),) * 3)
_N_NAMES = 3


def __dir__() -> tuple[str, ...]:
    return __all__


def branches_to_dict(branches: Sequence[Branch]) -> dict[str, Any]:
    """``branches``, and ``groups`` where there are any; a group comes before what is in it."""
    number: dict[Group, int] = {}
    groups: list[dict[str, Any]] = []

    def enter(group: Group) -> int:
        if group not in number:
            inside = {} if group.parent is None else {"group": enter(group.parent)}
            number[group] = len(groups)
            groups.append({"name": group.name, "title": group.title} | _element_to_dict(group.element) | inside)
        return number[group]

    out: dict[str, Any] = {"branches": []}
    for branch in branches:
        node = {
            "name": branch.name,
            "type": branch.typename,
            "title": branch.title,
            "layout": layout_to_dict(branch.layout),
        }
        node |= {"count_branch": branch.count_branch} if branch.count_branch else {}
        node |= _element_to_dict(branch.element)
        node |= {} if branch.group is None else {"group": enter(branch.group)}
        out["branches"].append(node)
    return out | ({"groups": groups} if groups else {})


def branches_from_dict(tree: Mapping[str, Any]) -> tuple[Branch, ...]:
    """Check and rebuild.

    Raises
    ------
    CorruptFile
        If anything contradicts the format.
    """
    groups: list[Group] = []
    for item in typed(tree.get("groups") or [], list, "groups"):
        node = typed(item, dict, "group")
        parent = _group_of(node, groups)
        name = _inside(field_of(node, "name", str), parent)
        groups.append(Group(name, field_of(node, "title", str), _element_from_dict(node), parent))
    branches = []
    for item in field_of(dict(tree), "branches", list):
        node = typed(item, dict, "branch")
        counter, group = node.get("count_branch"), _group_of(node, groups)
        branches.append(
            Branch(
                _inside(field_of(node, "name", str), group),
                field_of(node, "type", str),
                field_of(node, "title", str),
                layout_from_dict(node.get("layout")),
                counter if isinstance(counter, str) else None,
                _element_from_dict(node),
                group,
            )
        )
    return tuple(branches)


def _inside(name: str, group: Group | None) -> str:
    """`name`, which must be a path in the group."""
    if group is not None and not name.startswith(f"{group.name}/"):
        fail(f"branch {name!r:.80} is not in its group {group.name!r:.80}")
    return name


def _group_of(node: Mapping[str, Any], groups: Sequence[Group]) -> Group | None:
    return groups[index_of(node["group"], len(groups), "group before what is in it")] if "group" in node else None


def _element_to_dict(element: Element | None) -> dict[str, Any]:
    return {} if element is None else {"class": list(astuple(element))}


def _element_from_dict(node: Mapping[str, Any]) -> Element | None:
    if "class" not in node:
        return None
    values = typed(node["class"], list, "class")
    if len(values) != _N_NAMES + len(_LIMITS):
        fail("the class of a branch has not eight values")
    one, parent, clones = (typed(value, str, "name of a class") for value in values[:_N_NAMES])
    for value, (low, high) in zip(values[_N_NAMES:], _LIMITS, strict=True):
        if type(value) is not int or not low <= value <= high:
            fail(f"{value!r:.40} is not a number from {low} to {high}, and says something of a class")
    return Element(one, parent, clones, *values[_N_NAMES:])
