from __future__ import annotations

import pickle

import numpy as np
import pytest
import uproot

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

import hepbaler  # noqa: E402
from hepbaler.bounds import Bound, Plan  # noqa: E402
from hepbaler.errors import ColumnNotFound, FormatError, InputError  # noqa: E402
from hepbaler.torch import RootBatches, ScalingPlan  # noqa: E402

JETS = ["Jet_pt", "Jet_eta", "Jet_mass"]


@pytest.fixture(scope="module")
def truth(nano_file):
    """Rows as uproot has them, shape (n_rows, 3)."""
    arrays = uproot.open(nano_file)["Events"].arrays(JETS, library="np")
    return np.stack([np.concatenate(arrays[name]) for name in JETS], axis=1)


def batches_of(nano_file, **options):
    return RootBatches(nano_file, **{"filter_name": JETS, "batch_rows": 64, "step_size": "2 kB"} | options)


def rows_of(batches) -> np.ndarray:
    return torch.cat(list(batches)).numpy()


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]


def test_without_shuffling_rows_keep_their_order(nano_file, truth):
    batches = list(batches_of(nano_file, shuffle=False))
    assert {len(batch) for batch in batches[:-1]} == {64}
    assert batches[0].dtype == torch.float32
    np.testing.assert_array_equal(torch.cat(batches).numpy(), truth)


@pytest.mark.parametrize("buffer_rows", [1, 100, 10**6])
def test_shuffling_loses_and_repeats_nothing(nano_file, truth, buffer_rows):
    rows = rows_of(batches_of(nano_file, buffer_rows=buffer_rows))
    np.testing.assert_array_equal(in_order(rows), in_order(truth))
    assert not np.array_equal(rows, truth)


def test_seed_and_epoch_set_the_order(nano_file):
    batches = batches_of(nano_file)
    first = rows_of(batches)
    np.testing.assert_array_equal(first, rows_of(batches_of(nano_file)))
    assert not np.array_equal(first, rows_of(batches_of(nano_file, seed=1)))
    batches.set_epoch(1)
    assert not np.array_equal(first, rows_of(batches))
    batches.set_epoch(0)
    np.testing.assert_array_equal(first, rows_of(batches))


def test_drop_last_leaves_whole_batches(nano_file, truth):
    batches = list(batches_of(nano_file, drop_last=True))
    assert {len(batch) for batch in batches} == {64}
    assert len(batches) == len(truth) // 64


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_share_the_rows(nano_file, truth, n_workers):
    loader = DataLoader(batches_of(nano_file), batch_size=None, num_workers=n_workers, multiprocessing_context="spawn")
    np.testing.assert_array_equal(in_order(rows_of(loader)), in_order(truth))


def test_a_copy_for_a_worker_gives_the_same(nano_file):
    batches = batches_of(nano_file, scaling=batches_of(nano_file).fit_scaling("rank"))
    np.testing.assert_array_equal(rows_of(pickle.loads(pickle.dumps(batches))), rows_of(batches))


