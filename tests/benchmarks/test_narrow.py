from __future__ import annotations

from pathlib import Path

from benchmarks.__main__ import main
from benchmarks.results import read_rows
from click.testing import CliRunner


def test_a_few_columns_are_measured_against_their_share(nano_file: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = CliRunner().invoke(
        main, ["narrow", str(nano_file), "--rounds", "1", "--results", str(results)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    rows = {row["collection"]: row for row in read_rows(results / "narrow.json")}
    assert "Jet" in rows
    for row in rows.values():
        assert 0 < row["share"] < 0.5
        assert min(row["cpu_seconds"], row["wall_seconds"], row["full_cpu_seconds"], row["full_wall_seconds"]) > 0
    page = tmp_path / "docs" / "benchmarks.md"
    page.parent.mkdir()
    page.write_text("<!-- benchmarks: narrow -->\n<!-- end -->\n")
    done = CliRunner().invoke(main, ["report", "--results", str(results), "--page", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "| Jet |" in page.read_text()
