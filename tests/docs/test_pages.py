"""What the pages of the site tell people to type has to work, and what is public has its place in them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hepbaler
import hepbaler.analysis
import hepbaler.errors
from hepbaler.cli.app import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name != "examples")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [block for found, block in BLOCK.findall(text) if found == language]


COMMANDS = [
    (page, line.strip())
    for page in PAGES
    for block in blocks(page, "")
    for line in block.splitlines()
    if line.startswith("hepbaler ")
]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_are_understood(page, command, tmp_path, monkeypatch):
    _, verb, *args = shlex.split(command, comments=True)
    # The one file that an option wants to see at once.
    monkeypatch.chdir(tmp_path)
    for name in (arg for arg in args if arg.endswith("best.json")):
        Path(name).parent.mkdir()
        Path(name).write_text("{}", encoding="utf-8")
    if verb != "--version":
        cli.commands[verb].make_context(verb, args)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python") and "/" not in page])
def test_python_runs(page, tmp_path, monkeypatch, sample_path):
    """Block after block, as a reader would type them, where the files that a page speaks of are."""
    monkeypatch.chdir(tmp_path)
    hepbaler.compress(sample_path, "ttbar_sample.root.hbal", use_model=False)
    shutil.copy(sample_path, "events.root")
    for name in ("events.root.hbal", "run1.root.hbal", "run2.root.hbal"):
        shutil.copy("ttbar_sample.root.hbal", name)
    script = ""
    for block in blocks(page, "python"):
        if "hepbaler.compress(" in block:
            script += "import os\nos.unlink('events.root.hbal')\n"
        script += block
    # In a process of its own: a page may register a model, or leave other traces.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_described():
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES if page.startswith("api/"))
    described = set(re.findall(r"^\.\. (?:auto\w+|data):: (\S+)$", text, re.MULTILINE))
    modules = {"errors", "torch"}
    names = {f"hepbaler.{name}" for name in set(hepbaler.__all__) - modules - {"__version__"}}
    names |= {f"hepbaler.errors.{name}" for name in hepbaler.errors.__all__}
    names |= {f"hepbaler.analysis.{name}" for name in hepbaler.analysis.__all__}
    assert names - described == set()


def test_every_extra_and_dependency_is_described():
    project = (DOCS.parent / "pyproject.toml").read_text(encoding="utf-8")
    table = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    extras = re.search(r"^\[project.optional-dependencies\]\n(.*?)^\[", project, re.DOTALL | re.MULTILINE)[1]
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)[1]
    names = set(re.findall(r"^([\w-]+) = ", extras, re.MULTILINE)) - {"all"}
    assert {name for name in names if not re.search(rf"^\| .*`{name}`.* \|", table, re.MULTILINE)} == set()
    packages = set(re.findall(r"\"([\w-]+)[>=<]", needed))
    assert {name for name in packages if f"| {name} |" not in table} == set()
