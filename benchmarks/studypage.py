"""From the result of ``hepbaler study`` to docs/study.md: a summary that is kept, tables, and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepbaler.analysis.style import save_figure
from hepbaler.analysis.trainingplot import draw_history
from hepbaler.study import StudyResult
from hepbaler.study.archives import histories
from hepbaler.study.figures import draw_columns, draw_frontier
from hepbaler.study.tables import HEAD, column_rows, fit_sentence, remarks, table_rows

from .machine import describe_machine
from .report import fill_blocks

__all__ = ("keep_study", "study_blocks", "write_study")

# What all fits share; the rest of a row is about one of them.
_BYTES = ("columns / latents", "float32 / stored", "varying / archive", "arrays / archive", "ROOT / archive", "columns [%]", "typical [%]", "training [s]",
          "as small")  # fmt: skip
_FIT = ("peak [GeV]", "mass [GeV]", "width [GeV]", "χ² / ndf", "shift [GeV]", "in errors", "of width [%]",
        "rest held [GeV]", "of width, held [%]")  # fmt: skip
_DIGITS = 6


def keep_study(folder: Path, target: Path) -> None:
    """Keep what tables and figures need of a study, and with what it was made.

    Parameters
    ----------
    folder
        That ``hepbaler study`` wrote.
    target
        JSON file.
    """
    told = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    told |= {"source": Path(told["source"]).name, "folder": "", "machine": describe_machine()}
    names = [one["name"] for one in told["variants"] if one["kind"] in ("latent", "weighted") and one["failed"] is None]
    told["training"] = {name: _errors(history) for name, history in histories(folder / "archives", names).items()}
    target.write_text(json.dumps(_rounded(told), separators=(",", ":")).replace('{"name":', '\n{"name":') + "\n")


def _errors(history: Mapping[str, Any]) -> dict[str, Any]:
    """What a figure and a table need of a training: the error, not the other parts of the loss."""
    checks = [
        {"step": one["step"], **{where: {"error": one[where]["error"]} for where in ("training", "validation")}}
        for one in history["checks"]
    ]
    return {"best_step": history["best_step"], "stopped_early": history["stopped_early"], "checks": checks}


def _rounded(data: Any) -> Any:
    if isinstance(data, float):
        return float(f"{data:.{_DIGITS}g}")
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    return [_rounded(value) for value in data] if isinstance(data, list) else data


def study_blocks(kept: Path) -> dict[str, str]:
    """Tables of a study in Markdown, by name of the block."""
    told = json.loads(kept.read_text(encoding="utf-8"))
    result = StudyResult.from_dict(told)
    blocks = {"machine": _machine(result, told["machine"])}
    rows = table_rows(result, result.settings["fits"][0])
    blocks["bytes"] = _table(HEAD, rows, ("variant", *_BYTES))
    for fit in result.settings["fits"]:
        table = _table(HEAD, table_rows(result, fit), ("variant", *_FIT))
        sentences = [f"{text[0].upper()}{text[1:]}." for text in (fit_sentence(result, fit), *remarks(result, fit))]
        blocks[fit.replace("-", "_")] = f"{table}\n\n" + "\n".join(sentences)
    blocks["training"] = _table(*_training(told["training"]))
    head, columns = column_rows(result)
    shown = {one.name for kind in ("latent", "weighted", "bounded") for one in result.of(kind)}
    shown |= {partner.name for one in result.variants if (partner := result.partner(one)) is not None}
    blocks["columns"] = _table(head, [row for row in columns if row[0] in shown], head)
    return blocks


def _training(training: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]], tuple[str, ...]]:
    """How well features were learned, at the last check: as the network was trained, and as it is used."""
    head = ("variant", "steps", "best at", "error while training", "error on other events")
    rows = []
    for name, one in training.items():
        last = one["checks"][-1]
        errors = (f"{last[where]['error']:.3g}" for where in ("training", "validation"))
        rows.append((name, f"{last['step']:,}", f"{one['best_step']:,}", *errors))
    return head, rows, head


def _machine(result: StudyResult, machine: dict[str, Any]) -> str:
    settings = result.settings
    command = [f"hepbaler study {result.source} --ratio {settings['ratio']:g} --channel {settings['channel']}"]
    command += [f"--weight '{glob}={weight:g}'" for glob, weight in settings["weights"].items()]
    command += [f"--weighted {name}" for name in settings.get("weighted", ())]
    command += [f"--replicas {settings['replicas']} --seed {settings['seed']} -j 1"]
    return (
        f"`{' '.join(command)}` on {machine['processor']}, one core while the other was busy with other work, "
        f"{machine['date']}; torch {machine['versions']['torch']}."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], chosen: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    places = [head.index(name) for name in chosen]
    # A column that is empty everywhere says nothing.
    places = [i for i in places if any(row[i] for row in rows)]
    lines = [line([head[i] for i in places]), line(["---"] * len(places))]
    return "\n".join(lines + [line([row[i] for i in places]) for row in rows])


def write_study(kept: Path, page: Path, images: Path) -> list[Path]:
    """Rewrite the blocks of the page, and draw the figures.

    Parameters
    ----------
    kept
        From `keep_study`.
    page
        Markdown with marked blocks.
    images
        Folder of the figures.

    Returns
    -------
    list of Path
        What was written.
    """
    told = json.loads(kept.read_text(encoding="utf-8"))
    result = StudyResult.from_dict(told)
    fit = result.settings["fits"][0]
    latent = [one.name for one in result.of("latent")]
    drawn = {
        "study_frontier.png": draw_frontier(result, fit),
        "study_columns.png": draw_columns(result, fit),
        "study_training.png": draw_history({name: told["training"][name] for name in latent}),
    }
    images.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        save_figure(figure, images / name)
    page.write_text(fill_blocks(page.read_text(encoding="utf-8"), study_blocks(kept)), encoding="utf-8")
    return [page, *(images / name for name in drawn)]
