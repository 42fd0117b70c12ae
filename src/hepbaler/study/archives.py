"""The archives of a study: each is made once; what is there with the same settings is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..bounds import Bound, Plan
from ..errors import HepbalerError
from ..latent.settings import LatentSettings
from ..pipeline import compress
from ..provenance import file_fingerprint
from ..version import __version__
from .settings import StudySettings

__all__ = ("BASELINE", "WEIGHTED", "Made", "file_name", "histories", "make_archive")

Progress = Callable[[str, int, int], None]

WEIGHTED = " weighted"
# Baler's own recipe, to compare with: it knows no weights.
BASELINE = "baler"


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Made:
    """One archive.

    Attributes
    ----------
    path
        Where it is.
    asked
        What decides its bytes, as plain data.
    archive_bytes, source_bytes, raw_bytes, nominal_ratio, seconds, steps
        As in `hepbaler.study.Variant`.
    history
        Of training of an autoencoder, as plain data.
    """

    path: Path
    asked: Mapping[str, Any]
    archive_bytes: int
    source_bytes: int
    raw_bytes: int
    nominal_ratio: float | None
    seconds: float | None
    steps: int | None
    history: Mapping[str, Any] | None


def file_name(name: str) -> str:
    """A variant's name as that of a file, without ending."""
    return name.replace(" ", "-").replace("=", "")


def histories(folder: Path, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """How autoencoders learned, by name of the variant, from what lies beside their archives."""
    found = {}
    for name in names:
        told = json.loads((folder / f"{file_name(name)}.json").read_text(encoding="utf-8"))
        if told["history"]:
            found[name] = told["history"]
    return found


def make_archive(
    source: str,
    folder: Path,
    name: str,
    kind: str,
    settings: StudySettings,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Compress a file in one of many ways, or find the archive that was made so before.

    Parameters
    ----------
    source
        A ROOT file.
    folder
        For archives.
    name, kind
        Of the variant.
    settings
        Of the study; those of the analysis do not matter here.
    jobs, progress
        As in `hepbaler.compress`.

    Raises
    ------
    HepbalerError
        It cannot be made.
    """
    archive = folder / f"{file_name(name)}.hbal"
    told = folder / f"{file_name(name)}.json"
    asked = _asked(source, name, kind, settings)
    if told.exists():
        kept = json.loads(told.read_text(encoding="utf-8"))
        if kept["asked"] == asked and archive.exists() and archive.stat().st_size == kept["archive_bytes"]:
            return Made(
                path=archive, **{field.name: kept[field.name] for field in fields(Made) if field.name != "path"}
            )
    made = _make(source, archive, asked, settings, jobs, progress)
    plain = asdict(made)
    del plain["path"]
    told.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    return made


def _asked(source: str, name: str, kind: str, settings: StudySettings) -> dict[str, Any]:
    """What decides an archive, as JSON gives it back. Weights do not concern what has none."""
    asked: dict[str, Any] = {"name": name, "kind": kind, "source": file_fingerprint(source), "seed": settings.seed}
    # Another version may make another archive.
    asked["hepbaler"] = __version__
    if kind in ("latent", "weighted"):
        asked["ratio"] = settings.ratio
    if kind == "weighted":
        asked["weights"] = dict(settings.weights)
    if kind != "plain":
        asked |= {"steps": settings.train_steps, "time": settings.train_time, "device": settings.device}
    again: dict[str, Any] = json.loads(json.dumps(asked))
    return again


def _make(
    source: str,
    archive: Path,
    asked: Mapping[str, Any],
    settings: StudySettings,
    jobs: int | None,
    progress: Progress | None,
) -> Made:
    name, kind = asked["name"], asked["kind"]
    latent = (
        LatentSettings(model=name.removesuffix(WEIGHTED), ratio=settings.ratio, weights=asked.get("weights", {}))
        if kind in ("latent", "weighted")
        else None
    )
    report = compress(
        source,
        archive,
        plan=Plan() if latent is not None else Plan(default=Bound.parse(f"bits={name.rpartition('=')[2]}")),
        latent=latent,
        # Latents are compared with plain coding of the other columns, bounds with the models that are their own.
        use_model=kind == "bounded",
        train_steps=settings.train_steps,
        train_time=settings.train_time,
        seed=settings.seed,
        device=settings.device,
        force=True,
        jobs=jobs,
        progress=progress,
    )
    one = report.autoencoders[0] if report.autoencoders else None
    if latent is not None and one is None:
        msg = f"no table got an autoencoder: {'; '.join(report.notes)}"
        raise HepbalerError(msg)
    return Made(
        path=archive,
        asked=asked,
        archive_bytes=report.archive_bytes,
        source_bytes=report.source_bytes,
        raw_bytes=report.raw_bytes,
        nominal_ratio=None if one is None else one.nominal_ratio,
        seconds=None if kind == "plain" else report.seconds.get("train"),
        steps=None if one is None else one.steps,
        history=None if one is None else dict(one.history),
    )
