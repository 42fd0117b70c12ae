"""Rows that descend from each other: the same on both sides, and what decays conserve is found."""

from __future__ import annotations

import copy

import awkward as ak
import numpy as np
import pytest
import uproot
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

import hepbaler
from hepbaler.errors import CorruptFile, UnsupportedFeature
from hepbaler.features.hints import Term, term_values
from hepbaler.features.ranks import MISSING
from hepbaler.header import TreeHeader
from hepbaler.lineage import MAX_GENERATIONS, SIBLING, Family, Lineage

VECTOR = ("pt", "eta", "phi", "mass")
LINEAGE = Lineage("mother", ("pt",), VECTOR)


def as_float(integers):
    return integers.astype(np.float64)


def family_of(counts, place):
    return Family(LINEAGE, np.array(counts, np.int64), np.array(place, np.int64), dict.fromkeys(VECTOR, as_float))


@st.composite
def lists(draw):
    """Counts, and places that may be earlier rows, later ones, or nonsense."""
    counts = draw(st.lists(st.integers(0, 25), max_size=5))
    n_rows = sum(counts)
    place = st.one_of(st.integers(-2, 24), st.just((1 << 63) - 1))
    return counts, draw(st.lists(place, min_size=n_rows, max_size=n_rows))


@given(lists())
def test_every_row_comes_once_and_behind_all_that_it_sees(found):
    counts, place = found
    family = family_of(counts, place)
    known = np.full(sum(counts), MISSING, np.int64)
    pt = np.arange(sum(counts), dtype=np.int64) + 1
    come = [row for rows in family.generations for row in rows.tolist()]
    assert sorted(come) == list(range(sum(counts)))
    assert len(family.generations) <= MAX_GENERATIONS

    def column(key):
        return known if key == "pt" else np.zeros_like(pt)

    first = np.repeat(np.cumsum(counts, dtype=np.int64) - np.array(counts, np.int64), counts)
    for rows in family.generations:
        seen = family.inputs(rows, column)
        for row, mother in zip(rows.tolist(), seen["@mother/pt"].tolist(), strict=True):
            there = int(first[row]) + place[row]
            earlier = 0 <= place[row] < row - int(first[row])
            # A mother of its own generation, the last, is not seen; any other is known by now.
            assert mother in ((there + 1, MISSING) if earlier else (MISSING,))
            assert not (earlier and mother == MISSING and known[there] != MISSING)
        known[rows] = pt[rows]
        family.learn(rows, column)


@given(lists())
@settings(max_examples=30)
def test_training_sees_what_decoding_will_see(found):
    counts, place = found
    rng = np.random.default_rng(len(place))
    columns = {key: rng.integers(0, 50, len(place)) for key in VECTOR}
    at_once = family_of(counts, place).all_inputs(columns.__getitem__)
    family = family_of(counts, place)
    hidden = {key: np.full(len(place), -7, np.int64) for key in VECTOR}
    for rows in family.generations:
        for name, seen in family.inputs(rows, hidden.__getitem__).items():
            assert np.array_equal(seen, at_once[name][rows])
        for key in VECTOR:
            hidden[key][rows] = columns[key][rows]
        family.learn(rows, hidden.__getitem__)


def test_what_a_mother_has_left_is_the_last_daughter():
    w, b = vector.obj(pt=80.0, eta=0.5, phi=1.0, mass=80.0), vector.obj(pt=60.0, eta=-1.0, phi=-2.5, mass=5.0)
    top = w + b
    values = {key: np.array([getattr(p, key) for p in (top, w, b)]) for key in VECTOR}
    family = Family(
        LINEAGE, np.array([3]), np.array([-1, 0, 0]), {key: (lambda i, key=key: values[key][i]) for key in VECTOR}
    )
    left = family.all_inputs(lambda _: np.arange(3))
    assert left[SIBLING].tolist() == [0, 0, 1]
    assert left["@rest/pt"][0] == MISSING
    to_values = LINEAGE.value_functions({"pt": as_float})
    for key in VECTOR:
        assert to_values[f"@rest/{key}"](left[f"@rest/{key}"])[1:] == pytest.approx(values[key][[0, 2]], abs=2e-4)


def test_the_momentum_of_a_daughter_follows_from_her_direction():
    rng = np.random.default_rng(2)
    n = 200
    # A W boson of any momentum, to two light quarks.
    w = vector.array(
        {
            "pt": rng.uniform(1, 300, n),
            "eta": rng.normal(size=n),
            "phi": rng.uniform(-3, 3, n),
            "mass": np.full(n, 80.4),
        }
    )
    theta, phi = np.arccos(rng.uniform(-1, 1, n)), rng.uniform(-np.pi, np.pi, n)
    rest = vector.array(
        {
            "px": 40.2 * np.sin(theta) * np.cos(phi),
            "py": 40.2 * np.sin(theta) * np.sin(phi),
            "pz": 40.2 * np.cos(theta),
            "mass": np.zeros(n),
        }
    )
    quark = rest.boost_p4(w)
    first = np.zeros(n)
    values = [first, w.pt, w.eta, w.phi, w.mass, quark.eta, quark.phi, np.zeros(n)]
    assert term_values("daughter", values) == pytest.approx(quark.pt, rel=1e-6)
    later = [first + 1, *values[1:]]
    assert np.array_equal(term_values("daughter", later), w.pt)
    with pytest.raises(ValueError, match="over 3 columns"):
        Term("daughter", (0, 1, 2))


