"""The command line: one file a verb, a few lines around library calls.

What heavy work needs (numpy, uproot, torch, rich) is imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

from .app import main, run

__all__ = ("main", "run")


def __dir__() -> tuple[str, ...]:
    return __all__
