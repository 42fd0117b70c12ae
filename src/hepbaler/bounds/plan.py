"""Which bound a branch gets: rules on names, read from the command line or a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..errors import BoundError
from .bound import DEFAULT, EXACT, Bound
from .planfile import read_rules

__all__ = ("Plan", "Rule")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Rule:
    """A bound for all branches whose names match.

    Parameters
    ----------
    pattern
        A branch's name, or a glob (``Jet_*``). ``tree:glob`` is for one tree only (``Events:Jet_*``).
    bound
        The bound.

    Raises
    ------
    BoundError
        The pattern is empty.
    """

    pattern: str
    bound: Bound

    def __post_init__(self) -> None:
        if not self.pattern:
            msg = f"the rule for {str(self.bound)!r} has no pattern; name a branch, or write '*' for all"
            raise BoundError(msg)

    def matches(self, branch: str, tree: str | None = None) -> bool:
        """Whether the rule is for this branch (of this tree)."""
        # A name of its own may look like a glob: 'fMatrix[4]'. One with a colon may look as if it named a tree.
        names = (branch,) if tree is None else (branch, f"{tree}:{branch}")
        return self.pattern in names or any(fnmatchcase(name, self.pattern) for name in names)


@dataclass(frozen=True)
class Plan:
    """Rules in order; the last one that matches wins.

    Integers, bools, text, counts, masks and tags are exact whatever the rules say.

    Parameters
    ----------
    rules
        First to last.
    default
        The bound of floats that no rule matches.

    Examples
    --------
    >>> plan = Plan((Rule("Jet_*", Bound.parse("bits=8")), Rule("Jet_mass", Bound.parse("exact"))))
    >>> str(plan.bound_for("Jet_pt", "float32", "values")), str(plan.bound_for("Jet_mass", "float32", "values"))
    ('bits=8', 'exact')
    """

    rules: tuple[Rule, ...] = ()
    default: Bound = DEFAULT

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))

    def bound_for(self, branch: str, dtype: str, role: str = "values", *, tree: str | None = None) -> Bound:
        """Return the bound of a column.

        Parameters
        ----------
        branch
            Name of the branch that the column belongs to.
        dtype, role
            As in `hepbaler.table.Column`.
        tree
            Path of the tree; without it, rules for one tree match no branch.
        """
        if role != "values" or not dtype.startswith("float"):
            return EXACT
        for rule in reversed(self.rules):
            if rule.matches(branch, tree):
                return rule.bound
        return self.default

    def names(self, branch: str, *, tree: str | None = None) -> bool:
        """Whether a rule that is not for all branches (``*``) is for this one."""
        return any(rule.pattern != "*" and rule.matches(branch, tree) for rule in self.rules)

    def unused(self, branches: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return the patterns that match no branch, in the order of the rules.

        Parameters
        ----------
        branches
            Pairs of tree and branch.
        """
        known = list(branches)
        return tuple(
            rule.pattern for rule in self.rules if not any(rule.matches(branch, tree) for tree, branch in known)
        )

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan from a file, as `planfile.write_plan` writes it.

        Raises
        ------
        BoundError
            The file is no TOML, or a line of it no bound; the message names file, line and key.
        OSError
            The file cannot be read.
        """
        return cls(tuple(Rule(pattern, bound) for pattern, bound in read_rules(path)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a file header."""
        return {"rules": [[rule.pattern, str(rule.bound)] for rule in self.rules], "default": str(self.default)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Build the plan that `to_dict` described.

        Raises
        ------
        BoundError
            A key is missing, or a rule makes no sense.
        """
        try:
            rules = tuple(Rule(pattern, Bound.parse(bound)) for pattern, bound in data["rules"])
            return cls(rules, Bound.parse(data["default"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{data!r} does not describe a plan: {error!r}"
            raise BoundError(msg) from None
