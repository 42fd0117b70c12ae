"""The C library keeps what a program frees, in case it asks again. Where that is most of the memory, it goes back."""

from __future__ import annotations

import ctypes
import sys

__all__ = ("give_back",)


def __dir__() -> tuple[str, ...]:
    return __all__


def give_back() -> None:
    """Give freed memory back to the system, where the C library can (glibc); elsewhere do nothing.

    A sample is thousands of small arrays among others that live on. When it is gone, the holes that it leaves are too
    small for a cluster, which then takes as much again.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
