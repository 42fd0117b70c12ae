"""`hepbaler verify`: checksums of every byte, and with the original every value against its bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .archive import Archive, open_archive
from .bounds import Choice, holds
from .errors import CorruptFile, InputError
from .latent.encoding import ErrorTally
from .latent.entry import ColumnError
from .layouts import columns_of
from .table import Column
from .tree import Tree

if TYPE_CHECKING:
    import os

    from .reading import Source

__all__ = ("ColumnCheck", "VerifyReport", "verify")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ColumnCheck:
    """A column against the original.

    Attributes
    ----------
    tree, column
        Which.
    bound
        As in ``bits=10``; ``exact`` for integers; ``measured 0.1`` for a column of latent mode: its errors were measured
        while it was written, and are what is checked.
    values
        How many were compared.
    violations
        How many lie outside the bound.
    largest_error
        Largest absolute difference, in the column's unit.
    largest_share
        Largest difference as a share of what its bound allows; at most 1 if there are no violations.
    """

    tree: str
    column: str
    bound: str
    values: int
    violations: int
    largest_error: float
    largest_share: float


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found.

    Attributes
    ----------
    bytes_checked
        Bytes of the archive whose checksums hold, all of them.
    values
        Values compared with the original; 0 without one.
    violations
        Values outside their bounds, and entries or branches that differ in number.
    columns
        One a column, if there was an original.
    missing
        Branches of the original that the archive does not hold.
    """

    archive: str
    original: str | None
    bytes_checked: int
    values: int = 0
    violations: int = 0
    columns: tuple[ColumnCheck, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that is in the archive is as promised."""
        return self.violations == 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"ok": self.ok}


def verify(
    archive: str | os.PathLike[str],
    original: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check an archive.

    Parameters
    ----------
    archive
        The archive: all checksums are verified and every page is decoded.
    original
        The ROOT file that it was made from: every value is compared.
    progress
        Called as ``(phase, done, total)``.

    Raises
    ------
    FormatError
        If the archive is damaged.
    InputError
        If the original cannot be read, or does not hold the trees of the archive.
    """
    from .reading import open_source

    with open_archive(archive) as opened:
        n_bytes = 0
        for _, size in opened.reader.check():
            n_bytes += size
            if progress is not None:
                progress("checksums", n_bytes, opened.reader.size)
        if original is None:
            for tree in opened.trees.values():
                for first, _ in _clusters(tree, "decode", progress):
                    _decode(tree, first)
            return VerifyReport(opened.path, None, n_bytes)
        with open_source(str(original), need_trees=False) as source:
            checks, missing = _compare(opened, source, progress)
    violations = sum(check.violations for check in checks)
    values = sum(check.values for check in checks)
    return VerifyReport(opened.path, str(original), n_bytes, values, violations, tuple(checks), tuple(missing))


def _clusters(tree: Tree, phase: str, progress: Progress | None) -> Any:
    borders = tree.common_entry_offsets()
    for number in range(len(borders) - 1):
        yield number, (borders[number], borders[number + 1])
        if progress is not None:
            progress(phase, borders[number + 1], borders[-1])


def _decode(tree: Tree, cluster: int) -> dict[str, NDArray[Any]]:
    return tree.decoder.columns([cluster], [column.key for column in tree.header.schema.columns])[0]


def _compare(archive: Archive, source: Source, progress: Progress | None) -> tuple[list[ColumnCheck], list[str]]:
    from .layouts import flatten

    originals = {tree.path: tree for tree in source.trees}
    checks: list[ColumnCheck] = []
    missing: list[str] = []
    for path, tree in archive.trees.items():
        if path not in originals:
            msg = f"{source.path} holds no tree {path!r}, which {archive.path} was made from; it holds {', '.join(originals) or 'none'}"
            raise InputError(msg)
        other = originals[path]
        if other.num_entries != tree.num_entries:
            msg = f"tree {path!r} has {tree.num_entries} entries in {archive.path} and {other.num_entries} in {source.path}"
            raise InputError(msg)
        branches = {branch.name: branch for branch in other.branches}
        missing += [f"{path}:{name}" for name in branches if name not in tree]
        absent = [name for name in tree if name not in branches]
        if absent:
            msg = f"tree {path!r} of {source.path} has no branch {absent[0]!r}, which {archive.path} holds"
            raise InputError(msg)
        tallies = {column.key: _Tally(tree, column) for column in tree.header.schema.columns}
        headers = [segment.header for segment in tree.segments for _ in range(segment.header.n_clusters)]
        for cluster, (start, stop) in _clusters(tree, "compare", progress):
            decoded = _decode(tree, cluster)
            header = headers[cluster]
            measured = header.measured()
            arrays = other.read(start, stop, list(tree))
            for branch in tree.header.schema.branches:
                truth = flatten(branch.layout, arrays.pop(branch.name))
                for column in columns_of(branch):
                    stored = header.schema.same_as.get(column.key, column.key)
                    promise = header.choices.get(stored) or measured.get(stored)
                    tallies[column.key].add(truth[column.key], decoded[column.key], promise)
        checks += [tally.check() for tally in tallies.values()]
    return checks, missing


class _Tally:
    """Errors of one column, cluster by cluster."""

    def __init__(self, tree: Tree, column: Column) -> None:
        same_as = tree.header.schema.same_as
        choices: Mapping[str, Choice] = tree.header.choices
        self._tree = tree.object_path
        self._column = column
        self._choice = choices.get(same_as.get(column.key, column.key))
        self._values = 0
        self._violations = 0
        self._error = 0.0
        self._share = 0.0
        # By what was measured while writing, one a segment.
        self._measured: dict[ColumnError, ErrorTally] = {}

    def add(self, truth: NDArray[Any], found: NDArray[Any], promise: Choice | ColumnError | None) -> None:
        if truth.shape != found.shape or truth.dtype != found.dtype:
            msg = f"column {self._column.key!r} has {len(found)} {found.dtype} values where the original has {len(truth)} {truth.dtype}"
            raise CorruptFile(msg, section=self._column.key, expected=len(truth), found=len(found))
        self._values += len(truth)
        if truth.dtype.kind != "f":
            self._violations += int(np.count_nonzero(truth != found))
            return
        if promise is None:  # a column that repeats one that is gone cannot be
            msg = f"column {self._column.key!r} has no bound in the archive"
            raise CorruptFile(msg, section=self._column.key)
        if isinstance(promise, ColumnError):
            self._measure(truth, found, promise)
            return
        bound, scale = promise.bound, promise.scale
        good = holds(truth, found, bound, scale, exact=promise.exact)
        self._violations += len(good) - int(np.count_nonzero(good))
        with np.errstate(all="ignore"):
            before = truth.astype(np.float64)
            errors = np.abs(before - found.astype(np.float64))
            shares = errors / bound.allowed(before, scale)
        self._error = max(self._error, float(np.max(errors, where=np.isfinite(errors), initial=0.0)))
        self._share = max(self._share, float(np.max(shares, where=np.isfinite(shares), initial=0.0)))

    def _measure(self, truth: NDArray[Any], found: NDArray[Any], promised: ColumnError) -> None:
        """A column of latent mode has no bound, but no error may be larger than the largest that was measured."""
        self._measured.setdefault(promised, ErrorTally()).add(truth, found)
        finite = np.isfinite(truth)
        with np.errstate(over="ignore"):
            errors = np.abs(found[finite].astype(np.float64) - truth[finite].astype(np.float64))
        self._violations += int(np.count_nonzero(~(errors <= promised.largest)))
        # What is not finite is kept bit for bit.
        unsigned = f"u{truth.dtype.itemsize}"
        self._violations += int(np.count_nonzero(truth[~finite].view(unsigned) != found[~finite].view(unsigned)))
        self._error = max(self._error, float(errors.max(initial=0.0)))
        if promised.largest:
            self._share = max(self._share, float(errors.max(initial=0.0)) / promised.largest)

    def check(self) -> ColumnCheck:
        if self._measured:
            self._violations += sum(not _agree(tally.error(), told) for told, tally in self._measured.items())
        largest = max((told.largest for told in self._measured), default=0.0)
        bound = (
            f"measured {largest:.3g}"
            if self._measured
            else "exact"
            if self._choice is None
            else str(self._choice.bound)
        )
        return ColumnCheck(
            self._tree, self._column.key, bound, self._values, self._violations, self._error, self._share
        )


def _agree(found: ColumnError, told: ColumnError) -> bool:
    """Whether RMS and bias are those that the archive tells; sums in another order differ in their last bits."""
    same_rms = math.isclose(found.rms, told.rms, rel_tol=1e-9, abs_tol=1e-300)
    return same_rms and abs(found.bias - told.bias) <= 1e-9 * (abs(told.bias) + told.rms)
