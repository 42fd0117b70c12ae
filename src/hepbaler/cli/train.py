"""``hepbaler train``."""

from __future__ import annotations

from typing import Any

import click

from .options import (
    CONTEXT,
    BoundedCommand,
    chosen_settings,
    force_option,
    jobs_option,
    settings_options,
    talk_options,
)
from .progress import progress_bar
from .summary import print_trained

__all__ = ("train",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="Train one model for many files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", required=True, metavar="MODEL", help="Where the model goes, e.g. ttbar.hbmodel.")
@settings_options
@force_option
@jobs_option("Threads to use (default: as many as there are cores).")
@talk_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str,
    force: bool,
    jobs: int | None,
    **_settings: Any,
) -> None:
    """Train a model on ROOT files of one kind, for 'hepbaler compress --model'.

    The bounds belong to the model: compress with the same ones.
    """
    settings = chosen_settings(ctx)

    from .. import pretraining
    from ..reading import expand_inputs

    with progress_bar() as progress:
        report = pretraining.train(expand_inputs(inputs), output, force=force, jobs=jobs, progress=progress, **settings)
    print_trained(report)
