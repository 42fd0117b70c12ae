"""``hepbaler compress``."""

from __future__ import annotations

from typing import Any

import click

from .campaign import Many, fileset_options, many_options, run_many
from .latent import latent_options, latent_settings
from .options import (
    CONTEXT,
    BoundedCommand,
    chosen_settings,
    force_option,
    jobs_option,
    refuse_pairs,
    settings_options,
    talk_options,
)
from .progress import progress_bar
from .summary import print_compressed

__all__ = ("compress",)


def __dir__() -> tuple[str, ...]:
    return __all__


_EXCLUSIVE = (
    ("use_model", "model"),
    ("use_model", "shared_model"),
    ("model", "shared_model"),
    ("use_model", "train_steps"),
    ("use_model", "train_time"),
    ("model", "train_steps"),
    ("model", "train_time"),
    ("use_model", "preset"),
    ("model", "preset"),
)


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="Compress ROOT files.")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option(
    "-o", "--output", metavar="OUT", help="The archive, or for several inputs their directory (default: INPUT.hbal)."
)
@settings_options
@click.option("--no-model", "use_model", flag_value=False, default=True, help="Train nothing; code plainly.")
@click.option(
    "--model",
    metavar="FILE|NAME",
    help="Bounded: a file that 'hepbaler train' made. Latent: the name of an autoencoder [swae].",
)
@latent_options
@click.option(
    "--shared-model", is_flag=True, help="Train one model on a sample of all files, and code all of them by it."
)
@force_option
@fileset_options
@jobs_option("Several files: so many at a time. One file: threads (default: as many as there are cores).")
@many_options
@talk_options
@click.pass_context
def compress(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str | None,
    use_model: bool,
    model: str | None,
    shared_model: bool,
    force: bool,
    jobs: int | None,
    **_options: Any,
) -> int:
    """Compress ROOT files: events.root becomes events.root.hbal.

    INPUT is a ROOT file, one of its trees (events.root:Events), a URL, or a quoted glob.

    Integers, bools, strings and counters are exact. Floats keep a bound, --bits 10 unless told otherwise:

    \b
      hepbaler compress events.root --bits 8 --bits 'Jet_*=12' --exact 'GenPart_*'

    Where several bounds fit a branch, the last one on the command line wins.

    \b
      hepbaler compress events.root --mode latent --model swae --ratio 1.6

    In latent mode the floats become the latents of an autoencoder; what that does to each column is measured and shown.
    Columns that a bound names ('Jet_*=12') keep it.

    Several files are compressed each once: what is there with the same settings is skipped, what failed is named and
    tried again by the next run.
    """  # noqa: D301 - click reads the backspace
    # In latent mode a model is a kind of network that is trained here, and --no-model is about all other columns.
    if ctx.params["mode"] == "bounded":
        refuse_pairs(ctx, _EXCLUSIVE)
    latent = latent_settings(ctx, inputs)
    settings = chosen_settings(ctx) | {
        "latent": latent,
        "model": None if latent is not None else model,
        "use_model": use_model,
    }
    if shared_model and latent is not None:
        msg = "--shared-model is for bounded mode: in latent mode each file trains its own autoencoder"
        raise click.UsageError(msg, ctx=ctx)
    many = Many.asked(ctx)
    if shared_model and output is None:
        msg = "--shared-model keeps the model beside the archives: give their directory with -o"
        raise click.UsageError(msg, ctx=ctx)
    if many.wanted(inputs, output):
        from ..campaign.many import compress_many

        files = many.files(inputs)
        settings |= {"shared_model": shared_model, "fileset_out": many.fileset_out, "force": force}
        return run_many(many, lambda **how: compress_many(files, output, **how, **settings))

    from .. import pipeline
    from ..reading import expand_inputs

    (source,) = expand_inputs(inputs)
    with progress_bar() as progress:
        report = pipeline.compress(source, output, force=force, jobs=jobs, progress=progress, **settings)
    print_compressed(report, selected=bool(settings["keep"] or settings["drop"]))
    return 0
