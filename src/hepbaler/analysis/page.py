"""An HTML page in one file, figures included."""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Sequence

__all__ = ("figure_block", "folded_block", "page", "table_block")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 96rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } p { max-width: 60rem; }
table { border-collapse: collapse; font-size: 12.5px; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.4rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
thead th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #222; vertical-align: bottom; }
thead th { white-space: normal; min-width: 3rem; }
.words { text-align: left; } .long { text-align: left; white-space: normal; min-width: 15rem; }
tr.marked td { background: #fdf0ed; }
summary { cursor: pointer; margin: 1rem 0; }
img { max-width: 100%; } figure { margin: 1rem 0; } .wide { overflow-x: auto; }
"""


def __dir__() -> tuple[str, ...]:
    return __all__


def table_block(
    head: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool] = (), *, words: Collection[str] = ()
) -> str:
    """A table.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells as text.
    marked
        Which rows stand out; none if empty.
    words
        Names of columns that hold sentences; the first holds names, the others numbers.
    """
    kinds = ["words" if i == 0 else "long" if name in words else "" for i, name in enumerate(head)]

    def line(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{f' class={kind}' if kind else ''}>{html.escape(text)}</{tag}>"
            for kind, text in zip(kinds, texts, strict=True)
        )

    lines = [f"<div class='wide'><table><thead><tr>{line('th', head)}</tr></thead><tbody>"]
    for row, mark in zip(rows, marked or [False] * len(rows), strict=True):
        lines.append(f"<tr{' class=marked' if mark else ''}>{line('td', row)}</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def folded_block(title: str, block: str) -> str:
    """A block that is opened by a click on its title."""
    return f"<details><summary>{html.escape(title)}</summary>{block}</details>"


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
