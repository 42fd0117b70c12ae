"""``hepbaler evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .campaign import Many, many_options, run_many
from .options import CONTEXT, jobs_option, json_option, talk_options
from .progress import progress_bar
from .tables import is_verbose, plural, print_json, print_lines, print_table, warn

if TYPE_CHECKING:
    from ..analysis.columns import ColumnFigures
    from ..judging import Evaluation

__all__ = ("evaluate",)

# Rows of a table that a terminal shows without scrolling.
_MAX_ROWS = 16


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Compare every column of two files.")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option(
    "--cut", "cuts", multiple=True, metavar="CUT", help="Count objects that cross it: 'Jet_pt>30' (repeatable)."
)
@click.option("--keep", multiple=True, metavar="GLOB", help="Only these branches (repeatable).")
@click.option("--tree", metavar="NAME", help="Only this tree.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write a report with its figures into one file.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Write the figures into DIR; of many pairs a report each, and skip what was found good there before.",
)
@click.option(
    "--figures",
    type=click.IntRange(min=0),
    default=16,
    show_default=True,
    help="Draw so many columns, the most suspicious ones.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the sample of rows, where there are very many.",
)
@jobs_option("Many pairs: so many at a time.")
@many_options
@json_option
@talk_options
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    before: str,
    after: str,
    cuts: tuple[str, ...],
    keep: tuple[str, ...],
    tree: str | None,
    page: str | None,
    folder: str | None,
    figures: int,
    seed: int,
    as_json: bool,
    **_many: Any,
) -> int:
    """Compare every column BEFORE and AFTER, two ROOT files or archives of the same events.

    The most suspicious columns come first. The exit code is 1 where a bound is broken or values do not correspond.

    Both may be directories, quoted globs or filesets (JSON files as coffea has them): x.root is compared with x.root.hbal.
    """
    many = Many.asked(ctx)
    if any(many.wanted([path]) or path.endswith(".json") for path in (before, after)):
        if page is not None:
            msg = "--html is about one pair of files"
            raise click.UsageError(msg, ctx=ctx)

        from ..campaign.many import evaluate_many

        more: dict[str, Any] = {"cuts": cuts, "filter_name": list(keep) or None, "tree": tree, "seed": seed}
        return run_many(many, lambda **how: evaluate_many(before, after, folder, **more, **how))

    from .. import judging

    with progress_bar() as progress:
        report = judging.evaluate(
            before, after, cuts=cuts, filter_name=list(keep) or None, tree=tree, seed=seed, progress=progress
        )
        if page is not None or folder is not None:
            from .. import evaluationpage

            if page is not None:
                evaluationpage.write_page(report, page, figures, progress, folder=folder)
            elif folder is not None:
                evaluationpage.save_figures(report, folder, figures, progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
        print_lines(f"-> {target}" for target in (page, folder) if target is not None)
    return 0 if report.ok else 1


def _print(report: Evaluation) -> None:
    if report.missing:
        warn(
            f"{plural(len(report.missing), 'branch', 'branches')} not in both files, or of another type", report.missing
        )
    changed = [column for column in report.columns if column.changed or column.remarks]
    shown = changed if is_verbose() else changed[:_MAX_ROWS]
    several = len({column.tree for column in report.columns}) > 1
    rows = [_row(column, several=several) for column in shown]
    if len(changed) > len(shown):
        rows.append((f"{len(changed) - len(shown)} more", *[""] * 7))
    head = ("column", "bound", "largest error", "of bound", "bias", "RMS", "KS", "comb from")
    if rows:
        print_table(f"{report.before} and {report.after}", head, rows)
    if report.cuts:
        counts = [
            (cut.cut, f"{cut.before:,}", f"{cut.after:,}", f"{cut.gained:,}", f"{cut.lost:,}") for cut in report.cuts
        ]
        print_table("objects that pass a cut", ("cut", "before", "after", "gained", "lost"), counts)
    lines = [f"{column.column}: {'; '.join(column.remarks)}" for column in report.suspicious[:_MAX_ROWS]]
    if len(report.suspicious) > _MAX_ROWS:
        lines.append(f"and {len(report.suspicious) - _MAX_ROWS} more suspicious columns")
    if report.correlations:
        name, matrix = max(report.correlations.items(), key=lambda item: abs(_change(item[1].largest())))
        one, other, old, new = matrix.largest()
        lines.append(f"largest change of a correlation: {one}, {other} in {name}, {old:.4f} -> {new:.4f}")
    exact = len(report.columns) - len(changed)
    lines.append(
        f"{plural(len(report.columns), 'column')}: {exact} unchanged, {len(report.suspicious)} suspicious; "
        + ("every promise is kept" if report.ok else "a promise is broken")
    )
    print_lines(lines)


def _change(pair: tuple[str, str, float, float]) -> float:
    return pair[3] - pair[2]


def _row(column: ColumnFigures, *, several: bool) -> tuple[str, ...]:
    share = "-" if column.largest_share is None else f"{column.largest_share:.3f}"
    return (
        f"{column.tree}: {column.column}" if several else column.column,
        column.bound or "-",
        f"{column.largest_error:.3g}",
        share,
        f"{column.bias:.2g}",
        f"{column.rms:.3g}",
        f"{column.ks:.2g}",
        "-" if column.combing_bins is None else f"{column.combing_bins} bins",
    )
