"""Pages of latents and of columns, there and back, and damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.coding import plain
from hepbaler.errors import CorruptFile
from hepbaler.latent.pages import column_page, column_values, latents_from_page, latents_to_page


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**24 - 1), st.integers(0, 1000))
def test_latents_come_back(n_rows, n_latent, most, seed):
    latents = np.random.default_rng(seed).integers(-most, most + 1, (n_rows, n_latent))
    page = latents_to_page(latents, [plain.ALL_CODECS] * n_latent)
    assert np.array_equal(latents_from_page(page, n_rows, n_latent), latents)
    for damaged in (page[:-1], page + b"\0", b""):
        with pytest.raises(CorruptFile):
            latents_from_page(damaged, n_rows, n_latent)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_not_finite_comes_back_bit_for_bit(dtype):
    original = np.array([1.5, np.nan, -np.inf, np.inf, -2.0, 7.0], dtype)
    odd = original.view(f"u{original.itemsize}").copy()
    odd[1] |= 1  # a payload
    original = odd.view(dtype)
    decoded = np.array([1.25, 0.0, 0.0, 0.0, -2.5, 1e300])
    page, values, n = column_page(original, decoded)
    # float64 holds 1e300; the others would make it infinite, so the value itself is kept.
    assert n == (3 if dtype == "float64" else 4)
    back = column_values(page, decoded, original.dtype, "x")
    assert back.tobytes() == values.tobytes()
    assert back[1:4].tobytes() == original[1:4].tobytes()
    assert (back[0], back[4]) == (1.25, -2.5)
    assert back[5] == (1e300 if dtype == "float64" else 7.0)


def test_a_machine_that_computes_otherwise_finds_out():
    original = np.linspace(0, 1, 9, dtype=np.float32)
    decoded = original.astype(np.float64) + 0.25
    page, _, _ = column_page(original, decoded)
    decoded[3] = np.nextafter(np.float32(decoded[3]), np.float32(2))
    with pytest.raises(CorruptFile, match="column 'x' decodes to values with the digest"):
        column_values(page, decoded, original.dtype, "x")
