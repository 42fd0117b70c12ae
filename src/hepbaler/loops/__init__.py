"""Compiled loops, where this installation has them.

`_kernels` (C) does the work of `hepbaler.features` and `hepbaler.coding` for a whole column in one call, with the same bits
and without the GIL. An installation whose compiler was missing has none and is slower; the environment variable
``HEPBALER_LOOPS=numpy`` does as if it had none.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

try:
    from hepbaler.loops import _kernels
except ImportError:  # built without a compiler
    _kernels = None  # type: ignore[assignment, unused-ignore]

# Asked for thousands of times while a file is read.
_chosen = None if os.environ.get("HEPBALER_LOOPS") == "numpy" else _kernels

__all__ = ("elementwise", "kernels", "n_threads")

FloatArray = NDArray[np.float64]


def __dir__() -> tuple[str, ...]:
    return __all__


def kernels() -> ModuleType | None:
    """The compiled loops, or None."""
    return _chosen


def elementwise(
    loop: Literal["clean", "hyperbolic_cosine", "cosine_and_sine"], values: FloatArray, n_results: int = 1
) -> tuple[FloatArray, ...] | None:
    """Results of a loop over values one by one, each of their shape; None without compiled loops.

    Parameters
    ----------
    loop
        Its name in `_kernels`.
    values
        Of any shape.
    n_results
        Of each value.
    """
    loops = kernels()
    if loops is None:
        return None
    values = np.asarray(values, np.float64, order="C")
    found = tuple(np.empty_like(values) for _ in range(n_results))
    getattr(loops, loop)(values, values.size, *found)
    return found


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
