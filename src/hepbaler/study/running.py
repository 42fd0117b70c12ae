"""The variants of a study: archives made, evaluated and analysed; what is there with the same settings is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..analysis.candidates import find_channel
from ..analysis.columns import ColumnFigures
from ..analysis.massplot import draw_masses
from ..analysis.style import save_figure
from ..errors import HepbalerError, OutputError
from ..judging import Evaluation, evaluate
from ..topmass import analyse
from .archives import BASELINE, WEIGHTED, Made, file_name, make_archive
from .ratios import true_ratios
from .results import StudyResult, Variant
from .settings import StudySettings

__all__ = ("study",)

Progress = Callable[[str, int, int], None]

JUDGED_AS = 2  # what a result holds; one that holds other things is made again


def __dir__() -> tuple[str, ...]:
    return __all__


def study(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    settings: StudySettings | None = None,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    tell: Callable[[Variant], None] | None = None,
) -> StudyResult:
    """Compress a file in many ways, and judge each.

    Parameters
    ----------
    source
        A ROOT file.
    folder
        For archives, results and figures; finished variants that lie there are not made again.
    settings
        What is compared.
    jobs
        Threads.
    progress
        Called as ``(phase, done, total)``.
    tell
        Called with each variant as it is finished.

    Raises
    ------
    InputError
        The file cannot be read, or has not the branches of the channel.
    OutputError
        The folder cannot be written.
    """
    settings = settings or StudySettings()
    work = _Work(os.fspath(source), Path(folder), settings, jobs, progress)
    variants = []
    for name, kind in _variants(settings):
        one = work.variant(name, kind)
        variants.append(one)
        if tell is not None:
            tell(one)
    result = StudyResult(os.fspath(source), os.fspath(folder), settings.to_dict(), work.label, tuple(variants))
    result.save(Path(folder) / "study.json")
    return result


def _variants(settings: StudySettings) -> list[tuple[str, str]]:
    from ..autoencoders import names

    models = settings.models or names()
    weighted = settings.weighted or [name for name in models if name != BASELINE]
    return [
        *((name, "latent") for name in models),
        *((f"{name}{WEIGHTED}", "weighted") for name in weighted if settings.weights),
        *((f"bits={bits}", "bounded") for bits in settings.bits),
        *((f"plain bits={bits}", "plain") for bits in settings.plain_bits),
    ]


class _Work:
    """One file, many archives."""

    def __init__(
        self, source: str, folder: Path, settings: StudySettings, jobs: int | None, progress: Progress | None
    ) -> None:
        self._source, self._folder, self._settings = source, folder, settings
        self._jobs, self._progress = jobs, progress
        self.label = find_channel(settings.channel).label
        try:
            for name in ("archives", "results", "figures"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{folder} cannot be written: {error.strerror or error}"
            raise OutputError(msg) from error

    def variant(self, name: str, kind: str) -> Variant:
        """Make and judge one, or take it from before. What fails is named, and costs the others nothing."""
        path = self._folder / "results" / f"{file_name(name)}.json"
        try:
            made = make_archive(
                self._source,
                self._folder / "archives",
                name,
                kind,
                self._settings,
                jobs=self._jobs,
                progress=self._progress,
            )
            asked = {"archive": made.asked, "archive_bytes": made.archive_bytes, "analysis": self._analysis()}
            if path.exists():
                kept = json.loads(path.read_text(encoding="utf-8"))
                if kept.get("asked") == asked:
                    return Variant.from_dict(kept["found"])
            found = self._judge(name, kind, made)
        except HepbalerError as error:
            return Variant(name, kind, failed=" ".join(str(error).split()))
        path.write_text(json.dumps({"asked": asked, "found": asdict(found)}, indent=1) + "\n", encoding="utf-8")
        return found

    def _analysis(self) -> dict[str, Any]:
        """What decides how an archive is judged, as JSON gives it back."""
        settings = self._settings
        told = settings.to_dict()
        asked = {name: told[name] for name in ("channel", "branches", "replicas", "seed")}
        asked["fits"] = {model: asdict(settings.fit(model)) for model in settings.fits}
        asked["judged_as"] = JUDGED_AS
        again: dict[str, Any] = json.loads(json.dumps(asked))
        return again

    def _judge(self, name: str, kind: str, made: Made) -> Variant:
        floats, varying = true_ratios(made.path)
        judged = evaluate(self._source, made.path, seed=self._settings.seed, progress=self._progress)
        return Variant(
            name=name,
            kind=kind,
            archive_bytes=made.archive_bytes,
            source_bytes=made.source_bytes,
            raw_bytes=made.raw_bytes,
            nominal_ratio=made.nominal_ratio,
            float32_ratio=floats,
            varying_ratio=varying,
            seconds=made.seconds,
            steps=made.steps,
            columns={one.column: _errors(one) for one in judged.columns if one.changed},
            correlation=_largest_change(judged),
            suspicious=tuple(column.column for column in judged.suspicious),
            fits={fit: self._analyse(name, made.path, fit) for fit in self._settings.fits},
        )

    def _analyse(self, name: str, archive: Path, model: str) -> dict[str, Any]:
        settings = self._settings
        found = analyse(
            self._source,
            archive,
            channel=settings.channel,
            branches=settings.branches,
            fit=settings.fit(model),
            replicas=settings.replicas,
            seed=settings.seed,
            progress=self._progress,
        )
        figure = draw_masses(found.masses, found.label, names=("original", name))
        save_figure(figure, self._folder / "figures" / f"{file_name(name)}.{model}.png")
        told = found.masses.to_dict()
        del told["counts"]
        return told


def _errors(one: ColumnFigures) -> dict[str, Any]:
    told = one.to_dict()
    return {
        "rms": told["rms"],
        "typical": told["typical"],
        "bias": told["bias"],
        "largest": told["largest_error"],
        "spread": told["spread"],
        "ks": told["ks"],
        "comb": told["combing_bins"],
    }


def _largest_change(judged: Evaluation) -> dict[str, Any] | None:
    changes = [matrix.largest() for matrix in judged.correlations.values()]
    if not changes:
        return None
    one, other, before, after = max(changes, key=lambda change: abs(change[3] - change[2]))
    return {"columns": [one, other], "before": before, "after": after}
