"""A small study: what it writes, what it keeps, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hepbaler
from hepbaler.cli import main
from hepbaler.errors import InputError
from hepbaler.study import StudySettings, study, write_report
from hepbaler.study.tables import HEAD, column_rows, fit_sentence, table_rows

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data" / "ttbar_genjets_sample.root"


@pytest.fixture(scope="module")
def settings():
    return StudySettings(
        models=("sae", "no-such-model"),
        bits=(),
        plain_bits=(3, 10),
        fits=("gauss-line",),
        replicas=5,
        weights={"GenJet_p4_fM": 10.0},
        train_steps=60,
    )


@pytest.fixture(scope="module")
def done(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return study(SAMPLE, folder, settings, jobs=1)


@pytest.mark.slow
def test_every_variant_is_there_and_the_failing_one_is_named(done):
    names = ["sae", "no-such-model", "sae weighted", "no-such-model weighted", "plain bits=3", "plain bits=10"]
    assert [one.name for one in done.variants] == names
    sae, failing, _, _, coarse, fine = done.variants
    assert "no model 'no-such-model'" in failing.failed
    assert (sae.nominal_ratio, sae.kind) == (11 / 7, "latent")
    assert sae.float32_ratio > sae.nominal_ratio
    assert coarse.float32_ratio > fine.float32_ratio > 1
    assert sae.float32_ratio == pytest.approx(
        hepbaler.open(Path(done.folder) / "archives" / "sae.hbal").info()["ratio"]["float32"]
    )
    # Integers take less than floats.
    assert fine.arrays_ratio > fine.varying_ratio > fine.float32_ratio
    assert coarse.archive_bytes < sae.archive_bytes < fine.archive_bytes
    assert done.partner(sae) == coarse
    shift = fine.fits["gauss-line"]["shift"]
    assert abs(shift["mass"]) < 0.1 < sae.fits["gauss-line"]["peak"]["rms"]
    rows = table_rows(done, "gauss-line")
    assert [row[0] for row in rows] == ["original", *names]
    assert rows[1][HEAD.index("as small")] == "plain bits=3"
    assert rows[2][HEAD.index("mass [GeV]")] == "failed"
    sentence = fit_sentence(done, "gauss-line")
    assert "of 2 autoencoders keep the mass within the statistical error of the original's fit" in sentence
    assert sentence.endswith(" of 2")


@pytest.mark.slow
def test_what_a_weight_costs_is_shown(done):
    sae, _, weighted, _, coarse, fine = done.variants
    names = done.learned_columns()
    assert len(names) == 11
    assert "GenJet_p4_fM" in names
    one, other = sae.relative_errors(names), weighted.relative_errors(names)
    assert other["GenJet_p4_fM"] < 0.7 * one["GenJet_p4_fM"]
    assert (
        weighted.column_error(names) > sae.column_error(names) > coarse.column_error(names) > fine.column_error(names)
    )
    head, rows = column_rows(done)
    assert head[0] == "variant"
    assert "p4_fM" in head
    assert [row[0] for row in rows] == ["sae", "sae weighted", "plain bits=3", "plain bits=10"]


@pytest.mark.slow
def test_the_report_has_table_and_figures(done):
    page = write_report(done).read_text()
    # Bias against bytes, columns against mass, and the spectra of four variants.
    assert page.count("data:image/png;base64,") == 6
    assert "plain bits=3" in page
    assert "weighted: GenJet_p4_fM = 10" in page
    kept = json.loads((Path(done.folder) / "study.json").read_text())
    assert kept["same_bytes"] == {"sae": "plain bits=3", "sae weighted": "plain bits=3"}


@pytest.mark.slow
def test_what_is_finished_is_not_made_again(done, settings, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr("hepbaler.study.archives.compress", lambda *_, **__: pytest.fail("made again"))
    again = study(SAMPLE, done.folder, replace(settings, models=("sae",)))
    assert again.variants == tuple(one for one in done.variants if one.failed is None)
    # Another analysis needs no other archives.
    other = study(SAMPLE, done.folder, replace(settings, models=("sae",), weights={}, plain_bits=(), replicas=3))
    (sae,) = other.variants
    assert sae.fits["gauss-line"]["shift"]["replicas"] == 3
    with pytest.raises(pytest.fail.Exception, match="made again"):
        study(SAMPLE, done.folder, replace(settings, models=("sae",), seed=1))


@pytest.mark.slow
def test_an_archive_that_was_made_anew_is_judged_anew(settings, tmp_path, monkeypatch):
    from dataclasses import replace

    few = replace(settings, models=("no-such-model",), plain_bits=(10,), bits=(), weights={})
    first = study(SAMPLE, tmp_path, few)
    # What another version would do: the same settings, other bytes.
    monkeypatch.setattr("hepbaler.study.archives.__version__", "another")
    honest = hepbaler.compress
    monkeypatch.setattr(
        "hepbaler.study.archives.compress",
        lambda *args, **how: honest(*args, **(how | {"plan": hepbaler.Plan(default=hepbaler.Bound("bits", 6))})),
    )
    again = study(SAMPLE, tmp_path, few)
    assert again.variants[-1].archive_bytes < first.variants[-1].archive_bytes
    assert again.variants[-1].columns != first.variants[-1].columns


def test_a_study_of_nothing_is_refused():
    with pytest.raises(InputError, match="two replicas"):
        StudySettings(replicas=1)
    with pytest.raises(InputError, match="sae cannot be trained with weights: there are none"):
        StudySettings(weighted=("sae",))


def test_the_baseline_knows_no_weights():
    from hepbaler.study.running import _variants

    def weighted(**more):
        settings = StudySettings(models=("sae", "baler", "vae"), weights={"*": 2.0}, **more)
        return [name for name, kind in _variants(settings) if kind == "weighted"]

    assert weighted() == ["sae weighted", "vae weighted"]
    assert weighted(weighted=("vae",)) == ["vae weighted"]


def test_the_command_needs_a_folder(capsys):
    assert main(["study", str(SAMPLE)]) == 2
    assert "Missing option" in capsys.readouterr().err