@pytest.fixture(scope="module")
def decays(tmp_path_factory):
    """Events of a mother and three generations of decays into two, in lists with something else before them."""
    rng = np.random.default_rng(7)
    n = 2500
    rows = {key: [] for key in (*VECTOR, "mother")}
    counts = np.zeros(n, np.int64)

    def add(momentum, mother):
        for key in VECTOR:
            rows[key].append(np.asarray(getattr(momentum, key)))
        rows["mother"].append(np.full(n, mother))

    def pair(mother, masses):
        squared = [m * m for m in masses]
        big = mother.mass**2
        p = np.sqrt(np.maximum((big - squared[0] - squared[1]) ** 2 - 4 * squared[0] * squared[1], 0)) / (
            2 * mother.mass
        )
        cosine, phi = rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)
        sine = np.sqrt(1 - cosine**2)
        there = {"px": p * sine * np.cos(phi), "py": p * sine * np.sin(phi), "pz": p * cosine}
        return [
            vector.array({**{k: sign * v for k, v in there.items()}, "mass": np.full(n, mass)}).boost_p4(mother)
            for sign, mass in zip((1, -1), masses, strict=True)
        ]

    top = vector.array(
        {
            "pt": rng.exponential(150, n) + 5,
            "eta": rng.normal(size=n),
            "phi": rng.uniform(-np.pi, np.pi, n),
            "mass": 172.5 + rng.normal(size=n),
        }
    )
    w, b = pair(top, (80.4, 4.8))
    q, other = pair(w, (0.5, 1.5))
    for momentum, mother in ((top, -1), (w, 0), (b, 0), (q, 1), (other, 1)):
        add(momentum, mother)
    counts += 5
    made = {
        f"Part_{key}": ak.unflatten(
            np.stack(arrays, 1).ravel().astype(np.int32 if key == "mother" else np.float32), counts
        )
        for key, arrays in rows.items()
    }
    made["Part_motherIdx"] = made.pop("Part_mother")
    path = tmp_path_factory.mktemp("decays") / "decays.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {key: array.type.content for key, array in made.items()})
        file["Events"].extend({**made})
    out = path.with_suffix(".hbal")
    report = hepbaler.compress(path, out, train_steps=120)
    return path, out, report


def test_decays_pay_and_come_back_within_their_bounds(decays):
    path, out, report = decays
    (part,) = [table for table in report.tables if table.name == "Part"]
    # Two of five rows follow from the others up to the bound, and two more but for a direction.
    assert part.archive_bytes < 0.9 * part.plain_bytes
    with hepbaler.open(out) as archive, uproot.open(path) as file:
        tree = archive["Events"]
        assert "lineage/1" in archive.reader.meta["required_features"]
        (link,) = [one for one in archive.info()["trees"][0]["links"] if one["kind"] == "lineage"]
        assert (link["table"], link["index"]) == ("Part", "Part_motherIdx")
        for name in tree:
            ours, theirs = tree[name].array(), file["Events"][name].array()
            if name in ("Part_motherIdx", "nPart_motherIdx"):
                assert ak.all(ours == theirs)
            elif ours.ndim > 1:
                assert ak.all(ak.num(ours) == ak.num(theirs))
        assert np.array_equal(tree["Part_pt"].array(entry_start=7, entry_stop=9), tree["Part_pt"].array()[7:9])
    assert hepbaler.verify(out, path).ok


def test_a_model_trained_once_serves_again(decays, tmp_path):
    path, _, _ = decays
    model = tmp_path / "decays.hbmodel"
    hepbaler.train(path, model, train_steps=60)
    again = hepbaler.compress(path, tmp_path / "again.hbal", model=model)
    assert again.tables[0].learned + again.tables[-1].learned > 0
    assert hepbaler.verify(tmp_path / "again.hbal", path).ok


def header_with(decays, change):
    with hepbaler.open(decays[1]) as archive:
        data = copy.deepcopy(archive.reader.meta["trees"][0])
    model = next(model for model in data["models"] if "lineage" in model)
    change(model["lineage"])
    return data


@pytest.mark.parametrize(
    "change",
    [
        lambda lineage: lineage.update(index=10**6),
        lambda lineage: lineage.update(index="Part_motherIdx"),
        lambda lineage: lineage.update(vector=lineage["vector"][:3] or [0]),
        lambda lineage: lineage.update(vector=[0, 0, 0, 0]),
        lambda lineage: lineage.update(mother=7),
        lambda lineage: lineage.pop("index"),
    ],
)
def test_a_lineage_that_cannot_be_is_refused(decays, change):
    with pytest.raises(CorruptFile):
        TreeHeader.from_dict(header_with(decays, change))


def test_a_reader_that_does_not_know_the_word_refuses(decays):
    from hepbaler.container import ContainerReader

    with pytest.raises(UnsupportedFeature, match="lineage/1"):
        ContainerReader(decays[1], features=("learned/1", "context/1"))
