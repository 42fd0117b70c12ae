"""Options of latent mode: ``--mode latent`` and what belongs to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..latent.settings import LatentSettings

__all__ = ("MODES", "latent_options", "latent_settings", "weight_of")

MODES = ("bounded", "latent")
_OPTIONS = {
    "ratio": "--ratio",
    "latents": "--latents",
    "weights": "--weight",
    "config": "--config",
    "rounding": "--rounding",
    "checkpoints": "--resume",
}
_CONFIG_KEYS = ("model", "ratio", "latents", "weights", "config", "training", "rounding")

F = TypeVar("F", bound=Callable[..., Any])


def __dir__() -> tuple[str, ...]:
    return __all__


def latent_options(command: F) -> F:
    """Add ``--mode`` and the options of latent mode."""
    options = (
        click.option(
            "--mode",
            type=click.Choice(MODES),
            default="bounded",
            show_default=True,
            help="bounded: every value within its bound. latent: floats as latents of an autoencoder, errors measured.",
        ),
        click.option(
            "--ratio",
            type=click.FloatRange(min=1, min_open=True),
            metavar="R",
            help="Latent: columns over latents [1.6].",
        ),
        click.option("--latents", type=click.IntRange(min=1), metavar="N", help="Latent: latents a row, instead."),
        click.option(
            "--weight",
            "weights",
            multiple=True,
            metavar="GLOB=W",
            help="Latent: let errors of these columns count W times (repeatable).",
        ),
        click.option(
            "--rounding",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SHARE",
            help="Latent: what rounding may add, as a share of the network's own error [0.15].",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="Latent: settings from JSON, as 'hepbaler tune' writes them; the options go over it.",
        ),
        click.option(
            "--resume",
            "checkpoints",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Latent: keep checkpoints of training in DIR, and go on from what is there.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def latent_settings(ctx: click.Context, sources: Sequence[str] = ()) -> LatentSettings | None:
    """What the options ask for; None in bounded mode.

    Raises
    ------
    click.UsageError
        Options do not go together, or the file of ``--config`` is none.
    """
    params = ctx.params
    if params["mode"] == "bounded":
        for name, option in _OPTIONS.items():
            if params[name] not in (None, ()):
                msg = f"{option} belongs to latent mode: add --mode latent"
                raise click.UsageError(msg, ctx=ctx)
        model = params["model"]
        if model is not None and not Path(model).exists() and _is_name(model):
            msg = f"there is no model file {model}; if it names an autoencoder, add --mode latent"
            raise click.UsageError(msg, ctx=ctx)
        return None
    if params["checkpoints"] is not None and len(sources) > 1:
        msg = "--resume keeps the checkpoints of one file: compress the inputs apart"
        raise click.UsageError(msg, ctx=ctx)
    return _settings(ctx, params)


def _settings(ctx: click.Context, params: dict[str, Any]) -> LatentSettings:
    from ..latent.settings import LatentSettings

    given = _from_file(ctx, params["config"]) if params["config"] is not None else {}
    model = params["model"]
    if model is not None:
        if not _is_name(model):
            msg = f"in latent mode --model takes the name of an autoencoder, not the file {model!r}"
            raise click.UsageError(msg, ctx=ctx)
        if model != given.get("model", model):
            msg = f"--model {model} and {params['config']}, which is for {given['model']}, exclude each other"
            raise click.UsageError(msg, ctx=ctx)
        given["model"] = model
    if params["ratio"] is not None and params["latents"] is not None:
        msg = "--ratio and --latents exclude each other"
        raise click.UsageError(msg, ctx=ctx)
    if params["ratio"] is not None:
        given |= {"ratio": params["ratio"], "latents": None}
    if params["latents"] is not None:
        given["latents"] = params["latents"]
    if params["weights"]:
        given["weights"] = dict(given.get("weights", {})) | dict(weight_of(ctx, text) for text in params["weights"])
    for name in ("rounding", "checkpoints"):
        if params[name] is not None:
            given[name] = params[name]
    return LatentSettings(**given)


def _is_name(model: str) -> bool:
    """Whether a text could name an autoencoder: files have a dot or a slash."""
    return model.replace("-", "").isalnum() and model == model.lower()


def weight_of(ctx: click.Context, text: str) -> tuple[str, float]:
    """Glob and weight from ``Jet_mass=10``."""
    pattern, equals, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not equals or not pattern or not 0 < weight < float("inf"):
        msg = f"{text!r} should look like 'Jet_mass=10'"
        raise click.BadParameter(msg, ctx=ctx, param_hint="'--weight'")
    return pattern, weight


def _from_file(ctx: click.Context, path: str) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is no JSON: {error}"
        raise click.BadParameter(msg, ctx=ctx, param_hint="'--config'") from error
    if not isinstance(data, dict) or "model" not in data:
        msg = f"{path} names no model: it should be an object with 'model' and 'config', as 'hepbaler tune' writes it"
        raise click.BadParameter(msg, ctx=ctx, param_hint="'--config'")
    return {key: data[key] for key in _CONFIG_KEYS if data.get(key) is not None}
