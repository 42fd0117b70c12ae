"""What is asked of a skim, and what follows from it for any source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..reading.failures import nearest
from ..reading.tree import matching
from ..table import Branch
from ..tree import Tree
from .choosing import Chosen, choose
from .reports import SkimmedTree, SkimReport
from .selection import Cut

__all__ = ("Job", "Progress")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Job:
    """What is asked for; the attributes are the arguments of `skim`, cuts taken apart."""

    source: str
    out: Path
    cuts: tuple[Cut, ...]
    keep: tuple[str, ...]
    drop: tuple[str, ...]
    tree: str | None
    tell: Progress

    def chosen_of(self, trees: Mapping[str, Tree], cut_tree: str | None) -> dict[str, Chosen]:
        """Chosen entries of each tree of an archive."""
        out = {}
        for path, tree in trees.items():
            cuts = self.cuts if path == cut_tree else ()
            ranges = list(pairwise(tree.common_entry_offsets()))
            n = tree.num_entries
            out[path] = choose(
                tree.branch_arrays,
                ranges,
                cuts,
                tree.keys(),
                (self.source, path),
                lambda done, n=n: self.tell("cut", done, n),  # type: ignore[misc]
            )
        return out

    def branches_of(self, trees: Mapping[str, Sequence[Branch]]) -> dict[str, list[Branch]]:
        """Branches of each tree that are kept; trees without any are left out."""
        every = [branch.name for branches in trees.values() for branch in branches]
        for pattern in self.keep:
            if not matching([pattern], every):
                msg = f"no branch in {self.source} matches {pattern!r}{nearest(pattern, every)}"
                raise InputError(msg)
        out = {}
        for path, branches in trees.items():
            names = [branch.name for branch in branches]
            chosen = set(matching(self.keep, names) if self.keep else names).difference(matching(self.drop, names))
            chosen |= {b.count_branch for b in branches if b.name in chosen and b.count_branch is not None}
            kept = [branch for branch in branches if branch.name in chosen]
            if kept or not branches:
                out[path] = kept
        if not any(out.values()):
            msg = f"--keep and --drop leave no branch of {self.source}"
            raise InputError(msg)
        return out

    def note(self, cut_tree: str | None, before: int, chosen: Chosen | None) -> str:
        """What an archive says of its skim."""
        what = [f"cut {' and '.join(f'({cut.text})' for cut in self.cuts)}"] if self.cuts else []
        what += [f"keep {' '.join(self.keep)}"] if self.keep else []
        what += [f"drop {' '.join(self.drop)}"] if self.drop else []
        left = f"; {chosen.num_entries} of {before} entries of tree {cut_tree!r} are left" if chosen else ""
        return f"skimmed ({', '.join(what) or 'all'}){left}; bounds hold against the original values"

    def settings(self) -> dict[str, Any]:
        """The same in the settings of an archive."""
        return {"skim": {"cut": [one.text for one in self.cuts], "keep": list(self.keep), "drop": list(self.drop)}}

    def report(
        self,
        source_bytes: int,
        counts: Mapping[str, tuple[int, int, int]],
        cut_tree: str | None,
        chosen: Chosen | None,
        **more: Any,
    ) -> SkimReport:
        """The report of what was written; `counts` has for each tree its entries before, after, and its branches."""
        flow = chosen.flow if chosen is not None else ()
        return SkimReport(
            self.source,
            str(self.out),
            source_bytes,
            self.out.stat().st_size,
            tuple(SkimmedTree(path, *count) for path, count in counts.items()),
            cut_tree if self.cuts else None,
            tuple((one.text, n) for one, n in zip(self.cuts, flow, strict=True)) if self.cuts else (),
            **more,
        )
