"""What a training is told, and what each family is trained with by default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from ..errors import ModelError
from ..features.scaling import KINDS, Kind

__all__ = ("Recipe", "Schedule", "TrainingSettings")

Schedule = Literal["cosine", "constant"]
_SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
_DTYPES = ("float32", "float64")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of `hepbaler.autoencoders.train`.

    Attributes
    ----------
    steps
        Gradient steps.
    batch_rows
        Rows a step.
    learning_rate
        Of Adam at its peak.
    schedule
        ``cosine``: down to a hundredth at the last step, after `warm_up` steps. ``constant``: as it is.
    warm_up
        Steps in which the learning rate rises.
    clip
        Largest norm of a step's gradient; 0 for none.
    held_out
        Share of the events that is kept from training, for validation.
    check_every
        Steps between validations.
    patience
        Validations without a better one after which training ends; 0 goes on to the last step. The best weights stay.
    max_rows
        Rows that are trained on at most, of whole events drawn over all.
    seed
        The same seed, settings and machine give the same model, bit for bit on a CPU.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:0``, ``mps``.
    dtype
        ``float32`` or ``float64``, for all of the network.

    Raises
    ------
    ModelError
        If a setting makes no sense.
    """

    steps: int = 10_000
    batch_rows: int = 1024
    learning_rate: float = 2e-3
    schedule: Schedule = "cosine"
    warm_up: int = 200
    clip: float = 1.0
    held_out: float = 0.1
    check_every: int = 500
    patience: int = 8
    max_rows: int = 2_000_000
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_rows", "check_every", "max_rows"):
            if getattr(self, name) < 1:
                msg = f"training needs {name} of at least 1, not {getattr(self, name)}"
                raise ModelError(msg)
        for name in ("warm_up", "patience", "seed", "clip"):
            if not getattr(self, name) >= 0:
                msg = f"training needs {name} of at least 0, not {getattr(self, name)}"
                raise ModelError(msg)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0 and 0 < self.held_out < 1):
            msg = (
                f"training needs a positive learning rate and a held-out share between 0 and 1, "
                f"not {self.learning_rate} and {self.held_out}"
            )
            raise ModelError(msg)
        if self.schedule not in _SCHEDULES or self.dtype not in _DTYPES:
            msg = f"there is no schedule {self.schedule!r} or dtype {self.dtype!r}: take {_SCHEDULES} and {_DTYPES}"
            raise ModelError(msg)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, the first being 0."""
        warm = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "constant":
            return self.learning_rate * warm
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingSettings:
        """Inverse of `to_dict`; what is missing has its default.

        Raises
        ------
        ModelError
            If there is a setting of another name, or one makes no sense.
        """
        known = {f.name for f in fields(cls)}
        if strange := sorted(data.keys() - known):
            msg = f"training has no setting {strange[0]!r}; it has {', '.join(sorted(known))}"
            raise ModelError(msg)
        try:
            return cls(**data)
        except TypeError as error:
            msg = f"a setting of training has the wrong type: {error}"
            raise ModelError(msg) from error


@dataclass(frozen=True)
class Recipe:
    """How a family is trained unless the caller says otherwise.

    Attributes
    ----------
    settings
        Of training.
    scaling
        One kind for all columns; None lets each column's looks decide.
    relations
        Whether columns that follow from others are left out of the network.
    """

    settings: TrainingSettings = field(default_factory=TrainingSettings)
    scaling: Kind | None = None
    relations: bool = True

    def __post_init__(self) -> None:
        if self.scaling is not None and self.scaling not in KINDS:
            msg = f"there is no scaling {self.scaling!r}; there are {', '.join(KINDS)}"
            raise ModelError(msg)
