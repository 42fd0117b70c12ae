"""``hepbaler sample``: a ROOT file to try things on."""

from __future__ import annotations

import os
import tempfile
from importlib.resources import files
from pathlib import Path

import click

from ..errors import InputError, OutputError
from .options import force_option, talk_options
from .tables import bytes_text, print_lines

__all__ = ("sample",)

NAME = "ttbar_sample.root"


def __dir__() -> tuple[str, ...]:
    return __all__


def sample_bytes() -> bytes:
    """Content of the shipped sample.

    Raises
    ------
    InputError
        The installation lacks it.
    """
    package = files("hepbaler")
    # A wheel carries the sample inside the package; a checkout installed with -e has it beside its own examples.
    for place in (package / "samples" / NAME, package / ".." / ".." / "examples" / "data" / NAME):
        if place.is_file():
            return place.read_bytes()
    msg = f"this installation of hepbaler lacks its sample {NAME}: reinstall it with pip"
    raise InputError(msg)


@click.command(short_help="Write a sample ROOT file to try things on.")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@force_option
@talk_options
def sample(directory: str, force: bool) -> None:
    """Write the shipped sample to DIR (default: here).

    3,000 simulated ttbar events, NanoAOD-like, with full float32 precision.
    """
    content = sample_bytes()
    target = Path(directory) / NAME
    if target.exists() and not force:
        if target.read_bytes() == content:
            print_lines([f"{target} is there already"])
            return
        msg = f"{target} exists and differs from the sample; -f/--force overwrites it"
        raise OutputError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(target, content)
    print_lines([f"{target}  {bytes_text(len(content))}"])


def _write_whole(target: Path, content: bytes) -> None:
    """Write all of `content` or nothing."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
