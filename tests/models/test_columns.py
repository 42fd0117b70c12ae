from __future__ import annotations

import numpy as np
import torch

from hepbaler.models.columns import ColumnNets, Rounding, clamp_inward, quantise_layer
from hepbaler.models.encoder import LATENT_TOP, Encoder
from hepbaler.training.freeze import freeze_net


def _nets(n_columns: int = 3, n_inputs: int = 6, width: int = 16) -> ColumnNets:
    nets = ColumnNets(n_columns, n_inputs, width, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        nets.w3 *= 8
    return nets


def test_rounded_training_is_the_integer_decoder() -> None:
    nets, rounding = _nets(), Rounding()
    rows = np.random.default_rng(0).integers(-2048, 2048, (3, 6, 500))
    inputs = torch.tensor(rows / 1024, dtype=torch.float32)
    with torch.no_grad():
        location, level, gate = nets(inputs, rounding=rounding, rounded=True)
    for column in range(3):
        frozen = freeze_net(nets, column, list(range(6)), rounding)
        whole = frozen.run([row.astype(np.float32) for row in rows[column]], n_rows=500)
        # Training holds whole numbers as fractions: ties and the last digit may fall the other way.
        away = np.abs(whole[0] / 2**28 - location[column].numpy())
        assert away.max() < 0.01
        assert away.mean() < 3e-4
        assert np.mean(whole[1] == level[column].numpy()) > 0.97
        assert np.abs(whole[2] / 64 - gate[column].numpy()).max() <= 1 / 64


def test_weights_are_as_fine_as_exact_sums_allow() -> None:
    rounding = Rounding()
    weight = torch.randn(2, 8, 20, generator=torch.Generator().manual_seed(0))
    weight[0, 0] *= 1000
    bias = torch.randn(2, 8, 1, generator=torch.Generator().manual_seed(1))
    whole, whole_bias, exponent = quantise_layer(
        weight, bias, incoming_bits=10, top=rounding.input_top, rounding=rounding
    )
    sums = whole.abs().sum(dim=2) * rounding.input_top + whole_bias[..., 0].abs()
    assert float(sums.max()) < 2**24
    assert float(whole.abs().max()) <= 127
    assert torch.all((whole * torch.exp2(-exponent) - weight).abs() <= 0.5 * torch.exp2(-exponent) + 1e-6)


def test_gradients_lead_back_into_the_range() -> None:
    values = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    clamp_inward(values, 0.0, 1.0).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0]


def test_latents_are_whole_and_cost_what_their_prior_says() -> None:
    encoder = Encoder(4, 2, 8, generator=torch.Generator().manual_seed(0))
    latents = encoder(torch.randn(300, 4) * 100)
    assert torch.equal(latents, latents.round())
    assert float(latents.detach().abs().max()) <= LATENT_TOP
    with torch.no_grad():
        encoder.log_scale.zero_()
    every = torch.arange(-LATENT_TOP, LATENT_TOP + 1.0)[:, None].expand(-1, 2)
    one = encoder.bits(every).detach() / 2
    assert float(torch.exp2(-one).sum()) < 1.0 + 1e-4
    assert float(torch.exp2(-one).sum()) > 0.99
