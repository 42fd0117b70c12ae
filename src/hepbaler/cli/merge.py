"""``hepbaler merge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import CONTEXT, force_option, json_option, talk_options
from .progress import progress_bar
from .tables import bytes_text, plural, print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..merging import MergeReport

__all__ = ("merge",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(context_settings=CONTEXT, short_help="Put archives together, as hadd does.")
@click.argument("archives", nargs=-1, required=True, metavar="[OUT] IN...")
@click.option("-o", "--output", metavar="OUT", help="The archive to write; all arguments are then inputs.")
@click.option(
    "--skip-unmergeable", is_flag=True, help="Leave out histograms and objects that cannot be added, and name them."
)
@force_option
@json_option
@talk_options
def merge(archives: tuple[str, ...], output: str | None, skip_unmergeable: bool, force: bool, as_json: bool) -> None:
    """Put archives of the same trees together: hepbaler merge OUT.hbal IN1.hbal IN2.hbal

    Nothing is decoded: every value stays as it is, and so do the bounds. Histograms are added. Archives that were
    made with one model share it in the result.
    """
    if output is None:
        output, *inputs = archives
        if not inputs:
            msg = f"there is nothing to merge into {output}: name the output first, then the inputs"
            raise click.UsageError(msg, ctx=click.get_current_context())
    else:
        inputs = list(archives)

    from .. import merging
    from ..reading import expand_inputs

    # One by one: an archive that is named twice is meant twice.
    sources = [source for pattern in inputs for source in expand_inputs([pattern])]
    with progress_bar() as progress:
        report = merging.merge(output, sources, skip_unmergeable=skip_unmergeable, force=force, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_merged(report)


def _print_merged(report: MergeReport) -> None:
    print_table(
        f"{plural(len(report.sources), 'archive')} -> {report.target}",
        ("tree", "entries", "clusters", "segments", "pages"),
        [
            (tree.path, f"{tree.entries:,}", f"{tree.clusters:,}", f"{tree.segments:,}", bytes_text(tree.page_bytes))
            for tree in report.trees
        ],
    )
    shared = f" ({report.models_shared:,} more were the same)" if report.models_shared else ""
    objects = f", {plural(report.objects, 'other object')}" if report.objects else ""
    print_lines(f"note: {note}" for note in report.notes)
    print_lines(f"left out: {item}" for item in report.left_out)
    print_lines(
        [
            (
                f"{bytes_text(report.source_bytes)} -> {bytes_text(report.archive_bytes)}, "
                f"{plural(report.models, 'model')}{shared}{objects}; no page was decoded"
            )
        ]
    )
