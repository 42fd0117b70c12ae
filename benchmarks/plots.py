"""Figures of the benchmark, in the style of all of hepbaler's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from hepbaler.analysis.style import new_figure, save_figure, styled

from .tables import total_bytes

__all__ = ("size_against_bound", "size_against_speed")

# Petroff's ten colours (arXiv:2107.02270), ours in red.
_COLOURS = {
    "hepbaler": "#bd1f01",
    "hepbaler-fast": "#bd1f01",
    "hepbaler-small": "#bd1f01",
    "hepbaler-plain": "#3f90da",
    "quantise-pcodec": "#3f90da",
    "sz3": "#ffa90e",
    "sz3-nopred": "#ffa90e",
    "zfp": "#94a4a2",
    "blosc2": "#832db6",
    "pcodec": "#a96b59",
    "ttree-lzma": "#e76300",
    "ttree-zstd": "#e76300",
    "rntuple-zstd": "#717581",
    "rntuple-trunc": "#717581",
    "rntuple-quant": "#717581",
    "baler": "#000000",
}
_DASHED = ("hepbaler-small", "sz3", "ttree-zstd", "rntuple-zstd", "quantise-pcodec")
_DOTTED = ("hepbaler-fast", "rntuple-trunc")
_SHORT = {
    "hepbaler": "hepbaler",
    "hepbaler-fast": "hepbaler, fast",
    "hepbaler-small": "hepbaler, small",
    "hepbaler-plain": "quantise + pcodec",
    "quantise-pcodec": "quantise + pcodec, arrays",
    "sz3": "SZ3",
    "sz3-nopred": "SZ3, no prediction",
    "zfp": "zfp",
    "blosc2": "rounding + Blosc2",
    "pcodec": "pcodec, lossless",
    "ttree-lzma": "rounding + LZMA 9",
    "ttree-zstd": "rounding + ZSTD 5",
    "rntuple-zstd": "RNTuple, rounding",
    "rntuple-trunc": "RNTuple, Real32Trunc",
    "rntuple-quant": "RNTuple, Real32Quant",
    "baler": "Baler's recipe",
}


def size_against_bound(rows: Sequence[Mapping[str, Any]], file: str, path: Path) -> bool:
    """Total size of each peer over the bits of the bound; False if fewer than two bounds were measured."""
    own = [row for row in rows if row["file"] == file and row["bound"].startswith("bits=") and row["bounded"]]
    bits = sorted({int(row["bound"].partition("=")[2]) for row in own})
    if len(bits) < 2:
        return False
    with styled():
        figure = new_figure(8.0, 5.6)
        axes = figure.subplots()
        for peer, colour in _COLOURS.items():
            points = {int(row["bound"].partition("=")[2]): total_bytes(row, own) for row in own if row["peer"] == peer}
            line = [(b, size / 1e6) for b in bits if (size := points.get(b)) is not None]
            if len(line) < 2:
                continue
            mark = "--" if peer in _DASHED else ":" if peer in _DOTTED else "-"
            width = 2.6 if peer.startswith("hepbaler") else 1.4
            axes.plot(*zip(*line, strict=True), mark, marker="o", color=colour, label=_SHORT[peer], linewidth=width)
        axes.set_xlabel("bound, bits of mantissa")
        axes.set_ylabel("size of the whole file [MB]")
        axes.set_xticks(bits)
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_title(file, loc="left")
        save_figure(figure, path)
    return True


def size_against_speed(rows: Sequence[Mapping[str, Any]], case: tuple[str, str], path: Path) -> bool:
    """Total size of each peer over its speed of decoding, on one file; False if nothing was measured."""
    own = [row for row in rows if (row["file"], row["bound"]) == case]
    points = [(row, size) for row in own if (size := total_bytes(row, own)) is not None]
    points = [(row, size) for row, size in points if row["decode_mb_s"] > 0]
    unit = next((size for row, size in points if row["peer"] == "hepbaler-plain"), None)
    if unit is None:
        return False
    with styled():
        figure = new_figure(8.0, 5.6)
        axes = figure.subplots()
        axes.axhline(1.0, color="#94a4a2", linewidth=1.0)
        for (row, size), mark in zip(sorted(points, key=lambda point: point[1]), cycle("osD^v<>Ph"), strict=False):
            inside = row["bounded"]
            axes.plot(
                row["decode_mb_s"],
                size / unit,
                mark if inside else "x",
                color=_COLOURS[row["peer"]],
                markersize=10 if row["peer"].startswith("hepbaler") else 7,
                label=_SHORT[row["peer"]] + ("" if inside else " (no bound)"),
            )
        axes.set_xscale("log")
        axes.set_xlabel("reading the float columns, one core [MB/s]")
        axes.set_ylabel("size / (quantise + pcodec)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_title(f"{case[0]}, {case[1]}", loc="left")
        save_figure(figure, path)
    return True


def draw_frontier(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Size of each preset over its speed of reading, both relative to the LZMA-9 file's reader and to no model."""
    with styled():
        figure = new_figure(8.0, 5.6)
        axes = figure.subplots()
        cases = dict.fromkeys((r["file"], r["bound"]) for r in rows)
        for number, ((file, bound), mark) in enumerate(zip(cases, "osD^v", strict=False)):
            # Points of two files lie close together: the names of one go above, those of the next below.
            above = number % 2 == 0
            own = [row for row in rows if (row["file"], row["bound"]) == (file, bound)]
            lzma = next(row["read_seconds"] for row in own if row["way"] == "LZMA 9")
            unit = next((row["n_bytes"] for row in own if row["way"] == "no model"), None)
            if unit is None:
                continue
            points = [(lzma / row["read_seconds"], row["n_bytes"] / unit) for row in own]
            axes.plot(*zip(*points, strict=True), mark, linestyle="", markersize=8, label=f"{file}, {bound}")
            for (speed, size), row in zip(points, own, strict=True):
                axes.annotate(
                    *(row["way"], (speed, size)),
                    (0, 8 if above else -8),
                    textcoords="offset points",
                    fontsize="small",
                    ha="center",
                    va="bottom" if above else "top",
                )
        axes.axvline(1.0, color="#94a4a2", linewidth=1.0)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 1.0) / 1.4, high * 1.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel("speed of reading the float columns / uproot with LZMA 9")
        axes.set_ylabel("size / without a model")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
        axes.legend(loc="lower right", handletextpad=0.2)
        save_figure(figure, path)
