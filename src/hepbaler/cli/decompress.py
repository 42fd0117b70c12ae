"""``hepbaler decompress``."""

from __future__ import annotations

import click

from .options import ARCHIVE, CONTEXT, force_option, talk_options
from .progress import progress_bar
from .summary import print_restored

__all__ = ("decompress",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Turn an archive back into a ROOT file.")
@click.argument("archive", metavar=ARCHIVE)
@click.option("-o", "--output", metavar="OUT.root", help="The ROOT file (default: ARCHIVE without .hbal).")
@click.option("--rntuple", is_flag=True, help="Write RNTuples instead of TTrees.")
@click.option(
    "--compression",
    default="zstd:5",
    show_default=True,
    metavar="NAME:LEVEL",
    help="Compression of the ROOT file: zstd, lzma, lz4, zlib, or none.",
)
@force_option
@talk_options
def decompress(archive: str, output: str | None, rntuple: bool, compression: str, force: bool) -> None:
    """Turn an archive back into a ROOT file.

    Trees, branches, types, directories and other objects return under their own names. What uproot cannot
    write as it was is listed at the end.
    """
    from .. import decompressing

    with progress_bar() as progress:
        report = decompressing.decompress(
            archive, output, rntuple=rntuple, compression=compression, force=force, progress=progress
        )
    print_restored(report)
