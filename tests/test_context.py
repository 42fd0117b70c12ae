"""What rows see of other tables: the same on both sides, and nothing that a header can turn against its reader."""

from __future__ import annotations

import copy
import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

import hepbaler
from hepbaler.context import ContextInput, checked_counts, context_column, with_missing
from hepbaler.errors import CorruptFile, ModelError
from hepbaler.features.ranks import MISSING, fit_ranks
from hepbaler.header import TreeHeader
from hepbaler.table import Table

TABLES = (
    Table(0, "Events", -1, "entries", None, 0, ("MET", "nJet", "nGen")),
    Table(1, "Jet", 0, "list", "nJet", 0, ("Jet_pt", "Jet_genIdx")),
    Table(2, "Gen", 0, "list", "nGen", 0, ("Gen_pt",)),
    Table(3, "Gen[2]", 2, "regular", None, 2, ("Gen_cov",)),
)


@st.composite
def clusters(draw):
    """Counts, an index column with broken links, and what may be looked at."""
    n_entries = draw(st.integers(0, 12))
    counts = [np.array(draw(st.lists(st.integers(0, 4), min_size=n_entries, max_size=n_entries)), np.int64)] * 2
    counts[1] = np.array(draw(st.lists(st.integers(0, 4), min_size=n_entries, max_size=n_entries)), np.int64)
    n_jets, n_gens = (int(one.sum()) for one in counts)
    places = st.one_of(st.integers(-2, 5), st.sampled_from([-(1 << 63), (1 << 63) - 1]))
    return {
        "nJet": counts[0],
        "nGen": counts[1],
        "MET": np.arange(n_entries, dtype=np.int64) + 1000,
        "Gen_pt": np.arange(n_gens, dtype=np.int64) * 7,
        "Jet_genIdx": np.array(draw(st.lists(places, min_size=n_jets, max_size=n_jets)), np.int64),
    }


def looked_up(columns, place_of):
    """Row by row, as one would say it."""
    seen, jet, first = [], 0, 0
    for n_jets, n_gens in zip(columns["nJet"].tolist(), columns["nGen"].tolist(), strict=True):
        for position in range(n_jets):
            place = place_of(jet, position)
            seen.append(int(columns["Gen_pt"][first + place]) if 0 <= place < n_gens else MISSING)
            jet += 1
        first += n_gens
    return seen


@given(clusters(), st.integers(0, 3))
def test_rows_see_what_they_point_to_and_broken_links_see_nothing(columns, item):
    n_jets = int(columns["nJet"].sum())

    def see(one):
        return context_column(one, TABLES, 1, n_jets, columns.__getitem__).tolist()

    by_index = looked_up(columns, lambda jet, _: int(columns["Jet_genIdx"][jet]))
    assert see(ContextInput("link", "Gen_pt", "Jet_genIdx")) == by_index
    assert see(ContextInput("aligned", "Gen_pt")) == looked_up(columns, lambda _, position: position)
    assert see(ContextInput("item", "Gen_pt", item=item)) == looked_up(columns, lambda *_: item)
    assert see(ContextInput("parent", "MET")) == np.repeat(columns["MET"], columns["nJet"]).tolist()
    twice = context_column(ContextInput("parent", "Gen_pt"), TABLES, 3, 2 * columns["Gen_pt"].size, columns.get)
    assert twice.tolist() == np.repeat(columns["Gen_pt"], 2).tolist()


@pytest.mark.parametrize("counts", [[3, -1], [2, 1], [1 << 62, 1 << 62], []])
def test_counts_that_do_not_add_up_are_refused(counts):
    with pytest.raises(CorruptFile, match="'Jet' do not add up to its 2 rows"):
        checked_counts(np.array(counts, np.int64), 2, "Jet")


def test_what_is_missing_has_the_value_zero_and_no_bin():
    seen = np.array([MISSING, 3, 4, MISSING, 5, 6], np.int64)
    assert with_missing(lambda q: q * 10.0 + 1.0)(seen).tolist() == [0.0, 31.0, 41.0, 0.0, 51.0, 61.0]
    ranks = fit_ranks(seen)
    bins, _ = ranks.locate(seen)
    assert (bins == ranks.n_bins).tolist() == (seen == MISSING).tolist()
    assert ranks.mass[-1] / 65536 == pytest.approx(1 / 3, abs=1e-3)


