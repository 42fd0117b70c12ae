"""Training: what it learns, that it repeats itself, and that it goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hepbaler.autoencoders import TrainedAutoencoder, TrainingSettings, build, names, register, train
from hepbaler.autoencoders.batches import Rounds, Sheet, split_events
from hepbaler.autoencoders.family import Autoencoder
from hepbaler.autoencoders.history import History
from hepbaler.autoencoders.networks import Layout, RowNetwork
from hepbaler.autoencoders.registry import config_of
from hepbaler.errors import InputError, ModelError

QUICK = TrainingSettings(steps=60, batch_rows=128, check_every=20, warm_up=10)
SMALL = {"widths": (16, 8)}


def run(jets, model="sae", **options):
    table, columns, counts = jets
    options = {"n_latent": 4, "counts": counts, "settings": QUICK, "config": SMALL} | options
    return train(table, columns, model=model, **options)


def bits_of(trained):
    return [part.tobytes() for layer in trained.chain().layers for part in (layer.weight, layer.bias)]


@pytest.mark.parametrize("name", names())
def test_every_family_learns_and_decodes_without_torch(name, jets):
    table, _, counts = jets
    trained = run(jets, name, n_latent=5)
    errors = [check.validation["error"] for check in trained.history.checks]
    assert errors[-1] < errors[0] < 5
    assert all("total" in check.training for check in trained.history.checks)
    latents = trained.encode(table, counts)
    assert latents.shape == (len(table), 5)
    np.testing.assert_allclose(trained.latent_spread, latents.std(axis=0), rtol=0.3, atol=0.05)
    # The chain in float64 against the network in its own dtype.
    features = trained.plan.apply(table)
    spread = (trained.chain().apply(latents, counts) - features).std(axis=0)
    assert np.sqrt((spread**2).mean()) < 1.0
    back = trained.decode(latents, counts)
    assert back.shape == table.shape
    assert np.all(np.isfinite(back))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chain_and_network_decode_alike(name, dtype, jets):
    table = jets[0]
    trained = run(jets, name, settings=replace(QUICK, steps=3, dtype=dtype), n_latent=1)
    assert {p.dtype for p in trained.model.parameters()} == {getattr(torch, dtype)}
    latents = trained.encode(table[:50], np.array([20, 30]))
    by_chain = trained.chain().apply(latents, np.array([20, 30]))
    from hepbaler.autoencoders.chain import Neighbours
    from hepbaler.autoencoders.networks import RowPlaces

    places = Neighbours.of(np.array([20, 30]), 50)
    where = RowPlaces(torch.from_numpy(places.position), torch.from_numpy(places.length))
    with torch.no_grad():
        by_network = trained.model.decode(torch.from_numpy(latents).to(getattr(torch, dtype)), where)
    np.testing.assert_allclose(by_chain, by_network.double().numpy(), atol=1e-4 if dtype == "float32" else 1e-10)


def test_a_model_overfits_a_few_rows(jets):
    table, columns, _ = jets
    settings = TrainingSettings(steps=1500, batch_rows=64, check_every=100, patience=0, held_out=0.5)
    few = np.tile(table[:32], (4, 1))
    trained = train(
        few, columns, model="sae", n_latent=6, settings=settings, config={"widths": (64, 32), "sparsity": 0}
    )
    assert trained.history.checks[-1].training["error"] < 5e-3


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_model(name, jets):
    settings = replace(QUICK, steps=5)
    assert bits_of(run(jets, name, settings=settings)) == bits_of(run(jets, name, settings=settings))
    assert bits_of(run(jets, name, settings=settings)) != bits_of(run(jets, name, settings=replace(settings, seed=1)))


@pytest.mark.parametrize("name", names())
def test_an_interrupted_training_ends_as_the_other_one(name, jets, tmp_path):
    whole = run(jets, name)

    class Stop(Exception):
        pass

    def stop(step, *_):
        if step == 50:
            raise Stop

    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Stop):
        run(jets, name, progress=stop, checkpoint=checkpoint)
    again = run(jets, name, resume_from=checkpoint)
    assert bits_of(again) == bits_of(whole)
    assert again.history.checks == whole.history.checks
    np.testing.assert_array_equal(again.latent_spread, whole.latent_spread)


def test_a_checkpoint_goes_on_with_its_own_training_only(jets, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    run(jets, checkpoint=checkpoint)
    with pytest.raises(ModelError, match="belongs to another training: its n_latent differ"):
        run(jets, n_latent=3, resume_from=checkpoint)
    with pytest.raises(ModelError, match="its settings, plan differ"):
        run(jets, settings=replace(QUICK, seed=3), resume_from=checkpoint)
    with pytest.raises(InputError, match="no checkpoint"):
        run(jets, resume_from=tmp_path / "nothing.pt")
    checkpoint.write_bytes(b"something else")
    with pytest.raises(ModelError, match="is no checkpoint"):
        run(jets, resume_from=checkpoint)


def test_training_ends_early_and_keeps_the_best(jets):
    settings = replace(QUICK, steps=400, check_every=10, patience=2, learning_rate=3.0, clip=0)
    trained = run(jets, settings=settings)
    history = trained.history
    assert history.stopped_early
    assert history.checks[-1].step == history.best_step + 20
    best = min(history.checks, key=lambda check: check.validation["error"])
    assert best.step == history.best_step


def test_weights_say_what_matters(jets):
    table, columns, counts = jets
    column = columns.index("Jet_mass")
    settings = replace(QUICK, steps=300)
    errors = []
    for weight in (0.01, 100.0):
        trained = run(jets, n_latent=2, settings=settings, weights={"*_mass": weight})
        back = trained.decode(trained.encode(table, counts), counts)
        errors.append(np.sqrt(((back - table)[:, column] ** 2).mean()))
    assert errors[1] < 0.3 * errors[0]


def test_progress_tells_the_parts(jets):
    told = []
    run(jets, progress=lambda done, total, parts: told.append((done, total, set(parts))))
    assert told == [(50, 60, {"error", "sparsity", "total"}), (60, 60, {"error", "sparsity", "total"})]


def test_a_file_holds_all_of_it(jets, tmp_path):
    table, _, counts = jets
    trained = run(jets, "sae-bn")
    path = tmp_path / "jets.npz"
    trained.save(path)
    again = TrainedAutoencoder.load(path)
    np.testing.assert_array_equal(again.encode(table, counts), trained.encode(table, counts))
    assert bits_of(again) == bits_of(trained)
    assert (again.plan, again.settings, again.config) == (trained.plan, trained.settings, trained.config)
    assert History.from_dict(json.loads(again.history.to_json())) == trained.history
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="holds no trained autoencoder"):
        TrainedAutoencoder.load(path)
    with pytest.raises(InputError, match="no file"):
        TrainedAutoencoder.load(tmp_path / "nothing.npz")


def test_events_are_not_torn_apart():
    counts = np.array([3, 0, 2, 5, 1, 4] * 20)
    training, held = split_events(counts, held_out=0.2, max_rows=10_000, seed=0)
    assert sorted([*training, *held]) == np.flatnonzero(counts).tolist()
    assert len(held) == 20
    few, _ = split_events(counts, held_out=0.2, max_rows=50, seed=0)
    assert counts[few].sum() <= 50
    with pytest.raises(InputError, match="at least two events"):
        split_events(np.array([0, 7]), held_out=0.1, max_rows=9, seed=0)


@pytest.mark.parametrize("neighbours", [False, True])
def test_a_round_goes_through_all_rows(neighbours):
    counts = np.array([3, 2, 5, 1, 4] * 20)
    sheet = Sheet(torch.arange(300.0)[:, None], counts)
    rounds = Rounds(sheet, 50, neighbours=neighbours, seed=4)
    drawn = [rounds.draw() for _ in range(6)]
    assert sorted(torch.cat([batch.features for batch in drawn])[:, 0].tolist()) == list(range(300))
    assert all(abs(len(batch.features) - 50) <= 5 for batch in drawn)
    if neighbours:
        for batch in drawn:
            ends = torch.cumsum(torch.bincount(torch.cumsum((batch.places.position == 0).long(), 0))[1:], 0)
            assert torch.all(batch.places.position[ends - 1] == batch.places.length[ends - 1] - 1)
    assert rounds.draw().features[0, 0] != drawn[0].features[0, 0] or rounds.round == 1


def test_one_column_one_latent():
    values = np.random.default_rng(0).gamma(2, 10, (400, 1))
    trained = train(values, ["x"], model="sae", n_latent=1, settings=QUICK, config=SMALL)
    assert np.abs(trained.decode(trained.encode(values)) - values).mean() < 3


@dataclass(frozen=True)
class NarrowConfig:
    width: int = 12


def test_a_model_of_ones_own(jets):
    @register("narrow", NarrowConfig())
    def narrow(n_features, n_latent, config, generator):
        down = Layout(n_features, n_latent, (config.width,))
        return Autoencoder(RowNetwork(down, generator), RowNetwork(down.mirrored(), generator))

    assert "narrow" in names()
    trained = run(jets, "narrow", config={"width": 9})
    assert trained.config == {"width": 9}
    assert trained.chain().layers[0].n_out == 9 + 4  # and the latents beside it
    with pytest.raises(InputError, match="a model 'narrow' already"):
        register("narrow", NarrowConfig())(narrow)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: build("sea", n_features=3, n_latent=2), ModelError, "no model 'sea'; there are sae, sae-bn"),
        (lambda: build("sae", n_features=0, n_latent=2), ModelError, "at least one feature"),
        (lambda: build("sae", n_features=3, n_latent=2, dtype="float16"), ModelError, "float32 or float64"),
        (lambda: build("sae", n_features=3, n_latent=2, width=3), ModelError, "no setting 'width'; it has"),
        (lambda: config_of("sae", {"wide": 1}), ModelError, "no setting 'wide'"),
        (lambda: register("Big", NarrowConfig()), InputError, "lower case"),
        (lambda: register("big", NarrowConfig), InputError, "instance of a dataclass"),
        (lambda: TrainingSettings(steps=0), ModelError, "steps of at least 1"),
        (lambda: TrainingSettings(learning_rate=0), ModelError, "positive learning rate"),
        (lambda: TrainingSettings(schedule="linear"), ModelError, "no schedule 'linear'"),
        (lambda: TrainingSettings(patience=-1), ModelError, "patience of at least 0"),
        (lambda: TrainingSettings.from_dict({"step": 1}), ModelError, "no setting 'step'"),
        (lambda: train(np.ones((9, 2)), ["a"], model="sae", n_latent=1), InputError, r"shape \(n_rows, 1\)"),
        (lambda: train(np.ones((9, 1)), ["a"], model="sae", n_latent=1), InputError, "all of the 1 columns"),
        (
            lambda: train(np.ones((9, 1)), ["a"], model="sae", n_latent=1, counts=np.array([4, 4])),
            InputError,
            "add up to 8 rows, not to 9",
        ),
    ],
)
def test_nonsense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_settings_are_plain_data():
    settings = TrainingSettings(steps=7, schedule="constant")
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
