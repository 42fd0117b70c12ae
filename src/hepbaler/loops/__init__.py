"""Compiled loops, where this installation has them.

`_kernels` (C) does the work of `hepbaler.features` and `hepbaler.coding` for a whole column in one call, with the same bits
and without the GIL. An installation whose compiler was missing has none and is slower; the environment variable
``HEPBALER_LOOPS=numpy`` does as if it had none.
"""

from __future__ import annotations

import os
from types import ModuleType

try:
    from hepbaler.loops import _kernels
except ImportError:  # built without a compiler
    _kernels = None  # type: ignore[assignment, unused-ignore]

# Asked for thousands of times while a file is read.
_chosen = None if os.environ.get("HEPBALER_LOOPS") == "numpy" else _kernels

__all__ = ("kernels", "n_threads")


def __dir__() -> tuple[str, ...]:
    return __all__


def kernels() -> ModuleType | None:
    """The compiled loops, or None."""
    return _chosen


_MOST_THREADS = 8


def n_threads() -> int:
    """Loops that a reader runs at a time: one for each processor that this process may use, at most 8.

    The environment variable ``HEPBALER_THREADS`` says otherwise.
    """
    asked = os.environ.get("HEPBALER_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return min(len(affinity(0)) if affinity is not None else os.cpu_count() or 1, _MOST_THREADS)
