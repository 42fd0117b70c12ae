"""Latent mode from the command line: interrupted and resumed, timed, and with settings that a search found."""

from __future__ import annotations

import json

import pytest

import hepbaler
from hepbaler.cli import main

SMALL = ["--mode", "latent", "--latents", "5", "--rounding", "0.5", "--keep", "Jet_*", "-q"]


@pytest.fixture
def run(capsys):
    def run_command(*args, code=0):
        assert main([str(arg) for arg in args]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return run_command


def settings_of(path):
    with hepbaler.open(path) as archive:
        return archive.info()["settings"]["latent"]


@pytest.mark.slow
def test_an_interrupted_training_goes_on_to_the_same_bytes(jets_file, tmp_path, run, monkeypatch):
    from hepbaler.autoencoders import checkpoints

    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"model": "sae", "config": {"widths": [16]}, "training": {"check_every": 40}}))
    options = [*SMALL, "--config", recipe, "--train-steps", "120", "--seed", "4"]
    whole, target, kept = tmp_path / "whole.hbal", tmp_path / "resumed.hbal", tmp_path / "kept"
    run("compress", jets_file, "-o", whole, *options)
    save, steps = checkpoints.Checkpoint.save, []

    def save_and_stop(self, path):
        save(self, path)
        steps.append(self.step)
        if len(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Checkpoint, "save", save_and_stop)
    run("compress", jets_file, "-o", target, *options, "--resume", kept, code=130)
    assert not target.exists()
    assert 0 < steps[-1] < 120
    assert len(list(kept.iterdir())) == 1
    first = len(steps)
    run("compress", jets_file, "-o", target, *options, "--resume", kept)
    # It went on, and did not begin again.
    assert steps[first] > steps[first - 1]
    assert target.read_bytes() == whole.read_bytes()


def test_a_checkpoint_of_another_training_is_refused(jets_file, tmp_path, run, capsys):
    options = [
        "compress",
        jets_file,
        "-o",
        tmp_path / "x.hbal",
        *SMALL,
        "--model",
        "sae",
        "--resume",
        tmp_path / "kept",
    ]
    run(*options, "--train-steps", "20")
    before = (tmp_path / "x.hbal").read_bytes()
    assert main([str(arg) for arg in (*options, "--train-steps", "20", "--seed", "9", "-f")]) == 1
    assert "another training" in capsys.readouterr().err
    assert (tmp_path / "x.hbal").read_bytes() == before


def test_train_time_chooses_the_steps(jets_file, tmp_path, run, monkeypatch):
    from hepbaler import autoencoders

    train, steps = autoencoders.train, []

    def remember(*args, settings, **more):
        steps.append(settings.steps)
        return train(*args, settings=settings, **more)

    monkeypatch.setattr(autoencoders, "train", remember)
    monkeypatch.setattr("hepbaler.autoencoding._seconds_a_step", lambda *_: 0.01)
    run("compress", jets_file, "-o", tmp_path / "x.hbal", *SMALL, "--model", "sae", "--train-time", "2")
    assert steps == [200]


@pytest.mark.slow
def test_what_a_search_finds_is_what_compress_takes(jets_file, tmp_path, run):
    pytest.importorskip("optuna")
    folder, target = tmp_path / "search", tmp_path / "x.hbal"
    search = ["tune", jets_file, "-o", folder, "--model", "swae", "--latents", "5", "--train-steps", "20", "--weight", "Jet_mass=4",
              "--keep", "Jet_*"]  # fmt: skip
    assert "2 trials" in run(*search, "--trials", "2")
    assert {path.name for path in folder.iterdir()} >= {"study.db", "best.json", "trials.json", "trials.png"}
    assert json.loads(run(*search, "--trials", "3", "--json"))["trials"] == 3
    best = json.loads((folder / "best.json").read_text())
    assert set(best["training"]) == {"learning_rate", "batch_rows"}
    run("compress", jets_file, "-o", target, "--mode", "latent", "--config", folder / "best.json", "--rounding", "0.5",
        "--train-steps", "30", "--keep", "Jet_*", "-q")  # fmt: skip
    told = settings_of(target)
    assert told["config"] == best["config"]
    assert told["training"] == best["training"]
    assert (told["model"], told["latents"], told["weights"], told["rounding"]) == ("swae", 5, {"Jet_mass": 4.0}, 0.5)
