"""Optional packages, imported late and asked for by the extra that brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingExtra

__all__ = ("need",)


def __dir__() -> tuple[str, ...]:
    return __all__


def need(package: str, *, extra: str) -> ModuleType:
    """Import `package`.

    Raises
    ------
    MissingExtra
        With the line that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package.partition(".")[0]:
            raise
        msg = f"this needs {package}, which is not installed: pip install 'hepbaler[{extra}]'"
        raise MissingExtra(msg) from error
