"""From a float chain to whole numbers: what rounding adds is the share that was asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hepbaler.autoencoders.chain import Affine, Chain
from hepbaler.errors import InputError
from hepbaler.latent.freezing import freeze


def made(seed=1, window=1):
    """A decoder, latents, and the features that it gets not quite right."""
    rng = np.random.default_rng(seed)
    sizes = (4, 32, 6)
    layers = []
    for n_in, n_out in pairwise(sizes):
        last = n_out == sizes[-1]
        weight = rng.normal(0, n_in**-0.5, (window, n_in, n_out))
        layers.append(Affine(weight, rng.normal(0, 0.2, n_out), np.full(n_out, 1.0 if last else 0.01)))
    chain = Chain(tuple(layers))
    counts = rng.poisson(3, 400)
    latents = rng.normal(0, [1.0, 3.0, 0.01, 1.0], (int(counts.sum()), 4))
    features = chain.apply(latents, counts) + rng.normal(0, 0.05, (len(latents), 6))
    return chain, latents, features, counts


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("rounding", [0.05, 0.15, 0.5])
def test_rounding_adds_its_share(window, rounding):
    chain, latents, features, counts = made(window=window)
    frozen = freeze(chain, latents, features, counts, rounding=rounding)
    smooth = chain.apply(latents, counts)
    own = np.sqrt(np.mean((features - smooth) ** 2, axis=0))
    found = frozen.network.run(frozen.quantise(latents), counts)
    added = np.sqrt(np.mean(np.mean((found - smooth) ** 2, axis=0) / own**2))
    assert added == pytest.approx(frozen.added)
    assert 0.8 * rounding < added < 1.2 * rounding


def test_coarser_latents_take_fewer_integers():
    chain, latents, features, counts = made()
    spans = [np.ptp(freeze(chain, latents, features, counts, rounding=r).quantise(latents)) for r in (0.05, 0.5)]
    assert spans[0] > 5 * spans[1]


def test_a_latent_that_nothing_depends_on_is_dropped():
    chain, latents, _, counts = made()
    first = chain.layers[0]
    weight = first.weight.copy()
    weight[:, 1] = 0
    cut = Chain((Affine(weight, first.bias, first.negative_slope), *chain.layers[1:]))
    frozen = freeze(cut, latents, cut.apply(latents, counts) + 0.01, counts)
    assert np.ptp(frozen.quantise(latents), axis=0)[1] == 0


def test_a_share_of_nothing_is_refused():
    chain, latents, features, counts = made()
    with pytest.raises(InputError, match="rounding must be above 0"):
        freeze(chain, latents, features, counts, rounding=0.0)
