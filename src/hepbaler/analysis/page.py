"""An HTML page in one file, figures included."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

__all__ = ("figure_block", "page", "table_block")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, td:last-child { text-align: left; }
td:last-child { white-space: normal; }
thead th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #222; }
tr.suspicious td { background: #fdf0ed; }
img { max-width: 100%; } figure { margin: 1rem 0; } .wide { overflow-x: auto; }
"""


def __dir__() -> tuple[str, ...]:
    return __all__


def table_block(head: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool]) -> str:
    """A table.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells as text.
    marked
        Which rows stand out.
    """
    lines = ["<div class='wide'><table><thead><tr>"]
    lines += [f"<th>{html.escape(name)}</th>" for name in head]
    lines.append("</tr></thead><tbody>")
    for row, mark in zip(rows, marked, strict=True):
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        lines.append(f"<tr{' class=suspicious' if mark else ''}>{cells}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def figure_block(png: bytes, alt: str) -> str:
    """A figure; its PNG becomes part of the page."""
    data = base64.b64encode(png).decode("ascii")
    return f"<figure><img alt='{html.escape(alt, quote=True)}' src='data:image/png;base64,{data}'></figure>"


def page(title: str, blocks: Sequence[str]) -> str:
    """The whole page."""
    return "\n".join(
        [
            "<!doctype html>",
            f"<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{html.escape(title)}</h1>",
            *blocks,
            "</body></html>\n",
        ]
    )
