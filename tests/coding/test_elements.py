from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.coding import blocks, plain
from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.coding.elements import MAX_ELEMENTS, ElementsCoder, elements_of
from hepbaler.coding.learned import LATENT_TOP, LearnedCoder, LearnedColumn
from hepbaler.coding.learned_bytes import coder_from_bytes, coder_to_bytes
from hepbaler.coding.pages import join_parts, split_parts
from hepbaler.errors import ColumnNotFound, CorruptFile, FormatError, ModelError
from hepbaler.features.hints import LinearHint, Term
from hepbaler.features.ranks import fit_ranks

pytestmark = pytest.mark.usefixtures("either_loops")

SIZE = 5
TO_VALUES = {"weight": lambda q: q * 0.25}


def column(n_rows: int, seed: int) -> np.ndarray:
    """Lists of five, of which each place tells about the others."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 200, n_rows // SIZE + 1)
    lists = common[:, None] * np.arange(1, SIZE + 1) + rng.normal(0, 3, (common.size, SIZE))
    return lists.round().astype(np.int64).ravel()[:n_rows]


def coder() -> ElementsCoder:
    """Codes the last two places; sees the first two; the third is neither."""
    places = elements_of(column(5000, 99), SIZE)
    rng = np.random.default_rng(1)

    def net(n_inputs: int) -> IntegerNet:
        shapes = [(6, n_inputs), (6, 6), (3, 6)]
        layers = [
            IntegerLayer(rng.integers(-60, 61, shape), rng.integers(-900, 901, shape[0]), rng.integers(3, 8, shape[0]))
            for shape in shapes
        ]
        return IntegerNet((layers[0], layers[1], layers[2]))

    ranks = {name: fit_ranks(values, max_bins=60) for name, values in places.items()}
    hint = LinearHint((Term("value", (1,)), Term("value", (2,))), (1.0, 0.5), 0.25)
    columns = (
        LearnedColumn("3", ranks["3"], (0, 1), 5, net(2)),
        LearnedColumn("4", ranks["4"], (2,), 5, net(2), hint),
    )
    return ElementsCoder("weight", SIZE, LearnedCoder(("0", "1"), (ranks["0"], ranks["1"]), columns))


@given(st.integers(0, 2**31), st.integers(0, 900), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_lists_come_back(seed: int, n_rows: int, n_blocks: int) -> None:
    values = column(n_rows, seed)
    if n_rows:
        # Never seen in training, and in no whole list perhaps.
        values[np.random.default_rng(seed).integers(0, n_rows)] = -(2**61)
    made = coder()
    made = replace(made, places=replace(made.places, blocks=n_blocks))
    again = coder_from_bytes(coder_to_bytes(made))
    assert isinstance(again, ElementsCoder)
    assert (again.key, again.size, again.names, again.inputs) == ("weight", SIZE, ("weight",), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LEAST_ROWS", 30)
        pages = made.encode({"weight": values}, to_values=TO_VALUES)
        back = again.decode(pages, {}, n_rows, to_values=TO_VALUES)
    assert np.array_equal(back["weight"], values)


def test_a_page_has_a_part_for_each_place() -> None:
    values = column(53, 3)
    page = coder().encode({"weight": values}, to_values=TO_VALUES)["weight"]
    parts = split_parts(page, SIZE + 1)
    assert np.array_equal(plain.decode(parts[2], 10), values[2:50:5])
    assert np.array_equal(plain.decode(parts[-1], 3), values[50:])


def test_its_column_needs_nothing_else() -> None:
    made = coder()
    assert made.needed(["weight"]) == (("weight",), ())
    assert made.valued == ("weight",)
    with pytest.raises(ColumnNotFound, match="'other' is not coded"):
        made.needed(["other"])
    with pytest.raises(ModelError, match="codes column 'weight'"):
        made.encode({"other": column(10, 0)})
    with pytest.raises(CorruptFile, match="without its page"):
        made.decode({}, {}, 10)


@pytest.mark.parametrize("size", [0, 1, 2, MAX_ELEMENTS + 1, 2**62])
def test_a_coder_of_other_places_is_refused(size: int) -> None:
    with pytest.raises(CorruptFile, match="other places"):
        ElementsCoder("weight", size, coder().places)


def test_a_coder_with_latents_is_refused() -> None:
    places = coder().places
    mass = np.full((1, 2 * LATENT_TOP + 1), 65536 // 31)
    mass[:, 0] += 65536 - mass.sum()
    net = IntegerNet((IntegerLayer(np.zeros((4, 1), np.int64), np.zeros(4, np.int64), np.zeros(4, np.int64)),
                      *(IntegerLayer(np.zeros((n, 4), np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)) for n in (4, 3))))  # fmt: skip
    one = LearnedColumn("3", places.columns[0].ranks, (), 5, net)
    with pytest.raises(CorruptFile, match="has latents"):
        ElementsCoder("weight", SIZE, LearnedCoder((), (), (one,), mass))


def test_damaged_models_are_refused() -> None:
    good = coder_to_bytes(coder())
    inside = coder_to_bytes(coder().places)
    start = good.index(inside)
    bad_text = good[:start].replace(b"weight", b"\xff\xfe\xfd\xfc\xfb\xfa") + inside
    for damaged in (good[:7], good[: start - 2] + inside, bad_text, good[:start] + good, good + b"\0"):
        with pytest.raises(FormatError):
            coder_from_bytes(damaged)


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_damaged_pages_are_refused_or_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made, values = coder(), column(200, 4)
    page = bytearray(made.encode({"weight": values}, to_values=TO_VALUES)["weight"])
    page[rng.integers(0, len(page))] ^= int(rng.integers(1, 256))
    try:
        back = made.decode({"weight": bytes(page)}, {}, 200, to_values=TO_VALUES)["weight"]
    except CorruptFile:
        return
    # Checksums of the container are what tells; here nothing may crash.
    assert back.shape == (200,)
    with pytest.raises(CorruptFile):
        made.decode({"weight": join_parts([b""])}, {}, 200, to_values=TO_VALUES)
