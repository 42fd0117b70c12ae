from __future__ import annotations

from pathlib import Path

import awkward as ak
import pytest
import uproot
from benchmarks.__main__ import main
from benchmarks.ablation import VARIANTS, measure_ablation
from benchmarks.results import keep, read_rows
from benchmarks.workload import make
from click.testing import CliRunner

from hepbaler import learning, presets
from hepbaler.bounds import Bound

pytest.importorskip("torch")


@pytest.fixture
def jets(sample_path: Path, tmp_path: Path) -> Path:
    """Energy fractions of jets, of which each tells about the others."""
    path, names = tmp_path / "jets.root", ("Jet_neHEF", "Jet_chHEF", "Jet_neEmEF", "Jet_chEmEF", "Jet_muEF")
    with uproot.open(sample_path) as file, uproot.recreate(path) as out:
        arrays = file["Events"].arrays(names, entry_stop=1500)
        out.mktree("Events", {"Jet": ak.zip({name[4:]: arrays[name] for name in names}).type.content})
        out["Events"].extend({"Jet": ak.zip({name[4:]: arrays[name] for name in names})})
    return path


def test_a_part_is_taken_away_and_comes_back(jets: Path, tmp_path: Path) -> None:
    before = presets.PRESETS["default"], learning.find_links, learning._settings
    work = make(jets, Bound.parse("bits=10"))
    names = ("default", "no earlier columns")
    told: list[str] = []
    rows = list(measure_ablation(work, tmp_path, variants=names, tell=told.append, train_steps=20))
    assert (presets.PRESETS["default"], learning.find_links, learning._settings) == before
    assert [row.variant for row in rows] == list(names)
    assert len(told) == 2
    # Without what columns tell about each other little is left to learn.
    assert rows[1].n_bytes > rows[0].n_bytes
    results = tmp_path / "results"
    keep(results / "ablation.json", rows, ("file", "bound", "variant"), {})
    page = tmp_path / "benchmarks.md"
    page.write_text("<!-- benchmarks: ablation -->\n<!-- end -->\n")
    done = CliRunner().invoke(main, ["report", "--results", str(results), "--page", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    share = rows[1].n_bytes / rows[0].n_bytes * 100 - 100
    assert f"| no earlier columns | {rows[1].n_bytes / 1e6:.3f} | {share:+.1f} % |" in page.read_text()


def test_variants_by_name(nano_file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["ablation", str(nano_file), "--variant", "no magic", "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert "no earlier columns" in done.output
    assert set(VARIANTS["default"].preset) == set()
    assert read_rows(tmp_path / "ablation.json") == []
