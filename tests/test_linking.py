"""Which tables are linked: by what columns tell, not by chance, and never in circles."""

from __future__ import annotations

import numpy as np
import pytest

from hepbaler.linking import find_links
from hepbaler.preparing import Prepared
from hepbaler.table import Branch, Column, Table, TreeSchema, Values

N_EVENTS = 3000


def prepared_of(tables, sample, counts):
    """A tree ready to be coded, from integers alone; ten bits a value, and two of small numbers."""
    columns = tuple(Column(key, key, "int32", "values") for table in tables for key in table.columns)
    branches = tuple(Branch(c.key, "int32_t", "", Values(c.dtype, c.key)) for c in columns)
    schema = TreeSchema("Events", 1, "", "TTree", N_EVENTS, branches, columns, tables)
    rows = tuple(sample[table.columns[0]].size for table in tables)
    bits = {key: 10.0 if values.max() > 100 else 2.0 for key, values in sample.items()}
    return Prepared(schema, {}, {}, sample, counts, {}, bits, rows)


def tables_of(lepton_columns, jet_columns):
    return (
        Table(0, "Events", -1, "entries", None, 0, ("nLepton", "nJet", "MET")),
        Table(1, "Lepton", 0, "list", "nLepton", 0, lepton_columns),
        Table(2, "Jet", 0, "list", "nJet", 0, jet_columns),
    )


@pytest.fixture(scope="module")
def leptons():
    """Each lepton near the jet it points to, if any; a charge that happens to be a place in a list as well."""
    rng = np.random.default_rng(0)
    n_leptons, n_jets = rng.integers(0, 3, N_EVENTS), rng.integers(2, 6, N_EVENTS)
    jets, total = rng.integers(0, 4096, int(n_jets.sum())), int(n_leptons.sum())
    event = np.repeat(np.arange(N_EVENTS), n_leptons)
    place = rng.integers(0, 1 << 20, total) % n_jets[event]
    eta = jets[(np.cumsum(n_jets) - n_jets)[event] + place] + rng.integers(-9, 10, total)
    place[rng.random(total) < 0.2] = -1
    sample = {
        "nLepton": n_leptons,
        "nJet": n_jets,
        "MET": rng.integers(0, 4096, N_EVENTS),
        "Lepton_eta": eta,
        "Lepton_pt": rng.integers(0, 4096, total),
        "Lepton_charge": rng.choice([-1, 1], total),
        "Lepton_jetIdx": place,
        "Jet_eta": jets,
        "Jet_pt": rng.integers(0, 4096, jets.size),
    }
    return sample, {1: n_leptons, 2: n_jets}


LEPTON = ("Lepton_eta", "Lepton_pt", "Lepton_charge", "Lepton_jetIdx")


def test_an_index_is_a_link_and_a_charge_is_none(leptons):
    sample, counts = leptons
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt"))
    links = find_links(prepared_of(tables, sample, counts), tables)
    assert links.indices(1) == ("Lepton_jetIdx",)
    assert [(one.kind, one.column) for one in links.context[1]] == [("link", "Jet_eta")]
    assert links.context[0] == links.context[2] == ()
    assert links.order == (0, 2, 1)
    assert links.promise[1] > links.promise[2]


def test_an_index_is_found_whatever_its_name(leptons):
    sample, counts = leptons
    renamed = {key.replace("jetIdx", "xyz"): values for key, values in sample.items()}
    tables = tables_of((*LEPTON[:-1], "Lepton_xyz"), ("Jet_eta", "Jet_pt"))
    assert find_links(prepared_of(tables, renamed, counts), tables).indices(1) == ("Lepton_xyz",)


def test_a_place_that_does_not_exist_makes_a_column_no_index(leptons):
    sample, counts = leptons
    broken = sample | {
        "Lepton_jetIdx": np.where(np.arange(sample["Lepton_jetIdx"].size) == 7, 50, sample["Lepton_jetIdx"])
    }
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt"))
    assert find_links(prepared_of(tables, broken, counts), tables).indices(1) == ()


