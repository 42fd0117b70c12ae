"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = (
    "ablation_table",
    "details_table",
    "frontier_table",
    "markdown",
    "narrow_table",
    "sizes_table",
    "total_bytes",
)

_REFERENCE = "hepbaler-plain"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def total_bytes(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> int | None:
    """What the whole tree takes with a peer.

    A coder of arrays holds floats only. To it is added what hepbaler without a model takes for everything else: integers,
    counts, names, index. None where that was not measured.
    """
    if row["complete"]:
        return int(row["n_bytes"])
    rest = next((r["rest_bytes"] for r in rows if r["peer"] == _REFERENCE and _case(r) == _case(row)), None)
    return None if rest is None else int(row["n_bytes"] + rest)


def _case(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["file"], row["bound"]


def sizes_table(rows: Sequence[Mapping[str, Any]], cases: Sequence[tuple[str, str]]) -> str:
    """Peers against files: total size as a share of quantise + pcodec, whose own is in MB."""
    titles = {row["peer"]: row["title"] for row in rows}
    cells: dict[tuple[str, tuple[str, str]], int | None] = {
        (row["peer"], _case(row)): total_bytes(row, rows) for row in rows
    }
    reference = {case: cells.get((_REFERENCE, case)) for case in cases}
    head = ["total size", *(f"{file.removesuffix('.root')}, {bound}" for file, bound in cases)]
    out = [[f"{titles.get(_REFERENCE, _REFERENCE)} = 1", *(_mb(reference[case]) for case in cases)]]

    def share(peer: str, case: tuple[str, str]) -> float | None:
        size, unit = cells.get((peer, case)), reference[case]
        return size / unit if size and unit else None

    def mean(peer: str) -> float:
        found = [value for case in cases if (value := share(peer, case)) is not None]
        return sum(found) / len(found) if found else float("inf")

    for peer in sorted((one for one in titles if one != _REFERENCE), key=mean):
        values = [share(peer, case) for case in cases]
        if any(value is not None for value in values):
            out.append([titles[peer], *("-" if value is None else f"{value:.3f}" for value in values)])
    return markdown(head, out)


def details_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Everything that was measured on one file under one bound, smallest first."""
    head = ["peer", "MB", "encode MB/s", "decode MB/s", "encode peak MB", "decode peak MB", "training s"]
    head += ["beyond bound", "worst error / allowed"]
    known = sorted(rows, key=lambda row: total_bytes(row, rows) or 0)
    out = []
    for row in known:
        beyond = f"{row['violations']:,}" if row["bounded"] else f"no bound ({row['violations'] / row['values']:.0%})"
        out.append(
            [
                row["title"],
                _mb(total_bytes(row, rows)),
                f"{row['encode_mb_s']:.3g}" if row["encode_mb_s"] else "-",
                f"{row['decode_mb_s']:.3g}" if row["decode_mb_s"] else "-",
                f"{row['encode_memory'] / 1e6:.0f}" if row["encode_memory"] else "-",
                f"{row['decode_memory'] / 1e6:.0f}" if row["decode_memory"] else "-",
                f"{row['training_seconds']:.0f}" if row["training_seconds"] >= 0.5 else "",
                beyond,
                f"{row['worst']:.3g}",
            ]
        )
    return markdown(head, out)


def _mb(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else f"{n_bytes / 1e6:.2f}"


def ablation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Variants of one file, in the order in which they were measured."""
    default = next(row for row in rows if row["variant"] == "default")
    lines = [
        [
            row["variant"],
            f"{row['n_bytes'] / 1e6:.3f}",
            "" if row is default else f"{(row['n_bytes'] / default['n_bytes'] - 1) * 100:+.1f} %",
            f"{row['training_seconds']:.0f}",
            f"{row['read_seconds'] * 1e3:.0f}",
        ]
        for row in rows
    ]
    return markdown(["", "MB", "against the default", "training s", "read, one core, ms"], lines)


def frontier_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Presets of one file: sizes, seconds, and speed as a multiple of uproot's with the LZMA-9 file."""
    lzma = next(row for row in rows if row["way"] == "LZMA 9")
    plain = next((row["n_bytes"] for row in rows if row["way"] == "no model"), None)
    head = ["", "MB", "of plain", "training s", "read s", "speed", "one core s", "speed"]
    lines = [
        [
            row["way"] if row is lzma else f"`--preset {row['way']}`" if row["way"] != "no model" else "`--no-model`",
            f"{row['n_bytes'] / 1e6:.2f}",
            "-" if plain is None else f"{row['n_bytes'] / plain:.3f}",
            f"{row['training_seconds']:.0f}",
            f"{row['read_seconds']:.2f}",
            f"{lzma['read_seconds'] / row['read_seconds']:.2f}",
            f"{row['one_core_seconds']:.2f}",
            f"{lzma['one_core_seconds'] / row['one_core_seconds']:.2f}",
        ]
        for row in sorted(rows, key=lambda row: -row["n_bytes"])
    ]
    return markdown(head, lines)


def narrow_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Collections against files: the time that the momenta of one cluster take, as a multiple of their share of a full read."""
    files = list(dict.fromkeys(row["file"] for row in rows))
    head = ["", *(f"{file.removesuffix('.root')}, {clock}" for file in files for clock in ("CPU", "clock"))]
    of = {(row["collection"], row["file"]): row for row in rows}

    def cells(collection: str, file: str) -> list[str]:
        row = of.get((collection, file))
        if row is None:
            return ["-", "-"]
        return [f"{row[f'{by}_seconds'] / row[f'full_{by}_seconds'] / row['share']:.1f}" for by in ("cpu", "wall")]

    collections = dict.fromkeys(row["collection"] for row in rows)
    return markdown(head, [[one, *(cell for file in files for cell in cells(one, file))] for one in collections])
