"""The file of a plan: TOML, a section a tree, a line a branch.

::

    "*_phi" = "abs=0.0005"        # before the first section: all trees

    ["Events"]
    nJet = "exact"                # uint32_t, 0 to 31
    Jet_pt = "bits=10"            # float[], full precision

Keys may be globs, and the last line that matches a branch wins. Lines of integers are there to be complete: they stay
exact whatever is written.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BoundError
from .bound import Bound

__all__ = ("PlanLine", "read_rules", "write_plan")


def __dir__() -> tuple[str, ...]:
    return __all__


_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_HEAD = """\
# Bounds for hepbaler: edit, then give this file to 'hepbaler compress --plan'.
# "exact", "abs=0.001" (largest error), "rel=0.001" (largest relative error) or "bits=10" (mantissa bits, rounded).
# A name may be a glob ("Jet_*"); the last line that matches a branch wins. Integers stay exact whatever is written.
"""


@dataclass(frozen=True)
class PlanLine:
    """A branch in a plan.

    Attributes
    ----------
    tree, branch
        Path of the tree and name of the branch.
    typename
        Type as uproot names it.
    precision
        What was found in the values, as `ColumnFacts.describe` says it.
    bound
        The bound.
    """

    tree: str
    branch: str
    typename: str
    precision: str
    bound: Bound


def write_plan(lines: Iterable[PlanLine]) -> str:
    """Return the text of a plan with every branch, ready to be edited.

    Reading it back gives each branch its bound again; branches of a tree should come one after another.
    """
    parts = [_HEAD]
    tree = None
    for line in lines:
        if line.tree != tree:
            tree = line.tree
            parts.append(f"\n[{_quoted(_literal(tree))}]\n")
        remark = ", ".join(" ".join(part.split()) for part in (line.typename, line.precision) if part)
        remark = "".join(letter for letter in remark if letter.isprintable())
        entry = f'{_key(_literal(line.branch))} = "{line.bound}"'
        parts.append(f"{entry:<48}  # {remark}\n" if remark else f"{entry}\n")
    return "".join(parts)


def read_rules(path: str | os.PathLike[str]) -> list[tuple[str, Bound]]:
    """Return patterns and bounds of a plan's file, in its order.

    Raises
    ------
    BoundError
        The file is no TOML, or a line of it no bound; the message names file, line and key.
    OSError
        The file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{os.fspath(path)} is not a plan in TOML: {error}; 'hepbaler plan' writes one to start from"
        raise BoundError(msg) from None
    rules = []
    for keys, value in _leaves(data, ()):
        tree, name = keys[0], ".".join(keys[1:])
        pattern = f"{tree}:{name}" if name else tree
        try:
            rules.append((pattern, _bound(value)))
        except BoundError as error:
            msg = f"{os.fspath(path)}, line {_line_of(text, keys)}, key {'.'.join(keys)!r}: {error}"
            raise BoundError(msg) from None
    return rules


def _bound(value: object) -> Bound:
    if not isinstance(value, str):
        msg = f'a bound is written as text in quotes, such as "bits=10", not as {value!r}'
        raise BoundError(msg)
    return Bound.parse(value)


def _leaves(node: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    # An unquoted name with a dot is a table in a table to TOML; here it is still a name.
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """Return the number of the line that sets a key, or of the last line if the file is laid out in another way."""
    section: tuple[str, ...] = ()
    number = 0
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            data = tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
        if line.lstrip().startswith("["):
            section = ()
            while data:
                (key, data), *_ = data.items()
                section = (*section, key)
        elif any((*section, *found) == keys for found, _ in _leaves(data, ())):
            return number
    return number


def _literal(name: str) -> str:
    """Write a name so that it matches only itself as a glob."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _key(name: str) -> str:
    return name if _BARE.match(name) else _quoted(name)


def _quoted(name: str) -> str:
    def escape(letter: str) -> str:
        if letter in '"\\':
            return "\\" + letter
        return letter if letter.isprintable() else f"\\U{ord(letter):08x}"

    return '"' + "".join(map(escape, name)) + '"'
