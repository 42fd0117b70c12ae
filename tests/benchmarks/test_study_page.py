"""The page about the study says what the study found: tables are those of its kept result, word for word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.report import fill_blocks
from benchmarks.studypage import study_blocks
from click.testing import CliRunner

from hepbaler.study import StudySettings, study

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = CHECKOUT / "benchmarks" / "results" / "study.json"
PAGE = CHECKOUT / "docs" / "study.md"
MARK = re.compile(r"<!-- benchmarks: (\w+) -->")


def test_tables_of_the_page_are_those_of_the_result() -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = study_blocks(KEPT)
    assert set(MARK.findall(text)) == set(blocks)
    assert fill_blocks(text, blocks) == text


def test_what_is_kept_names_no_folder() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert kept["folder"] == ""
    assert "/" not in kept["source"]
    assert {one["kind"] for one in kept["variants"]} >= {"latent", "bounded", "plain"}
    assert not [one["name"] for one in kept["variants"] if one["failed"] is not None]


@pytest.mark.slow
def test_a_study_becomes_a_page(tmp_path: Path) -> None:
    sample = CHECKOUT / "examples" / "data" / "ttbar_genjets_sample.root"
    settings = StudySettings(
        models=("sae",), bits=(), plain_bits=(4, 8), fits=("gauss-line",), replicas=3, train_steps=20
    )
    study(sample, tmp_path / "study", settings, jobs=1)
    page = tmp_path / "page.md"
    page.write_text("<!-- benchmarks: bytes -->\nold\n<!-- end -->\n<!-- benchmarks: columns -->\n<!-- end -->\n")
    results = tmp_path / "results"
    results.mkdir()
    options = ["--results", str(results), "--page", str(page)]
    run = CliRunner().invoke(main, ["study", str(tmp_path / "study"), *options])
    assert run.exit_code == 0, run.output
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert "| sae | 1.57 |" in text
    assert "| p4_fM |" in text
    assert (tmp_path / "images" / "study_frontier.png").stat().st_size > 10_000
    # Without the folder it is written again from what was kept.
    assert CliRunner().invoke(main, ["study", *options]).exit_code == 0
    assert page.read_text(encoding="utf-8") == text
