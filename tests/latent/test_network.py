"""The exact network: the same bits whatever the order of its sums, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.errors import CorruptFile
from hepbaler.latent.network import EXACT, TOP, ExactLayer, ExactNetwork


def layer(weight, bias=None, shift=0, slope=None):
    weight = np.asarray(weight, np.int64)
    n_out = weight.shape[1]
    return ExactLayer(
        weight,
        np.zeros(n_out, np.int64) if bias is None else np.asarray(bias, np.int64),
        shift,
        np.ones(n_out) if slope is None else np.asarray(slope, np.float64),
    )


def random_network(rng, sizes, window=1):
    layers = []
    for n_in, n_out in pairwise(sizes):
        slope = np.where(rng.random(n_out) < 0.3, 1.0, 0.01)
        weight = rng.integers(-(2**14), 2**14, (window, n_out, n_in))
        layers.append(layer(weight, rng.integers(-(2**30), 2**30, n_out), 15, slope))
    return ExactNetwork(tuple(layers))


def by_hand(network, latents, counts):
    """One row at a time, in fractions where sums are meant to be exact."""
    ends = np.cumsum(counts)
    lists = [list(range(end - n, end)) for end, n in zip(ends, counts, strict=True)]
    rows = [[int(v) for v in row] for row in latents]
    for number, one in enumerate(network.layers):
        out = []
        for i in range(len(rows)):
            mine = next(rows_ for rows_ in lists if i in rows_)
            values = []
            for k in range(one.n_out):
                total = Fraction(int(one.bias[k]))
                for w in range(one.window):
                    j = i + w - one.window // 2
                    if j in mine:
                        total += sum(Fraction(int(a)) * b for a, b in zip(one.weight[w, k], rows[j], strict=True))
                value = float(total)
                assert Fraction(value) == total
                if value < 0:
                    value *= float(one.slope[k])
                value *= 2.0**-one.shift
                if number < len(network.layers) - 1:
                    value = max(-TOP, min(TOP, round(value)))
                values.append(value)
            out.append(values)
        rows = out
    return np.array(rows)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=5), st.sampled_from([1, 3, 5]))
def test_it_computes_what_the_format_says(seed, counts, window):
    rng = np.random.default_rng(seed)
    network = random_network(rng, (3, 5, 4), window)
    latents = rng.integers(-4000, 4000, (sum(counts), 3))
    found = network.run(latents, np.array(counts))
    if len(latents):
        assert np.array_equal(found, by_hand(network, latents, counts))
    else:
        assert found.shape == (0, 4)


@pytest.mark.parametrize("window", [1, 3])
def test_blocks_change_nothing(window):
    rng = np.random.default_rng(3)
    network = random_network(rng, (4, 20, 6), window)
    counts = rng.poisson(3, 200)
    latents = rng.integers(-500, 500, (int(counts.sum()), 4))
    whole = network.run(latents, counts)
    for block in (1, 7, 100):
        assert np.array_equal(network.run(latents, counts, block=block), whole)


def test_neighbours_of_another_event_are_not_seen():
    weight = np.zeros((3, 1, 1), np.int64)
    weight[0] = weight[2] = 1
    network = ExactNetwork((layer(weight),))
    latents = np.array([[1], [10], [100], [1000]])
    assert network.run(latents, np.array([2, 0, 2])).ravel().tolist() == [10, 1, 1000, 100]
    assert network.run(latents, None).ravel().tolist() == [0, 0, 0, 0]


SCRIPT = """
import hashlib, sys
import numpy as np
sys.path.insert(0, {folder!r})
from test_network import random_network
rng = np.random.default_rng(7)
network = random_network(rng, (10, 64, 48, 16))
out = network.run(rng.integers(-3000, 3000, (6000, 10)), None, block={block})
sys.stdout.write(hashlib.sha256(out.astype("<f8").tobytes()).hexdigest())
"""


def _digest(block=8192, **environment):
    script = SCRIPT.format(folder=os.path.dirname(__file__), block=block)  # noqa: PTH120
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert len(done.stdout) == hashlib.sha256().digest_size * 2
    return done.stdout


@pytest.mark.slow
def test_bits_do_not_depend_on_kernels_threads_or_blocks():
    expected = _digest(OPENBLAS_NUM_THREADS="1")
    assert _digest(block=97, OPENBLAS_NUM_THREADS="2") == expected
    if platform.machine().lower() in ("x86_64", "amd64"):
        for kernel in ("Nehalem", "Haswell"):
            assert _digest(OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS="1") == expected, kernel


def test_what_is_not_exact_is_refused():
    most = EXACT // TOP
    ExactNetwork((layer([[[most]]]),))
    with pytest.raises(CorruptFile, match="only below 2\\^53"):
        ExactNetwork((layer([[[most + 1]]]),))


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (lambda: ExactNetwork(()), "no layers"),
        (lambda: ExactNetwork((layer(np.ones((1, 2, 3))), layer(np.ones((1, 2, 3))))), "do not fit"),
        (lambda: ExactNetwork((layer(np.ones((2, 1, 1))),)), "window of 2"),
        (lambda: ExactNetwork((layer(np.ones((1, 1, 1)), shift=-1),)), "shift of -1"),
        (lambda: ExactNetwork((layer(np.ones((1, 1, 1)), slope=[np.nan]),)), "slope"),
        (lambda: ExactNetwork((layer(np.ones((1, 1, 1))),)).run(np.array([[TOP + 1]])), "larger than"),
        (lambda: ExactNetwork((layer(np.ones((3, 1, 1))),)).run(np.array([[1]]), np.array([2])), "lists of 2 rows"),
    ],
)
def test_nonsense_is_refused(bad, match):
    with pytest.raises(CorruptFile, match=match):
        bad()
