"""What a user writes for a ROOT compression (``zstd:5``), turned into uproot's object for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hepbaler.errors import InputError

if TYPE_CHECKING:
    import uproot.compression

__all__ = ("parse_compression",)


def __dir__() -> tuple[str, ...]:
    return __all__


# Level where none is given (ROOT's own recommendation for each) and the highest level of the library.
_LEVELS = {"zstd": (5, 22), "lzma": (8, 9), "lz4": (4, 12), "zlib": (1, 9)}


def parse_compression(text: str) -> uproot.compression.Compression | None:
    """Read a compression such as ``zstd:5``, ``lzma:9``, ``lz4``, ``zlib:1`` or ``none``.

    Parameters
    ----------
    text
        Name of the algorithm, and after a colon its level; without one the level that ROOT recommends.

    Returns
    -------
    uproot.compression.Compression or None
        What `uproot.recreate` takes; `None` is no compression.

    Raises
    ------
    InputError
        If the algorithm or the level does not exist.

    Examples
    --------
    >>> parse_compression("zstd:5")
    ZSTD(5)
    """
    name, colon, level_text = text.strip().lower().partition(":")
    if name == "none" and not colon:
        return None
    if name not in _LEVELS:
        msg = f"unknown compression {text!r}: write one of {', '.join(_LEVELS)} with a level, as in 'zstd:5', or 'none'"
        raise InputError(msg)
    default, highest = _LEVELS[name]
    if not colon:
        level = default
    elif level_text.isascii() and level_text.isdigit() and 1 <= int(level_text) <= highest:
        level = int(level_text)
    else:
        msg = f"unknown level in compression {text!r}: {name} has levels 1 to {highest}, as in '{name}:{default}'"
        raise InputError(msg)

    import uproot.compression

    return getattr(uproot.compression, name.upper())(level)
