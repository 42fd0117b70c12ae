"""From which file an archive was made, and how: what tells whether it has to be made again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from json import dumps
from typing import Any

import xxhash

from .bounds import Plan
from .container import open_bytes
from .errors import FormatError, MissingExtra

__all__ = ("NO_MATTER", "file_fingerprint", "settings_digest")

# Arguments of `hepbaler.compress` that do not change what an archive promises; what a view chose is said beside it.
NO_MATTER = frozenset(
    {
        "source",
        "target",
        "device",
        "skip_unreadable",
        "fall_back",
        "force",
        "jobs",
        "progress",
        "sources",
        "read_bytes",
        "view",
    }
)

# The first bytes of a ROOT file hold its UUID and when it was changed, the last ones the list of what it holds.
_END_BYTES = 2**16


def __dir__() -> tuple[str, ...]:
    return __all__


def file_fingerprint(path: str) -> str | None:
    """Tell files apart by their size and by both of their ends, without reading them.

    Parameters
    ----------
    path
        A file or URL.

    Returns
    -------
    str or None
        The size in bytes and 32 hexadecimal digits; None if the file cannot be read in parts.
    """
    try:
        source = open_bytes(path)
    except (FormatError, MissingExtra):
        return None
    try:
        size = source.size
        ends = [(0, min(size, _END_BYTES)), (max(0, size - _END_BYTES), size)]
        return f"{size}:{xxhash.xxh3_128_hexdigest(b''.join(source.read(ends)))}"
    except FormatError:
        return None
    finally:
        source.close()


def settings_digest(settings: Mapping[str, Any], tree: str | None = None) -> str:
    """Sum up how a file is compressed.

    Parameters
    ----------
    settings
        All arguments of `hepbaler.compress` or `hepbaler.train`; those of `NO_MATTER` are left out. Of a model the contents count, not its name.
    tree
        The one tree that was asked for.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    said: dict[str, Any] = {"tree": tree}
    for name, value in settings.items():
        if name in NO_MATTER:
            continue
        if name == "plan":
            said[name] = (value or Plan()).to_dict()
        elif name == "model" and value is not None:
            said[name] = file_fingerprint(os.fspath(value))
        elif name == "latent" and value is not None:
            said[name] = value.to_dict()
        elif isinstance(value, tuple):
            said[name] = list(value)
        else:
            said[name] = value
    return xxhash.xxh3_128_hexdigest(dumps(said, sort_keys=True, default=str).encode())
