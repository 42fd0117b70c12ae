"""``hepbaler verify``."""

from __future__ import annotations

import click

from .options import ARCHIVE, CONTEXT, json_option, talk_options
from .progress import progress_bar
from .summary import print_verified
from .tables import print_json

__all__ = ("verify",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Check an archive, also against its original.")
@click.argument("archive", metavar=ARCHIVE)
@click.argument("original", metavar="[ORIGINAL.root]", required=False)
@json_option
@talk_options
def verify(archive: str, original: str | None, as_json: bool) -> int:
    """Check every checksum of an archive and decode all of it.

    With the ORIGINAL also every value against its bound. The exit code is 1 where one is broken.
    """
    from .. import verifying

    with progress_bar() as progress:
        report = verifying.verify(archive, original, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        print_verified(report)
    return 0 if report.ok else 1