def test_of_two_tables_that_point_at_each_other_one_comes_first(leptons):
    sample, counts = leptons
    n_leptons, n_jets = counts[1], counts[2]
    back = np.full(int(n_jets.sum()), -1)
    event = np.repeat(np.arange(N_EVENTS), n_leptons)
    position = np.arange(event.size) - (np.cumsum(n_leptons) - n_leptons)[event]
    found = sample["Lepton_jetIdx"] >= 0
    back[(np.cumsum(n_jets) - n_jets)[event[found]] + sample["Lepton_jetIdx"][found]] = position[found]
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt", "Jet_leptonIdx"))
    links = find_links(prepared_of(tables, sample | {"Jet_leptonIdx": back}, counts), tables)
    linked = [index for index in (1, 2) if links.indices(index)]
    assert len(linked) == 1
    other = 3 - linked[0]
    assert links.order.index(other) < links.order.index(linked[0])
    assert all(one.target(tables).index != linked[0] for one in links.context[other])


def test_a_table_sees_its_event_where_that_tells_much(leptons):
    sample, counts = leptons
    event = np.repeat(np.arange(N_EVENTS), counts[2])
    near = sample | {"Jet_pt": sample["MET"][event] + np.arange(event.size) % 7}
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt"))
    links = find_links(prepared_of(tables, near, counts), tables)
    assert ("parent", "MET") in [(one.kind, one.column) for one in links.context[2]]


def test_a_sample_whose_counts_do_not_fit_has_no_links(leptons):
    sample, counts = leptons
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt"))
    links = find_links(prepared_of(tables, sample, {1: counts[1] + 1, 2: counts[2]}), tables)
    assert links.context[1] == ()


def test_a_table_does_not_look_further_than_its_reach(leptons):
    """Two columns of all jets for each lepton: more than a row of leptons may need, or just not."""
    sample, counts = leptons
    tables = tables_of(LEPTON, ("Jet_eta", "Jet_pt"))
    prepared = prepared_of(tables, sample, counts)
    n_values = 2 * sample["Jet_eta"].size / sample["Lepton_eta"].size
    assert find_links(prepared, tables, reach=n_values + 0.01).context[1]
    assert not find_links(prepared, tables, reach=n_values - 0.01).context[1]


def test_what_a_table_looks_at_must_not_look_too_far_either(leptons):
    """Of leptons that see jets that see tracks, the way that tells less is given up, so that leptons stay within their reach."""
    sample, counts = leptons
    rng = np.random.default_rng(5)
    n_tracks = rng.integers(5, 9, N_EVENTS)
    tracks = rng.integers(0, 4096, int(n_tracks.sum()))
    event = np.repeat(np.arange(N_EVENTS), counts[2])
    place = rng.integers(0, 1 << 20, event.size) % n_tracks[event]
    near = tracks[(np.cumsum(n_tracks) - n_tracks)[event] + place] + rng.integers(-3, 4, event.size)
    more = sample | {"nTrack": n_tracks, "Track_eta": tracks, "Jet_pt": near, "Jet_trackIdx": place}
    tables = (
        Table(0, "Events", -1, "entries", None, 0, ("nLepton", "nJet", "MET", "nTrack")),
        Table(1, "Lepton", 0, "list", "nLepton", 0, LEPTON),
        Table(2, "Jet", 0, "list", "nJet", 0, ("Jet_eta", "Jet_pt", "Jet_trackIdx")),
        Table(3, "Track", 0, "list", "nTrack", 0, ("Track_eta",)),
    )
    prepared = prepared_of(tables, more, counts | {3: n_tracks})
    seen = {
        reach: [{one.column for one in find_links(prepared, tables, reach).context[i]} for i in (1, 2)]
        for reach in (8.0, np.inf)
    }
    assert seen[np.inf] == [{"Jet_eta"}, {"Track_eta"}]
    # The link of the jets saves more: there are more of them. With it, leptons would need jets and tracks.
    assert seen[8.0] == [set(), {"Track_eta"}]
