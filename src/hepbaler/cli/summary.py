"""What each verb says at its end, from the library's reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .latenttable import print_autoencoder
from .tables import bytes_text, is_verbose, plural, print_lines, print_table, ratio_text, seconds_text, warn

if TYPE_CHECKING:
    from ..decompressing import RestoreReport
    from ..reports import CompressReport, TableReport, TrainReport
    from ..restoring import Difference
    from ..verifying import ColumnCheck, VerifyReport

__all__ = ("print_compressed", "print_restored", "print_trained", "print_verified")

# Rows of a table that a terminal shows without scrolling.
_MAX_ROWS = 16


def __dir__() -> tuple[str, ...]:
    return __all__


def print_compressed(report: CompressReport, *, selected: bool = False) -> None:
    """Tell what `compress` made of a file.

    Parameters
    ----------
    report
        From `hepbaler.pipeline.compress`.
    selected
        Whether branches were chosen: the ROOT file is then not what the archive should be compared with.
    """
    # First, so that the table is what stays on the screen.
    _print_remarks(report.notes, report.left_out)
    _print_tables(f"{report.source} -> {report.target}", report.tables)
    for one in report.autoencoders:
        print_autoencoder(
            f"{one.tree}  {one.table}, {one.model}, trained for {seconds_text(one.seconds)}",
            one.nominal_ratio,
            one.true_ratio,
            one.n_latent,
            {column: vars(error) for column, error in one.errors.items()},
        )
    measured = sum(len(one.errors) * one.rows for one in report.autoencoders)
    checked = (
        "every one checked against its bound"
        if not measured
        else (f"{measured:,} of them from latents with measured errors, the others checked against their bounds")
    )
    against_source = ratio_text(report.source_bytes, report.archive_bytes)
    against_arrays = ratio_text(report.raw_bytes, report.archive_bytes)
    seconds = sum(report.seconds.values())
    phases = ", ".join(f"{name} {seconds_text(t)}" for name, t in report.seconds.items())
    kept = f"; {report.exceptions:,} of them kept bit for bit beside the grid" if report.exceptions else ""
    print_lines(
        [
            (
                f"{bytes_text(report.source_bytes)} -> {bytes_text(report.archive_bytes)}: "
                f"{against_source} times smaller than the ROOT file, {against_arrays} times smaller than its arrays"
                if not selected and not report.left_out
                else f"{bytes_text(report.archive_bytes)}, {against_arrays} times smaller than the arrays of what is kept "
                f"of a ROOT file of {bytes_text(report.source_bytes)}"
            ),
            (
                f"{plural(report.trees, 'tree')}, {plural(report.branches, 'branch', 'branches')}, "
                f"{plural(report.entries, 'entry', 'entries')}; "
                f"{plural(report.values, 'value')}, {checked}{kept}"
            ),
            f"{seconds_text(seconds)} ({phases})",
        ]
    )


def print_restored(report: RestoreReport) -> None:
    """Tell what `decompress` wrote, and what is not as it was."""
    rows = [
        (tree.path, tree.kind, f"{tree.num_entries:,}", f"{len(tree.branches):,}", f"{len(tree.differences):,}")
        for tree in report.trees
        if tree.not_written is None
    ]
    print_table(f"{report.archive} -> {report.target}", ("tree", "kind", "entries", "branches", "differences"), rows)
    objects = f", {plural(len(report.objects.copied), 'other object')}" if report.objects is not None else ""
    _print_differences(report)
    print_lines(
        [
            (
                f"{bytes_text(report.archive_bytes)} -> {bytes_text(report.target_bytes)}, "
                f"{plural(len(rows), 'tree')}{objects}"
            )
        ]
    )


def _print_differences(report: RestoreReport) -> None:
    """What differs in the same way is one line, unless ``-v``; what is not there at all is named, also under ``-q``."""
    for tree in report.trees:
        differing = [d for d in tree.differences if d.kind != "missing"]
        for alike in _by_reason((d, f"{d.kind} {d.reason}") for d in differing):
            if is_verbose():
                print_lines(f"differs: {tree.path}: {d}" for d in alike)
            else:
                more = f" (and {plural(len(alike) - 1, 'other')} likewise: -v)" if len(alike) > 1 else ""
                print_lines([f"differs: {tree.path}: {alike[0]}{more}"])
        if tree.not_written is not None:
            warn(f"tree {tree.path} is not written: {tree.not_written}")
        for alike in _by_reason((d, d.reason) for d in tree.missing):
            what = plural(len(alike), "branch is", "branches are")
            warn(f"{tree.path}: {what} not written: {alike[0].reason}", [d.branch for d in alike])
    for path, classname, reason in report.objects.missing if report.objects is not None else ():
        warn(f"{path} ({classname}) is not written: {reason}")


def _by_reason(differences: Iterable[tuple[Difference, str]]) -> list[list[Difference]]:
    groups: dict[str, list[Difference]] = {}
    for difference, reason in differences:
        groups.setdefault(reason, []).append(difference)
    return list(groups.values())


def print_trained(report: TrainReport) -> None:
    """Tell what `train` made."""
    rows = [
        (
            table.name,
            f"{table.rows:,}",
            f"{table.columns:,}",
            f"{table.learned:,}",
            f"{report.train_steps.get(f'{table.tree}:{table.name}', 0):,}",
            bytes_text(table.archive_bytes),
        )
        for table in report.tables
    ]
    files = report.sources[0] if len(report.sources) == 1 else plural(len(report.sources), "file")
    print_table(f"{files} -> {report.target}", ("table", "rows", "columns", "learned", "steps", "decoder"), rows)
    print_lines([f"{bytes_text(report.model_bytes)} in {seconds_text(sum(report.seconds.values()))}"])
    _print_remarks(report.notes, ())


def print_verified(report: VerifyReport) -> None:
    """Tell what `verify` found."""
    broken = [check for check in report.columns if check.violations]
    if report.original is None:
        print_lines([f"{report.archive}: {bytes_text(report.bytes_checked)}, every checksum holds, every page decodes"])
        return
    shown = broken or sorted(report.columns, key=lambda check: -check.largest_share)
    _print_checks(f"{report.archive} against {report.original}", shown)
    verdict = "every one within its bound" if report.ok else f"{report.violations:,} OUTSIDE their bounds"
    print_lines([f"{plural(report.values, 'value')} compared, {verdict}"])
    _print_remarks((), [f"{name}: not in the archive" for name in report.missing])


def _print_tables(title: str, tables: Sequence[TableReport]) -> None:
    several = len({table.tree for table in tables}) > 1
    ordered = sorted(tables, key=lambda table: -table.archive_bytes)
    shown, rest = ordered[:_MAX_ROWS], ordered[_MAX_ROWS:]
    rows = [
        (
            f"{table.tree}: {table.name}" if several and table.name != table.tree else table.name,
            f"{table.rows:,}",
            f"{table.columns:,}",
            f"{table.learned:,}",
            *_sizes([table]),
        )
        for table in shown
    ]
    if rest:
        rows.append((f"{len(rest)} more", "", *_counts(rest), *_sizes(rest)))
    rows.append(("all", "", *_counts(tables), *_sizes(tables)))
    print_table(title, ("table", "rows", "columns", "learned", "arrays", "plain", "archive", "ratio"), rows, total=True)


def _counts(tables: Sequence[TableReport]) -> tuple[str, str]:
    return f"{sum(table.columns for table in tables):,}", f"{sum(table.learned for table in tables):,}"


def _sizes(tables: Sequence[TableReport]) -> tuple[str, str, str, str]:
    raw, plain, archive = (
        sum(getattr(table, name) for table in tables) for name in ("raw_bytes", "plain_bytes", "archive_bytes")
    )
    return bytes_text(raw), bytes_text(plain), bytes_text(archive), ratio_text(raw, archive)


def _print_checks(title: str, checks: Sequence[ColumnCheck]) -> None:
    several = len({check.tree for check in checks}) > 1
    rows = [
        (
            f"{check.tree}: {check.column}" if several else check.column,
            check.bound,
            f"{check.values:,}",
            f"{check.largest_error:.3g}",
            f"{check.largest_share:.3f}",
            f"{check.violations:,}",
        )
        for check in checks[:_MAX_ROWS]
    ]
    if len(checks) > _MAX_ROWS:
        rows.append((f"{len(checks) - _MAX_ROWS} more", "", "", "", "", ""))
    print_table(title, ("column", "bound", "values", "largest error", "of bound", "outside"), rows)


def _print_remarks(notes: Sequence[str], left_out: Sequence[str]) -> None:
    print_lines(f"note: {note}" for note in notes)
    print_lines(f"left out: {item}" for item in left_out)
