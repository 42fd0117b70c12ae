"""How much a model may cost to train and to read: what the user says, and the presets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import ModelError

__all__ = ("PRESETS", "Preset", "Training")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Preset:
    """How much a model may cost to train and to read.

    Attributes
    ----------
    work
        Of training, in parts of the default.
    width
        Hidden units a column, at most.
    least_saving
        Share of its plain bytes that a column must save; what saves less is coded plainly, and read faster.
    reach
        Values of other tables that a row may need; a table does not look further, so that a few columns of it are read fast.
    least_before
        Share of a table's bytes that seeing the row before must seem to save: such rows are read one after the other.
    """

    work: float
    width: int
    least_saving: float
    reach: float
    least_before: float


# The frontier of size and speed that docs/benchmarks.md shows.
PRESETS = {
    "fast": Preset(work=0.4, width=8, least_saving=0.12, reach=8, least_before=1.0),
    "default": Preset(work=1.25, width=24, least_saving=0.02, reach=10, least_before=0.05),
    "small": Preset(work=2.5, width=32, least_saving=0.0, reach=math.inf, least_before=0.01),
}


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    steps
        Steps that the largest table may take; None for a number that follows from the size of the sample.
    seconds
        Time from which the number of steps is derived before training starts; None if `steps` decides.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``.
    seed
        Of sampling, initial weights and batches.
    jobs
        Threads.
    share
        The part of the work of a whole file that this tree may take.
    preset
        One of `PRESETS`.

    Raises
    ------
    ModelError
        If there is no such preset.
    """

    steps: int | None = None
    seconds: float | None = None
    device: str = "auto"
    seed: int = 0
    jobs: int | None = None
    share: float = 1.0
    preset: str = "default"

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            msg = f"there is no preset {self.preset!r}; choose one of {', '.join(PRESETS)}"
            raise ModelError(msg)
