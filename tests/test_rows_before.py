"""Rows that see the row before them in their list."""

from __future__ import annotations

import copy

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepbaler
from hepbaler.container import ContainerReader
from hepbaler.errors import CorruptFile, UnsupportedFeature
from hepbaler.features.ranks import MISSING
from hepbaler.header import TreeHeader
from hepbaler.lineage import MAX_GENERATIONS, Family, Lineage

VECTOR = ("pt", "eta", "phi", "mass")
BEFORE = Lineage(None, ("pt", "charge"), VECTOR)


def as_float(integers):
    return integers.astype(np.float64)


def family_of(counts):
    counts = np.array(counts, np.int64)
    return Family(BEFORE, counts, np.full(counts.sum(), -1), dict.fromkeys(VECTOR, as_float))


def test_a_row_sees_the_row_before_and_the_recoil_of_all_before():
    pt, phi = np.array([50.0, 30.0, 20.0, 10.0]), np.array([0.0, 2.0, -2.0, 1.0])
    values = {"pt": pt, "eta": np.zeros(4), "phi": phi, "mass": np.zeros(4)}
    family = Family(
        BEFORE,
        np.array([3, 1]),
        np.full(4, -1),
        {key: (lambda rows, key=key: values[key][rows]) for key in VECTOR},
    )
    seen = family.all_inputs(lambda _: np.arange(4))
    assert set(seen) == set(BEFORE.inputs)
    assert seen["@before/charge"].tolist() == [MISSING, 0, 1, MISSING]
    to_values = BEFORE.value_functions({})
    recoil_pt, recoil_phi = (to_values[f"@rest/{key}"](seen[f"@rest/{key}"]) for key in ("pt", "phi"))
    for row in (1, 2):
        total = (pt[:row] * np.exp(1j * phi[:row])).sum()
        assert recoil_pt[row] == pytest.approx(abs(total), abs=2e-4)
        assert np.exp(1j * recoil_phi[row]) == pytest.approx(-total / abs(total), abs=1e-4)
    assert [seen["@rest/pt"][row] for row in (0, 3)] == [MISSING, MISSING]


@given(st.lists(st.integers(0, 25), max_size=6))
@settings(max_examples=30)
def test_training_sees_what_decoding_will_see(counts):
    n_rows = sum(counts)
    rng = np.random.default_rng(n_rows)
    columns = {key: rng.integers(0, 50, n_rows) for key in (*VECTOR, "charge")}
    at_once = family_of(counts).all_inputs(columns.__getitem__)
    family = family_of(counts)
    hidden = {key: np.full(n_rows, -7, np.int64) for key in columns}
    for rows in family.generations:
        for name, seen in family.inputs(rows, hidden.__getitem__).items():
            assert np.array_equal(seen, at_once[name][rows])
        for key in columns:
            hidden[key][rows] = columns[key][rows]
        family.learn(rows, hidden.__getitem__)
    place = np.concatenate([np.arange(n) for n in counts] or [np.empty(0, np.int64)])
    # Those far down the list come all at once and see nothing of each other.
    assert np.array_equal(at_once["@before/pt"] == MISSING, (place == 0) | (place >= MAX_GENERATIONS))


