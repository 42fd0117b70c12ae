"""``hepbaler decompress``."""

from __future__ import annotations

from typing import Any

import click

from .campaign import Many, fileset_options, many_options, run_many
from .options import ARCHIVE, CONTEXT, force_option, jobs_option, talk_options
from .progress import progress_bar
from .summary import print_restored

__all__ = ("decompress",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Turn archives back into ROOT files.")
@click.argument("inputs", nargs=-1, metavar=f"{ARCHIVE}...")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="The ROOT file, or for several archives their directory (default: ARCHIVE without .hbal).",
)
@click.option("--rntuple/--ttree", default=None, help="Write RNTuples, or TTrees (default: each tree as it was).")
@click.option(
    "--compression",
    default="zstd:5",
    show_default=True,
    metavar="NAME:LEVEL",
    help="Compression of the ROOT file: zstd, lzma, lz4, zlib, or none.",
)
@click.option("--skip-unwritable", is_flag=True, help="Leave out what the ROOT file cannot hold, and name it.")
@force_option
@fileset_options
@jobs_option("Several archives: so many at a time.")
@many_options
@talk_options
@click.pass_context
def decompress(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    output: str | None,
    rntuple: bool | None,
    compression: str,
    skip_unwritable: bool,
    force: bool,
    **_many: Any,
) -> int:
    """Turn archives back into ROOT files.

    ARCHIVE is an archive, a URL, a quoted glob, or a directory of archives.

    Trees, branches, types, directories and other objects return under their own names. What uproot writes in
    another way is listed at the end; what it cannot write at all ends the run, unless --skip-unwritable is given.
    """
    many = Many.asked(ctx)
    if many.wanted(inputs, output):
        from ..campaign.many import decompress_many

        files = many.files(inputs)
        more: dict[str, Any] = {
            "rntuple": rntuple,
            "compression": compression,
            "skip_unwritable": skip_unwritable,
            "force": force,
            "fileset_out": many.fileset_out,
        }
        return run_many(many, lambda **how: decompress_many(files, output, **more, **how))

    from .. import decompressing

    with progress_bar() as progress:
        report = decompressing.decompress(
            inputs[0],
            output,
            rntuple=rntuple,
            compression=compression,
            skip_unwritable=skip_unwritable,
            force=force,
            progress=progress,
        )
    print_restored(report)
    return 0
