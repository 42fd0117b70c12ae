"""Figures of a study: bias against bytes, columns against the mass, and how the networks learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..analysis.style import COLOURS, new_figure, styled
from .archives import WEIGHTED
from .results import StudyResult, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("draw_columns", "draw_frontier")

_LINES: dict[str, dict[str, Any]] = {
    "bounded": {"marker": "s", "color": "black", "label": "bounded"},
    "plain": {"marker": "^", "color": "black", "markerfacecolor": "white", "label": "rounded, no model"},
}


def __dir__() -> tuple[str, ...]:
    return __all__


def draw_frontier(result: StudyResult, fit: str) -> Figure:
    """Bias against bytes: size of the shift, and error of the masses in the peak, over the true ratio."""
    with styled():
        figure = new_figure(10.0, 8.4)
        above, below = figure.subplots(2, 1, sharex=True)
        for one, style in _autoencoders(result):
            _point(above, one, fit, one.arrays_ratio, _shift, style)
            _point(below, one, fit, one.arrays_ratio, _peak, style)
        for kind, style in _LINES.items():
            dashes = {"linestyle": ":" if kind == "plain" else "-"}
            _line(above, result.of(kind), fit, _shift, style | dashes)
            _line(below, result.of(kind), fit, _peak, style | dashes)
        _level(above, result, fit, 1.0)
        above.margins(x=0.06)
        above.set_yscale("symlog", linthresh=1e-3)
        # The largest of all, with its marker and error, lies well inside.
        above.set_ylim(0, 2 * above.dataLim.ymax)
        below.set_yscale("log")
        above.set_ylabel("|shift of the mass| [GeV]")
        below.set_ylabel("RMS error in the peak [GeV]")
        below.set_xlabel("bytes of the arrays / bytes of the archive")
        figure.legend(*above.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=10)
    return figure


def draw_columns(result: StudyResult, fit: str) -> Figure:
    """Two ways to judge: the shift of the mass, in errors of the original's fit, over the mean error of the columns."""
    names = result.learned_columns()
    with styled():
        figure = new_figure(10.0, 5.6)
        axes = figure.subplots()
        for one, style in _autoencoders(result):
            _point(axes, one, fit, 100 * one.column_error(names), _shift_in_errors, style)
        for kind, style in _LINES.items():
            shown = [one for one in result.of(kind) if _shift(one, fit) is not None]
            for number, one in enumerate(shown):
                label = style["label"] if not number else None
                _point(axes, one, fit, 100 * one.column_error(names), _shift_in_errors, style | {"label": label})
        axes.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("RMS error / spread, mean of the columns [%]")
        axes.set_ylabel("|shift of the mass| / error of the original's fit")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=10)
    return figure


def _autoencoders(result: StudyResult) -> list[tuple[Variant, dict[str, Any]]]:
    """Autoencoders with their style: a colour each, and hollow where columns have weights."""
    models = list(dict.fromkeys(one.name.removesuffix(WEIGHTED) for one in result.variants if one.kind == "latent"))
    styles = []
    for one in result.of("latent") + result.of("weighted"):
        color = COLOURS[models.index(one.name.removesuffix(WEIGHTED)) % len(COLOURS)]
        face = "white" if one.kind == "weighted" else color
        marker = "D" if one.kind == "weighted" else "o"
        styles.append((one, {"marker": marker, "color": color, "markerfacecolor": face, "label": one.name}))
    return styles


Value = Callable[[Variant, str], tuple[float, float] | None]


def _shift(one: Variant, fit: str) -> tuple[float, float] | None:
    shift = one.fits[fit]["shift"]
    return None if shift is None else (abs(shift["free"]["mass"]), shift["free"]["mass_error"])


def _shift_in_errors(one: Variant, fit: str) -> tuple[float, float] | None:
    found = _shift(one, fit)
    error = one.fits[fit]["before"]["mass_error"]
    return None if found is None else (found[0] / error, found[1] / error)


def _peak(one: Variant, fit: str) -> tuple[float, float] | None:
    peak = one.fits[fit]["peak"]
    return None if peak is None or peak["rms"] is None else (peak["rms"], 0.0)


def _point(axes: Any, one: Variant, fit: str, place: float, value: Value, style: dict[str, Any]) -> None:
    found = value(one, fit)
    if found is not None and place > 0:
        axes.errorbar([place], [found[0]], yerr=[found[1]], markersize=6, linestyle="none", capsize=2, elinewidth=1,
                      **style)  # fmt: skip


def _line(axes: Any, variants: Iterable[Variant], fit: str, value: Value, style: dict[str, Any]) -> None:
    points = [(one.arrays_ratio, found) for one in variants if (found := value(one, fit)) is not None]
    if points:
        ratios, values, errors = zip(*((ratio, *found) for ratio, found in sorted(points)), strict=True)
        axes.errorbar(ratios, values, yerr=errors, markersize=5, linewidth=1.0, capsize=2, elinewidth=1, **style)


def _level(axes: Any, result: StudyResult, fit: str, times: float) -> None:
    """A line at the error of the original's fit."""
    before = next((one.fits[fit]["before"] for one in result.variants if one.fits), None)
    if before is not None and before["ok"]:
        axes.axhline(
            times * before["mass_error"], color="black", linewidth=0.8, linestyle="--", label="error of the fit before"
        )
