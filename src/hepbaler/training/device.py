"""Where to train."""

from __future__ import annotations

import torch

from hepbaler.errors import InputError

__all__ = ("find_device",)


def __dir__() -> tuple[str, ...]:
    return __all__


def find_device(wanted: str) -> str:
    """The torch device for ``auto``, ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``.

    Raises
    ------
    InputError
        If there is no such device on this machine.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.append("mps")
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if wanted not in there:
        msg = f"there is no device {wanted!r} on this machine; use auto or one of {', '.join(there)}"
        raise InputError(msg)
    return wanted
