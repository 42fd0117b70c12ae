"""How every figure looks: mplhep's style at a size that fits a page, and no experiment's label."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._optional import need
from ..errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("AFTER", "BEFORE", "COLOURS", "check_figure_name", "new_figure", "png_bytes", "save_figure", "styled")

# Two colours that colour-blind readers tell apart (Petroff, arXiv:2107.02270).
BEFORE = "#3f90da"
AFTER = "#bd1f01"
# And ten of them.
COLOURS = (
    "#3f90da",
    "#bd1f01",
    "#ffa90e",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)

_CHANGES: dict[str, Any] = {
    "font.size": 13,
    "axes.labelsize": 13,
    "axes.titlesize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 11.5,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "axes.linewidth": 1.2,
    "figure.dpi": 100,
    "savefig.dpi": 130,
    "text.usetex": False,
}


def __dir__() -> tuple[str, ...]:
    return __all__


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save figures in this style."""
    matplotlib = need("matplotlib", extra="analysis")
    styles = need("mplhep.styles", extra="analysis")
    with matplotlib.rc_context({**styles.CMS, **_CHANGES}):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches. It belongs to nobody but the caller: pyplot does not know it."""
    figure: Figure = need("matplotlib.figure", extra="analysis").Figure(figsize=(width, height), layout="constrained")
    return figure


def png_bytes(figure: Figure, dpi: int = 90) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def check_figure_name(path: str | os.PathLike[str]) -> None:
    """Refuse a name into which no figure can be drawn, before anything is worked out for it.

    Raises
    ------
    OutputError
        The ending is no format of matplotlib's.
    """
    known = need("matplotlib.backend_bases", extra="analysis").FigureCanvasBase.get_supported_filetypes()
    ending = Path(path).suffix.lstrip(".").lower()
    if ending not in known:
        msg = f"cannot draw into {os.fspath(path)!r}: {ending or 'no ending'!r} is no format of figures; use one of {', '.join(sorted(known))}"
        raise OutputError(msg)


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, in the format that the name's ending says.

    Raises
    ------
    OutputError
        The ending is no format of matplotlib's, or the file cannot be written.
    """
    check_figure_name(path)
    try:
        with styled():
            figure.savefig(path)
    except OSError as error:
        msg = f"{os.fspath(path)} cannot be written: {error.strerror or error}"
        raise OutputError(msg) from error
