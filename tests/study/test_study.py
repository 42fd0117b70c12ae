"""A small study: what it writes, what it keeps, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hepbaler.cli import main
from hepbaler.errors import InputError
from hepbaler.study import StudySettings, study, write_report
from hepbaler.study.report import table_rows

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data" / "ttbar_genjets_sample.root"


@pytest.fixture(scope="module")
def settings():
    return StudySettings(
        models=("sae", "no-such-model"),
        bits=(),
        plain_bits=(3, 10),
        fits=("gauss-line",),
        replicas=5,
        train_steps=60,
    )


@pytest.fixture(scope="module")
def done(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return study(SAMPLE, folder, settings, jobs=1)


@pytest.mark.slow
def test_every_variant_is_there_and_the_failing_one_is_named(done):
    assert [one.name for one in done.variants] == ["sae", "no-such-model", "plain bits=3", "plain bits=10"]
    sae, failing, coarse, fine = done.variants
    assert "no model 'no-such-model'" in failing.failed
    assert (sae.nominal_ratio, sae.kind) == (11 / 7, "latent")
    assert sae.float32_ratio > sae.nominal_ratio
    assert coarse.archive_bytes < sae.archive_bytes < fine.archive_bytes
    assert done.partner(sae) == coarse
    shift = fine.fits["gauss-line"]["shift"]
    assert abs(shift["mass"]) < 0.1 < sae.fits["gauss-line"]["peak"]["rms"]
    rows = table_rows(done, "gauss-line")
    assert [row[0] for row in rows][:4] == ["original", "sae", "  as small: plain bits=3", "no-such-model"]


@pytest.mark.slow
def test_what_is_finished_is_not_made_again(done, settings, monkeypatch):
    monkeypatch.setattr("hepbaler.study.running.compress", lambda *_, **__: pytest.fail("made again"))
    from dataclasses import replace

    again = study(SAMPLE, done.folder, replace(settings, models=("sae",)))
    assert again.variants == tuple(one for one in done.variants if one.failed is None)


@pytest.mark.slow
def test_the_report_has_table_and_figures(done):
    page = write_report(done).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "plain bits=3" in page
    kept = json.loads((Path(done.folder) / "study.json").read_text())
    assert kept["same_bytes"] == {"sae": "plain bits=3"}


def test_a_study_of_nothing_is_refused():
    with pytest.raises(InputError, match="two replicas"):
        StudySettings(replicas=1)


def test_the_command_needs_a_folder(capsys):
    assert main(["study", str(SAMPLE)]) == 2
    assert "Missing option" in capsys.readouterr().err
