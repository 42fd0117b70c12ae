"""The C library keeps what a program frees, in case it asks again. Where that is most of the memory, it goes back."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

__all__ = ("few_arenas", "give_back")

_M_ARENA_MAX = -8  # of glibc's malloc.h


def __dir__() -> tuple[str, ...]:
    return __all__


def give_back() -> None:
    """Give freed memory back to the system, where the C library can (glibc); elsewhere do nothing.

    A sample is thousands of small arrays among others that live on. When it is gone, the holes that it leaves are too
    small for a cluster, which then takes as much again.
    """
    trim = _from_libc("malloc_trim")
    if trim is not None:
        trim(0)


def few_arenas() -> None:
    """Let threads share as many pools of memory as there are processors, before they begin; elsewhere than with glibc do nothing.

    By itself glibc makes eight a processor, and each keeps what its threads freed: a third of the memory of a long file. It
    is for the command line only, since it concerns the whole process; ``MALLOC_ARENA_MAX`` goes over it.
    """
    option = None if "MALLOC_ARENA_MAX" in os.environ else _from_libc("mallopt")
    if option is not None:
        option(_M_ARENA_MAX, os.cpu_count() or 1)


def _from_libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
