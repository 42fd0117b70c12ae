"""What the README tells people to type has to work."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from hepbaler.cli.app import cli

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    {
        command.strip()
        for language, block in BLOCKS
        if language == ""
        for line in block.splitlines()
        for command in line.replace(".venv/bin/", "").split("&&")
        if command.strip().startswith("hepbaler ")
    }
)


def test_there_are_commands_to_check():
    verbs = {command.split()[1] for command in COMMANDS}
    assert verbs == {
        "analyse",
        "compress",
        "decompress",
        "evaluate",
        "info",
        "plan",
        "sample",
        "study",
        "train",
        "verify",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    _, verb, *args = shlex.split(command, comments=True)
    cli.commands[verb].make_context(verb, args)


def test_opens_with_two_commands():
    first, second = (block.strip() for _, block in BLOCKS[:2])
    assert "\n" not in first + second
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt")
    assert ".venv/bin/pytest" in second.split(" && ")[-1]


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(sum(language == "python" for language, _ in BLOCKS)))
def test_python_runs(number, tmp_path, monkeypatch, sample_path, nano_file):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    shutil.copy(sample_path, "ttbar_sample.root")
    shutil.copy(nano_file, "nano.root")
    block = [block for language, block in BLOCKS if language == "python"][number]
    # The README writes back.root; here and there a file is there already, and nothing is overwritten unasked.
    exec(compile(block, str(README), "exec"), {})  # noqa: S102 - our own README