def test_scaling_is_applied_and_can_be_undone(nano_file, truth):
    plain = batches_of(nano_file, shuffle=False, dtype=torch.float64)
    plan = plain.fit_scaling({"Jet_pt": "log", "Jet_eta": "standard", "Jet_mass": "rank"})
    scaled = plain.with_scaling(ScalingPlan.from_dict(plan.to_dict()))
    assert plain.scaling is None
    assert scaled.columns == tuple(JETS)
    rows = rows_of(scaled)
    np.testing.assert_allclose(rows[:, :2].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(rows[:, :2].std(axis=0), 1, rtol=1e-6)
    assert rows[:, 2].min() == 0
    assert rows[:, 2].max() == 1
    back = plan.invert(dict(zip(JETS, rows.T, strict=True)))
    np.testing.assert_allclose(np.stack([back[name] for name in JETS], axis=1), truth, rtol=1e-9)


def test_missing_values_become_harmless(odd_values_file):
    columns = ["single", "double", "only_nan", "constant"]
    plain = RootBatches(odd_values_file, filter_name=columns, shuffle=False, missing=None, dtype=torch.float64)
    assert torch.isnan(next(iter(plain))).any()
    assert torch.isfinite(next(iter(RootBatches(odd_values_file, filter_name=columns, dtype=torch.float64)))).all()


def test_sample_is_of_real_rows(nano_file, truth):
    sample = batches_of(nano_file).sample(50)
    assert {name: len(values) for name, values in sample.items()} == dict.fromkeys(JETS, 50)
    rows = np.stack([sample[name] for name in JETS], axis=1)
    known = {row.tobytes() for row in truth}
    assert all(row.tobytes() in known for row in rows)
    assert len({row.tobytes() for row in rows}) == 50


def test_sample_of_more_than_there_is(nano_file, truth):
    assert len(batches_of(nano_file).sample(10**6)["Jet_pt"]) == len(truth)


def test_no_entries_no_batches(empty_tree_file):
    batches = RootBatches(empty_tree_file, filter_name="x")
    assert list(batches) == []
    assert list(batches.with_scaling(batches.fit_scaling())) == []


def test_scaling_must_know_the_columns(nano_file):
    plan = ScalingPlan.fit({"Jet_pt": np.arange(3.0)})
    with pytest.raises(ColumnNotFound, match="no column 'Jet_eta'"):
        batches_of(nano_file, scaling=plan)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_rows": 0}, "batch_rows should be at least 1"),
        ({"buffer_rows": 0}, "buffer_rows should be at least 1"),
        ({"dtype": torch.int64}, "not such a type"),
        ({"step_size": "much"}, "should look like '100 MB'"),
    ],
)
def test_wrong_options_are_refused(nano_file, options, message):
    with pytest.raises(InputError, match=message):
        batches_of(nano_file, **options)


@pytest.mark.slow
def test_an_autoencoder_learns_from_it(sample_path):
    names = ["Jet_pt", "Jet_mass", "Jet_chHEF", "Jet_neHEF", "Jet_chEmEF", "Jet_neEmEF", "Jet_muEF"]
    batches = RootBatches(sample_path, filter_name=names, batch_rows=256)
    batches = batches.with_scaling(batches.fit_scaling("rank"))
    torch.manual_seed(0)
    n = len(names)
    model = torch.nn.Sequential(torch.nn.Linear(n, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4), torch.nn.Linear(4, n))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for epoch in range(5):
        batches.set_epoch(epoch)
        losses.append([])
        for x in batches:
            loss = torch.nn.functional.mse_loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(float(loss.detach()))
    assert np.mean(losses[-1]) < 0.5 * np.mean(losses[0])


@pytest.fixture(scope="module")
def archive(nano_file, tmp_path_factory):
    path = tmp_path_factory.mktemp("root_batches") / "nano.root.hbal"
    hepbaler.compress(nano_file, path, plan=Plan(default=Bound.parse("exact")), use_model=False)
    return path.as_posix()


def test_archives_are_read_as_root_files(archive, truth):
    for path in (archive, f"{archive}:Events", f"hepbaler://{archive}", f"hepbaler://any.root:Events::{archive}"):
        batches = RootBatches(path, filter_name=JETS, batch_rows=64, shuffle=False)
        np.testing.assert_array_equal(rows_of(batches), truth)
    whole = f"hepbaler://{archive.removesuffix('nano.root.hbal')}*.root"
    loader = DataLoader(RootBatches(whole, filter_name=JETS, step_size="2 kB"), batch_size=None, num_workers=2)
    np.testing.assert_array_equal(in_order(rows_of(loader)), in_order(truth))


def test_an_archive_that_is_not_there(archive):
    with pytest.raises(FormatError, match=r"none\.root\.hbal cannot be read: there is no such file"):
        RootBatches(archive.replace("nano", "none"), filter_name=JETS)
    with pytest.raises(ColumnNotFound, match="has no tree 'Runs'; it holds Events"):
        RootBatches(f"{archive}:Runs", filter_name=JETS)


def test_several_trees_of_an_archive_ask_for_a_name(crowded_file, tmp_path):
    archive = (tmp_path / "crowded.root.hbal").as_posix()
    hepbaler.compress(crowded_file, archive, use_model=False, skip_unreadable=True)
    with pytest.raises(InputError, match="in several trees .*name one, as in 'hepbaler://crowded.root:[^:]*::/"):
        RootBatches(archive, filter_name="x")
    assert rows_of(RootBatches(f"{archive}:a/b/tree", filter_name="x", shuffle=False))[:, 0].tolist() == list(range(7))
