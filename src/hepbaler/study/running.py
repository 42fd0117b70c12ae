"""The archives of a study: made, evaluated and analysed, each once; what is there with the same settings is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..analysis.candidates import find_channel
from ..analysis.massplot import draw_masses
from ..analysis.style import save_figure
from ..bounds import Bound, Plan
from ..errors import HepbalerError, OutputError
from ..judging import evaluate
from ..latent.settings import LatentSettings
from ..pipeline import compress
from ..provenance import file_fingerprint
from ..topmass import analyse
from .results import StudyResult, Variant
from .settings import StudySettings

__all__ = ("study",)

Progress = Callable[[str, int, int], None]


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

    return [
        *((name, "latent") for name in settings.models or names()),
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
        """Make one, or take it from before. What fails is named, and costs the others nothing."""
        path = self._folder / "results" / f"{_file_name(name)}.json"
        asked = self._asked(name, kind)
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept.get("asked") == asked:
                return Variant.from_dict(kept["found"])
        try:
            found = self._make(name, kind)
        except HepbalerError as error:
            return Variant(name, kind, failed=" ".join(str(error).split()))
        path.write_text(json.dumps({"asked": asked, "found": asdict(found)}, indent=1) + "\n", encoding="utf-8")
        return found

    def _asked(self, name: str, kind: str) -> dict[str, Any]:
        """What decides the result of a variant, as JSON gives it back."""
        of_others = ("models", "bits", "plain_bits")
        told = {key: value for key, value in self._settings.to_dict().items() if key not in of_others}
        asked = {"name": name, "kind": kind, "source": file_fingerprint(self._source), "settings": told}
        again: dict[str, Any] = json.loads(json.dumps(asked))
        return again

    def _make(self, name: str, kind: str) -> Variant:
        settings = self._settings
        bits = name.rpartition("=")[2]
        archive = self._folder / "archives" / f"{_file_name(name)}.hbal"
        latent = (
            LatentSettings(model=name, ratio=settings.ratio, weights=settings.weights) if kind == "latent" else None
        )
        report = compress(
            self._source,
            archive,
            plan=Plan() if latent is not None else Plan(default=Bound.parse(f"bits={bits}")),
            latent=latent,
            # Latents are compared with plain coding of the other columns, bounds with the models that are their own.
            use_model=kind == "bounded",
            train_steps=settings.train_steps,
            train_time=settings.train_time,
            seed=settings.seed,
            device=settings.device,
            force=True,
            jobs=self._jobs,
            progress=self._progress,
        )
        one = report.autoencoders[0] if report.autoencoders else None
        if latent is not None and one is None:
            msg = f"no table got an autoencoder: {'; '.join(report.notes)}"
            raise HepbalerError(msg)
        judged = evaluate(self._source, archive, seed=settings.seed, progress=self._progress)
        return Variant(
            name=name,
            kind=kind,
            archive_bytes=report.archive_bytes,
            source_bytes=report.source_bytes,
            raw_bytes=report.raw_bytes,
            nominal_ratio=None if one is None else one.nominal_ratio,
            float32_ratio=None if one is None else one.true_ratio,
            seconds=None if kind == "plain" else report.seconds.get("train"),
            suspicious=tuple(column.column for column in judged.suspicious),
            fits={fit: self._analyse(name, archive, fit) for fit in settings.fits},
        )

    def _analyse(self, name: str, archive: Path, model: str) -> dict[str, Any]:
        settings = self._settings
        channel = find_channel(settings.channel)
        found = analyse(
            self._source,
            archive,
            channel=settings.channel,
            branches=settings.branches,
            fit=replace(channel.fit, model=model),
            replicas=settings.replicas,
            seed=settings.seed,
            progress=self._progress,
        )
        figure = draw_masses(found.masses, found.label, names=("original", name))
        save_figure(figure, self._folder / "figures" / f"{_file_name(name)}.{model}.png")
        told = found.masses.to_dict()
        del told["counts"]
        return told


def _file_name(name: str) -> str:
    return name.replace(" ", "-").replace("=", "")
