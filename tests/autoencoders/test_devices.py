"""On a device that is not the processor, nothing of a step is made on the processor.

No such device is needed: tensors of torch's device ``meta`` have a shape and no numbers, and do not mix with others.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepbaler.autoencoders import names, train
from hepbaler.autoencoders.family import Batch, Objective
from hepbaler.autoencoders.networks import RowPlaces
from hepbaler.autoencoders.registry import build, find_family
from hepbaler.autoencoders.settings import TrainingSettings
from hepbaler.errors import InputError
from hepbaler.models.columns import ColumnNets, Rounding
from hepbaler.models.encoder import Encoder
from hepbaler.training.loop import Sheet as ColumnSheet
from hepbaler.training.loop import column_bits, first_levels

DEVICE = "meta"
N_ROWS, N_FEATURES, N_LATENT = 12, 6, 3


@pytest.fixture
def draws(monkeypatch):
    """A generator of the device is not to be had without it: what is drawn there comes from torch's own."""
    for name in ("rand", "randn"):
        real = getattr(torch, name)

        def draw(*shape, real=real, generator=None, **options):
            return real(*shape, generator=None if "device" in options else generator, **options)

        monkeypatch.setattr(torch, name, draw)
    monkeypatch.setattr("hepbaler.autoencoders.wasserstein._draws", lambda latents, noise: noise)


def batch_on(device):
    places = RowPlaces(*(torch.zeros(N_ROWS, dtype=torch.int64, device=device) for _ in range(2)))
    return Batch(torch.ones(N_ROWS, N_FEATURES, device=device), places)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("name", names())
@pytest.mark.usefixtures("draws")
def test_a_step_stays_on_its_device(name, noise):
    model = build(name, n_features=N_FEATURES, n_latent=N_LATENT).to(DEVICE)
    batch, objective = batch_on(DEVICE), Objective(torch.ones(N_FEATURES, device=DEVICE))
    losses = [model.losses(batch, objective, torch.Generator() if noise else None)]
    if list(model.critic_parameters()):
        losses.append(model.critic_losses(batch, torch.Generator()))
    for parts in losses:
        assert {part.device.type for part in parts.values()} == {DEVICE}
        parts["total"].backward()
    assert {p.grad.device.type for p in model.parameters() if p.grad is not None} == {DEVICE}
    assert model.encode(batch.features, batch.places).device.type == DEVICE


@pytest.mark.parametrize("wrong", ["batch", "objective", "model"])
@pytest.mark.usefixtures("draws")
def test_devices_that_are_mixed_would_be_found(wrong):
    where = dict.fromkeys(("batch", "objective", "model"), DEVICE) | {wrong: "cpu"}
    model = build("sae", n_features=N_FEATURES, n_latent=N_LATENT).to(where["model"])
    objective = Objective(torch.ones(N_FEATURES, device=where["objective"]))
    with pytest.raises(RuntimeError, match="device"):
        model.losses(batch_on(where["batch"]), objective, None)


@pytest.mark.parametrize("n_latent", [0, 2])
def test_a_step_of_a_table_stays_on_its_device(n_latent):
    generator = torch.Generator().manual_seed(0)
    n_columns, n_parents, n_rows = 4, 3, 16
    nets = ColumnNets(n_columns, n_parents + n_latent + 1, 8, generator=generator).to(DEVICE)
    encoder = Encoder(n_columns, n_latent, 8, generator=generator).to(DEVICE) if n_latent else None
    wide, flat = (torch.ones(n, n_rows, device=DEVICE) for n in (n_columns + 1, n_columns))
    parents = torch.zeros(n_columns, n_parents, dtype=torch.int64, device=DEVICE)
    sheet = ColumnSheet(wide, flat, flat, flat, parents, torch.ones(n_columns, 1, device=DEVICE))
    uniform = torch.zeros(n_columns, 1, device=DEVICE, requires_grad=True)
    rows = torch.arange(n_rows, device=DEVICE)
    bits, latent_bits = column_bits(nets, encoder, uniform, sheet, rows, rounding=Rounding(), rounded=True)
    assert (bits.device.type, latent_bits.device.type) == (DEVICE, DEVICE)
    (bits.sum() + latent_bits.sum()).backward()
    assert {p.grad.device.type for p in nets.parameters() if p.grad is not None} == {DEVICE}
    assert first_levels(sheet).device.type == DEVICE


def test_float64_goes_where_there_is_float64(jets, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    table, columns, counts = jets
    short = {"steps": 2, "check_every": 1}
    assert find_family("baler").recipe.settings.dtype == "float64"
    with pytest.raises(InputError, match="mps has no float64; take float32, or --device cpu"):
        train(table, columns, model="baler", n_latent=3, counts=counts, settings=TrainingSettings(dtype="float64", device="mps", **short))  # fmt: skip
    done = train(table, columns, model="baler", n_latent=3, counts=counts, settings=TrainingSettings(dtype="float64", device="auto", **short))  # fmt: skip
    assert np.isfinite(done.history.checks[-1].validation["error"])
