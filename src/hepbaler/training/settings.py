"""What a training run is told: one frozen record, and the way from seconds to steps."""

from __future__ import annotations

from dataclasses import dataclass

from hepbaler.errors import ModelError

__all__ = ("TrainSettings",)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TrainSettings:
    """Settings of `hepbaler.training.fit.fit`.

    Attributes
    ----------
    steps
        Gradient steps for this table.
    seed
        The same seed, steps and machine give the same bytes.
    device
        A torch device, ``"cpu"`` or ``"cuda"``.
    batch_rows
        Rows a step.
    n_latent
        Latents a row, if they pay: a short race with and without them decides. 0 trains without an encoder.
    width
        Hidden units a column, at most; small tables get fewer.
    max_parents
        Most columns that a column sees.
    max_columns
        Most columns to code, those with the most bytes; as many more are seen at most.
    learning_rate
        Of Adam at its peak.
    rounded_share
        Last part of the steps in which weights and activations are rounded as the integer decoder does it.
    held_out
        Share of the sample that is kept from training and decides what pays.
    hints
        Look for linear relations between values.
    least_saving
        A column is coded by the model if that saves at least this share of its plain bytes: the others are read faster.
    """

    steps: int = 3000
    seed: int = 0
    device: str = "cpu"
    batch_rows: int = 1024
    n_latent: int = 2
    width: int = 32
    max_parents: int = 16
    max_columns: int = 160
    learning_rate: float = 6e-3
    rounded_share: float = 0.4
    held_out: float = 0.1
    hints: bool = True
    least_saving: float = 0.0

    def __post_init__(self) -> None:
        positive = {
            "steps": self.steps,
            "batch_rows": self.batch_rows,
            "width": self.width,
            "max_columns": self.max_columns,
        }
        for name, value in positive.items():
            if value < 1:
                msg = f"training needs {name} of at least 1, got {value}"
                raise ModelError(msg)
        if self.n_latent < 0 or self.max_parents < 0 or not 0 < self.held_out < 1 or not 0 <= self.rounded_share <= 1:
            msg = (
                f"training needs n_latent and max_parents of at least 0, held_out between 0 and 1 and rounded_share in "
                f"[0, 1], got {self.n_latent}, {self.max_parents}, {self.held_out}, {self.rounded_share}"
            )
            raise ModelError(msg)
