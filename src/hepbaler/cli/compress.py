"""``hepbaler compress``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import HepbalerError
from .options import (
    CONTEXT,
    BoundedCommand,
    bound_options,
    chosen_plan,
    force_option,
    jobs_option,
    selection_options,
    talk_options,
    training_options,
)
from .progress import progress_bar
from .summary import print_compressed

__all__ = ("compress",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="Compress ROOT files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--output", metavar="OUT", help="The archive, or for several inputs their directory (default: INPUT.hbal)."
)
@bound_options
@selection_options
@click.option("--no-model", "use_model", flag_value=False, default=True, help="Train nothing; code plainly.")
@click.option(
    "--model", type=click.Path(dir_okay=False), metavar="FILE", help="Use a model that 'hepbaler train' made."
)
@training_options
@click.option("--skip-unreadable", is_flag=True, help="Leave out what cannot be carried, and name it.")
@force_option
@jobs_option
@talk_options
@click.pass_context
def compress(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str | None,
    plan_file: str | None,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    use_model: bool,
    model: str | None,
    train_steps: int | None,
    train_time: float | None,
    device: str,
    seed: int,
    skip_unreadable: bool,
    force: bool,
    jobs: int | None,
    **_bounds: tuple[str, ...],
) -> int:
    """Compress ROOT files: events.root becomes events.root.hbal.

    INPUT is a ROOT file, one of its trees (events.root:Events), a URL, or a quoted glob.

    Integers, bools, strings and counters are exact. Floats keep a bound, --bits 10 unless told otherwise:

    \b
      hepbaler compress events.root --bits 8 --bits 'Jet_*=12' --exact 'GenPart_*'

    Where several bounds fit a branch, the last one on the command line wins.
    """  # noqa: D301 - click reads the backspace
    _refuse_contradictions(ctx)
    plan = chosen_plan(ctx, plan_file)

    from .. import pipeline
    from ..reading import expand_inputs

    sources = expand_inputs(inputs)
    targets = _targets(ctx, sources, output)
    failed = 0
    for source, target in zip(sources, targets, strict=True):
        try:
            with progress_bar() as progress:
                report = pipeline.compress(
                    source,
                    target,
                    plan=plan,
                    keep=keep,
                    drop=drop,
                    model=model,
                    use_model=use_model,
                    train_steps=train_steps,
                    train_time=train_time,
                    device=device,
                    seed=seed,
                    skip_unreadable=skip_unreadable,
                    force=force,
                    jobs=jobs,
                    progress=progress,
                )
        except HepbalerError as error:
            if len(sources) == 1:
                raise
            # One bad file among many is told at once and does not cost the others.
            failed += 1
            click.echo(f"hepbaler: error: {source}: {error}", err=True)
        else:
            print_compressed(report, selected=bool(keep or drop))
    if failed:
        click.echo(f"hepbaler: error: {failed} of {len(sources)} files failed", err=True)
    return 1 if failed else 0


def _refuse_contradictions(ctx: click.Context) -> None:
    """Refuse options that cannot be obeyed together."""
    given = {
        name
        for name in ("model", "use_model", "train_steps", "train_time")
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    option = {
        "use_model": "--no-model",
        "model": "--model",
        "train_steps": "--train-steps",
        "train_time": "--train-time",
    }
    for one, other in (
        ("use_model", "model"),
        ("use_model", "train_steps"),
        ("use_model", "train_time"),
        ("model", "train_steps"),
        ("model", "train_time"),
        ("train_steps", "train_time"),
    ):
        if {one, other} <= given:
            msg = f"{option[one]} and {option[other]} exclude each other"
            raise click.UsageError(msg, ctx=ctx)


def _targets(ctx: click.Context, sources: Sequence[str], output: str | None) -> list[str | None]:
    """Where each archive goes; None is the library's own choice, beside its source."""
    if output is None:
        return [None] * len(sources)
    folder = Path(output).is_dir() or output.endswith("/")
    if len(sources) == 1 and not folder:
        return [output]
    if Path(output).exists() and not Path(output).is_dir():
        msg = f"-o {output} is a file, but there are {len(sources)} inputs: give a directory"
        raise click.UsageError(msg, ctx=ctx)

    from .. import pipeline

    targets = [str(Path(output) / pipeline.archive_name(source).name) for source in sources]
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        msg = f"several inputs would be written to {twice[0]}: compress them apart"
        raise click.UsageError(msg, ctx=ctx)
    Path(output).mkdir(parents=True, exist_ok=True)
    return list(targets)
