from __future__ import annotations

import numpy as np
import pytest

from hepbaler.coding.decoder import ACTIVATION_TOP, INPUT_TOP, IntegerLayer, IntegerNet, towards_hint
from hepbaler.errors import CorruptFile
from hepbaler.features.ranks import as_input

pytestmark = pytest.mark.usefixtures("either_loops")


def random_net(n_inputs: int, width: int, seed: int = 0) -> IntegerNet:
    rng = np.random.default_rng(seed)
    sizes = [(width, n_inputs), (width, width), (3, width)]
    layers = [
        IntegerLayer(rng.integers(-90, 91, shape), rng.integers(-20000, 20001, shape[0]), rng.integers(4, 8, shape[0]))
        for shape in sizes
    ]
    return IntegerNet((layers[0], layers[1], layers[2]))


def _by_python_integers(net: IntegerNet, rows: np.ndarray) -> list[tuple[int, int, int]]:
    """The arithmetic as `docs/format-coding.md` states it, one row at a time."""
    out = []
    for row in rows.tolist():
        values = [int(v) for v in row]
        for number, layer in enumerate(net.layers):
            sums = []
            for j in range(layer.bias.size):
                total = int(layer.bias[j]) + sum(int(w) * v for w, v in zip(layer.weight[j], values, strict=True))
                drop = int(layer.exponent[j]) + (10 if number == 0 else 8) - ((16, 3, 6)[j] if number == 2 else 8)
                if drop >= 1:
                    half = 0 if number == 2 and j == 0 else 1 << (drop - 1)
                    total = (total + half) >> drop
                else:
                    total <<= -drop
                sums.append(total)
            values = [min(max(v, 0), ACTIVATION_TOP) for v in sums] if number < 2 else sums
        location, level, gate = values
        out.append((min(max(location, 0), 65535) << 12, min(max(level, 0), 30), min(max(gate, 0), 64)))
    return out


def test_network_is_integer_arithmetic() -> None:
    net = random_net(7, 12)
    rows = np.random.default_rng(1).integers(-2048, 2048, (60, 7))
    location, level, gate = net.run([column.astype(np.float32) for column in rows.T], n_rows=60)
    assert list(zip(location.tolist(), level.tolist(), gate.tolist(), strict=True)) == _by_python_integers(net, rows)


@pytest.mark.parametrize("block", [1, 17, 1000, 4096])
def test_blocks_do_not_matter(block: int) -> None:
    net = random_net(9, 32, seed=4)
    rng = np.random.default_rng(2)
    inputs = [rng.integers(-2048, 2048, 3000).astype(np.float32) for _ in range(9)]
    whole = net.run(inputs, n_rows=3000)
    for mine, theirs in zip(net.run(inputs, n_rows=3000, block=block), whole, strict=True):
        assert np.array_equal(mine, theirs)


def test_networks_without_inputs_and_without_rows() -> None:
    net = random_net(0, 8)
    location, level, _ = net.run([], n_rows=5)
    assert np.unique(location).size == 1
    assert level.size == 5
    assert random_net(3, 8).run([np.zeros(0, np.float32)] * 3, n_rows=0)[0].size == 0


def test_weights_that_could_leave_the_exact_range_are_refused() -> None:
    big = IntegerLayer(np.full((8, 50), 127), np.zeros(8, np.int64), np.zeros(8, np.int64))
    rest = random_net(50, 8).layers[1:]
    net = IntegerNet((big, *rest))
    with pytest.raises(CorruptFile, match="below 2\\^24"):
        net.run([np.zeros(3, np.float32)] * 50, n_rows=3)
    assert 127 * 50 * INPUT_TOP > 1 << 24
    with pytest.raises(CorruptFile, match="do not fit"):
        IntegerNet((random_net(3, 8).layers[0], random_net(3, 9).layers[1], random_net(3, 8).layers[2]))


def test_inputs_and_hints() -> None:
    assert as_input(np.array([0, (1 << 28) - 1, 1 << 27])).tolist() == [-2048, 2047, 0]
    location, hint = np.array([1000, 1000, 1000]), np.array([5000, 5000, 5000])
    assert towards_hint(location, np.array([0, 64, 32]), hint).tolist() == [1000, 5000, 3000]
