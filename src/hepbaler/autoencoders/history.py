"""What a training saw, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError

__all__ = ("Check", "History")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Check:
    """One validation.

    Attributes
    ----------
    step
        Steps done.
    learning_rate
        Of the last of them.
    training, validation
        Parts of the loss by name, ``total`` among them: the mean over the steps since the last check, and over the
        events that are kept from training.
    """

    step: int
    learning_rate: float
    training: Mapping[str, float]
    validation: Mapping[str, float]


@dataclass(frozen=True)
class History:
    """A training from its first step to its last.

    Attributes
    ----------
    checks
        In order.
    best_step
        Steps after which the weights were taken that are kept.
    stopped_early
        Whether it ended before its last step, since nothing became better.
    seconds
        Time it took, all runs together.
    """

    checks: tuple[Check, ...] = ()
    best_step: int = 0
    stopped_early: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "best_step": self.best_step,
            "stopped_early": self.stopped_early,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no history.
        """
        try:
            checks = tuple(Check(**check) for check in data["checks"])
            return cls(checks, int(data["best_step"]), bool(data["stopped_early"]), float(data["seconds"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"this is no history of a training: {error}"
            raise InputError(msg) from error

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=1)
