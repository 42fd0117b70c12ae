from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hepbaler import allocator


@pytest.fixture
def asked(monkeypatch):
    calls = []
    monkeypatch.setattr(allocator, "_from_libc", lambda name: lambda *args: calls.append((name, *args)))
    return calls


def test_threads_share_as_many_pools_as_there_are_processors(asked, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    allocator.few_arenas()
    assert asked == [("mallopt", -8, os.cpu_count())]


def test_what_the_user_says_of_pools_counts(asked, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    allocator.few_arenas()
    assert asked == []


def test_the_command_asks_for_it():
    code = "import hepbaler.cli.app as app; app.few_arenas = lambda: print('asked'); app.main = lambda: 0; app.run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "asked\n"
