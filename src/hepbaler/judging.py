"""`hepbaler evaluate`: every column of two files of the same events, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.columns import ColumnFigures, figures_of
from .analysis.cuts import Cut, CutCounts
from .analysis.distances import Correlations, correlate
from .analysis.tally import ColumnTally
from .errors import ColumnNotFound, InputError
from .filters import chooser
from .pairing import EventFile, TreePair, pair_trees

if TYPE_CHECKING:
    import os

    from .table import Column

__all__ = ("Evaluation", "evaluate")

Progress = Callable[[str, int, int], None]

# Of all samples together; a column with 100,000 rows of float32 takes 1.6 MB of it.
SAMPLE_BYTES = 250 * 10**6
BYTES_A_ROW = 16
MAX_ROWS, MIN_ROWS = 100_000, 2_000


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    before, after
        The files.
    columns
        The most suspicious first.
    correlations
        By tree and collection, of those with at least two columns.
    cuts
        As asked for.
    missing
        Branches that only one of the files has, or that have another type in the other.
    tallies
        The samples from which plots are drawn, by tree and column; no part of `to_dict`.
    """

    before: str
    after: str
    columns: tuple[ColumnFigures, ...]
    correlations: dict[str, Correlations]
    cuts: tuple[CutCounts, ...]
    missing: tuple[str, ...]
    tallies: dict[tuple[str, str], ColumnTally] = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether all promises are kept and every value could be compared."""
        return not any(column.outside or column.nonfinite or column.score >= 1e6 for column in self.columns)

    @property
    def suspicious(self) -> tuple[ColumnFigures, ...]:
        """Columns with a remark."""
        return tuple(column for column in self.columns if column.remarks)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "ok": self.ok,
            "columns": [column.to_dict() for column in self.columns],
            "correlations": {
                name: {
                    "columns": list(matrix.columns),
                    "rows": matrix.rows,
                    "before": matrix.before.tolist(),
                    "after": matrix.after.tolist(),
                    "difference": matrix.difference.tolist(),
                }
                for name, matrix in self.correlations.items()
            },
            "cuts": [vars(cut) for cut in self.cuts],
            "missing": list(self.missing),
        }


def evaluate(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    *,
    cuts: Sequence[str] = (),
    filter_name: str | Sequence[str] | Callable[[str], bool] | None = None,
    tree: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare every column of two files of the same events.

    Parameters
    ----------
    before, after
        ROOT files or archives, in any mix. Where one is an archive, its bounds are checked.
    cuts
        As in ``"Jet_pt>30"`` or ``"abs(Jet_eta)<2.4"``: objects that cross them are counted.
    filter_name
        Which branches: a glob, a list of them, a regular expression between slashes, or a function of the name.
    tree
        Only this one.
    seed
        Of the choice of sampled rows, where there are very many.
    progress
        Called with what is done, how many entries are, and how many there are.

    Raises
    ------
    InputError
        The files are not of the same events, or have nothing in common.
    ColumnNotFound
        A cut is on a column that does not exist.
    """
    parsed = [Cut.parse(text) for text in cuts]
    chosen = chooser(filter_name)
    with EventFile(before) as first, EventFile(after) as second:
        pairs = pair_trees(first, second, tree)
        columns, missing = _columns_of(pairs, chosen)
        if not columns:
            msg = f"{first.path} and {second.path} have no branch in common that is asked for"
            raise InputError(msg)
        _check_cuts(parsed, columns)
        rows = int(np.clip(SAMPLE_BYTES / BYTES_A_ROW / len(columns), MIN_ROWS, MAX_ROWS))
        tallies = {(item.tree, item.key): ColumnTally(rows, seed) for item in columns}
        counts = {cut.text: CutCounts(cut.text) for cut in parsed}
        for pair in pairs:
            mine = [item for item in columns if item.tree == pair.path]
            _read(pair, mine, tallies, parsed, counts, progress)
        figures = [
            figures_of(
                tallies[item.tree, item.key], item.tree, item.key, item.bound, integer=item.columns[0].dtype[0] != "f"
            )
            for item in columns
        ]
        correlations = _correlations(columns, tallies)
        order = sorted(figures, key=lambda f: -f.score)
        return Evaluation(
            first.path, second.path, tuple(order), correlations, tuple(counts.values()), tuple(missing), tallies
        )


