from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.__main__ import main
from benchmarks.peers import PEERS, Folder
from benchmarks.peers.write_ntuple import code
from benchmarks.results import keep, read_rows
from benchmarks.tables import total_bytes
from benchmarks.workload import Workload, agreement, load
from click.testing import CliRunner

# Those that train are tested where they belong, except Baler's recipe, which has its own test below.
QUICK = [name for name in PEERS if name not in ("hepbaler", "hepbaler-fast", "hepbaler-small", "baler")]


@pytest.mark.parametrize("name", QUICK)
def test_every_peer_keeps_every_bound(name: str, work: Workload, tmp_path: Path) -> None:
    peer, folder = PEERS[name], Folder(tmp_path)
    if lack := peer.missing(folder):
        pytest.skip(lack)
    ready = peer.prepare(work)
    made = peer.encode(ready, folder)
    columns = peer.columns(peer.decode(ready, folder), work)
    # Two values are not finite: what codes bare arrays pays 12 bytes for each.
    stored = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert made.n_bytes == stored + (0 if made.complete else 24)
    for column in work.columns:
        found = agreement(column, columns[column.key])
        assert found.violations == 0, column.key
        assert found.values == len(column.values)


def test_balers_recipe_gives_every_column_back_somehow(work: Workload, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    peer, folder = PEERS["baler"], Folder(tmp_path, options={"baler_steps": 30})
    ready = peer.prepare(work)
    made = peer.encode(ready, folder)
    columns = peer.columns(peer.decode(ready, folder), work)
    assert made.training_seconds > 0
    assert {column.key: len(column.values) for column in work.columns} == {k: len(v) for k, v in columns.items()}


def test_a_workload_survives_its_folder(work: Workload, tmp_path: Path) -> None:
    work.save(tmp_path)
    again = load(tmp_path)
    assert (again.source, again.tree, again.bound, again.raw_bytes) == (
        work.source,
        work.tree,
        work.bound,
        work.raw_bytes,
    )
    for one, other in zip(again.columns, work.columns, strict=True):
        assert one.choice == other.choice
        assert one.values.tobytes() == other.values.tobytes()


def test_the_function_that_root_compiles_names_every_field() -> None:
    flat = [{"name": "MET_pt", "dtype": "float32", "size": 0, "truncated": 19}]
    jets = [{"name": "Jet_pt", "dtype": "float32", "size": 0, "quantised": [14, 0.0, 100.0]}]
    text = code({"flat": flat, "lists": [{"name": "Jet", "fields": jets}]})
    assert 'RField<float>>("MET_pt")' in text
    assert "SetTruncated(19)" in text
    assert "SetQuantized(0.0, 100.0, 14)" in text
    assert 'std::vector<Row0>>>("Jet")' in text


def test_a_run_replaces_its_own_rows_only(tmp_path: Path) -> None:
    from benchmarks.results import PeerRow

    def row(peer: str, size: int) -> PeerRow:
        return PeerRow("a.root", "bits=10", peer, peer, True, True, 1, 1, size, 0, 1, 1, 1, 1, 0, 1, 0, 0.5)

    path = tmp_path / "deep" / "peers.json"
    same = ("file", "bound", "peer")
    keep(path, [row("sz3", 10), row("zfp", 20)], same, {})
    keep(path, [row("zfp", 30)], same, {"cores": 2})
    assert {one["peer"]: one["n_bytes"] for one in read_rows(path)} == {"sz3": 10, "zfp": 30}
    assert json.loads(path.read_text())["machine"] == {"cores": 2}


@pytest.mark.slow
def test_the_command_measures_and_reports(small_file: Path, tmp_path: Path) -> None:
    asked = ["--bits", "6", "--peer", "hepbaler-plain", "--peer", "quantise-pcodec", "--results", str(tmp_path)]
    run = CliRunner().invoke(main, ["peers", str(small_file), *asked])
    assert run.exit_code == 0, run.output
    rows = read_rows(tmp_path / "peers.json")
    assert [(one["peer"], one["bound"]) for one in rows] == [
        (peer, bound) for bound in ("bits=10", "bits=6") for peer in ("hepbaler-plain", "quantise-pcodec")
    ]
    assert all(one["violations"] == 0 and one["decode_mb_s"] > 0 for one in rows)
    plain, bare = rows[:2]
    assert total_bytes(bare, rows) == bare["n_bytes"] + plain["rest_bytes"]
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- benchmarks: sizes -->\nold\n<!-- end -->\nafter\n<!-- benchmarks: other -->\nx\n<!-- end -->\n"
    )
    run = CliRunner().invoke(main, ["report", "--results", str(tmp_path), "--page", str(page)])
    assert run.exit_code == 0, run.output
    text = page.read_text()
    assert "old" not in text
    assert "quantise + pcodec, bare arrays" in text
    assert text.startswith("before\n")
    assert text.endswith("<!-- benchmarks: other -->\nx\n<!-- end -->\n")
    assert (tmp_path / "images" / "benchmark_bound.png").stat().st_size > 10_000


def test_an_unknown_peer_is_named(small_file: Path) -> None:
    run = CliRunner().invoke(main, ["peers", str(small_file), "--peer", "gzip"])
    assert run.exit_code == 2
    assert "there is no peer 'gzip'" in run.output
