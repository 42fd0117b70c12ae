"""What a study found as tables of text: for the terminal, the page and the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .results import StudyResult, Variant

__all__ = ("HEAD", "NOTES", "column_rows", "fit_sentence", "remarks", "table_rows")

HEAD = (
    "variant",
    "columns / latents",
    "float32 / stored",
    "varying / archive",
    "arrays / archive",
    "ROOT / archive",
    "columns [%]",
    "typical [%]",
    "peak [GeV]",
    "mass [GeV]",
    "width [GeV]",
    "χ² / ndf",
    "shift [GeV]",
    "in errors",
    "of width [%]",
    "rest held [GeV]",
    "of width, held [%]",
    "training [s]",
    "as small",
)
NOTES = (
    (
        "columns / latents: the nominal ratio. float32 / stored: the true one, all columns of floats that vary as float32 over "
        "all bytes that are stored for them. varying / archive: all columns that vary, four bytes a value, over the archive. "
        "arrays / archive and ROOT / archive: whole file, constant columns and repeated ones too."
    ),
    (
        "columns: RMS error over spread (half of the central 68 %), mean of the columns that the autoencoders change. "
        "typical: the same of the error that 68 % of the values do not exceed. peak: RMS error of the masses in the peak."
    ),
    (
        "shift: fitted after minus before, all parameters free; its error is a paired one. in errors: in statistical errors of the original's "
        "fit. of width: shift of the width over the width before. rest held: the same shifts with all but mass and width as "
        "in the original. refused: the fit does not describe its spectrum, or is not valid. as small: the finest archive of "
        "rounded values without a model that takes no more bytes."
    ),
)


def __dir__() -> tuple[str, ...]:
    return __all__


def table_rows(result: StudyResult, fit: str) -> list[tuple[str, ...]]:
    """One row a variant, under `HEAD`. With each autoencoder goes the finest plain archive of no more bytes.

    Parameters
    ----------
    result
        Of the study.
    fit
        Model of the fit.
    """
    names = result.learned_columns()
    rows = [_original(result, fit)]
    for one in result.variants:
        partner = result.partner(one)
        rows.append((*_row(one, fit, names)[:-1], "" if partner is None else partner.name))
    return rows


def _original(result: StudyResult, fit: str) -> tuple[str, ...]:
    cells = dict.fromkeys(HEAD, "") | {"variant": "original"}
    for one in result.variants:
        before = one.fits.get(fit, {}).get("before", {})
        if before:
            cells |= {"arrays / archive": f"{one.raw_bytes / one.source_bytes:.2f}", "ROOT / archive": "1.00"}
            cells |= _fitted(before)
            break
    return tuple(cells.values())


def _row(one: Variant, fit: str, names: Sequence[str]) -> tuple[str, ...]:
    cells = dict.fromkeys(HEAD, "") | {"variant": one.name}
    if one.failed is not None:
        return tuple((cells | {"mass [GeV]": "failed"}).values())
    told = one.fits[fit]
    cells |= {
        "arrays / archive": f"{one.arrays_ratio:.2f}",
        "ROOT / archive": f"{one.source_ratio:.2f}",
        "columns [%]": _digits(100 * one.column_error(names)),
        "typical [%]": _digits(100 * one.column_error(names, "typical")),
    }
    ratios = {
        "columns / latents": one.nominal_ratio,
        "float32 / stored": one.float32_ratio,
        "varying / archive": one.varying_ratio,
    }
    cells |= {name: f"{ratio:.2f}" for name, ratio in ratios.items() if ratio is not None}
    if one.seconds is not None:
        cells["training [s]"] = f"{one.seconds:.0f}"
    if told["peak"] is not None:
        cells["peak [GeV]"] = _digits(told["peak"]["rms"])
    cells |= _fitted(told["after"])
    if told["shift"] is not None:
        free, held = told["shift"]["free"], told["shift"]["held"]
        cells |= {
            "shift [GeV]": f"{free['mass']:+.4f} ± {free['mass_error']:.4f}",
            "in errors": f"{free['mass'] / told['before']['mass_error']:+.2f}",
            "of width [%]": _percent(free, told["before"]),
        }
        if held["mass"] is not None:
            cells |= {
                "rest held [GeV]": f"{held['mass']:+.4f} ± {held['mass_error']:.4f}",
                "of width, held [%]": _percent(held, told["before"]),
            }
    return tuple(cells.values())


def _percent(shift: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """A shift of the width with its error, over the width before."""
    value, error = (100 * shift[name] / before["width"] for name in ("width", "width_error"))
    return f"{value:+.2f} ± {error:.2f}"


def _fitted(fit: Mapping[str, Any]) -> dict[str, str]:
    if not fit["ok"]:
        return {"mass [GeV]": "refused"}
    return {
        "mass [GeV]": f"{fit['mass']:.3f} ± {fit['mass_error']:.3f}",
        "width [GeV]": f"{fit['width']:.3f} ± {fit['width_error']:.3f}",
        "χ² / ndf": f"{fit['chi2']:.0f} / {fit['n_dof']}, p = {fit['p_value']:.2g}",
    }


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def column_rows(result: StudyResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What each variant does to each column: RMS error over spread, in percent.

    Below an autoencoder stands what it becomes when some columns have a weight.

    Returns
    -------
    head, rows
        Columns without what all their names begin with.
    """
    names = result.learned_columns()
    short = _short(names)
    rows = []
    for one in result.variants:
        if one.failed is None and one.kind != "weighted":
            group = [one, *(other for other in result.of("weighted") if other.name.startswith(f"{one.name} "))]
            for each in group:
                errors = each.relative_errors(names)
                rows.append((each.name, *(_digits(100 * errors[name]) for name in names)))
    return ("variant", *short), rows


def _short(names: Sequence[str]) -> list[str]:
    """Names without the collection that all of them share."""
    first = names[0].partition("_")[0] + "_" if names else ""
    return [name.removeprefix(first) for name in names] if all(name.startswith(first) for name in names) else [*names]


def remarks(result: StudyResult, fit: str) -> list[str]:
    """Why fits were refused, and variants failed, a sentence each."""
    refused = {one.name: one.fits[fit]["after"]["refused"] for one in result.variants if one.failed is None}
    return [
        *(f"{one.name} failed: {one.failed}" for one in result.variants if one.failed is not None),
        *(f"fit of {name} refused: {'; '.join(reasons)}" for name, reasons in refused.items() if reasons),
    ]


def fit_sentence(result: StudyResult, fit: str) -> str:
    """How many autoencoders keep the mass within the error of the original's fit, and how many of their fits are valid."""
    plain = _kept(result, fit, "latent")
    sentence = (
        f"{plain[0]} of {plain[2]} autoencoders keep the mass within the statistical error of the original's fit, "
        f"and {plain[1]} of their fits are valid"
    )
    weighted = _kept(result, fit, "weighted")
    return f"{sentence}; with weights {weighted[0]} and {weighted[1]} of {weighted[2]}" if weighted[2] else sentence


def _kept(result: StudyResult, fit: str, kind: str) -> tuple[int, int, int]:
    """Autoencoders that keep the mass, those whose fit is valid, and all."""
    every = [one.fits.get(fit) for one in result.variants if one.kind == kind]
    shifts = [(told["shift"]["free"]["mass"], told["before"]["mass_error"]) for told in every if told and told["shift"]]
    return sum(abs(shift) < error for shift, error in shifts), len(shifts), len(every)
