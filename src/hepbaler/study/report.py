"""Table, figures and page of a study."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.page import figure_block, page, table_block
from ..analysis.style import new_figure, save_figure, styled
from .results import StudyResult, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("HEAD", "draw_frontier", "remarks", "table_rows", "write_report")

HEAD = (
    "variant",
    "nominal",
    "true",
    "of ROOT",
    "RMS in peak",
    "mass [GeV]",
    "width [GeV]",
    "shift [GeV]",
    "of width",
    "training",
)
_MARKERS = {
    "latent": ("o", "#bd1f01", "autoencoder"),
    "bounded": ("s", "#3f90da", "bounded"),
    "plain": ("^", "#94a4a2", "quantised, plain"),
}


def __dir__() -> tuple[str, ...]:
    return __all__


def table_rows(result: StudyResult, fit: str) -> list[tuple[str, ...]]:
    """One row a variant, under `HEAD`; below each autoencoder the plain archive of no more bytes.

    Parameters
    ----------
    result
        Of the study.
    fit
        Model of the fit.
    """
    rows = [_original(result, fit)]
    for one in result.variants:
        rows.append(_row(one, fit))
        partner = result.partner(one) if one.kind == "latent" and one.failed is None else None
        if partner is not None:
            rows.append((f"  as small: {partner.name}", *_row(partner, fit)[1:]))
    return rows


def _original(result: StudyResult, fit: str) -> tuple[str, ...]:
    for one in result.variants:
        before = one.fits.get(fit, {}).get("before", {})
        if before.get("ok"):
            return ("original", "", _number(one.raw_bytes / one.source_bytes), "1.00", "", *_fitted(before), "", "", "")
    return ("original", *[""] * (len(HEAD) - 1))


def _row(one: Variant, fit: str) -> tuple[str, ...]:
    if one.failed is not None:
        return (one.name, *[""] * 4, "failed", *[""] * 4)
    told = one.fits[fit]
    after, shift, peak = told["after"], told["shift"], told["peak"]
    nominal = "" if one.nominal_ratio is None else _number(one.nominal_ratio)
    moved = ("", "") if shift is None else (_shift(shift, "mass"), _shift(shift, "width"))
    fitted = _fitted(after) if after["ok"] else ("refused", "")
    return (
        one.name,
        nominal,
        _number(one.arrays_ratio),
        _number(one.source_ratio),
        "" if peak is None else f"{peak['rms']:.3g}",
        *fitted,
        *moved,
        "" if one.seconds is None else f"{one.seconds:.0f} s",
    )


def remarks(result: StudyResult, fit: str) -> list[str]:
    """Why fits were refused, and variants failed, a sentence each."""
    refused = {one.name: one.fits[fit]["after"]["refused"] for one in result.variants if one.failed is None}
    return [
        *(f"{one.name} failed: {one.failed}" for one in result.variants if one.failed is not None),
        *(f"fit of {name} refused: {'; '.join(reasons)}" for name, reasons in refused.items() if reasons),
    ]


def _number(value: float) -> str:
    return f"{value:.2f}"


def _fitted(fit: Mapping[str, Any]) -> tuple[str, str]:
    return f"{fit['mass']:.3f} ± {fit['mass_error']:.3f}", f"{fit['width']:.3f} ± {fit['width_error']:.3f}"


def _shift(shift: Mapping[str, Any], what: str) -> str:
    return f"{shift[what]:+.4f} ± {shift[f'{what}_error']:.4f}"


def draw_frontier(result: StudyResult, fit: str) -> Figure:
    """Bias against bytes: size of the shift, and error of the masses in the peak, over the true ratio."""
    with styled():
        figure = new_figure(8.0, 8.4)
        above, below = figure.subplots(2, 1, sharex=True)
        for kind, (marker, color, label) in _MARKERS.items():
            shown = [one for one in result.of(kind) if one.fits[fit]["shift"] is not None]
            if not shown:
                continue
            ratios = [one.arrays_ratio for one in shown]
            shifts = [abs(one.fits[fit]["shift"]["mass"]) for one in shown]
            errors = [one.fits[fit]["shift"]["mass_error"] for one in shown]
            style = {"fmt": marker, "color": color, "markersize": 6, "linestyle": "none" if kind == "latent" else "-"}
            above.errorbar(ratios, shifts, yerr=errors, label=label, linewidth=1.0, capsize=2, **style)
            line = "none" if kind == "latent" else "-"
            rms = [one.fits[fit]["peak"]["rms"] for one in shown]
            below.plot(ratios, rms, marker=marker, color=color, linestyle=line, markersize=6, linewidth=1.0)
            if kind == "latent":
                for one, ratio, value in zip(shown, ratios, rms, strict=True):
                    below.annotate(one.name, (ratio, value), (5, 3), textcoords="offset points", fontsize=9)
        # Room for names at the edges.
        above.margins(x=0.12)
        above.set_yscale("symlog", linthresh=1e-3)
        below.set_yscale("log")
        above.set_ylim(bottom=0)
        error = next((o.fits[fit]["before"]["mass_error"] for o in result.variants if o.fits), None)
        if error is not None:
            above.axhline(error, color="black", linewidth=0.8, linestyle="--", label="error of the original's fit")
        above.legend(frameon=False)
        above.set_ylabel("|shift of the mass| [GeV]")
        below.set_ylabel("RMS error in the peak [GeV]")
        below.set_xlabel("arrays / archive, in bytes")
    return figure


def write_report(result: StudyResult) -> Path:
    """Write the figure of the frontier and the page into the study's folder; gives the path of the page."""
    folder = Path(result.folder)
    blocks = [f"<p>{html.escape(Path(result.source).name)}, channel {html.escape(result.settings['channel'])}</p>"]
    for fit in result.settings["fits"]:
        rows = table_rows(result, fit)
        blocks += [
            f"<h2>{html.escape(fit)}</h2>",
            table_block(HEAD, rows, [r[5] in ("refused", "failed") for r in rows]),
        ]
        blocks += [f"<p>{html.escape(text)}</p>" for text in remarks(result, fit)]
        path = folder / "figures" / f"frontier.{fit}.png"
        save_figure(draw_frontier(result, fit), path)
        blocks.append(figure_block(path.read_bytes(), f"bias against bytes, {fit}"))
    for one in result.of("latent") + result.of("bounded"):
        name = one.name.replace(" ", "-").replace("=", "")
        told = f"{len(one.suspicious)} suspicious columns" + (
            f": {', '.join(one.suspicious)}" if one.suspicious else ""
        )
        blocks += [f"<h2>{html.escape(one.name)}</h2>", f"<p>{html.escape(told)}</p>"]
        for fit in result.settings["fits"]:
            picture = folder / "figures" / f"{name}.{fit}.png"
            blocks.append(figure_block(picture.read_bytes(), f"{one.name}, {fit}"))
    target = folder / "study.html"
    target.write_text(page(f"Study of {Path(result.source).name}", blocks), encoding="utf-8")
    return target
