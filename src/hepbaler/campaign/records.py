"""What is kept of a task that is done, where its product cannot tell by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from hepbaler.temporaries import temporary_beside

__all__ = ("FOLDER", "Redo", "content_digest", "read_json", "read_record", "write_json", "write_record")

# Beside the products, out of sight.
FOLDER = ".hepbaler"

_CHUNK = 2**20


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Redo:
    """There is a product, and it has to be made again.

    Attributes
    ----------
    reason
        A sentence without its end: what is not as it should be.
    """

    reason: str


def write_record(product: Path, record: dict[str, Any]) -> None:
    """Keep a record of a file that was made."""
    path = _record_of(product)
    path.parent.mkdir(exist_ok=True)
    write_json(record, path)


def read_record(product: Path) -> dict[str, Any] | None:
    """The record of a file; None if there is none."""
    return read_json(_record_of(product))


def write_json(data: Any, path: Path) -> None:
    """Write JSON so that the file is whole at any time."""
    temporary = temporary_beside(path)
    try:
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def content_digest(path: Path) -> str:
    """Digest of all bytes of a file."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _record_of(product: Path) -> Path:
    return product.parent / FOLDER / f"{product.name}.json"
