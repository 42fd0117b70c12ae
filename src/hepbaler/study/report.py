"""The page of a study."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from ..analysis.page import figure_block, folded_block, page, table_block
from ..analysis.style import save_figure
from ..analysis.trainingplot import draw_history
from .archives import file_name, histories
from .figures import draw_columns, draw_frontier
from .results import StudyResult, Variant
from .tables import HEAD, NOTES, column_rows, fit_sentence, remarks, table_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ("write_report",)


def __dir__() -> tuple[str, ...]:
    return __all__


def write_report(result: StudyResult) -> Path:
    """Write figures and page into the study's folder; gives the path of the page."""
    folder = Path(result.folder)
    settings = result.settings
    told = (
        f"{Path(result.source).name}, channel {settings['channel']}, ratio {settings['ratio']:g}, "
        f"{settings['replicas']} replicas, seed {settings['seed']}"
    )
    weights = ", ".join(f"{glob} = {weight:g}" for glob, weight in settings["weights"].items())
    blocks = [_text(told)]
    if weights:
        blocks.append(_text(f"weighted: {weights}"))
    for fit in settings["fits"]:
        rows = table_rows(result, fit)
        blocks += [
            f"<h2>{html.escape(fit)}</h2>",
            _text(fit_sentence(result, fit)),
            table_block(HEAD, rows, [row[HEAD.index("mass [GeV]")] in ("refused", "failed") for row in rows]),
            *(_text(sentence) for sentence in remarks(result, fit)),
            _figure(folder, f"frontier.{fit}", draw_frontier(result, fit), f"bias against bytes, {fit}"),
        ]
    blocks += [_text(note) for note in NOTES]
    if result.learned_columns():
        head, rows = column_rows(result)
        fit = settings["fits"][0]
        blocks += [
            "<h2>Columns</h2>",
            _text("RMS error of each column over its spread, in percent."),
            table_block(head, rows),
            _figure(folder, f"columns.{fit}", draw_columns(result, fit), f"columns and mass, {fit}"),
        ]
    learned = histories(folder / "archives", [one.name for one in result.of("latent")])
    if len(learned) > 1:
        blocks += [
            "<h2>Training</h2>",
            _text("Error of the features on events that were not trained on. Features of baler are others."),
            _figure(folder, "training", draw_history(learned), "error, step by step"),
        ]
    blocks.append("<h2>Spectra</h2>")
    blocks += [_spectra(folder, one, settings["fits"]) for one in result.variants if one.failed is None]
    target = folder / "study.html"
    target.write_text(page(f"Study of {Path(result.source).name}", blocks), encoding="utf-8")
    return target


def _text(words: str) -> str:
    return f"<p>{html.escape(words)}</p>"


def _figure(folder: Path, name: str, figure: Figure, alt: str) -> str:
    path = folder / "figures" / f"{name}.png"
    save_figure(figure, path)
    return figure_block(path.read_bytes(), alt)


def _spectra(folder: Path, one: Variant, fits: Sequence[str]) -> str:
    """The spectra of a variant, and which of its columns are suspicious."""
    count = f"{len(one.suspicious)} suspicious columns" if len(one.suspicious) != 1 else "1 suspicious column"
    parts = [_text(count + (f": {', '.join(one.suspicious)}" if one.suspicious else ""))]
    if one.correlation is not None:
        names, old, new = " and ".join(one.correlation["columns"]), one.correlation["before"], one.correlation["after"]
        parts.append(_text(f"correlation that changed most: {names}, {old:+.4f} before and {new:+.4f} after"))
    for fit in fits:
        picture = folder / "figures" / f"{file_name(one.name)}.{fit}.png"
        parts.append(figure_block(picture.read_bytes(), f"{one.name}, {fit}"))
    return folded_block(one.name, "\n".join(parts))
