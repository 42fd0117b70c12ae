"""``hepbaler verify``."""

from __future__ import annotations

from typing import Any

import click

from .campaign import Many, many_options, run_many
from .options import ARCHIVE, CONTEXT, jobs_option, json_option, talk_options
from .progress import progress_bar
from .summary import print_verified
from .tables import print_json

__all__ = ("verify",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Check archives, also against their originals.")
@click.argument("inputs", nargs=-1, metavar=f"{ARCHIVE}... [ORIGINAL]")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Several archives: write a report of each into DIR, and skip what was found good there before.",
)
@click.option(
    "--fileset", type=click.Path(dir_okay=False), metavar="FILE", help="The archives of a fileset, a JSON file."
)
@jobs_option("Several archives: so many at a time.")
@many_options
@json_option
@talk_options
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str | None,
    fileset: str | None,
    as_json: bool,
    **_many: Any,
) -> int:
    """Check every checksum of archives and decode all of them.

    With the ORIGINAL also every value against its bound. The exit code is 1 where one is broken.

    Of several archives (or quoted globs, or a directory) the ORIGINAL is the directory of the ROOT files, or their
    fileset: x.root.hbal is compared with x.root.
    """
    archives, original = _parted(inputs, fileset)
    ctx.params["inputs"] = archives
    many = Many.asked(ctx)
    if many.wanted(archives, output):
        from ..campaign.many import verify_many

        files = many.files(archives)
        return run_many(many, lambda **how: verify_many(files, original, output, **how))

    from .. import verifying

    with progress_bar() as progress:
        report = verifying.verify(archives[0], original, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        print_verified(report)
    return 0 if report.ok else 1


def _parted(inputs: tuple[str, ...], fileset: str | None) -> tuple[tuple[str, ...], str | None]:
    """The archives, and what they were made from: the last one, if it is no archive."""
    if len(inputs) > (fileset is None) and not inputs[-1].endswith(".hbal"):
        return inputs[:-1], inputs[-1]
    return inputs, None
