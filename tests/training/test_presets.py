"""Presets: less to train and to read, or fewer bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

import hepbaler
from hepbaler.errors import ModelError

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data" / "ttbar_genjets_sample.root"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    return {
        preset: (
            hepbaler.compress(
                SAMPLE, folder / f"{preset}.hbal", preset=preset, train_steps=30, keep=["GenJet_p4_*", "nGenJet"]
            ),
            folder / f"{preset}.hbal",
        )
        for preset in ("fast", "small")
    }


def test_all_presets_keep_the_bounds(reports):
    for _, path in reports.values():
        assert hepbaler.verify(path, SAMPLE).ok


def test_fast_has_smaller_networks_and_fewer_of_them(reports):
    models = {}
    for preset, (_, path) in reports.items():
        with hepbaler.open(path) as archive:
            models[preset] = sum(table["model_bytes"] for table in archive.info()["trees"][0]["tables"])
    learned = {preset: sum(table.learned for table in report.tables) for preset, (report, _) in reports.items()}
    assert 0 <= models["fast"] < models["small"]
    assert learned["fast"] <= learned["small"]
    with hepbaler.open(reports["fast"][1]) as archive:
        assert archive.reader.meta["settings"]["preset"] == "fast"


def test_a_preset_that_does_not_exist(tmp_path):
    with pytest.raises(ModelError, match="'tiny'; choose one of fast, default, small"):
        hepbaler.compress(SAMPLE, tmp_path / "out.hbal", preset="tiny")
    assert not (tmp_path / "out.hbal").exists()
