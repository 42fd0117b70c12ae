"""What a study is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..analysis.candidates import find_channel
from ..analysis.settings import FitSettings
from ..errors import InputError

__all__ = ("StudySettings",)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class StudySettings:
    """Settings of a study; the same settings give the same result.

    Attributes
    ----------
    ratio
        Columns over latents, the same for every autoencoder.
    models
        Names of autoencoders; none for all that are registered.
    bits
        Of archives in bounded mode, with their own models.
    plain_bits
        Of archives that are quantised and coded plainly: with each autoencoder goes the finest that is no larger.
    channel, branches
        Of the analysis, as in `hepbaler.analyse`.
    fits
        Models of the fit; the first one counts.
    min_p_value
        Fits that describe their spectrum worse are refused, as in `hepbaler.analysis.FitSettings`.
    replicas
        Of the paired bootstrap.
    weights
        As in `hepbaler.LatentSettings`. Where there are some, autoencoders are trained without them and with them, to show
        what they cost the other columns.
    weighted
        Names of those; none for all but the baseline, which knows no weights.
    train_steps, train_time, seed, device
        Of training, as in `hepbaler.compress`.

    Raises
    ------
    InputError
        There is nothing to compare, or no such channel or model of the fit.
    """

    ratio: float = 1.6
    models: tuple[str, ...] = ()
    bits: tuple[int, ...] = (6, 8, 10, 12)
    plain_bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8, 9, 10)
    channel: str = "genjet"
    branches: Mapping[str, str] = field(default_factory=dict)
    fits: tuple[str, ...] = ("gauss-line", "crystal-ball")
    min_p_value: float = FitSettings.min_p_value
    replicas: int = 100
    weights: Mapping[str, float] = field(default_factory=dict)
    weighted: tuple[str, ...] = ()
    train_steps: int | None = None
    train_time: float | None = None
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.fits or self.replicas < 2:
            msg = f"a study needs a model of the fit and two replicas, not {self.fits} and {self.replicas}"
            raise InputError(msg)
        if self.weighted and not self.weights:
            msg = f"{', '.join(self.weighted)} cannot be trained with weights: there are none"
            raise InputError(msg)
        for model in self.fits:
            self.fit(model)

    def fit(self, model: str) -> FitSettings:
        """How one of the models is fitted."""
        return replace(find_channel(self.channel).fit, model=model, min_p_value=self.min_p_value)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)
