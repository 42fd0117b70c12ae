"""Every tutorial and every example runs as a script, from anywhere, and says what its README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

# A package of each extra that tells whether it is installed.
EXTRAS = {
    "analysis": "iminuit",
    "coffea": "coffea",
    "dask": "distributed",
    "dask-awkward": "dask_awkward",
    "train": "torch",
}
CHECKOUT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted((CHECKOUT / "tutorials").glob("*.py"))
# make_samples.py cuts the samples from files that do not ship.
EXAMPLES = sorted(path for path in (CHECKOUT / "examples").glob("*/*.py") if path.name != "make_samples.py")
# Those that train or fit many times over run shortly; tests beside their subjects look at what they print.
SHORTLY = {
    "bin_width": ("--replicas", "2", "--model", "gauss-line"),
    "training_curves": ("--steps", "20"),
    "what_helps": ("--steps", "20"),
}
BLOCK = re.compile(r"^# /// script\n((?:^#.*\n)+?)^# ///$", re.MULTILINE)


def packages_of(script: Path) -> set[str]:
    """What a script says it needs, extras of hepbaler by the package that they bring."""
    lines = BLOCK.search(script.read_text(encoding="utf-8"))[1].splitlines()
    needed = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))["dependencies"]
    names = set()
    for text in needed:
        name, extras = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", text).groups()
        names |= {name, *(EXTRAS[extra] for extra in (extras or "").split(",") if extra)}
    return {name.replace("-", "_") for name in names}


def run(script: Path, folder: Path, *arguments: str) -> str:
    """What a script prints, run in an empty folder by an interpreter of its own."""
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONWARNINGS": "default", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs(script, tmp_path):
    assert run(script, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_example_runs(script, tmp_path):
    for package in packages_of(script):
        pytest.importorskip(package)
    assert (script.parent / "README.md").is_file()
    assert run(script, tmp_path, *SHORTLY.get(script.stem, ()))
