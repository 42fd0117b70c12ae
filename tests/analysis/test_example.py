"""The example runs, and says what its README says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "top_mass" / "top_mass.py"


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "model", "suspicious"), [(10, "gauss-line", False), (4, "crystal-ball", True)])
def test_top_mass(monkeypatch, capsys, tmp_path, bits, model, suspicious):
    monkeypatch.setattr("sys.argv", [str(SCRIPT), "--bits", str(bits), "--model", model, "-o", str(tmp_path)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    assert "every promise kept: True" in out
    assert ("a comb in" in out) is suspicious
    assert ("GeV (paired)" in out) is not suspicious
    assert ("after: refused, since" in out) is suspicious
    assert (tmp_path / "top_mass.png").is_file()
