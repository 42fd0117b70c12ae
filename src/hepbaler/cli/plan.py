"""``hepbaler plan``."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import OutputError
from .options import CONTEXT, BoundedCommand, bound_options, chosen_plan, force_option, selection_options, talk_options
from .progress import progress_bar
from .tables import print_lines

__all__ = ("plan",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="List branches and bounds, ready to edit.")
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="plan.toml", help="Default: to the terminal.")
@bound_options
@selection_options
@force_option
@talk_options
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    source: str,
    output: str | None,
    plan_file: str | None,
    keep: tuple[str, ...],
    drop: tuple[str, ...],
    force: bool,
    **_bounds: tuple[str, ...],
) -> None:
    """List every branch of INPUT with its type, the precision found in it, and its bound.

    The list is TOML, one line a branch. Edit it and give it to 'hepbaler compress --plan'.
    """
    if output is not None and Path(output).exists() and not force:
        msg = f"{output} exists; -f/--force overwrites it"
        raise OutputError(msg)

    bounds = chosen_plan(ctx, plan_file)

    from .. import planning

    with progress_bar() as progress:
        text = planning.make_plan(source, bounds, keep=keep, drop=drop, progress=progress)
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
        print_lines([f"{output}: edit it, then: hepbaler compress {source} --plan {output}"])
