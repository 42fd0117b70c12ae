"""Branches, their classes and groups as plain data: there and back, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hepbaler.errors import CorruptFile
from hepbaler.layouts.branches import branches_from_dict, branches_to_dict
from hepbaler.table import Branch, Element, Group, Values

EVT = Group("evt", "the event", Element("Event", "", "", 17, 1, -2, 0, -1))
P3 = Group("evt/P3", "", None, EVT)
BRANCHES = (
    Branch("plain", "float", "", Values("float32", "plain")),
    Branch(
        "evt/id", "int32_t", "", Values("int32", "evt/id"), None, Element("Event", "Event", "", 17, 1, 0, 0, 3), EVT
    ),
    Branch("evt/P3/x", "float", "", Values("float32", "evt/P3/x"), "evt", None, P3),
)


def document() -> dict[str, Any]:
    return json.loads(json.dumps(branches_to_dict(BRANCHES)))


def test_there_and_back():
    back = branches_from_dict(document())
    assert back == BRANCHES
    # equality of branches does not look at these
    assert [(one.element, one.group) for one in back] == [(one.element, one.group) for one in BRANCHES]


def test_branches_without_groups_are_written_as_ever():
    assert branches_to_dict(BRANCHES[:1]) == {
        "branches": [{"name": "plain", "type": "float", "title": "", "layout": ["float32", "plain"]}]
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tree: tree["branches"][1].update(group=7), "no group before what is in it 7"),
        (lambda tree: tree["groups"][0].update(group=0), "no group before what is in it 0"),
        (lambda tree: tree["groups"][1].update(name="other"), "'other' is not in its group 'evt'"),
        (lambda tree: tree["branches"][1].update(name="evtid"), "'evtid' is not in its group"),
        (lambda tree: tree["branches"][1].update({"class": ["Event"]}), "eight values"),
        (lambda tree: tree["branches"][1]["class"].__setitem__(0, 3), "should be str"),
        (lambda tree: tree["branches"][1]["class"].__setitem__(3, 2**32), "not a number from 0 to"),
        (lambda tree: tree["branches"][1]["class"].__setitem__(4, True), "not a number from"),
        (lambda tree: tree.update(groups={}) or tree.update(groups=3), "'groups' should be list"),
    ],
)
def test_contradictions_are_refused(change, reason):
    tree = document()
    change(tree)
    with pytest.raises(CorruptFile, match=reason):
        branches_from_dict(tree)
