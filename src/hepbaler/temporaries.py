"""Names of files that are still being written, and what is left of them where a process was killed."""

from __future__ import annotations

import contextlib
import glob
import secrets
from pathlib import Path

__all__ = ("remove_leftovers", "temporary_beside")

# Of 255 bytes that file systems allow, where a letter may take four.
_NAME_LETTERS = 48
_SUFFIX = ".part"


def __dir__() -> tuple[str, ...]:
    return __all__


def temporary_beside(target: Path) -> Path:
    """A hidden name in the directory of `target` that nobody else has; it is renamed to `target` in the end."""
    return target.with_name(f"{_stem(target)}{secrets.token_hex(8)}{_SUFFIX}")


def remove_leftovers(target: Path) -> None:
    """Remove what killed processes left when they wrote `target`. Nobody else may be writing it now."""
    for path in target.parent.glob(f"{glob.escape(_stem(target))}????????????????{_SUFFIX}"):
        # Whoever else has removed it has done the work.
        with contextlib.suppress(OSError):
            path.unlink()


def _stem(target: Path) -> str:
    return f".{target.name[:_NAME_LETTERS]}."