def test_what_an_input_follows_from():
    assert BEFORE.behind("@before/pt") == ("pt",)
    assert BEFORE.behind("@rest/phi") == VECTOR
    assert BEFORE.needs() == ("pt", "charge", "eta", "phi", "mass")
    assert BEFORE.only(["@before/charge", "@index"]) == Lineage(None, ("charge",), ())
    assert BEFORE.only(["@rest/eta"]) == Lineage(None, (), VECTOR)
    assert BEFORE.only(["@index"]) is None
    assert Lineage("mother", ("pt",), ()).behind("@mother/pt") == ("mother", "pt")


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Hits on alternating sides of a wire: each follows from the one before, energies only from each other."""
    rng = np.random.default_rng(11)
    counts = rng.integers(0, 9, 2500)
    n = int(counts.sum())
    first = np.repeat(np.cumsum(counts) - counts, counts)

    def walk(step):
        total = np.cumsum(rng.normal(0, step, n))
        along = total - total[first] + np.repeat(rng.uniform(-500, 500, len(counts)), counts)
        return along * (-1.0) ** (np.arange(n) - first)

    energy = rng.exponential(20, n)
    hits = {"Hit_x": walk(2.0), "Hit_y": walk(2.0), "Hit_energy": energy, "Hit_charge": energy * rng.normal(3, 0.05, n)}
    made = {key: ak.unflatten(values.astype(np.float32), counts) for key, values in hits.items()}
    path = tmp_path_factory.mktemp("steps") / "steps.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {key: array.type.content for key, array in made.items()})
        file["Events"].extend(made)
    out = path.with_suffix(".hbal")
    report = hepbaler.compress(path, out, train_steps=150)
    return path, out, report


def test_what_follows_the_row_before_pays_and_comes_back(steps):
    path, out, report = steps
    (hits,) = [table for table in report.tables if table.name == "Hit"]
    assert hits.archive_bytes < 0.8 * hits.plain_bytes
    with hepbaler.open(out) as archive, uproot.open(path) as file:
        assert "before/1" in archive.reader.meta["required_features"]
        (link,) = archive.info()["trees"][0]["links"]
        assert (link["kind"], link["index"]) == ("before", None)
        assert {"Hit_x", "Hit_y"} <= set(link["columns"])
        whole = archive["Events"].arrays()
        for name in ("Hit_x", "Hit_energy"):
            assert ak.all(ak.num(whole[name]) == ak.num(file["Events"][name].array()))
            assert ak.array_equal(archive["Events"][name].array(entry_start=5, entry_stop=9), whole[name][5:9])
    assert hepbaler.verify(out, path).ok


def test_a_column_is_read_with_those_that_it_sees_and_no_others(steps):
    with hepbaler.open(steps[1]) as archive:
        whole = archive["Events"].arrays()
        for name, others in (("Hit_x", {"Hit_energy", "Hit_charge"}), ("Hit_energy", {"Hit_x", "Hit_y"})):
            (tree,) = archive.trace(name)["trees"]
            assert not others & {column["column"] for column in tree["columns"]}
            assert ak.array_equal(archive["Events"][name].array(), whole[name])


def test_skimming_keeps_what_is_needed(steps, tmp_path):
    out = steps[1]
    hepbaler.skim(out, tmp_path / "x.hbal", keep=["Hit_x", "nHit_x"])
    with hepbaler.open(tmp_path / "x.hbal") as some, hepbaler.open(out) as whole:
        assert ak.array_equal(some["Events"]["Hit_x"].array(), whole["Events"]["Hit_x"].array())


def test_a_model_trained_once_serves_again(steps, tmp_path):
    path, _, _ = steps
    model = tmp_path / "steps.hbmodel"
    hepbaler.train(path, model, train_steps=60)
    report = hepbaler.compress(path, tmp_path / "again.hbal", model=model)
    assert sum(table.learned for table in report.tables) > 0
    with hepbaler.open(tmp_path / "again.hbal") as archive:
        assert "before/1" in archive.reader.meta["required_features"]
    assert hepbaler.verify(tmp_path / "again.hbal", path).ok


@pytest.mark.parametrize(
    "change",
    [
        lambda lineage: lineage.pop("index"),
        lambda lineage: lineage.update(mother=[0, 0]),
        lambda lineage: lineage.update(vector=[0]),
        lambda lineage: lineage.update(mother=[10**6]),
    ],
)
def test_a_row_before_that_cannot_be_is_refused(steps, change):
    with hepbaler.open(steps[1]) as archive:
        data = copy.deepcopy(archive.reader.meta["trees"][0])
    (model,) = [model for model in data["models"] if "lineage" in model]
    assert model["lineage"]["index"] is None
    change(model["lineage"])
    with pytest.raises(CorruptFile):
        TreeHeader.from_dict(data)


def test_a_reader_that_does_not_know_the_word_refuses(steps):
    with pytest.raises(UnsupportedFeature, match="before/1"):
        ContainerReader(steps[1], features=("learned/1", "context/1", "lineage/1"))
