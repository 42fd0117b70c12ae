"""``hepbaler analyse``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from .options import CONTEXT, json_option, talk_options
from .progress import progress_bar
from .tables import plural, print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..analysis.masses import Shift
    from ..analysis.result import MassFit
    from ..topmass import TopMassReport

__all__ = ("analyse", "role_of")

CHANNELS = ("genjet", "boosted", "resolved")
MODELS = ("crystal-ball", "voigt", "gauss-line")


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Fit the top mass in two files, and its shift.")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option(
    "--channel", type=click.Choice(CHANNELS), default="genjet", show_default=True, help="Where to see the top."
)
@click.option(
    "--model", type=click.Choice(MODELS), default="crystal-ball", show_default=True, help="Peak and background."
)
@click.option(
    "--window",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Of the fit, in GeV (default: the channel's; of gauss-line three widths around the peak in it).",
)
@click.option(
    "--bins", type=click.IntRange(min=20), metavar="N", help="In the window, to judge the fit (default: the channel's)."
)
@click.option(
    "--min-p-value",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="P",
    help="Refuse a fit that describes its spectrum worse; 0 for none [0.0001].",
)
@click.option(
    "--branch", multiple=True, metavar="ROLE=NAME", help="Branch for a role, as in mass=GenJet_p4_fM (repeatable)."
)
@click.option("--tree", metavar="NAME", help="The tree (default: the first that has the branches).")
@click.option("--min-pt", type=float, metavar="GEV", help="Least transverse momentum of a jet.")
@click.option("--max-eta", type=float, metavar="ETA", help="Largest absolute pseudorapidity of a jet.")
@click.option("--min-btag", type=float, metavar="SCORE", help="From which score a jet is a b jet (resolved).")
@click.option("--min-jets", type=click.IntRange(min=0), metavar="N", help="Jets that an event needs.")
@click.option("--no-truth", is_flag=True, help="Do not match jets to generated quarks (resolved).")
@click.option("--replicas", type=click.IntRange(min=2), default=200, show_default=True, help="Of the paired bootstrap.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Draw the spectra into FILE (.png, .pdf, .svg).",
)
@json_option
@talk_options
def analyse(
    before: str,
    after: str,
    channel: str,
    model: str,
    window: tuple[float, float] | None,
    bins: int | None,
    min_p_value: float | None,
    branch: tuple[str, ...],
    tree: str | None,
    min_pt: float | None,
    max_eta: float | None,
    min_btag: float | None,
    min_jets: int | None,
    no_truth: bool,
    replicas: int,
    seed: int,
    output: str | None,
    as_json: bool,
) -> int:
    """Fit the top mass BEFORE and AFTER, two ROOT files or archives of the same events.

    The error of the shift is a paired one. The exit code is 1 where a fit is refused.
    """
    from .. import topmass
    from ..analysis.candidates import find_channel

    if output is not None:
        from ..analysis.style import check_figure_name

        check_figure_name(output)
    roles = dict(role_of(text) for text in branch)
    how = find_channel(channel)
    cuts = {"min_pt": min_pt, "max_eta": max_eta, "min_btag": min_btag, "min_jets": min_jets}
    selection = replace(how.selection, **{name: value for name, value in cuts.items() if value is not None})  # type: ignore[arg-type]
    low, high = window or (how.fit.low, how.fit.high)
    fit = replace(
        how.fit,
        model=model,
        low=low,
        high=high,
        n_bins=bins or how.fit.n_bins,
        around_peak=window is None,
        min_p_value=how.fit.min_p_value if min_p_value is None else min_p_value,
    )
    with progress_bar() as progress:
        report = topmass.analyse(
            before,
            after,
            channel=channel,
            branches=roles,
            tree=tree,
            truth=not no_truth,
            selection=selection,
            fit=fit,
            replicas=replicas,
            seed=seed,
            progress=progress,
        )
    if output is not None:
        from ..analysis.massplot import draw_masses
        from ..analysis.style import save_figure

        save_figure(draw_masses(report.masses, report.label), output)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report, output)
    return 0 if report.ok else 1


def role_of(text: str) -> tuple[str, str]:
    """Role and branch from ``mass=GenJet_p4_fM``."""
    role, equals, name = text.partition("=")
    if not equals or not role or not name:
        msg = f"{text!r} should look like mass=GenJet_p4_fM"
        raise click.BadParameter(msg, param_hint="'--branch'")
    return role, name


def _print(report: TopMassReport, output: str | None) -> None:
    masses, settings = report.masses, report.masses.settings
    rows = [_row(name, fit) for name, fit in (("before", masses.before), ("after", masses.after))]
    shift = masses.shift
    if shift is not None:
        rows += [
            (name, "", f"{one.mass:+.4f} ± {one.mass_error:.4f}", f"{one.width:+.4f} ± {one.width_error:.4f}", "", "")
            for name, one in shift.ways.items()
        ]
    title = f"{report.label.removesuffix(' [GeV]')}, {settings.model}, {settings.low:g} to {settings.high:g} GeV in {settings.n_bins} bins"
    print_table(title, ("", "entries", "mass [GeV]", "width [GeV]", "chi2/ndf", "p"), rows)
    lines = [
        f"fit {name} refused: {reason}"
        for name, fit in (("before", masses.before), ("after", masses.after))
        for reason in fit.refused
    ]
    if masses.before.ok and masses.after.ok and masses.shift_refused is not None:
        lines.append(f"no error of the shift: {masses.shift_refused}")
    if shift is not None:
        lines.append(_which(shift))
        lines.append(
            f"errors of the shift are paired, from {plural(shift.replicas, 'replica')} of the events; "
            f"for different events they would be {shift.mass_error_independent:.3g} and {shift.width_error_independent:.3g} GeV"
        )
    if masses.peak is not None:
        peak = masses.peak
        lost = f", {peak.lost:,} without a partner" if peak.lost else ""
        lines.append(
            f"masses in the peak: {peak.candidates:,}{lost}, off by {peak.rms:.3g} GeV (RMS), {peak.bias:+.2g} GeV on average"
        )
    for name, step in (("before", masses.before_step), ("after", masses.after_step)):
        if step:
            lines.append(f"masses {name} lie {step:.3g} GeV apart")
    if output is not None:
        lines.append(f"-> {output}")
    print_lines(lines)


def _which(shift: Shift) -> str:
    """In which of two ways the shift was found, and why."""
    if shift.rest_held:
        return f"shift: with all but mass and width as before; fits with all free agree with it (p = {shift.agreement:.2g})"
    if math.isnan(shift.agreement):
        return "shift: of fits with all free; too few replicas to test whether all but mass and width are as before"
    return f"shift: of fits with all free; more than mass and width changed, so that the rest held gives another (p = {shift.agreement:.2g})"


def _row(name: str, fit: MassFit) -> tuple[str, ...]:
    if not fit.ok:
        return name, f"{fit.entries:,}", "refused", "", "", ""
    return (
        name,
        f"{fit.entries:,}",
        f"{fit.mass:.3f} ± {fit.mass_error:.3f}",
        f"{fit.width:.3f} ± {fit.width_error:.3f}",
        f"{fit.chi2:.0f}/{fit.n_dof}",
        f"{fit.p_value:.2g}",
    )
