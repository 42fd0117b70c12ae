"""What was measured, as JSON files; a run replaces the rows that it measured again and keeps the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ("PeerRow", "keep", "read_rows")


@dataclass(frozen=True)
class PeerRow:
    """One peer on one file under one bound.

    Attributes
    ----------
    file, bound, peer, title
        What was measured.
    bounded
        Whether the peer shall keep the bound.
    complete
        Whether `n_bytes` holds the whole tree; otherwise the float columns only.
    raw_bytes, float_bytes
        All columns, and the float columns, as plain arrays.
    n_bytes
        All that a reader needs.
    rest_bytes
        The part that is not float columns; of hepbaler without a model only.
    encode_mb_s, decode_mb_s
        Uncompressed MB a second on one core, without training. Decoding gives the float columns.
    encode_memory, decode_memory
        Peak of the process, bytes: Python, libraries and the arrays themselves are part of it.
    training_seconds
        On one core.
    values, violations, worst
        Values compared, those farther off than allowed, and the largest error as a share of what is allowed.
    """

    file: str
    bound: str
    peer: str
    title: str
    bounded: bool
    complete: bool
    raw_bytes: int
    float_bytes: int
    n_bytes: int
    rest_bytes: int
    encode_mb_s: float
    decode_mb_s: float
    encode_memory: int
    decode_memory: int
    training_seconds: float
    values: int
    violations: int
    worst: float
    notes: tuple[str, ...] = ()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of results; none if there is no such file."""
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    return rows


def keep(path: Path, rows: Sequence[Any], same: Sequence[str], machine: dict[str, Any]) -> None:
    """Put rows into a file of results; those that agree in the fields `same` replace older ones."""
    fresh = [asdict(row) for row in rows]
    known = {tuple(row[field] for field in same) for row in fresh}
    older = [row for row in read_rows(path) if tuple(row.get(field) for field in same) not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rows": older + fresh}, indent=1) + "\n")