def write_matched(path, n_events, seed, *, broken=False):
    """Jets that are smeared generator jets, found through their index; some have none, some point nowhere."""
    rng = np.random.default_rng(seed)
    n_gen = rng.poisson(3.0, n_events)
    first = np.cumsum(n_gen) - n_gen
    total = int(n_gen.sum())
    gen = {
        "pt": 20.0 + rng.exponential(40.0, total),
        "eta": rng.normal(0.0, 1.5, total),
        "phi": rng.uniform(-3.0, 3.0, total),
    }
    n_jets = rng.integers(0, 4, n_events)
    event = np.repeat(np.arange(n_events), n_jets)
    place = np.where(
        rng.random(event.size) < 0.9, rng.integers(0, 1 << 30, event.size) % np.maximum(n_gen[event], 1), -1
    )
    place[n_gen[event] == 0] = -1
    rows = first[event] + np.maximum(place, 0)
    found = place >= 0
    jets = {
        name: np.where(found, values[np.minimum(rows, total - 1)], rng.permutation(np.resize(values, event.size)))
        for name, values in gen.items()
    }
    jets = {name: values * (1.0 + rng.normal(0.0, 0.01, event.size)) for name, values in jets.items()}
    if broken:
        place[::50] = rng.choice([99, -7, 4], place[::50].size)

    def jagged(columns, counts):
        return ak.zip({name: ak.unflatten(values.astype(np.float32), counts) for name, values in columns.items()})

    jet = jagged(jets, n_jets)
    jet["genJetIdx"] = ak.unflatten(place.astype(np.int32), n_jets)
    with uproot.recreate(path) as file:
        arrays = {
            "MET_pt": rng.exponential(30.0, n_events).astype(np.float32),
            "Jet": jet,
            "GenJet": jagged(gen, n_gen),
        }
        file.mktree(
            "Events",
            {
                name: array.type.content if isinstance(array, ak.Array) else array.dtype
                for name, array in arrays.items()
            },
        )
        for start in range(0, n_events, 2500):
            file["Events"].extend({name: array[start : start + 2500] for name, array in arrays.items()})
    return path


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    """A file of jets matched to generator jets, its archive with models, and one without."""
    folder = tmp_path_factory.mktemp("matched")
    source = write_matched(folder / "matched.root", 10_000, seed=3)
    hepbaler.compress(source, folder / "learned.hbal", train_steps=120)
    hepbaler.compress(source, folder / "plain.hbal", use_model=False)
    return source, folder / "learned.hbal", folder / "plain.hbal"


def test_the_link_is_found_shown_and_saves(matched):
    _, learned, plain = matched
    with hepbaler.open(learned) as one, hepbaler.open(plain) as other:
        info = one.info()
        (link,) = [link for link in info["trees"][0]["links"] if link["kind"] == "link"]
        sizes = [
            sum(
                c["bytes"]
                for c in archive.info()["trees"][0]["columns"]
                if c["column"] in ("Jet_eta", "Jet_phi", "Jet_pt")
            )
            for archive in (one, other)
        ]
        assert other.info()["trees"][0]["links"] == []
    assert (link["table"], link["target"], link["index"]) == ("Jet", "GenJet", "Jet_genJetIdx")
    assert {"GenJet_pt", "GenJet_eta", "GenJet_phi"} <= set(link["columns"])
    assert sizes[0] < 0.9 * sizes[1]


def test_linked_tables_read_as_plain_ones_do(matched):
    source, learned, plain = matched
    with hepbaler.open(learned) as one, hepbaler.open(plain) as other:
        truth = other["Events"].arrays()
        assert ak.array_equal(one["Events"].arrays(), truth, dtype_exact=True)
        for name in one["Events"]:
            part = one["Events"][name].array(entry_start=2490, entry_stop=2510)
            assert ak.array_equal(part, truth[name][2490:2510], dtype_exact=True), name
    assert hepbaler.verify(learned, source).violations == 0


