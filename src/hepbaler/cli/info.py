"""``hepbaler info``."""

from __future__ import annotations

import click

from .contents import print_contents
from .options import ARCHIVE, CONTEXT, json_option, talk_options
from .tables import print_json

__all__ = ("info",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Show what an archive holds, and what takes the bytes.")
@click.argument("archive", metavar=ARCHIVE)
@click.option("--columns", "all_columns", is_flag=True, help="List every column, not only the largest.")
@json_option
@talk_options
def info(archive: str, all_columns: bool, as_json: bool) -> None:
    """Show what an archive holds: bytes by part and branch, bounds, source, versions, ratios."""
    from .. import archive as archives

    with archives.open(archive) as opened:
        content = opened.info()
    if as_json:
        print_json(content)
    else:
        print_contents(content, all_columns=all_columns)
