"""The search of settings: it goes on, tells what it tried, and writes what `compress` takes."""

from __future__ import annotations

import pytest

from hepbaler.autoencoders import TrainingSettings, train
from hepbaler.autoencoders.search import bits_of, search
from hepbaler.cli import main
from hepbaler.errors import InputError, ModelError
from hepbaler.tuning import largest_table

optuna = pytest.importorskip("optuna")
SETTINGS = TrainingSettings(steps=40, check_every=20, batch_rows=128)


def test_a_search_goes_on_where_it_stopped(jets, tmp_path):
    table, names, counts = jets
    where = {"model": "sae", "storage": tmp_path / "study.db", "n_latent": 4, "settings": SETTINGS, "counts": counts}
    first = search(table, names, trials=2, **where)
    again = search(table, names, trials=5, **where)
    assert again.trials[:2] == first.trials
    assert len(again.trials) == 5
    assert again.best.value == min(trial.value for trial in again.trials)
    assert again.config["widths"][0] == again.best.chosen["width"]
    assert again.training["learning_rate"] == again.best.chosen["learning_rate"]
    assert sum(again.importances.values()) == pytest.approx(1)
    with pytest.raises(ModelError, match="a search with other n_latent"):
        search(table, names, trials=5, **where | {"n_latent": 3})


def test_bits_count_latents_and_what_they_miss(jets):
    table, names, counts = jets
    bits = {}
    for steps in (5, 600):
        settings = TrainingSettings(steps=steps, check_every=200, batch_rows=256, learning_rate=5e-3)
        trained = train(table, names, model="sae", n_latent=5, counts=counts, settings=settings)
        bits[steps] = bits_of(trained, table, counts)
    assert 7 < bits[600] < bits[5] - 3


def test_the_number_of_latents_is_searched_for_bits(jets, tmp_path):
    table, names, counts = jets
    found = search(table, names, model="vae", storage=tmp_path / "a.db", trials=2, counts=counts, settings=SETTINGS)
    assert found.objective == "bits"
    assert found.n_latent == found.best.chosen["n_latent"]


def test_the_largest_table_is_taken(file):
    table = largest_table(file)
    floats = {"Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_chEn", "Jet_neEn", "Jet_muEn", "Jet_sum"}
    assert set(table.names) == floats
    assert len(table.values) == table.counts.sum()
    assert set(largest_table(file, "Jet_[pe]*").names) == {"Jet_pt", "Jet_eta", "Jet_phi"}
    with pytest.raises(InputError, match="no table of two or more floats"):
        largest_table(file, "MET_*")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--ratio", "2", "--latents", "3"], 2, "exclude each other"),
        (["--weight", "pt"], 2, "should look like"),
        (["--model", "sea"], 1, "no model 'sea'"),
        (["--keep", "nothing"], 1, "no table of two"),
    ],
)
def test_nonsense_is_refused(file, tmp_path, capsys, options, code, message):
    assert main(["tune", str(file), "-o", str(tmp_path / "x"), *options]) == code
    assert message in capsys.readouterr().err