def test_a_linked_column_reads_without_torch_and_no_more_than_it_needs(matched):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import hepbaler\n"
        "tree = hepbaler.open(sys.argv[1])['Events']\n"
        "print(len(tree['Jet_eta'].array()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(matched[1])], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "10000", done.stderr
    with hepbaler.open(matched[1]) as archive:
        decoder = archive["Events"]._decoder
        assert "MET_pt" not in decoder.models.needed(["Jet_eta"], {})
        assert not {name for name in decoder.models.needed(["GenJet_eta"], {}) if name.startswith("Jet_")}


def test_a_model_with_links_serves_a_file_with_broken_ones(matched, tmp_path):
    hepbaler.train(matched[0], tmp_path / "m.hbmodel", train_steps=60)
    other = write_matched(tmp_path / "other.root", 2000, seed=8, broken=True)
    report = hepbaler.compress(other, tmp_path / "other.hbal", model=tmp_path / "m.hbmodel")
    assert any(table.learned for table in report.tables)
    assert hepbaler.verify(tmp_path / "other.hbal", other).violations == 0
    with pytest.raises(ModelError, match="GenJet_"):
        hepbaler.compress(other, tmp_path / "x.hbal", model=tmp_path / "m.hbmodel", drop=["GenJet_*"])


def test_the_same_seed_finds_the_same_links(matched, tmp_path):
    hepbaler.compress(matched[0], tmp_path / "again.hbal", train_steps=120)
    assert (tmp_path / "again.hbal").read_bytes() == matched[1].read_bytes()


@pytest.fixture(scope="module")
def header(matched):
    """The header of the archive with links, as plain data, and the number of the model that looks elsewhere."""
    with hepbaler.open(matched[1]) as archive:
        data = archive["Events"].header.to_dict()
    number = next(
        i for i, model in enumerate(data["models"]) if any(one[0] == "link" for one in model.get("context", []))
    )
    return data, number


def test_a_header_with_context_comes_back(header):
    data, number = header
    again = TreeHeader.from_dict(copy.deepcopy(data))
    assert again.to_dict() == data
    assert any(one.kind == "link" for one in again.models[number].context)


def test_hostile_context_is_refused(header):
    data, number = header
    linked = data["models"][number]["table"]
    target = next(one for one in data["models"][number]["context"] if one[0] == "link")
    tables = data["tables"]
    own, event = tables[linked]["columns"][0], tables[0]["columns"][0]
    n_columns = sum(len(table["columns"]) for table in tables)
    hostile = {
        "unknown kind": ["sibling", target[1]],
        "unknown kind 'link'": ["link", target[1]],
        "should be list": "link",
        "unknown kind None": [],
        "there is no column": ["link", n_columns, target[2]],
        "there is no place": ["item", target[1], 1 << 20],
        "cannot look": ["link", target[1], event],
        "cannot look ": ["aligned", own],
        "cannot look  ": ["parent", target[1]],
        "same context twice": target,
    }
    for message, one in hostile.items():
        changed = copy.deepcopy(data)
        changed["models"][number]["context"].append(one)
        with pytest.raises(CorruptFile, match=message.strip()):
            TreeHeader.from_dict(changed)
    late = copy.deepcopy(data)
    gen = next(i for i, table in enumerate(tables) if target[1] in table["columns"])
    late["models"].append({"section": "model/9", "table": gen, "columns": [target[1]]})
    with pytest.raises(CorruptFile, match="decoded after it"):
        TreeHeader.from_dict(late)
    circle = copy.deepcopy(data)
    circle["models"][number]["columns"].append(target[2])
    with pytest.raises(CorruptFile, match="decoded after it"):
        TreeHeader.from_dict(circle)
    same = copy.deepcopy(data)
    same["models"].append(same["models"][number])
    with pytest.raises(CorruptFile, match="two models"):
        TreeHeader.from_dict(same)
    constant = copy.deepcopy(data)
    constant["constants"].append([target[2], "0"])
    with pytest.raises(CorruptFile, match="without pages"):
        TreeHeader.from_dict(constant)
