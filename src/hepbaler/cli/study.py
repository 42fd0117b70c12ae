"""``hepbaler study``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import CONTEXT, json_option, talk_options
from .progress import progress_bar
from .tables import print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..study import StudyResult

__all__ = ("study",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Compare autoencoders and bounds on one file.")
@click.argument("source", metavar="FILE")
@click.option(
    "-o", "--output", "folder", required=True, metavar="DIR", help="For archives, results, figures, the page."
)
@click.option(
    "--ratio",
    type=click.FloatRange(min=1, min_open=True),
    default=1.6,
    show_default=True,
    help="Columns over latents, of every autoencoder.",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this autoencoder (repeatable).")
@click.option("--bits", multiple=True, type=click.IntRange(1, 52), help="Of bounded mode (repeatable) [6, 8, 10, 12].")
@click.option("--channel", default="genjet", show_default=True, metavar="NAME", help="Where to see the top.")
@click.option("--branch", multiple=True, metavar="ROLE=NAME", help="Branch for a role, as in 'hepbaler analyse'.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="GLOB=W",
    help="Train autoencoders with it, too, and show what it costs the other columns (repeatable).",
)
@click.option(
    "--weighted",
    multiple=True,
    metavar="NAME",
    help="With --weight: train this autoencoder with it, too (repeatable) [all].",
)
@click.option("--replicas", type=click.IntRange(min=2), default=100, show_default=True, help="Of the paired bootstrap.")
@click.option(
    "--min-p-value",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="P",
    help="Refuse fits that describe their spectrum worse; 0 for none [0.0001].",
)
@click.option("--train-steps", type=click.IntRange(min=1), metavar="N", help="Steps of training of each variant.")
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="Where to train.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads to use.")
@json_option
@talk_options
@click.pass_context
def study(
    ctx: click.Context,
    source: str,
    folder: str,
    ratio: float,
    models: tuple[str, ...],
    bits: tuple[int, ...],
    channel: str,
    branch: tuple[str, ...],
    weights: tuple[str, ...],
    weighted: tuple[str, ...],
    replicas: int,
    min_p_value: float | None,
    train_steps: int | None,
    device: str,
    seed: int,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Train every autoencoder at one ratio on FILE, compress it within bounds and plainly, and judge each by the top mass.

    What is finished is not made again: the same command goes on where it was stopped. The exit code is 1 where a
    variant failed.
    """
    from .. import study as studies
    from .analyse import role_of
    from .latent import weight_of

    settings = studies.StudySettings(
        ratio=ratio,
        models=models,
        bits=bits or studies.StudySettings.bits,
        channel=channel,
        branches=dict(role_of(text) for text in branch),
        replicas=replicas,
        min_p_value=studies.StudySettings.min_p_value if min_p_value is None else min_p_value,
        weights=dict(weight_of(ctx, text) for text in weights),
        weighted=weighted,
        train_steps=train_steps,
        device=device,
        seed=seed,
    )
    with progress_bar() as progress:
        result = studies.study(source, folder, settings, jobs=jobs, progress=progress)
    target = studies.write_report(result)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
        print_lines([f"-> {target}"])
    return 1 if any(one.failed is not None for one in result.variants) else 0


def _print(result: StudyResult) -> None:
    from ..study.tables import HEAD, fit_sentence, remarks, table_rows

    # Side by side, ratios and fits do not fit a terminal, and the page's names of columns neither.
    ratios = {
        "variant": "variant",
        "columns / latents": "nominal",
        "float32 / stored": "true",
        "varying / archive": "varying",
        "arrays / archive": "arrays",
        "ROOT / archive": "ROOT",
        "columns [%]": "columns",
        "typical [%]": "typical",
        "training [s]": "training",
        "as small": "as small",
    }
    fitted = {
        "variant": "variant",
        "peak [GeV]": "peak",
        "mass [GeV]": "mass [GeV]",
        "shift [GeV]": "shift [GeV]",
        "in errors": "in errors",
        "of width [%]": "of width [%]",
        "of width, held [%]": "rest held [%]",
    }

    def shown(rows: list[tuple[str, ...]], chosen: dict[str, str]) -> list[tuple[str, ...]]:
        return [tuple(row[HEAD.index(name)] for name in chosen) for row in rows]

    rows = table_rows(result, result.settings["fits"][0])
    print_table(result.source, tuple(ratios.values()), shown(rows, ratios))
    for fit in result.settings["fits"]:
        print_table(fit, tuple(fitted.values()), shown(table_rows(result, fit), fitted))
        print_lines([*remarks(result, fit), fit_sentence(result, fit), ""])
