"""Figures of trainings can be drawn from plain histories."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from hepbaler.analysis.style import png_bytes
from hepbaler.analysis.trainingplot import draw_history, draw_importances, draw_trials

pytest.importorskip("mplhep")

CHECKS = [
    {
        "step": s,
        "learning_rate": 1e-3,
        "training": {"error": 1 / s, "total": 2 / s},
        "validation": {"error": 1 / s, "total": 2 / s},
    }
    for s in (10, 20, 30)
]
HISTORY = {"checks": CHECKS, "best_step": 20, "stopped_early": False, "seconds": 1.0}


def lines_of(figure):
    return {line.get_label() for line in figure.axes[0].get_lines()}


def test_figures_show_what_they_are_given():
    assert {"error", "total", "while training"} <= lines_of(draw_history({"sae": HISTORY}))
    both = draw_history({"sae": HISTORY, "vae": HISTORY})
    assert lines_of(both) == {"sae", "vae"}
    trials = draw_trials([3.0, None, 1.0, 2.0], "error")
    assert trials.axes[0].get_lines()[1].get_ydata().tolist() == [3.0, 1.0, 1.0]
    assert [bar.get_width() for bar in draw_importances({"a": 0.3, "b": 0.1}).axes[0].patches] == [0.1, 0.3]
    for figure in (both, trials):
        assert png_bytes(figure)[:4] == b"\x89PNG"


def test_the_example_draws_every_family(file, tmp_path, monkeypatch, capsys):
    script = Path(__file__).resolve().parents[2] / "examples" / "autoencoders" / "training_curves.py"
    monkeypatch.setattr("sys.argv", [str(script), str(file), "--steps", "2", "-o", str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert {line.split(":")[0].strip() for line in capsys.readouterr().out.splitlines()} >= {"sae", "conv-aae", "baler"}
    assert (tmp_path / "training_curves.png").stat().st_size > 10_000


def test_the_other_example_leaves_out_what_helps(monkeypatch, capsys):
    script = Path(__file__).resolve().parents[2] / "examples" / "autoencoders" / "what_helps.py"
    monkeypatch.setattr("sys.argv", [str(script), "--steps", "2"])
    runpy.run_path(str(script), run_name="__main__")
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.endswith(" GeV |")][1:]
    names = [
        "| as it is",
        "| no sums, energies or shares",
        "| no linear skip",
        "| min-max scaling",
        "| none of the three",
    ]
    assert [row[0] for row in rows] == names
    assert [int(row[1]) for row in rows] == [8, 11, 8, 11, 11]
    # With two steps of training the principal components are all there is, and they are a good start.
    assert float(rows[0][2].removesuffix(" %")) < float(rows[2][2].removesuffix(" %"))
