"""From JSON to docs/benchmarks.md: marked blocks of it, and the figures beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .plots import draw_frontier, size_against_bound, size_against_speed
from .results import read_rows
from .tables import ablation_table, details_table, frontier_table, narrow_table, sizes_table

__all__ = ("fill_blocks", "write_report")


def write_report(results: Path, page: Path, images: Path) -> list[Path]:
    """Rewrite the blocks of a page between ``<!-- benchmarks: NAME -->`` and ``<!-- end -->``, and draw the figures.

    Parameters
    ----------
    results
        Folder of JSON files.
    page
        Markdown with marked blocks; a block without results keeps what it has.
    images
        Folder of the figures.

    Returns
    -------
    list of Path
        What was written.
    """
    rows = read_rows(results / "peers.json")
    cases = list(dict.fromkeys((row["file"], row["bound"]) for row in rows))
    blocks: dict[str, str] = {}
    written = [page]
    if rows:
        # A file under its main bound first; more bounds of one file are for the figure.
        main = list({file: (file, bound) for file, bound in reversed(cases) if bound in ("bits=10", "exact")}.values())
        main.reverse()
        blocks["machine"] = _machine(json.loads((results / "peers.json").read_text())["machine"])
        blocks["sizes"] = sizes_table(rows, main)
        details = [
            f"{file}, {bound}:\n\n" + details_table([r for r in rows if (r["file"], r["bound"]) == (file, bound)])
            for file, bound in main
        ]
        blocks["details"] = "\n\n".join(details)
        images.mkdir(parents=True, exist_ok=True)
        for file, _ in main:
            if size_against_bound(rows, file, images / "benchmark_bound.png"):
                written.append(images / "benchmark_bound.png")
                bounds = sorted({b for f, b in cases if f == file and b.startswith("bits=")}, key=lambda b: int(b[5:]))
                blocks["bounds"] = sizes_table(rows, [(file, bound) for bound in bounds])
                break
        if main and size_against_speed(rows, main[0], images / "benchmark_speed.png"):
            written.append(images / "benchmark_speed.png")
    ways = read_rows(results / "frontier.json")
    if ways:
        of = dict.fromkeys((row["file"], row["bound"]) for row in ways)
        tables = [
            f"{file}, {bound}:\n\n" + frontier_table([r for r in ways if (r["file"], r["bound"]) == (file, bound)])
            for file, bound in of
        ]
        blocks["frontier"] = "\n\n".join(tables)
        images.mkdir(parents=True, exist_ok=True)
        draw_frontier(ways, images / "benchmark_frontier.png")
        written.append(images / "benchmark_frontier.png")
    few = read_rows(results / "narrow.json")
    if few:
        blocks["narrow"] = narrow_table([row for row in few if row["preset"] == "default"])
    parts = read_rows(results / "ablation.json")
    if parts:
        of = dict.fromkeys((row["file"], row["bound"]) for row in parts)
        blocks["ablation"] = "\n\n".join(
            f"{file}, {bound}:\n\n" + ablation_table([r for r in parts if (r["file"], r["bound"]) == (file, bound)])
            for file, bound in of
        )
    page.write_text(fill_blocks(page.read_text(), blocks))
    return written


def fill_blocks(text: str, blocks: dict[str, str]) -> str:
    """Put new content between ``<!-- benchmarks: NAME -->`` and ``<!-- end -->``; blocks without any keep theirs."""

    def fill(found: re.Match[str]) -> str:
        content = blocks.get(found[2])
        return found[0] if content is None else f"{found[1]}{content}\n{found[3]}"

    return re.sub(r"(<!-- benchmarks: (\w+) -->\n).*?(<!-- end -->)", fill, text, flags=re.DOTALL)


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Measured {machine['date']} on {machine['processor']} ({machine['cores']} cores), "
        f"Python {machine['python']}; {versions}."
    )
