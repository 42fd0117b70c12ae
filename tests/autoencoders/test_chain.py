"""A decoder in numpy gives what the torch network gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepbaler.autoencoders.chain import Affine, Chain, Neighbours
from hepbaler.autoencoders.networks import Layout, RowNetwork, RowPlaces
from hepbaler.errors import InputError


def affine(n_in, n_out, window=1, seed=0):
    rng = np.random.default_rng(seed)
    return Affine(rng.normal(size=(window, n_in, n_out)), rng.normal(size=n_out), np.full(n_out, 0.25))


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("widths", [(), (7,), (6, 5, 4)])
def test_network_and_chain_agree(window, skip, norm, widths):
    generator = torch.Generator().manual_seed(3)
    layout = Layout(4, 3, widths, norm=norm, dropout=(0.5,), window=window, skip=skip)
    network = RowNetwork(layout, generator).double()
    counts = np.array([3, 0, 1, 5, 2])
    places = Neighbours.of(counts, 11)
    inputs = torch.randn(11, 4, generator=generator, dtype=torch.float64)
    where = RowPlaces(torch.from_numpy(places.position), torch.from_numpy(places.length))
    for _ in range(5):  # statistics of the norms move away from where they begin
        network(inputs * 2 + 1, where, generator)
    network.eval()
    with torch.no_grad():
        expected = network(inputs, where).values.numpy()
    np.testing.assert_allclose(Chain(network.affines()).apply(inputs.numpy(), counts), expected, atol=1e-12)


def test_rows_see_no_other_event():
    chain = Chain((affine(2, 2, window=3),))
    rows = np.arange(12.0).reshape(6, 2)
    together = chain.apply(rows, np.array([2, 4]))
    np.testing.assert_array_equal(together[:2], chain.apply(rows[:2], np.array([2])))
    np.testing.assert_array_equal(together[2:], chain.apply(rows[2:], np.array([4])))
    assert not np.allclose(together, chain.apply(rows, np.array([6])))


def test_neighbours_are_previous_self_and_next():
    weight = np.array([100.0, 10.0, 1.0]).reshape(3, 1, 1)
    layer = Affine(weight, np.zeros(1), np.ones(1))
    found = Chain((layer,)).apply(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3, 1]))
    assert found[:, 0].tolist() == [12.0, 123.0, 230.0, 40.0]


def test_many_rows_are_the_same_rows():
    chain = Chain((affine(3, 8), affine(8, 2)))
    rows = np.random.default_rng(1).normal(size=(40_000, 3))
    np.testing.assert_allclose(chain.apply(rows)[30_000:30_005], chain.apply(rows[30_000:30_005]), rtol=1e-12)
    assert chain.apply(rows[:0]).shape == (0, 2)


def test_plain_data_and_back():
    chain = Chain((affine(3, 8, window=3), affine(8, 2)))
    again = Chain.from_dict(chain.to_dict())
    rows = np.random.default_rng(1).normal(size=(9, 3))
    np.testing.assert_array_equal(again.apply(rows, np.array([4, 5])), chain.apply(rows, np.array([4, 5])))
    assert (again.n_in, again.n_out, again.is_rowwise) == (3, 2, False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Affine(np.ones((2, 1, 1)), np.ones(1), np.ones(1)), "do not fit"),
        (lambda: Affine(np.ones((1, 1, 2)), np.ones(1), np.ones(1)), "do not fit"),
        (lambda: Affine(np.full((1, 1, 1), np.nan), np.ones(1), np.ones(1)), "not finite"),
        (lambda: Chain((affine(2, 3), affine(2, 3))), "do not make a chain"),
        (lambda: Chain(()), "do not make a chain"),
        (lambda: Chain.from_dict({}), "no list of layers"),
        (lambda: Chain.from_dict({"layers": [{"weight": "x"}]}), "no layer"),
        (lambda: Chain((affine(2, 3),)).apply(np.ones((4, 3))), "takes 2 latents"),
        (lambda: Chain((affine(2, 3),)).apply(np.ones((4, 2)), np.array([1, 2])), "add up to 3 rows, not to 4"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
