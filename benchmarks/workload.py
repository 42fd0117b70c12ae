"""What the peers code: the float columns of a tree, each with its bound."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepbaler.bounds import Bound, Choice, Plan
from hepbaler.layouts import flatten
from hepbaler.pipeline import CLUSTER_BYTES
from hepbaler.preparing import prepare
from hepbaler.reading import SourceTree, open_source
from hepbaler.scanning import read_columns, scan

__all__ = (
    "Agreement",
    "FloatColumn",
    "Workload",
    "agreement",
    "flat_columns",
    "largest_tree",
    "load",
    "make",
    "tree_of",
)

_LIST = "workload.json"


@dataclass(frozen=True, eq=False)
class FloatColumn:
    """One float column over the whole tree.

    Attributes
    ----------
    key, branch, table
        Its names, and that of the table of columns with the same rows.
    values
        Shape ``(n_rows,)``.
    choice
        The bound, its scale, and the grid that hepbaler chose for it. The grid may be tighter than the bound: a column
        that holds no more bits than asked for is kept exactly. Peers are held to the bound alone.
    """

    key: str
    branch: str
    table: str
    values: NDArray[Any]
    choice: Choice

    @property
    def bound(self) -> Bound:
        """What every peer has to keep."""
        return self.choice.bound

    @property
    def scale(self) -> float:
        """`s` of a ``bits`` bound."""
        return self.choice.scale


@dataclass(frozen=True, eq=False)
class Agreement:
    """A column against its bound.

    Attributes
    ----------
    values, violations
        How many there are, and how many are farther off than allowed.
    worst
        Largest error as a share of what is allowed; infinite where nothing is allowed and something changed.
    """

    values: int
    violations: int
    worst: float


@dataclass(frozen=True, eq=False)
class Workload:
    """The float columns of the largest tree of a file, each once, without those that never change.

    Attributes
    ----------
    source, tree
        The file and the tree's path in it.
    bound
        As asked for.
    entries
        Of the tree.
    raw_bytes
        All columns of the tree as plain arrays, integers too.
    columns
        What is coded within bounds.
    """

    source: Path
    tree: str
    bound: Bound
    entries: int
    raw_bytes: int
    columns: tuple[FloatColumn, ...]

    @property
    def plan(self) -> Plan:
        """The bound as hepbaler takes it."""
        return Plan(default=self.bound)

    @property
    def float_bytes(self) -> int:
        """The float columns as plain arrays."""
        return sum(column.values.nbytes for column in self.columns)

    @property
    def float_branches(self) -> list[str]:
        """Names of the branches that hold the float columns."""
        return list(dict.fromkeys(column.branch for column in self.columns))

    def save(self, folder: Path) -> None:
        """Write arrays and bounds into a folder, for the processes that measure."""
        listed = []
        for number, column in enumerate(self.columns):
            np.save(folder / f"column{number}.npy", column.values)
            names = {"key": column.key, "branch": column.branch, "table": column.table}
            listed.append(names | {"choice": column.choice.to_dict()})
        facts = {
            "source": str(self.source),
            "tree": self.tree,
            "bound": str(self.bound),
            "entries": self.entries,
            "raw_bytes": self.raw_bytes,
            "columns": listed,
        }
        (folder / _LIST).write_text(json.dumps(facts))


def load(folder: Path) -> Workload:
    """What `Workload.save` wrote."""
    facts = json.loads((folder / _LIST).read_text())
    columns = tuple(
        FloatColumn(
            one["key"],
            one["branch"],
            one["table"],
            np.load(folder / f"column{number}.npy"),
            Choice.from_dict(one["choice"]),
        )
        for number, one in enumerate(facts["columns"])
    )
    return Workload(
        Path(facts["source"]), facts["tree"], Bound.parse(facts["bound"]), facts["entries"], facts["raw_bytes"], columns
    )


def largest_tree(trees: Sequence[SourceTree]) -> SourceTree:
    """The tree with the most bytes."""
    return max(trees, key=lambda tree: tree.uncompressed_bytes)


def make(source: Path, bound: Bound) -> Workload:
    """Read a file's largest tree and decide the bound of each of its float columns, as hepbaler does.

    Raises
    ------
    hepbaler.errors.InputError
        If the file cannot be read or holds no tree.
    """
    with open_source(str(source)) as opened:
        tree = largest_tree(opened.trees)
        found = scan(tree, tree.clusters(CLUSTER_BYTES), seed=0)
        prepared = prepare(tree, found, Plan(default=bound))
        home = {key: table.name for table in prepared.schema.tables for key in table.columns}
        read = read_columns(tree, 0, tree.num_entries)
        raw = sum(len(read[column.key]) * column.raw_itemsize for column in found.columns)
        columns = tuple(
            FloatColumn(column.key, column.branch, home[column.key], read[column.key], prepared.choices[column.key])
            for column in found.columns
            if column.key in prepared.choices and column.key not in prepared.constants
        )
        return Workload(source, tree.path, bound, tree.num_entries, raw, columns)


def agreement(column: FloatColumn, decoded: NDArray[Any]) -> Agreement:
    """Compare every value of a column with what came back, by nothing but the bound's own formula."""
    before, after = column.values.astype(np.float64), np.asarray(decoded, np.float64)
    if after.shape != before.shape:
        return Agreement(before.size, before.size, float("inf"))
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(all="ignore"):
        error = np.where(same, 0.0, np.abs(before - after))
        allowed = column.bound.allowed(column.values, column.scale)
        bad = ~(error <= allowed) & ~same
        share = np.where(error == 0.0, 0.0, error / allowed)
    share[np.isnan(share)] = np.inf
    return Agreement(before.size, int(bad.sum()), float(share.max(initial=0.0)))


def flat_columns(work: Workload, arrays: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The columns of branches that were read as awkward arrays, by key."""
    out: dict[str, NDArray[Any]] = {}
    with open_source(str(work.source)) as opened:
        for branch in tree_of(opened.trees, work.tree).branches:
            if branch.name in arrays:
                out |= flatten(branch.layout, arrays[branch.name])
    return out


def tree_of(trees: Sequence[SourceTree], path: str) -> SourceTree:
    """The tree of this path."""
    return next(tree for tree in trees if tree.path == path)
