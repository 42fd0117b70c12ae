"""Wall time by phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("PhaseClock",)


def __dir__() -> tuple[str, ...]:
    return __all__


class PhaseClock:
    """Adds up wall time: ``with clock("scan"): ...``.

    Attributes
    ----------
    seconds
        By phase.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Measure what is done inside ``with``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start
