"""``hepbaler info``."""

from __future__ import annotations

import click

from .contents import print_contents, print_trace
from .options import ARCHIVE, CONTEXT, json_option, talk_options
from .tables import print_json

__all__ = ("info",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Show what an archive holds, and what takes the bytes.")
@click.argument("archive", metavar=ARCHIVE)
@click.option("--columns", "all_columns", is_flag=True, help="List every column, not only the largest.")
@click.option(
    "--trace",
    metavar="BRANCHES",
    help="Read these branches (names or globs, separated by commas), and show which columns and pages were decoded.",
)
@click.option("--entry-start", type=int, metavar="N", help="With --trace: the first entry to read.")
@click.option("--entry-stop", type=int, metavar="N", help="With --trace: the first entry not to read.")
@json_option
@talk_options
@click.pass_context
def info(
    ctx: click.Context,
    archive: str,
    all_columns: bool,
    trace: str | None,
    entry_start: int | None,
    entry_stop: int | None,
    as_json: bool,
) -> None:
    """Show what an archive holds: bytes by part and branch, bounds, source, versions, ratios.

    With --trace, what reading some branches costs:

    \b
      hepbaler info events.root.hbal --trace 'Muon_pt,Jet_*' --entry-stop 1000
    """  # noqa: D301 - click reads the backspace
    if trace is None and (entry_start, entry_stop) != (None, None):
        msg = "--entry-start and --entry-stop say what --trace reads; give it too"
        raise click.UsageError(msg, ctx=ctx)

    from .. import archive as archives

    with archives.open(archive) as opened:
        if trace is not None:
            names = [name.strip() for name in trace.split(",")]
            traced = opened.trace(names, entry_start=entry_start, entry_stop=entry_stop)
            if as_json:
                print_json(traced)
            else:
                print_trace(traced, all_columns=all_columns)
            return
        content = opened.info()
    if as_json:
        print_json(content)
    else:
        print_contents(content, all_columns=all_columns)
