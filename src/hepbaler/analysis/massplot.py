"""The figure of `hepbaler analyse`: both spectra with their fits, and what changed below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .masses import MassComparison
from .result import MassFit
from .shapes import find_model
from .style import AFTER, BEFORE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("draw_masses",)


def __dir__() -> tuple[str, ...]:
    return __all__


def draw_masses(result: MassComparison, label: str, *, names: tuple[str, str] = ("before", "after")) -> Figure:
    """Draw both spectra.

    Parameters
    ----------
    result
        From `hepbaler.analysis.masses.compare_masses`.
    label
        Of the mass axis.
    names
        Of the two files in the legend.
    """
    mplhep = need("mplhep", extra="analysis")
    settings = result.settings
    edges = settings.edges
    centres = (edges[:-1] + edges[1:]) / 2
    with styled():
        figure = new_figure(8.0, 7.2)
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3.2, 1], "hspace": 0.02})
        before, after = result.before_counts, result.after_counts
        mplhep.histplot(before, edges, ax=above, histtype="step", color=BEFORE, label=names[0], yerr=False)
        mplhep.histplot(
            after, edges, ax=above, histtype="errorbar", color=AFTER, label=names[1], yerr=np.sqrt(after), markersize=3
        )
        _draw_fit(above, centres, result.before, BEFORE, "-")
        _draw_fit(above, centres + result.moved, result.after, AFTER, "--")
        above.set_xlim(settings.low, settings.high)
        above.set_ylim(0, 1.75 * max(float(np.max(before, initial=1.0)), float(np.max(after, initial=1.0))))
        above.set_ylabel(f"entries / {(settings.high - settings.low) / settings.n_bins:.3g} GeV")
        if result.before.ok or result.after.ok:
            above.plot([], [], "-", color="black", label="fit")
            above.plot([], [], ":", color="black", label="its background")
        handles, labels = above.get_legend_handles_labels()
        # matplotlib lists lines before points.
        rank = {name: i for i, name in enumerate((*names, "fit", "its background"))}
        order = sorted(range(len(labels)), key=lambda i: rank[labels[i]])
        above.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="upper right",
            bbox_to_anchor=(0.97, 0.98),
            frameon=False,
        )
        above.text(
            0.03, 0.96, "\n".join(_words(result)), transform=above.transAxes, va="top", fontsize=10.5, linespacing=1.45
        )
        error = np.sqrt(np.maximum(before, 1.0))
        change = (after - before) / error
        below.axhline(0.0, color="black", linewidth=0.8)
        below.step(edges, np.append(change, change[-1]), where="post", color=AFTER, linewidth=1.2)
        reach = max(1.2 * float(np.max(np.abs(change), initial=0.0)), 0.1)
        below.set_ylim(-reach, reach)
        below.set_ylabel("difference\n/ stat. error", loc="center")
        below.set_xlabel(label)
    return figure


def _draw_fit(axes: Any, centres: Any, fit: MassFit, color: str, line: str) -> None:
    if not len(fit.expected) or not fit.ok:
        return
    axes.plot(centres, fit.expected, line, color=color, linewidth=1.6)
    axes.plot(centres, fit.background, ":", color=color, linewidth=1.3)


def _words(result: MassComparison) -> list[str]:
    words = [find_model(result.settings.model).label]
    for name, fit in (("before", result.before), ("after", result.after)):
        if not fit.ok:
            reason, *more = fit.refused
            words += [f"{name}: fit refused", f"  {reason[:60]}" + (" ..." if more or len(reason) > 60 else "")]
            continue
        quality = f"$\\chi^2$/ndf {fit.chi2:.0f}/{fit.n_dof}, p = {fit.p_value:.2g}"
        words += [
            f"{name}: {fit.mass:.2f} $\\pm$ {fit.mass_error:.2f} GeV",
            f"  width {fit.width:.2f} $\\pm$ {fit.width_error:.2f} GeV",
            f"  {quality}",
        ]
    if result.shift is not None:
        for name, one in result.shift.ways.items():
            words += [
                f"{name}: {one.mass:+.4f} $\\pm$ {one.mass_error:.4f} GeV",
                f"  of width {one.width:+.4f} $\\pm$ {one.width_error:.4f} GeV",
            ]
    return words
