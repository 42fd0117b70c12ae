"""``hepbaler skim``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import (
    BOUND_KINDS,
    CONTEXT,
    BoundedCommand,
    chosen_settings,
    force_option,
    jobs_option,
    json_option,
    refuse_pairs,
    settings_options,
    talk_options,
)
from .progress import progress_bar
from .summary import print_compressed
from .tables import bytes_text, plural, print_json, print_lines, print_table, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..skimming import SkimmedModel, SkimReport

__all__ = ("skim",)


def __dir__() -> tuple[str, ...]:
    return __all__


@click.command(cls=BoundedCommand, context_settings=CONTEXT, short_help="Take some entries and branches.")
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", required=True, metavar="OUT", help="OUT.hbal or OUT.root.")
@click.option("--cut", multiple=True, metavar="EXPRESSION", help="Keep entries that pass (repeatable).")
@click.option("--tree", metavar="TREE", help="The tree that the cut is about, where several have its branches.")
@settings_options
@click.option("--no-model", "use_model", flag_value=False, default=True, help="Train nothing; code plainly.")
@click.option("--model", metavar="FILE", help="A file that 'hepbaler train' made.")
@click.option("--rntuple/--ttree", default=None, help="Write RNTuples, or TTrees (default: each tree as it was).")
@click.option(
    "--compression", default="zstd:5", show_default=True, metavar="NAME:LEVEL", help="Compression of a ROOT file."
)
@force_option
@jobs_option("Threads to use (default: as many as there are cores).")
@json_option
@talk_options
@click.pass_context
def skim(
    ctx: click.Context,
    /,
    source: str,
    output: str,
    cut: tuple[str, ...],
    tree: str | None,
    rntuple: bool | None,
    compression: str,
    force: bool,
    jobs: int | None,
    as_json: bool,
    **_settings: Any,
) -> None:
    """Write the entries of an archive or ROOT file that pass a cut, and the branches that are asked for.

    \b
      hepbaler skim events.root.hbal -o top.hbal --cut 'nJet >= 4 and any(Muon_pt > 30)' --keep 'Jet_*' --keep 'Muon_*'
      hepbaler skim events.root.hbal -o top.root --cut 'sum(Jet_pt > 30) >= 4 and 20 < MET_pt < 200'
      hepbaler skim events.root -o top.hbal --cut 'nJet >= 4' --bits 8

    A list becomes one number an entry by any, all, sum, min, max or count. Bounds and training are for a ROOT file that
    becomes an archive; between archives values stay as they are.
    """  # noqa: D301 - click reads the backspace
    refuse_pairs(
        ctx,
        (
            ("use_model", "model"),
            ("use_model", "train_steps"),
            ("use_model", "train_time"),
            ("model", "train_steps"),
            ("model", "train_time"),
        ),
    )
    settings = chosen_settings(ctx) | {"model": ctx.params["model"], "use_model": ctx.params["use_model"]}
    keep, drop, skip_unreadable = (settings.pop(name) for name in ("keep", "drop", "skip_unreadable"))
    asked = {name for name in settings if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    asked |= {"plan"} if any(ctx.params[name] for name in ("plan_file", *BOUND_KINDS)) else set()

    from .. import skimming

    with progress_bar() as progress:
        report = skimming.skim(
            source,
            output,
            cut=cut,
            keep=keep,
            drop=drop,
            tree=tree,
            rntuple=rntuple,
            compression=compression,
            skip_unreadable=skip_unreadable,
            settings={name: value for name, value in settings.items() if name in asked},
            force=force,
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        _print_skimmed(report)


def _print_skimmed(report: SkimReport) -> None:
    print_table(
        f"{report.source} -> {report.target}",
        ("tree", "entries", "kept", "branches"),
        [(tree.path, f"{tree.before:,}", f"{tree.after:,}", f"{tree.branches:,}") for tree in report.trees],
    )
    if report.flow:
        before = next(tree.before for tree in report.trees if tree.path == report.cut_tree)
        rows, last = [("all", f"{before:,}", "", "")], before
        for text, n in report.flow:
            rows.append((text, f"{n:,}", _percent(n, last), _percent(n, before)))
            last = n
        print_table(f"cuts on {report.cut_tree}", ("cut", "pass", "of those before", "of all"), rows)
    _print_models(report.models)
    if report.compressed is not None:
        print_compressed(report.compressed, selected=True)
        return
    for tree in report.written:
        for difference in tree.missing:
            warn(f"{tree.path}: {difference}")
        if tree.not_written is not None:
            warn(f"tree {tree.path} is not written: {tree.not_written}")
    print_lines(f"note: {note}" for note in report.notes)
    print_lines(f"left out: {item}" for item in report.left_out)
    print_lines([f"{bytes_text(report.source_bytes)} -> {bytes_text(report.target_bytes)}"])


def _print_models(models: Sequence[SkimmedModel]) -> None:
    kept = [model for model in models if model.columns]
    if kept:
        columns = sum(len(model.columns) for model in kept)
        print_lines([f"{plural(len(kept), 'model')} in use as before, for {plural(columns, 'column')}"])
    for model in models:
        if model.plain:
            what = plural(len(model.plain), "column") + " of" if model.columns else "all of"
            print_lines([f"coded plainly now: {what} the model of {model.table}, tree {model.tree}: {model.reason}"])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
