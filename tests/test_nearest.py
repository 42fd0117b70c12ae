"""The nearest row of another list: found by the writer, looked up by the reader."""

from __future__ import annotations

import copy

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

import hepbaler
from hepbaler.errors import CorruptFile
from hepbaler.header import TreeHeader
from hepbaler.nearest import Nearest, direction_of, nearest_places

NEAREST = Nearest(("a_pt", "a_eta", "a_phi"), ("b_pt", "b_eta", "b_phi"))


@st.composite
def events(draw):
    counts = [np.array(draw(st.lists(st.integers(0, 4), min_size=6, max_size=6)), np.int64) for _ in range(2)]
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    values = {}
    for stem, count in zip("ab", counts, strict=True):
        n = int(count.sum())
        values |= {
            f"{stem}_pt": rng.uniform(20, 60, n),
            f"{stem}_eta": rng.normal(0, 0.2, n),
            f"{stem}_phi": rng.uniform(-3.2, 3.2, n),
        }
    return counts, values


@given(events())
def test_the_nearest_is_the_nearest(found):
    counts, values = found
    places = nearest_places(NEAREST, values.__getitem__, *counts)
    row, first = 0, 0
    for mine, theirs in zip(*(count.tolist() for count in counts), strict=True):
        for _ in range(mine):
            there = slice(first, first + theirs)
            turned = np.angle(np.exp(1j * (values["a_phi"][row] - values["b_phi"][there])))
            away = np.hypot(values["a_eta"][row] - values["b_eta"][there], turned) / 0.1
            ratio = np.log(values["a_pt"][row] / values["b_pt"][there]) / 0.5
            distance = np.hypot(away, ratio)
            best = int(np.argmin(distance)) if theirs else -1
            expected = best if theirs and distance[best] < 4 else -1
            assert places[row] == expected
            row += 1
        first += theirs


def test_values_that_are_no_numbers_are_near_to_nothing():
    values = {key: np.array([np.nan]) for key in (*NEAREST.own, *NEAREST.other)}
    assert nearest_places(NEAREST, values.__getitem__, np.array([1]), np.array([1])).tolist() == [-1]


def test_the_direction_of_a_table():
    columns = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_reg_pt", "Jet_reg_eta", "Jet_reg_phi"]
    assert direction_of(columns) == ("Jet_pt", "Jet_eta", "Jet_phi")
    assert direction_of(["pt", "Jet_pt", "Jet_eta"]) is None


@pytest.fixture(scope="module")
def partons(tmp_path_factory):
    """Jets near partons of the same event, in another order, and jets from nowhere."""
    rng = np.random.default_rng(3)
    n = 3000
    n_partons, n_more = rng.integers(1, 5, n), rng.integers(0, 3, n)
    total = int(n_partons.sum())
    parton = {"pt": rng.exponential(40, total) + 20, "eta": rng.normal(size=total), "phi": rng.uniform(-3, 3, total)}
    jets = {key: ak.unflatten(parton[key] * (1 + 0.02 * rng.normal(size=total)), n_partons) for key in parton}
    more = int(n_more.sum())
    others = {"pt": rng.exponential(40, more) + 20, "eta": rng.normal(size=more), "phi": rng.uniform(-3, 3, more)}
    jets = {key: ak.concatenate([ak.unflatten(others[key], n_more), jets[key]], axis=1) for key in jets}
    order = ak.argsort(jets["pt"], ascending=False)
    made = {f"Jet_{key}": ak.values_astype(array[order], np.float32) for key, array in jets.items()}
    made |= {
        f"Parton_{key}": ak.values_astype(ak.unflatten(array, n_partons), np.float32) for key, array in parton.items()
    }
    folder = tmp_path_factory.mktemp("partons")
    with uproot.recreate(folder / "partons.root") as file:
        file.mktree("Events", {key: array.type.content for key, array in made.items()})
        file["Events"].extend(made)
    report = hepbaler.compress(folder / "partons.root", folder / "partons.hbal", train_steps=150)
    return folder / "partons.root", folder / "partons.hbal", report


def test_jets_see_their_partons_without_an_index(partons):
    path, out, report = partons
    with hepbaler.open(out) as archive:
        assert "nearest/1" in archive.reader.meta["required_features"]
        told = archive.info()
        links = told["trees"][0]["links"]
        parts = told["bytes_by_part"]
        assert [(one["kind"]) for one in links] == ["nearest"]
        # The places are no latents, and with them all bytes are told.
        places = [table["place_bytes"] for table in told["trees"][0]["tables"]]
        assert parts["nearest rows"] == sum(places) > 1000
        assert sum(parts.values()) == told["bytes"]
        assert sum(table["latent_bytes"] for table in told["trees"][0]["tables"]) == parts["latents"]
    assert sum(table.archive_bytes for table in report.tables) < 0.95 * sum(
        table.plain_bytes for table in report.tables
    )
    assert hepbaler.verify(out, path).ok


@pytest.mark.parametrize("tables", [[], [0], [1, 2], [1, 1], ["Jet"], [99]])
def test_places_that_cannot_be_are_refused(partons, tables):
    with hepbaler.open(partons[1]) as archive:
        data = copy.deepcopy(archive.reader.meta["trees"][0])
    next(model for model in data["models"] if "nearest" in model)["nearest"] = tables
    with pytest.raises(CorruptFile):
        TreeHeader.from_dict(data)
