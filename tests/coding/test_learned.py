from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.coding import blocks
from hepbaler.coding.blocks import decode_rows, encode_rows
from hepbaler.coding.decoder import IntegerLayer, IntegerNet
from hepbaler.coding.encoder import LatentEncoder
from hepbaler.coding.learned import LATENT_TOP, LATENTS, LearnedCoder, LearnedColumn
from hepbaler.coding.learned_bytes import coder_from_bytes, coder_to_bytes
from hepbaler.coding.pages import split_parts
from hepbaler.errors import ColumnNotFound, CorruptFile, FormatError, ModelError, NotHepbalerFile, UnsupportedFeature
from hepbaler.features.hints import LinearHint, Term
from hepbaler.features.ranks import fit_ranks

pytestmark = pytest.mark.usefixtures("either_loops")

NAMES = ("a", "b", "flag", "total")


def net(n_inputs: int, seed: int, width: int = 10) -> IntegerNet:
    rng = np.random.default_rng(seed)
    shapes = [(width, n_inputs), (width + 2, width), (3, width + 2)]
    layers = [
        IntegerLayer(rng.integers(-60, 61, shape), rng.integers(-9000, 9001, shape[0]), rng.integers(3, 8, shape[0]))
        for shape in shapes
    ]
    return IntegerNet((layers[0], layers[1], layers[2]))


