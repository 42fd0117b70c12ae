"""``python -m benchmarks``: measure, and write docs/benchmarks.md."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from hepbaler.bounds import Bound
from hepbaler.errors import HepbalerError

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results"
_SAMPLE = _HERE.parent / "examples" / "data" / "ttbar_sample.root"
_DOCS = _HERE.parent / "docs"

_FILES = click.argument("files", nargs=-1, metavar="[FILE[@BOUND]]...")
_WHERE = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=_RESULTS,
    help="Folder of the JSON files.  [default: benchmarks/results]",
)
_LAUNCHER = click.option("--launcher", default="", help="Words before each measured command, such as 'taskset -c 0'.")


@click.group()
def main() -> None:
    """Compare hepbaler with other coders.

    Files are ROOT files, each with a bound if it is not bits=10 (nano.root@exact); the shipped sample by default.
    """


def _cases(files: tuple[str, ...], bits: str = "") -> list[tuple[Path, Bound]]:
    cases = []
    for file in files or (str(_SAMPLE),):
        path, _, bound = file.partition("@")
        cases.append((Path(path), Bound.parse(bound or "bits=10")))
    first = cases[0][0]
    return cases + [(first, Bound.parse(b)) for b in bits.split(",") if b]


@main.command()
@_FILES
@click.option("--bits", default="", metavar="6,8,12", help="More bounds for the first file.")
@click.option("--peer", "only", multiple=True, help="Only this peer (may be repeated).")
@click.option("--root-python", metavar="PYTHON", help="A Python that has ROOT, for RNTuple's lossy columns.")
@click.option("--baler-steps", default=2000, show_default=True, help="Training steps of Baler's recipe, a table.")
@_LAUNCHER
@_WHERE
def peers(files: tuple[str, ...], only: tuple[str, ...], results: Path, **settings: Any) -> None:
    """Size, speed, memory and largest error of every coder on the same arrays."""
    from .machine import describe_machine
    from .measuring import Settings, measure
    from .peers import PEERS
    from .results import keep
    from .workload import make

    unknown = [name for name in only if name not in PEERS]
    if unknown:
        msg = f"there is no peer {unknown[0]!r}; there are {', '.join(PEERS)}"
        raise click.BadParameter(msg)
    told = Settings(settings["root_python"], shlex.split(settings["launcher"]), settings["baler_steps"])
    machine = describe_machine(told.root_python)
    for path, bound in _cases(files, settings["bits"]):
        work = make(path, bound)
        click.echo(f"{path.name}, {bound}: {len(work.columns)} float columns, {work.float_bytes / 1e6:.1f} MB")
        with tempfile.TemporaryDirectory() as folder:
            work.save(Path(folder))
            for name in only or PEERS:
                row = measure(name, work, Path(folder), told)
                if isinstance(row, str):
                    click.echo(f"  {name:16} skipped: {row}")
                    continue
                keep(results / "peers.json", [row], ("file", "bound", "peer"), machine)
                click.echo(
                    f"  {name:16} {row.n_bytes / 1e6:8.3f} MB{'' if row.complete else ' of floats'}, "
                    f"encode {row.encode_mb_s:.1f} MB/s, decode {row.decode_mb_s:.1f} MB/s, "
                    f"{row.violations} of {row.values} beyond the bound"
                )


@main.command()
@_FILES
@click.option("--rounds", default=7, show_default=True, help="How often each file is read.")
@click.option("--preset", "only", multiple=True, help="Only this preset, or 'no model' (may be repeated).")
@_WHERE
def frontier(files: tuple[str, ...], rounds: int, only: tuple[str, ...], results: Path) -> None:
    """Size and reading time of each preset, beside an LZMA-9 ROOT file."""
    from .frontier import measure_frontier
    from .machine import describe_machine
    from .results import keep
    from .workload import make

    machine = describe_machine(None)
    for path, bound in _cases(files):
        click.echo(f"{path.name}, {bound}")
        with tempfile.TemporaryDirectory() as folder:
            work = make(path, bound)
            rows = measure_frontier(work, Path(folder), rounds=rounds, ways=only, tell=click.echo)
        keep(results / "frontier.json", rows, ("file", "bound", "way"), machine)
        for row in rows:
            click.echo(
                f"  {row.way:9} {row.n_bytes / 1e6:8.3f} MB, floats read in {row.read_seconds:.2f} s, "
                f"with one core in {row.one_core_seconds:.2f} s"
            )


@main.command()
@_FILES
@click.option("--rounds", default=7, show_default=True, help="How often each collection is read.")
@click.option("--preset", default="default", show_default=True, help="Of the archive that is read.")
@_WHERE
def narrow(files: tuple[str, ...], rounds: int, preset: str, results: Path) -> None:
    """Time to read pt, eta, phi and mass of each collection in one cluster."""
    import hepbaler

    from .machine import describe_machine
    from .narrow import measure_narrow
    from .results import keep
    from .workload import make

    machine = describe_machine(None)
    for path, bound in _cases(files):
        click.echo(f"{path.name}, {bound}")
        with tempfile.TemporaryDirectory() as folder:
            work, archive = make(path, bound), Path(folder) / "narrow.hbal"
            hepbaler.compress(f"{path}:{work.tree}", archive, plan=work.plan, preset=preset)
            what = {"file": path.name, "bound": str(bound), "preset": preset}
            rows = list(measure_narrow(archive, work.tree, rounds=rounds, **what))
        keep(results / "narrow.json", rows, ("file", "bound", "preset", "collection"), machine)
        for row in rows:
            click.echo(
                f"  {row.collection:16} {row.cpu_seconds * 1e3:.1f} ms of CPU, {row.wall_seconds * 1e3:.1f} ms of the clock"
            )


@main.command()
@_FILES
@click.option("--variant", "only", multiple=True, help="Only this variant (may be repeated).")
@_WHERE
def ablation(files: tuple[str, ...], only: tuple[str, ...], results: Path) -> None:
    """What each part of the learned coder gives."""
    from .ablation import VARIANTS, measure_ablation
    from .machine import describe_machine
    from .results import keep
    from .workload import make

    unknown = [name for name in only if name not in VARIANTS]
    if unknown:
        msg = f"there is no variant {unknown[0]!r}; there are {', '.join(VARIANTS)}"
        raise click.BadParameter(msg)
    machine = describe_machine(None)
    for path, bound in _cases(files):
        click.echo(f"{path.name}, {bound}")
        with tempfile.TemporaryDirectory() as folder:
            work = make(path, bound)
            for row in measure_ablation(work, Path(folder), variants=only, tell=click.echo):
                keep(results / "ablation.json", [row], ("file", "bound", "variant"), machine)


@main.command()
@_WHERE
@click.option("--page", type=click.Path(path_type=Path), default=_DOCS / "benchmarks.md")
def report(results: Path, page: Path) -> None:
    """Write tables and figures of all results into docs/benchmarks.md."""
    from .report import write_report

    for path in write_report(results, page, page.parent / "images"):
        click.echo(path)


@main.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@_WHERE
@click.option("--page", type=click.Path(path_type=Path), default=_DOCS / "study.md")
def study(folder: Path | None, results: Path, page: Path) -> None:
    """Write tables and figures of a study into docs/study.md.

    FOLDER is what 'hepbaler study' wrote; without it the summary that was kept of the last one is taken.
    """
    from .studypage import keep_study, write_study

    kept = results / "study.json"
    if folder is not None:
        keep_study(folder, kept)
    for path in (kept, *write_study(kept, page, page.parent / "images")):
        click.echo(path)


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks")
    except HepbalerError as error:
        sys.exit(f"Error: {error}")