@dataclass(frozen=True)
class _Item:
    """A column that both files have."""

    tree: str
    branch: str
    key: str
    columns: tuple[Column, Column]
    bound: str | None

    @property
    def collection(self) -> str:
        """The tree for columns with one row an entry, else what stands before the branch's first underscore."""
        if not self.columns[0].parents:
            return self.tree
        return f"{self.tree}/{self.branch.partition('_')[0]}"


def _columns_of(pairs: Sequence[TreePair], chosen: Callable[[str], bool]) -> tuple[list[_Item], list[str]]:
    items: list[_Item] = []
    missing: list[str] = []
    for pair in pairs:
        missing += [f"{pair.path}:{name}" for name in pair.missing if chosen(name)]
        for name in filter(chosen, pair.names):
            columns = pair.column_pairs(name)
            if not columns:
                missing.append(f"{pair.path}:{name} (another type)")
            items += [_Item(pair.path, name, both[0].key, both, pair.bound_of(both)) for both in columns]
    return items, missing


def _check_cuts(cuts: Sequence[Cut], columns: Sequence[_Item]) -> None:
    import difflib

    known = [item.key for item in columns]
    for cut in cuts:
        if cut.column not in known:
            near = difflib.get_close_matches(cut.column, known, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
            msg = f"the cut {cut.text!r} is on {cut.column!r}, which is no column of both files{hint}"
            raise ColumnNotFound(msg)


def _read(
    pair: TreePair,
    items: Sequence[_Item],
    tallies: dict[tuple[str, str], ColumnTally],
    cuts: Sequence[Cut],
    counts: dict[str, CutCounts],
    progress: Progress | None,
) -> None:
    by_branch: dict[str, list[_Item]] = {}
    for item in items:
        by_branch.setdefault(item.branch, []).append(item)
    for start, stop in pair.steps():
        arrays = pair.arrays(start, stop, list(by_branch))
        for name, mine in by_branch.items():
            flat = pair.flat(arrays, name)
            del arrays[0][name], arrays[1][name]
            for item in mine:
                one, other = flat[0][item.columns[0].key], flat[1][item.columns[1].key]
                allowed = None
                if len(one) == len(other):
                    allowed = pair.allowed(item.columns, other if pair.reversed else one)
                    for cut in cuts:
                        if cut.column == item.key:
                            counts[cut.text] = counts[cut.text].add(cut.passing(one), cut.passing(other))
                tallies[item.tree, item.key].add(one, other, allowed)
        if progress is not None:
            progress("compare", stop, pair.before.num_entries)


def _correlations(items: Sequence[_Item], tallies: dict[tuple[str, str], ColumnTally]) -> dict[str, Correlations]:
    groups: dict[tuple[str, str], list[_Item]] = {}
    for item in items:
        tally = tallies[item.tree, item.key]
        if item.columns[0].role == "values" and tally.sums().unpaired is None:
            groups.setdefault((item.collection, tally.signature), []).append(item)
    found: dict[str, Correlations] = {}
    for (name, _), members in groups.items():
        samples = {item.key: tallies[item.tree, item.key].sample for item in members}
        matrix = correlate(
            {key: np.asarray(one, np.float64) for key, (one, _) in samples.items()},
            {key: np.asarray(other, np.float64) for key, (_, other) in samples.items()},
        )
        if matrix is not None:
            found[name if name not in found else f"{name} ({members[0].branch})"] = matrix
    return found
