"""Tables and numbers for people, legible at 80 columns."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import click

from .options import Session

__all__ = (
    "bytes_text",
    "is_verbose",
    "plural",
    "print_json",
    "print_lines",
    "print_table",
    "ratio_text",
    "seconds_text",
    "warn",
)


_PIPE_WIDTH = 200


def __dir__() -> tuple[str, ...]:
    return __all__


def bytes_text(n: float) -> str:
    """`n` bytes in decimal units with three digits: ``31.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(n) < 999.5:
            return f"{n:.0f} B" if unit == "B" else f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.4g} TB"


def seconds_text(seconds: float) -> str:
    """``8.1 s`` or ``2 min 5 s``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def plural(n: int, one: str, many: str | None = None) -> str:
    """``1 tree``, ``3,000 entries``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def ratio_text(before: float, after: float) -> str:
    """How many times smaller: ``3.4``, ``1,250``; a dash where that says nothing."""
    if before <= 0 or after <= 0:
        return "-"
    ratio = before / after
    return f"{ratio:.3g}" if ratio < 999.5 else f"{ratio:,.0f}"


def print_json(data: Any) -> None:
    """Print `data` as JSON on stdout."""
    click.echo(json.dumps(data, indent=2, allow_nan=False))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, unless ``-q`` was given."""
    if not click.get_current_context().ensure_object(Session).quiet:
        for line in lines:
            click.echo(line)


def warn(message: str, names: Sequence[str] = ()) -> None:
    """Print a warning on stderr, whatever was asked for.

    Parameters
    ----------
    message
        One line.
    names
        What it is about, listed below it.
    """
    click.echo(f"hepbaler: warning: {message}", err=True)
    if names:
        # Names may hold spaces and must not be broken.
        listed = textwrap.fill(
            ", ".join(names), 100, initial_indent="  ", subsequent_indent="  ", break_long_words=False
        )
        click.echo(listed, err=True)


def is_verbose() -> bool:
    """Whether ``-v`` was given."""
    return click.get_current_context().ensure_object(Session).verbosity > 0


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, total: bool = False) -> None:
    """Print a table on stdout, unless ``-q`` was given.

    Parameters
    ----------
    title
        Line above the table.
    head
        Names of the columns. The first is aligned to the left and folded where the terminal is narrow; the others are
        numbers, aligned to the right and never cut.
    rows
        Cells as text.
    total
        Whether the last row sums up the others.
    """
    if click.get_current_context().ensure_object(Session).quiet:
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    # Text, because names of branches and units may look like rich's markup ("[9]", "[s]").
    for i, name in enumerate(head):
        table.add_column(Text(name), justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
    for i, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), end_section=total and i == len(rows) - 2)
    # A file or a pipe has no width to which names should be folded.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(table)
    console.print()
