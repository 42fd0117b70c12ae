"""The examples run, and the archive gives what the ROOT file gives."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(script: Path, monkeypatch, capsys) -> list[float]:
    """The numbers that a script prints."""
    monkeypatch.setattr("sys.argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    # coffea writes a bar before
    result = capsys.readouterr().out.rpartition("ROOT file:")[2]
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", result)]


def test_uproot_script(monkeypatch, capsys):
    n_before, mean_before, n_after, mean_after = run(EXAMPLES / "uproot_script" / "jets.py", monkeypatch, capsys)
    assert abs(n_after - n_before) <= 0.005 * n_before
    assert mean_after == pytest.approx(mean_before, rel=1e-3)


@pytest.mark.filterwarnings("default")
def test_coffea_ttbar(monkeypatch, capsys):
    pytest.importorskip("coffea")
    numbers = run(EXAMPLES / "coffea_ttbar" / "ttbar.py", monkeypatch, capsys)
    selected, events, selected_after, events_after, moved, filled, _ = numbers
    assert events == events_after == 3000
    assert abs(selected_after - selected) <= 0.005 * selected
    assert moved <= 0.02 * filled


@pytest.mark.filterwarnings("default")
def test_coffea_trijets(monkeypatch, capsys):
    pytest.importorskip("coffea")
    numbers = run(EXAMPLES / "coffea_ttbar" / "trijets.py", monkeypatch, capsys)
    selected, events, selected_after, events_after, *moves = numbers
    assert events == events_after == 1600
    assert 0.2 * events < selected
    assert abs(selected_after - selected) <= 0.005 * selected
    for moved, filled, _ in (moves[:3], moves[3:]):
        assert filled >= 0.8 * selected
        assert moved <= 0.02 * filled
