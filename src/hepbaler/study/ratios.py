"""True ratios of an archive against four bytes a value, which is what a number of a ROOT file mostly takes."""

from __future__ import annotations

import os
from typing import Any

from ..archive import open_archive

__all__ = ("true_ratios",)

VALUE_BYTES = 4
_SHARED = ("latent_bytes", "place_bytes", "model_bytes")


def __dir__() -> tuple[str, ...]:
    return __all__


def true_ratios(path: str | os.PathLike[str]) -> tuple[float | None, float]:
    """Two ratios that differ by what is counted.

    Columns that are constant, or that repeat another, are counted nowhere: they would be small in any file.

    Parameters
    ----------
    path
        Of an archive.

    Returns
    -------
    floats
        Columns of floats, over all that is stored for them: their pages, and latents, places and models of their tables.
        None where none varies.
    varying
        All columns, over the whole archive.
    """
    with open_archive(path) as archive:
        info = archive.info()
    floats = stored = varying = 0
    for tree in info["trees"]:
        columns = [column for column in tree["columns"] if _varies(column)]
        numbers = [column for column in columns if column["dtype"].startswith("float")]
        tables = {column["table"] for column in numbers}
        varying += sum(column["rows"] for column in columns)
        floats += sum(column["rows"] for column in numbers)
        stored += sum(column["bytes"] for column in numbers)
        stored += sum(table[name] for table in tree["tables"] if table["table"] in tables for name in _SHARED)
    return VALUE_BYTES * floats / stored if floats else None, VALUE_BYTES * varying / info["bytes"]


def _varies(column: dict[str, Any]) -> bool:
    return column["coder"] != "constant" and not column["coder"].startswith("same as")
