"""`compress --mode latent`: options that do not go together, and what is printed."""

from __future__ import annotations

import json

import pytest

from hepbaler.cli import main


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--ratio", "1.6"], "--ratio belongs to latent mode: add --mode latent"),
        (["--resume", "x"], "--resume belongs to latent mode"),
        (["--model", "swae"], "there is no model file swae; if it names an autoencoder, add --mode latent"),
        (["--mode", "latent", "--model", "a.hbmodel"], "--model takes the name of an autoencoder, not the file"),
        (["--mode", "latent", "--ratio", "2", "--latents", "3"], "--ratio and --latents exclude each other"),
        (["--mode", "latent", "--weight", "Jet_pt"], "should look like 'Jet_mass=10'"),
        (["--mode", "latent", "--train-steps", "3", "--train-time", "3"], "exclude each other"),
    ],
)
def test_wrong_usage(args, message, nano_file, capsys):
    assert main(["compress", str(nano_file), *args]) == 2
    assert message in capsys.readouterr().err


def test_a_file_of_settings(nano_file, tmp_path, capsys):
    path = tmp_path / "best.json"
    path.write_text("[]")
    assert main(["compress", str(nano_file), "--mode", "latent", "--config", str(path)]) == 2
    assert "names no model" in capsys.readouterr().err
    path.write_text(json.dumps({"model": "swae"}))
    assert main(["compress", str(nano_file), "--mode", "latent", "--config", str(path), "--model", "vae"]) == 2
    assert "which is for swae, exclude each other" in capsys.readouterr().err


def test_an_unknown_autoencoder_is_one_line(nano_file, tmp_path, capsys):
    assert main(["compress", str(nano_file), "-o", str(tmp_path / "x"), "--mode", "latent", "--model", "swea"]) == 1
    err = capsys.readouterr().err
    assert "there is no model 'swea'; there are sae" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
