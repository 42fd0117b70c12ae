"""``hepbaler train``."""

from __future__ import annotations

import click

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
from .summary import print_trained

__all__ = ("train",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="Train one model for many files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="MODEL", help="Where the model goes, e.g. ttbar.hbmodel.")
@bound_options
@selection_options
@training_options
@click.option("--skip-unreadable", is_flag=True, help="Leave out what cannot be carried, and name it.")
@force_option
@jobs_option
@talk_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str,
    plan_file: str | None,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    train_steps: int | None,
    train_time: float | None,
    device: str,
    seed: int,
    skip_unreadable: bool,
    force: bool,
    jobs: int | None,
    **_bounds: tuple[str, ...],
) -> None:
    """Train a model on ROOT files of one kind, for 'hepbaler compress --model'.

    The bounds belong to the model: compress with the same ones.
    """
    if train_steps is not None and train_time is not None:
        msg = "--train-steps and --train-time exclude each other"
        raise click.UsageError(msg, ctx=ctx)
    plan = chosen_plan(ctx, plan_file)

    from .. import pretraining
    from ..reading import expand_inputs

    with progress_bar() as progress:
        report = pretraining.train(
            expand_inputs(inputs),
            output,
            plan=plan,
            keep=keep,
            drop=drop,
            train_steps=train_steps,
            train_time=train_time,
            device=device,
            seed=seed,
            skip_unreadable=skip_unreadable,
            force=force,
            jobs=jobs,
            progress=progress,
        )
    print_trained(report)
