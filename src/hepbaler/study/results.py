"""What a study found, as plain data that is kept beside its archives."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ("StudyResult", "Variant")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Variant:
    """One archive, and what it does to physics.

    Attributes
    ----------
    name
        Of the autoencoder, or as in ``sae weighted``, ``bits=10`` and ``plain bits=4``.
    kind
        ``latent`` (all columns count the same), ``weighted``, ``bounded`` or ``plain``.
    archive_bytes, source_bytes, raw_bytes
        Of the archive, the ROOT file, and the values as plain arrays.
    nominal_ratio
        Columns over latents; None without latents.
    float32_ratio, varying_ratio
        Columns of floats over what is stored for them, and all columns over the archive, both with four bytes a value (see
        `hepbaler.study.ratios`).
    seconds
        Of training; None without.
    steps
        Of training of an autoencoder; None without.
    columns
        By column that changed: its ``rms`` error, the ``typical`` one that 68 % of the values do not exceed, ``bias``, ``largest`` error, ``spread``, ``ks`` distance, and the number
        of bins in which it shows a ``comb``, or None.
    correlation
        The correlation that changed most: ``columns`` (two), ``before``, ``after``; None where there is none.
    suspicious
        Columns that `hepbaler evaluate` finds suspicious, most suspicious first.
    fits
        By model of the fit: what `hepbaler.analyse` gives, without spectra.
    failed
        Why there is nothing of all this.
    """

    name: str
    kind: str
    archive_bytes: int = 0
    source_bytes: int = 0
    raw_bytes: int = 0
    nominal_ratio: float | None = None
    float32_ratio: float | None = None
    varying_ratio: float | None = None
    seconds: float | None = None
    steps: int | None = None
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    correlation: Mapping[str, Any] | None = None
    suspicious: tuple[str, ...] = ()
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: str | None = None

    @property
    def arrays_ratio(self) -> float:
        """Bytes as plain arrays over bytes of the archive, everything in it."""
        return self.raw_bytes / max(self.archive_bytes, 1)

    @property
    def source_ratio(self) -> float:
        """Bytes of the ROOT file over bytes of the archive."""
        return self.source_bytes / max(self.archive_bytes, 1)

    def relative_errors(self, names: Collection[str], what: str = "rms") -> dict[str, float]:
        """RMS (or ``typical``) error over spread, half of the central 68 %, by column; 0 for what did not change."""
        found = {name: self.columns.get(name) for name in names}
        return {name: 0.0 if one is None else one[what] / one["spread"] for name, one in found.items()}

    def column_error(self, names: Collection[str], what: str = "rms") -> float:
        """Mean of `relative_errors`; 0 without columns."""
        errors = self.relative_errors(names, what).values()
        return sum(errors) / max(len(errors), 1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Variant:
        """Inverse of `dataclasses.asdict`, from JSON.

        Raises
        ------
        TypeError, KeyError
            The data is not that of a variant.
        """
        return cls(**{**data, "suspicious": tuple(data["suspicious"])})


@dataclass(frozen=True)
class StudyResult:
    """All variants.

    Attributes
    ----------
    source, folder
        The ROOT file, and where everything is kept.
    settings
        As plain data.
    label
        Of the mass axis.
    variants
        Autoencoders first, then bounds, then plain coding.
    """

    source: str
    folder: str
    settings: Mapping[str, Any]
    label: str
    variants: tuple[Variant, ...]

    def of(self, kind: str) -> list[Variant]:
        """Variants of a kind that did not fail."""
        return [one for one in self.variants if one.kind == kind and one.failed is None]

    def learned_columns(self) -> list[str]:
        """Columns that vary and that an autoencoder changes, in the order of their names; the same for all of them."""
        found = {name for kind in ("latent", "weighted") for one in self.of(kind) for name in one.columns}
        spreads = [one.columns for one in self.variants]
        return sorted(name for name in found if all(c.get(name, {"spread": 1.0})["spread"] for c in spreads))

    def partner(self, latent: Variant) -> Variant | None:
        """The finest plain archive that is no larger than one with latents; None for an archive that has none."""
        if latent.failed is not None or latent.kind not in ("latent", "weighted"):
            return None
        smaller = [one for one in self.of("plain") if one.archive_bytes <= latent.archive_bytes]
        return max(smaller, key=lambda one: one.archive_bytes, default=None)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        partners = {one.name: self.partner(one) for one in self.of("latent") + self.of("weighted")}
        return {
            **asdict(self),
            "same_bytes": {name: None if one is None else one.name for name, one in partners.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StudyResult:
        """Inverse of `to_dict`."""
        return cls(
            data["source"],
            data["folder"],
            data["settings"],
            data["label"],
            tuple(Variant.from_dict(one) for one in data["variants"]),
        )

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")
