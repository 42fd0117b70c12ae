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

__all__ = ("kernels",)


def __dir__() -> tuple[str, ...]:
    return __all__


def kernels() -> ModuleType | None:
    """The compiled loops, or None."""
    return None if os.environ.get("HEPBALER_LOOPS") == "numpy" else _kernels
