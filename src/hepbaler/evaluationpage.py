"""The figures and the HTML page of an `Evaluation`."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .analysis.columnplot import draw_column, draw_correlations
from .analysis.page import figure_block, page, table_block
from .analysis.style import png_bytes, save_figure

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from .judging import Evaluation

__all__ = ("figures", "save_figures", "write_page")

Progress = Callable[[str, int, int], None]

# What a page shows of columns that nobody asked for by name.
MAX_COLUMNS = 16


def __dir__() -> tuple[str, ...]:
    return __all__


def figures(
    evaluation: Evaluation, max_columns: int = MAX_COLUMNS, progress: Progress | None = None
) -> Iterator[tuple[str, Figure]]:
    """Draw the most suspicious columns that changed, and every correlation matrix.

    Parameters
    ----------
    evaluation
        From `hepbaler.judging.evaluate`.
    max_columns
        How many columns.
    progress
        Called with what is done, how many figures are, and how many there are.

    Yields
    ------
    name, figure
        Name as of a file, without ending.
    """
    chosen = [column for column in evaluation.columns if column.changed and column.sampled][:max_columns]
    total = len(chosen) + len(evaluation.correlations)
    several = len({tree for tree, _ in evaluation.tallies}) > 1
    for done, column in enumerate(chosen):
        name = f"{column.tree}_{column.column}" if several else column.column
        yield _file_name(name), draw_column(column, evaluation.tallies[column.tree, column.column])
        if progress is not None:
            progress("draw", done + 1, total)
    for done, (collection, matrix) in enumerate(evaluation.correlations.items()):
        yield _file_name(f"correlations_{collection}"), draw_correlations(collection, matrix)
        if progress is not None:
            progress("draw", len(chosen) + done + 1, total)


def save_figures(
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    max_columns: int = MAX_COLUMNS,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the figures as PNG into a folder, which is made if need be.

    Raises
    ------
    OutputError
        One cannot be written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures(evaluation, max_columns, progress):
        paths.append(target / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def write_page(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    max_columns: int = MAX_COLUMNS,
    progress: Progress | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
) -> None:
    """Write everything as one HTML file, and the same figures as `save_figures` does where a folder is given."""
    target = None if folder is None else Path(folder)
    if target is not None:
        target.mkdir(parents=True, exist_ok=True)
    blocks = [
        f"<p>before: {html.escape(evaluation.before)}<br>after: {html.escape(evaluation.after)}</p>",
        f"<p>{len(evaluation.columns)} columns, {len(evaluation.suspicious)} of them suspicious; "
        + ("every promise is kept" if evaluation.ok else "<b>a promise is broken</b>")
        + "</p>",
    ]
    if evaluation.missing:
        blocks.append(f"<p>in one of the files only: {html.escape(', '.join(evaluation.missing))}</p>")
    if evaluation.cuts:
        rows = [(c.cut, *(f"{n:,}" for n in (c.before, c.after, c.gained, c.lost)), "") for c in evaluation.cuts]
        blocks += [
            "<h2>Cuts</h2>",
            table_block(("cut", "before", "after", "gained", "lost", ""), rows, [False] * len(rows)),
        ]
    blocks += ["<h2>Columns</h2>", _columns(evaluation), "<h2>Figures</h2>"]
    for name, figure in figures(evaluation, max_columns, progress):
        blocks.append(figure_block(png_bytes(figure), name))
        if target is not None:
            save_figure(figure, target / f"{name}.png")
    Path(path).write_text(page("hepbaler evaluate", blocks), encoding="utf-8")


def _columns(evaluation: Evaluation) -> str:
    head = ("column", "bound", "values", "changed", "largest error", "of bound", "bias", "RMS", "spread", "rel. 50 %",
            "rel. 99 %", "KS", "Wasserstein", "comb from", "remarks")  # fmt: skip
    rows = []
    for c in evaluation.columns:
        share = "-" if c.largest_share is None else f"{c.largest_share:.3f}"
        numbers = (c.largest_error, share, c.bias, c.rms, c.spread, c.relative.get("0.5"), c.relative.get("0.99"),
                   c.ks, c.wasserstein)  # fmt: skip
        texts = (n if isinstance(n, str) else "-" if n is None else f"{n:.3g}" for n in numbers)
        comb = "-" if c.combing_bins is None else f"{c.combing_bins} bins"
        rows.append((c.column, c.bound or "-", f"{c.values:,}", f"{c.changed:,}", *texts, comb, "; ".join(c.remarks)))
    return table_block(head, rows, [bool(c.remarks) for c in evaluation.columns])


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", name).strip("_")
