"""Lists that all have one length: each place is a column in the eyes of a model."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler
from hepbaler.coding.elements import ElementsCoder
from hepbaler.coding.learned_bytes import coder_from_bytes
from hepbaler.errors import ModelError

N_EVENTS = 4000


def weights(n_events: int = N_EVENTS, seed: int = 0) -> np.ndarray:
    """Nine weights an event, which follow from two numbers of the event."""
    up, down = np.random.default_rng(seed).normal(0.0, 0.2, (2, n_events, 1))
    return np.exp(up * np.repeat([-1, 0, 1], 3) + down * np.tile([-1, 0, 1], 3)).astype(np.float32)


def write(path, arrays):
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: ak.Array(array).type.content for name, array in arrays.items()})
        file["Events"].extend(arrays)
    return path


@pytest.fixture(params=["fixed", "counted"])
def source(request, tmp_path):
    found = weights()
    array = found if request.param == "fixed" else ak.from_regular(ak.Array(found))
    return write(tmp_path / "weights.root", {"LHEScaleWeight": array, "met": found[:, 0] * 50})


def coders(path):
    with hepbaler.open(path) as archive:
        header = archive["Events"].header
        return {m.columns: coder_from_bytes(archive.reader.section(m.section)) for m in header.models}


def within_bounds(path, expected):
    with hepbaler.open(path) as archive:
        got = np.asarray(ak.flatten(archive["Events"]["LHEScaleWeight"].array(), axis=None), np.float64)
    want = np.asarray(expected, np.float64).ravel()
    assert got.shape == want.shape
    assert np.all(np.abs(got - want) <= 2.0**-11 * np.maximum(np.abs(want), np.median(np.abs(want))))


def test_places_are_learned_and_save_bytes(source, tmp_path):
    out, bare = tmp_path / "out.hbal", tmp_path / "bare.hbal"
    hepbaler.compress(source, out, train_steps=300)
    hepbaler.compress(source, bare, use_model=False)
    found = coders(out)
    coder = found[("LHEScaleWeight",)]
    assert isinstance(coder, ElementsCoder)
    assert coder.size == 9
    # Seven of nine follow from the other two, one of them never changes.
    assert len(coder.places.names) >= 5
    with hepbaler.open(out) as archive, hepbaler.open(bare) as other:
        mine, theirs = ({c["column"]: c for c in a.info()["trees"][0]["columns"]} for a in (archive, other))
    assert mine["LHEScaleWeight"]["coder"] == "learned"
    assert mine["LHEScaleWeight"]["bytes"] < 0.6 * theirs["LHEScaleWeight"]["bytes"]
    within_bounds(out, weights())
    hepbaler.verify(out, source)
    with hepbaler.open(out) as archive:
        part = archive["Events"].arrays(["LHEScaleWeight"], entry_start=17, entry_stop=23)["LHEScaleWeight"]
        whole = archive["Events"]["LHEScaleWeight"].array()
    assert ak.array_equal(part, whole[17:23])


def test_a_skim_keeps_the_model(source, tmp_path):
    out, part = tmp_path / "out.hbal", tmp_path / "part.hbal"
    hepbaler.compress(source, out, train_steps=300)
    hepbaler.skim(out, part, cut="met > 45")
    with hepbaler.open(out) as archive, hepbaler.open(part) as small:
        events = archive["Events"].arrays()
        assert ak.array_equal(small["Events"]["LHEScaleWeight"].array(), events.LHEScaleWeight[events.met > 45])
    assert isinstance(coders(part)[("LHEScaleWeight",)], ElementsCoder)


def test_a_model_is_used_again_also_where_lists_have_other_lengths(tmp_path):
    first = write(tmp_path / "a.root", {"LHEScaleWeight": ak.from_regular(ak.Array(weights())), "met": weights()[:, 0]})
    model = tmp_path / "weights.hbmodel"
    hepbaler.train(first, model, train_steps=300)
    other = weights(3000, seed=5)
    uneven = ak.unflatten(other.ravel()[: 2999 * 9 + 4], [9] * 2999 + [4])
    second = write(tmp_path / "b.root", {"LHEScaleWeight": uneven, "met": other[:, 0]})
    hepbaler.compress(second, tmp_path / "b.hbal", model=model)
    assert isinstance(coders(tmp_path / "b.hbal")[("LHEScaleWeight",)], ElementsCoder)
    hepbaler.verify(tmp_path / "b.hbal", second)
    third = write(tmp_path / "c.root", {"other": weights()})
    with pytest.raises(ModelError, match="no column LHEScaleWeight"):
        hepbaler.compress(third, tmp_path / "c.hbal", model=model)


def test_lists_of_many_columns_are_rows_as_before(tmp_path):
    found = weights()
    jets = ak.zip({"pt": ak.from_regular(ak.Array(found)), "eta": ak.from_regular(ak.Array(found[:, ::-1]))})
    source = write(tmp_path / "jets.root", {"jet": jets})
    hepbaler.compress(source, tmp_path / "jets.hbal", train_steps=100)
    assert not any(isinstance(coder, ElementsCoder) for coder in coders(tmp_path / "jets.hbal").values())


def test_counts_of_lists_inside_are_coded_plainly(tmp_path):
    # Three lists an event, whose lengths tell about each other, and are all that the table of lists holds.
    rng = np.random.default_rng(3)
    counts = rng.poisson(np.repeat(rng.integers(1, 40, 20_000), 3))
    content = np.arange(counts.sum()) % 7
    inner = ak.unflatten(ak.values_astype(ak.Array(content), np.uint8), counts)
    source = tmp_path / "lists.root"
    with uproot.recreate(source) as file:
        file.mkrntuple("Events", {"x": ak.unflatten(inner, np.full(20_000, 3))})
    hepbaler.compress(source, tmp_path / "lists.hbal", train_steps=150)
    with hepbaler.open(tmp_path / "lists.hbal") as archive:
        columns = {c["column"]: c for c in archive.info()["trees"][0]["columns"]}
    lengths = columns["x[]@counts"]
    assert lengths["bytes"] > 24_000
    assert lengths["coder"] == "plain"
    hepbaler.verify(tmp_path / "lists.hbal", source)
