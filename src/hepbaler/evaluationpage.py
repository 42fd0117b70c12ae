"""The figures and the HTML page of an `Evaluation`."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .analysis.columnplot import draw_column, draw_correlations
from .analysis.page import figure_block, folded_block, page, table_block
from .analysis.style import png_bytes, save_figure

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from .analysis.columns import ColumnFigures
    from .judging import Evaluation

__all__ = ("figures", "save_figures", "write_page")

Progress = Callable[[str, int, int], None]

# What a page shows of columns that nobody asked for by name.
MAX_COLUMNS = 16
MAX_PAIRS = 10


def __dir__() -> tuple[str, ...]:
    return __all__


def figures(
    evaluation: Evaluation, max_columns: int = MAX_COLUMNS, progress: Progress | None = None
) -> Iterator[tuple[str, Figure]]:
    """Draw the most suspicious columns that changed, and every correlation matrix that did.

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
    matrices = [(name, matrix) for name, matrix in evaluation.correlations.items() if matrix.difference.any()]
    total = len(chosen) + len(matrices)
    several = len({tree for tree, _ in evaluation.tallies}) > 1
    for done, column in enumerate(chosen):
        name = f"{column.tree}_{column.column}" if several else column.column
        yield _file_name(name), draw_column(column, evaluation.tallies[column.tree, column.column])
        if progress is not None:
            progress("draw", done + 1, total)
    for done, (collection, matrix) in enumerate(matrices):
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
        rows = [(c.cut, *(f"{n:,}" for n in (c.before, c.after, c.gained, c.lost))) for c in evaluation.cuts]
        blocks += [
            "<h2>Objects that cross a cut</h2>",
            table_block(("cut", "before", "after", "gained", "lost"), rows),
        ]
    changed = [column for column in evaluation.columns if column.changed or column.remarks]
    same = [column for column in evaluation.columns if not (column.changed or column.remarks)]
    blocks.append("<h2>Columns</h2>")
    if changed:
        blocks.append(_columns(changed))
    if same:
        blocks.append(folded_block(f"{len(same)} columns are unchanged", _columns(same)))
    if any(matrix.difference.any() for matrix in evaluation.correlations.values()):
        blocks += ["<h2>Correlations that changed most</h2>", _correlations(evaluation)]
    blocks.append("<h2>Figures</h2>")
    for name, figure in figures(evaluation, max_columns, progress):
        blocks.append(figure_block(png_bytes(figure), name))
        if target is not None:
            save_figure(figure, target / f"{name}.png")
    Path(path).write_text(page("hepbaler evaluate", blocks), encoding="utf-8")


def _columns(columns: Sequence[ColumnFigures]) -> str:
    head = ("column", "remarks", "bound", "values", "changed", "largest error", "of bound", "bias", "RMS", "68 %", "spread",
            "rel. 50 %", "rel. 99 %", "KS", "Wasser\u00adstein", "comb from")  # fmt: skip
    rows = []
    for c in columns:
        share = "-" if c.largest_share is None else f"{c.largest_share:.3f}"
        numbers = (c.largest_error, share, c.bias, c.rms, c.typical, c.spread, c.relative.get("0.5"), c.relative.get("0.99"),
                   c.ks, c.wasserstein)  # fmt: skip
        texts = (n if isinstance(n, str) else "-" if n is None else f"{n:.3g}" for n in numbers)
        comb = "-" if c.combing_bins is None else f"{c.combing_bins} bins"
        rows.append((c.column, "; ".join(c.remarks), c.bound or "-", f"{c.values:,}", f"{c.changed:,}", *texts, comb))
    return table_block(head, rows, [bool(c.remarks) for c in columns], words=("remarks",))


def _correlations(evaluation: Evaluation) -> str:
    """The pairs of columns whose correlation changed most; all of them are in the figures."""
    pairs = [
        (abs(float(matrix.difference[i, j])), collection, matrix, int(i), int(j))
        for collection, matrix in evaluation.correlations.items()
        for i, j in zip(*np.triu_indices(len(matrix.columns), 1), strict=True)
    ]
    rows = [
        (matrix.columns[i], matrix.columns[j], collection, *(f"{m[i, j]:+.4f}" for m in (matrix.before, matrix.after)),
         f"{matrix.difference[i, j]:+.4f}")
        for _, collection, matrix, i, j in sorted(pairs, key=lambda pair: -pair[0])[:MAX_PAIRS]
    ]  # fmt: skip
    head = ("column", "and", "of", "before", "after", "difference")
    return table_block(head, rows, words=("and", "of"))


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", name).strip("_")