def table(n_rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(0, 800, n_rows).round().astype(np.int64)
    b = (a // 2 + rng.normal(0, 30, n_rows)).round().astype(np.int64)
    return {
        "@index": rng.integers(0, 6, n_rows),
        "a": a,
        "b": b,
        "flag": (rng.random(n_rows) < 0.3).astype(np.int64),
        "total": a + b,
    }


def half(q: np.ndarray) -> np.ndarray:
    return q * 0.5


TO_VALUES = dict.fromkeys(NAMES, half)


def coder(n_latent: int = 0, hint: bool = True) -> LearnedCoder:
    sample = table(2000, 99)
    mass = np.full((n_latent, 2 * LATENT_TOP + 1), 65536 // 31)
    mass[:, 3] += 65536 - mass.sum(axis=1) if n_latent else 0
    ranks = {name: fit_ranks(values, max_bins=100) for name, values in sample.items()}
    parents = {"a": (0,), "b": (1,), "flag": (), "total": (1, 3)}
    relation = LinearHint((Term("value", (1,)), Term("value", (2,))), (1.0, 1.0), 0.25)
    columns = []
    for number, name in enumerate(NAMES):
        own = relation if hint and name == "total" else None
        n_inputs = len(parents[name]) + n_latent + (own is not None)
        columns.append(LearnedColumn(name, ranks[name], parents[name], 5 + number, net(n_inputs, number), own))
    return LearnedCoder(("@index",), (ranks["@index"],), tuple(columns), mass.astype(np.int64))


@given(st.integers(0, 2**31), st.sampled_from([0, 1, 2, 100, 700]), st.integers(0, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_tables_come_back(seed: int, n_rows: int, n_latent: int, hint: bool) -> None:
    ints = table(n_rows, seed)
    rng = np.random.default_rng(seed)
    if n_rows > 1:
        # Never seen in training: outside the bins.
        ints["b"][rng.integers(0, n_rows)] = rng.integers(-(2**62), 2**62)
    latents = rng.integers(-LATENT_TOP, LATENT_TOP + 1, (n_rows, n_latent))
    made = coder(n_latent, hint)
    pages = made.encode(ints, latents, to_values=TO_VALUES)
    back = coder_from_bytes(coder_to_bytes(made)).decode(pages, {"@index": ints["@index"]}, n_rows, to_values=TO_VALUES)
    assert set(back) == set(NAMES)
    for name in NAMES:
        assert np.array_equal(back[name], ints[name])


def test_what_was_decoded_before_is_not_decoded_again() -> None:
    ints, made = table(300), coder()
    pages = made.encode(ints, to_values=TO_VALUES)
    for before in ((), ("a",), ("a", "b"), ("b", "flag"), ("a", "b", "flag")):
        needed, inputs = made.needed(["total"], before)
        assert "total" in needed
        assert not set(needed) & set(before)
        known = {name: ints[name] for name in (*inputs, *before)}
        back = made.decode({name: pages[name] for name in needed}, known, 300, ["total"], to_values=TO_VALUES)
        assert np.array_equal(back["total"], ints["total"])


def test_a_column_needs_only_its_ancestors() -> None:
    made = coder(n_latent=1)
    assert made.needed(["flag"]) == ((LATENTS, "flag"), ())
    assert made.needed(["b"]) == ((LATENTS, "a", "b"), ("@index",))
    assert made.needed(["total"]) == ((LATENTS, "a", "b", "flag", "total"), ("@index",))
    assert made.needed([]) == ((), ())
    ints = table(300)
    pages = made.encode(ints, np.zeros((300, 1), np.int64), to_values=TO_VALUES)
    few = {name: pages[name] for name in (LATENTS, "a", "b")}
    back = made.decode(few, {"@index": ints["@index"]}, 300, ["b"])
    assert list(back) == ["b"]
    assert np.array_equal(back["b"], ints["b"])
    with pytest.raises(CorruptFile, match="cannot be decoded without a"):
        made.decode({"b": pages["b"], LATENTS: pages[LATENTS]}, {}, 300, ["b"])
    with pytest.raises(ColumnNotFound, match="'c' is not coded"):
        made.needed(["c"])


def test_what_encoding_needs_is_said() -> None:
    ints = table(20)
    with pytest.raises(ModelError, match="not there: total"):
        coder().encode({name: ints[name] for name in ints if name != "total"})
    with pytest.raises(ModelError, match="nothing says what its integers stand for"):
        coder().encode(ints)
    with pytest.raises(ModelError, match="2 latents"):
        coder(2).encode(ints, to_values=TO_VALUES)
    with pytest.raises(ModelError, match="one length"):
        coder().encode(ints | {"a": np.zeros(3, np.int64)}, to_values=TO_VALUES)
    assert coder().valued == ("a", "b", "total")


def test_models_survive_their_bytes() -> None:
    made = coder(n_latent=2)
    data = coder_to_bytes(made)
    again = coder_from_bytes(data)
    assert coder_to_bytes(again) == data
    assert again.names == made.names
    assert again.columns[3].hint == made.columns[3].hint
    assert all(mine.ranks == theirs.ranks for mine, theirs in zip(again.columns, made.columns, strict=True))
    assert np.array_equal(again.latent_mass, made.latent_mass)


def test_a_cut_model_is_refused_at_every_byte() -> None:
    data = coder_to_bytes(coder(n_latent=1))
    for length in range(len(data)):
        with pytest.raises(FormatError):
            coder_from_bytes(data[:length])
    with pytest.raises(CorruptFile, match="more than it says"):
        coder_from_bytes(data + b"x")
    with pytest.raises(NotHepbalerFile):
        coder_from_bytes(b"PK\x03\x04" + data[4:])
    with pytest.raises(UnsupportedFeature, match="version"):
        coder_from_bytes(data[:4] + b"\x07" + data[5:])


def test_flipped_bits_raise_format_errors_or_stay_harmless() -> None:
    data = bytearray(coder_to_bytes(coder(n_latent=1)))
    ints = table(50)
    pages = coder(1).encode(ints, np.zeros((50, 1), np.int64), to_values=TO_VALUES)
    outcomes = {"refused": 0, "read": 0}
    for at in range(4, len(data), 3):
        data[at] ^= 1 << (at % 8)
        try:
            made = coder_from_bytes(bytes(data))
            made.decode(pages, ints, 50, to_values=TO_VALUES)
            outcomes["read"] += 1
        except (FormatError, ModelError, ColumnNotFound):
            outcomes["refused"] += 1
        data[at] ^= 1 << (at % 8)
    assert outcomes["refused"] > outcomes["read"]


def test_damaged_pages_raise_corrupt_file() -> None:
    made = coder()
    ints = table(400)
    ints["a"][7] = 10**15
    pages = made.encode(ints, to_values=TO_VALUES)
    for damaged in (b"", b"\x00", pages["a"][:-1], pages["a"][:9], b"\xff" * 30, b"\x01\xff\xff\x03" + pages["a"][3:]):
        with pytest.raises(CorruptFile):
            made.decode(pages | {"a": damaged}, ints, 400, ["a"])


def test_columns_must_follow_their_parents() -> None:
    good = coder(hint=False)
    with pytest.raises(CorruptFile, match="decoded after it"):
        LearnedCoder(good.inputs, good.input_ranks, good.columns[::-1])
    with pytest.raises(CorruptFile, match="same name"):
        LearnedCoder(("a",), good.input_ranks, good.columns)


def test_encoder_survives_its_bytes_and_fits_its_coder() -> None:
    rng = np.random.default_rng(0)
    sizes = [(5, 8), (8, 8), (8, 2)]
    encoder = LatentEncoder(
        tuple(rng.normal(size=size).astype(np.float32) for size in sizes),
        tuple(rng.normal(size=size[1]).astype(np.float32) for size in sizes),
    )
    made = coder(n_latent=2)
    ints = table(500)
    latents = encoder.latents(made, ints)
    again = LatentEncoder.from_bytes(encoder.to_bytes())
    assert np.array_equal(again.latents(made, ints), latents)
    assert np.unique(latents).size > 3
    assert np.abs(latents).max() <= LATENT_TOP
    data = encoder.to_bytes()
    with pytest.raises(CorruptFile, match="bytes of weights"):
        LatentEncoder.from_bytes(data[:-1])
    with pytest.raises(NotHepbalerFile):
        LatentEncoder.from_bytes(b"no")
    with pytest.raises(ModelError, match="missing: total"):
        encoder.latents(made, {name: ints[name] for name in ints if name != "total"})


def test_a_structure_that_claims_to_be_huge_is_refused_before_anything_is_allocated() -> None:
    frame = zstandard.ZstdCompressor().compress(b" " * 3000)
    # Single-segment frame: the content size (2 bytes, less 256) follows the descriptor; here rewritten as 8 bytes.
    assert frame[4] >> 5 == 0b011
    huge = frame[:4] + bytes([frame[4] | 0xC0]) + (1 << 50).to_bytes(8, "little") + frame[7:]
    assert zstandard.frame_content_size(huge) == 1 << 50
    with pytest.raises(CorruptFile, match="declares"):
        coder_from_bytes(b"HBLC\x01" + bytes([len(huge)]) + huge)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LEAST_ROWS", 50)


@pytest.mark.usefixtures("small_blocks")
@given(st.integers(0, 2**31), st.sampled_from([0, 1, 99, 100, 151, 700]), st.integers(0, 1), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_rows_come_back_from_any_number_of_blocks(seed: int, n_rows: int, n_latent: int, n_blocks: int) -> None:
    ints = table(n_rows, seed)
    rng = np.random.default_rng(seed)
    if n_rows > 1:
        ints["b"][rng.integers(0, n_rows)] = rng.integers(-(2**62), 2**62)
    latents = rng.integers(-LATENT_TOP, LATENT_TOP + 1, (n_rows, n_latent))
    made = replace(coder(n_latent), blocks=n_blocks)
    pages = encode_rows(made, ints, latents, to_values=TO_VALUES)
    again = coder_from_bytes(coder_to_bytes(made))
    assert again.blocks == n_blocks
    back = decode_rows(again, pages, {"@index": ints["@index"]}, n_rows, to_values=TO_VALUES)
    for name in NAMES:
        assert np.array_equal(back[name], ints[name])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_block_is_coded_as_if_it_were_alone(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPBALER_THREADS", threads)
    ints = table(171)
    made = replace(coder(1), blocks=3)
    latents = np.full((171, 1), 2)
    pages = encode_rows(made, ints, latents, to_values=TO_VALUES)
    for number, rows in enumerate([slice(0, 57), slice(57, 114), slice(114, 171)]):
        alone = made.encode({name: ints[name][rows] for name in ints}, latents[rows], to_values=TO_VALUES)
        assert {name: split_parts(page, 3)[number] for name, page in pages.items()} == alone
    few = {name: pages[name] for name in (LATENTS, "a", "b")}
    back = decode_rows(made, few, {"@index": ints["@index"]}, 171, ["b"], to_values=TO_VALUES)
    assert list(back) == ["b"]
    assert np.array_equal(back["b"], ints["b"])


@pytest.mark.usefixtures("small_blocks")
def test_few_rows_are_one_block_and_their_pages_are_as_without() -> None:
    ints = table(99)
    pages = encode_rows(replace(coder(), blocks=2), ints, to_values=TO_VALUES)
    assert pages == coder().encode(ints, to_values=TO_VALUES)


@pytest.mark.usefixtures("small_blocks")
def test_a_page_that_lacks_a_block_is_refused() -> None:
    ints, made = table(171), replace(coder(), blocks=3)
    pages = encode_rows(made, ints, to_values=TO_VALUES)
    for page in (pages["a"][:-1], pages["a"] + b"\0", b""):
        with pytest.raises(CorruptFile):
            decode_rows(made, pages | {"a": page}, {"@index": ints["@index"]}, 171, to_values=TO_VALUES)


def test_readers_that_know_no_blocks_refuse_a_model_with_some() -> None:
    without, cut = coder_to_bytes(coder()), coder_to_bytes(replace(coder(), blocks=2))
    assert (without[4], cut[4]) == (1, 2)
    with pytest.raises(UnsupportedFeature, match="version 04"):
        coder_from_bytes(cut[:4] + b"\4" + cut[5:])
    with pytest.raises(CorruptFile, match="damaged"):
        coder_from_bytes(without[:4] + b"\2" + without[5:])
