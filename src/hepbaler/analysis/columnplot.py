"""The figures of `hepbaler evaluate`: one a column, and one a correlation matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from .columns import ColumnFigures, finite_pairs
from .distances import Correlations
from .style import AFTER, BEFORE, new_figure, styled
from .tally import ColumnTally

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("draw_column", "draw_correlations")

Array = NDArray[np.float64]

BINS = 60
CENTRAL = (0.002, 0.998)  # of a distribution that is drawn: a single value far away would hide the others
NAMED_COLUMNS = 30  # of a matrix; the names of more cannot be read


def __dir__() -> tuple[str, ...]:
    return __all__


def draw_column(figures: ColumnFigures, tally: ColumnTally) -> Figure:
    """Draw a column: distribution, residual, response, pull, two-dimensional, and the error along the column.

    Parameters
    ----------
    figures
        What was said about it.
    tally
        Its sample.
    """
    before, after = finite_pairs(tally)
    with styled():
        figure = new_figure(12.6, 7.4)
        panels = figure.subplots(2, 3).ravel()
        figure.suptitle(_title(figures), fontsize=14)
        if not len(before):
            panels[0].text(0.5, 0.5, "no finite values", ha="center", transform=panels[0].transAxes)
            return figure
        residual = after - before
        _distribution(panels[0], figures.column, before, after)
        _residual(panels[1], residual)
        _response(panels[2], before, after)
        _pull(panels[3], figures, residual)
        _plane(panels[4], before, after)
        _profile(panels[5], figures.column, before, residual)
    return figure


def _title(figures: ColumnFigures) -> str:
    remarks = "; ".join(figures.remarks[:3]) or "nothing suspicious"
    bound = f", {figures.bound}" if figures.bound else ""
    return f"{figures.column}{bound}: {remarks}".replace("$", r"\$")


def _range(values: Array, margin: float = 0.03) -> tuple[float, float]:
    low, high = (float(x) for x in np.quantile(values, CENTRAL))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    if not low < high:
        return low - (abs(low) * 0.01 or 0.5), high + (abs(high) * 0.01 or 0.5)
    width = (high - low) * margin
    return low - width, high + width


def _edges(values: Array) -> Array:
    """Bins over the central part; of whole numbers each bin has the same number of them."""
    low, high = _range(values)
    if np.array_equal(values, np.rint(values)):
        first, last = np.ceil(low), np.floor(high)
        width = max(np.ceil((last - first + 1) / BINS), 1.0)
        return np.arange(first - 0.5, last + 0.5 + width, width)
    return np.linspace(low, high, BINS + 1)


def _step(axes: Any, counts: Array, edges: Array, color: str, label: str | None = None, **more: Any) -> None:
    need("mplhep", extra="analysis").histplot(
        counts, edges, ax=axes, histtype="step", color=color, label=label, yerr=False, flow="none", **more
    )


def _distribution(axes: Any, name: str, before: Array, after: Array) -> None:
    edges = _edges(before)
    one, other = (np.histogram(side, edges)[0] for side in (before, after))
    _step(axes, one, edges, BEFORE, "before")
    _step(axes, other, edges, AFTER, "after", linestyle="--")
    top = float(max(one.max(), other.max(), 1))
    if one.max() > 100 * max(float(np.median(one)), 1.0):
        axes.set_yscale("log")
        axes.set_ylim(0.5, 30 * top)
    else:
        axes.set_ylim(0, 1.35 * top)
    axes.set_xlim(edges[0], edges[-1])
    axes.legend(loc="upper right", bbox_to_anchor=(0.98, 0.98), frameon=False, ncols=2)
    axes.set_xlabel(name)
    axes.set_ylabel("rows")


def _power(values: Array) -> tuple[float, str]:
    """A power of ten that makes values legible, and what to say about it behind the label."""
    reach = max(abs(limit) for limit in _range(values))
    exponent = int(np.floor(np.log10(reach))) if reach > 0 and np.isfinite(reach) else 0
    return (10.0**exponent, rf" [$10^{{{exponent}}}$]") if exponent < -2 or exponent > 4 else (1.0, "")


def _histogram(axes: Any, values: Array, label: str) -> None:
    """One distribution, with a line at 0, where a perfect file has all of it."""
    unit, power = _power(values)
    scaled = values / unit
    low, high = _range(scaled, 0.1)
    counts, edges = np.histogram(scaled, BINS, (low, high))
    _step(axes, counts, edges, AFTER)
    if low < 0.0 < high:
        axes.axvline(0.0, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.35 * max(float(counts.max()), 1.0))
    axes.set_xlabel(label + power)
    axes.set_ylabel("rows")
    axes.locator_params(axis="x", nbins=5)


def _note(axes: Any, *lines: str) -> None:
    axes.text(0.04, 0.95, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=11)


def _residual(axes: Any, residual: Array) -> None:
    _histogram(axes, residual, "residual: after $-$ before")
    _note(axes, f"mean {residual.mean():.3g}", f"RMS {np.sqrt(np.mean(residual**2)):.3g}")


def _response(axes: Any, before: Array, after: Array) -> None:
    nonzero = before != 0
    if not nonzero.any():
        axes.set_xlabel("response: after / before")
        _note(axes, "all values are 0")
        return
    with np.errstate(over="ignore"):
        response = after[nonzero] / before[nonzero]
    response = response[np.isfinite(response)]
    _histogram(axes, response - 1.0, "response: after / before $-$ 1")
    _note(axes, f"median {np.median(response) - 1:.3g}")


def _pull(axes: Any, figures: ColumnFigures, residual: Array) -> None:
    scale = figures.spread
    label = "pull: residual / spread of the column"
    if not scale > 0:
        scale = float(np.sqrt(np.mean(residual**2))) or 1.0
        label = "pull: residual / its RMS"
    _histogram(axes, residual / scale, label)
    lines = [f"RMS {figures.rms / scale:.3g}"]
    if figures.largest_share is not None and np.isfinite(figures.largest_share):
        lines.append(f"largest error: {figures.largest_share:.3f} of the bound")
    _note(axes, *lines)


def _plane(axes: Any, before: Array, after: Array) -> None:
    colors = need("matplotlib.colors", extra="analysis")
    edges = _edges(before)
    low, high = _range(np.concatenate([before, after]))
    grids = edges if len(edges) < BINS else np.linspace(low, high, BINS + 1)
    counts, _, _ = np.histogram2d(before, after, bins=(grids, grids))
    mesh = axes.pcolormesh(
        grids, grids, np.ma.masked_equal(counts.T, 0), norm=colors.LogNorm(1, max(counts.max(), 2)), cmap="viridis"
    )
    mesh.set_rasterized(True)
    axes.figure.colorbar(mesh, ax=axes, pad=0.01)
    axes.set_xlabel("before")
    axes.set_ylabel("after")
    axes.locator_params(nbins=5)


def _profile(axes: Any, name: str, before: Array, residual: Array) -> None:
    """Mean and RMS of the residual along the column, in bins of equal numbers of rows."""
    order = np.argsort(before, kind="stable")
    parts = [part for part in np.array_split(order, min(24, max(len(order) // 10, 1))) if len(part)]
    place = np.array([before[part].mean() for part in parts])
    mean = np.array([residual[part].mean() for part in parts])
    rms = np.array([np.sqrt(np.mean(residual[part] ** 2)) for part in parts])
    unit, power = _power(np.concatenate([mean - rms, mean + rms]))
    mean, rms = mean / unit, rms / unit
    axes.fill_between(place, mean - rms, mean + rms, color=AFTER, alpha=0.25, linewidth=0, label="RMS")
    axes.plot(place, mean, "o-", color=AFTER, linewidth=1.0, label="mean")
    axes.axhline(0.0, color="black", linewidth=0.8, linestyle=":")
    reach = 1.5 * float(np.max(np.abs(mean) + rms)) or 1.0
    axes.set_ylim(-reach, reach)
    axes.set_xlabel(name)
    axes.set_ylabel("residual" + power)
    axes.legend(loc="upper right", bbox_to_anchor=(0.98, 0.98), frameon=False, ncols=2)
    axes.locator_params(axis="x", nbins=5)


def draw_correlations(name: str, correlations: Correlations) -> Figure:
    """Draw the matrices before, after, and their difference.

    Parameters
    ----------
    name
        Of the collection.
    correlations
        Of at least two columns. The `NAMED_COLUMNS` whose correlations changed most are drawn.
    """
    change = np.max(np.abs(correlations.difference), axis=1)
    shown = np.sort(np.argsort(-change, kind="stable")[:NAMED_COLUMNS])
    cut = np.ix_(shown, shown)
    names = _short([correlations.columns[i] for i in shown])
    matrices = (correlations.before[cut], correlations.after[cut], correlations.difference[cut])
    reach = max(float(np.max(np.abs(matrices[2]))), 1e-6)
    size = max(0.24 * len(names), 2.6)
    room = 0.085 * max(len(name) for name in names)  # inches, of the longest name at this size
    with styled():
        figure = new_figure(3 * size + room + 3.3, size + room + 0.9)
        one, other, difference, row = *correlations.largest()[:2], correlations.difference, correlations.rows
        figure.suptitle(
            f"{name}: correlations of {row:,} rows; largest change {np.max(np.abs(difference)):.2g} ({one}, {other})",
            fontsize=13,
        )
        for axes, matrix, title in zip(
            figure.subplots(1, 3), matrices, ("before", "after", "after $-$ before"), strict=True
        ):
            limit = reach if matrix is matrices[2] else 1.0
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_title(title)
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=9)
            axes.set_yticks(range(len(names)), names if matrix is matrices[0] else [], fontsize=9)
            axes.tick_params(which="both", length=0)
            axes.minorticks_off()
            figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    return figure


def _short(names: list[str]) -> list[str]:
    """Names without the beginning up to an underscore that all of them share."""
    first = names[0].partition("_")[0] + "_"
    return [name.removeprefix(first) for name in names] if all(name.startswith(first) for name in names) else names
