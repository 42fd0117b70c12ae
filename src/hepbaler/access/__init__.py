"""Ways for other tools to reach the data. Each module needs its own tool and is imported alone."""

from __future__ import annotations

__all__: tuple[str, ...] = ()


def __dir__() -> tuple[str, ...]:
    return __all__
