"""``hepbaler tune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import CONTEXT, json_option, talk_options
from .progress import progress_bar
from .tables import plural, print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..autoencoders.search import SearchResult

__all__ = ("tune",)

_MOST_ROWS = 10


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Search settings of an autoencoder for a file.")
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), metavar="DIR", help="Where it goes.")
@click.option("--model", default="swae", show_default=True, metavar="NAME", help="Family of autoencoders.")
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="In all.")
@click.option(
    "--ratio", type=click.FloatRange(min=1, min_open=True), metavar="R", help="Columns over latents: least error there."
)
@click.option("--latents", type=click.IntRange(min=1), metavar="N", help="Latents a row, instead.")
@click.option("--keep", multiple=True, metavar="GLOB", help="Look at these branches only (repeatable).")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="GLOB=W",
    help="Let errors of these columns count W times (repeatable).",
)
@click.option(
    "--train-steps", type=click.IntRange(min=1), default=2000, show_default=True, metavar="N", help="Of each training."
)
@click.option(
    "--device", default="auto", show_default=True, envvar="HEPBALER_DEVICE", metavar="DEVICE", help="Where to train."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all trainings.")
@json_option
@talk_options
@click.pass_context
def tune(
    ctx: click.Context,
    /,
    source: str,
    output: str,
    model: str,
    trials: int,
    ratio: float | None,
    latents: int | None,
    keep: tuple[str, ...],
    weights: tuple[str, ...],
    train_steps: int,
    device: str,
    seed: int,
    as_json: bool,
) -> None:
    """Search latents, widths, learning rate and penalties of a model for the largest table of floats in INPUT.

    With --ratio or --latents the least error is searched, without them the fewest bits a row. DIR gets best.json (for
    'hepbaler compress --mode latent --config'), the trials and their figures. The same DIR goes on up to --trials.
    """
    if ratio is not None and latents is not None:
        msg = "--ratio and --latents exclude each other"
        raise click.UsageError(msg, ctx=ctx)

    from .. import tuning

    with progress_bar() as progress:
        result = tuning.tune(
            source,
            output,
            model=model,
            trials=trials,
            ratio=ratio,
            latents=latents,
            keep=list(keep) or None,
            weights=dict(_weight(text) for text in weights),
            train_steps=train_steps,
            device=device,
            seed=seed,
            progress=progress,
        )
    if as_json:
        print_json({"objective": result.objective, "value": result.best.value, **_settings(result)})
    else:
        _print(result, source, output)


def _weight(text: str) -> tuple[str, float]:
    pattern, equals, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not equals or not pattern or not 0 < weight < float("inf"):
        msg = f"{text!r} should look like 'Jet_mass=10'"
        raise click.BadParameter(msg, param_hint="'--weight'")
    return pattern, weight


def _settings(result: SearchResult) -> dict[str, object]:
    return {
        "model": result.model,
        "latents": result.n_latent,
        "config": dict(result.config),
        "training": dict(result.training),
        "trials": len(result.trials),
    }


def _print(result: SearchResult, source: str, output: str) -> None:
    names = list(dict.fromkeys(name for trial in result.trials for name in trial.chosen))
    done = sorted((t for t in result.trials if t.value is not None), key=lambda t: t.value or 0.0)
    rows = [
        (str(t.number), f"{t.value:.4g}", *(_text(t.chosen.get(name)) for name in names)) for t in done[:_MOST_ROWS]
    ]
    unit = "bits a row" if result.objective == "bits" else "error"
    print_table(f"{result.model}: the best trials", ("trial", unit, *names), rows)
    lines = []
    if result.importances:
        first = sorted(result.importances.items(), key=lambda pair: -pair[1])[:3]
        lines.append("what matters most: " + ", ".join(f"{name} {share:.0%}" for name, share in first))
    failed = len(result.trials) - len(done)
    lines.append(plural(len(result.trials), "trial") + (f", {failed} of them failed" if failed else ""))
    lines.append(f"-> {output}/best.json: hepbaler compress {source} --mode latent --config {output}/best.json")
    print_lines(lines)


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
