from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.results import read_rows
from click.testing import CliRunner

pytest.importorskip("matplotlib")


def test_ways_to_keep_a_file_are_measured_and_shown(nano_file: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = ["frontier", str(nano_file), "--preset", "no model", "--rounds", "1", "--results", str(results)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = {row["way"]: row for row in read_rows(results / "frontier.json")}
    assert rows.keys() == {"LZMA 9", "no model"}
    assert 0 < rows["no model"]["n_bytes"] < rows["LZMA 9"]["n_bytes"]
    assert all(row["read_seconds"] > 0 and row["one_core_seconds"] > 0 for row in rows.values())
    page = tmp_path / "docs" / "benchmarks.md"
    page.parent.mkdir()
    page.write_text("<!-- benchmarks: frontier -->\n<!-- end -->\n")
    done = CliRunner().invoke(main, ["report", "--results", str(results), "--page", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "| `--no-model` |" in page.read_text()
    assert (page.parent / "images" / "benchmark_frontier.png").stat().st_size > 5000
