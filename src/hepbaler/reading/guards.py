"""Keep uproot from taking gigabytes for a length that it read out of place."""

from __future__ import annotations

import inspect
from typing import Any

import uproot

__all__ = ("bound_lengths",)


def __dir__() -> tuple[str, ...]:
    return __all__


def bound_lengths() -> None:
    """Let uproot refuse a container that has more elements than its basket has bytes.

    For classes that it does not really know, uproot may take any four bytes for the length of a ``std::vector``, and make room for
    that many objects before it finds that they are not there: 14 GB for one entry of an ATLAS MetaData tree. With this, such a
    branch fails at once, and only that one. Nothing that can be read is refused. Done once; harmless where uproot has changed.
    """
    plain: Any = getattr(uproot.containers, "_read_nested", None)
    if plain is None or hasattr(plain, "bounded_by_hepbaler"):
        return
    if list(inspect.signature(plain).parameters)[:3] != ["model", "length", "chunk"]:
        return

    def bounded(model: Any, length: Any, chunk: Any, *args: Any, **kwargs: Any) -> Any:
        if length > len(chunk.raw_data):
            msg = f"a container says that it has {length} elements, in a basket of {len(chunk.raw_data)} bytes"
            raise ValueError(msg)
        return plain(model, length, chunk, *args, **kwargs)

    bounded.bounded_by_hepbaler = True  # type: ignore[attr-defined]
    uproot.containers._read_nested = bounded
