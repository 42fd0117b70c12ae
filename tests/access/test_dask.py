from __future__ import annotations

import awkward as ak
import pytest

import hepbaler
from hepbaler.errors import InputError

pytest.importorskip("dask_awkward")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def archives(nano_file, other_nano_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dask")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", 8_000)
        for path in (nano_file, other_nano_file):
            hepbaler.compress(path, folder / f"{path.name}.hbal", use_model=False)
    return [folder / f"{path.name}.hbal" for path in (nano_file, other_nano_file)]


def test_partitions_are_clusters(archives):
    lazy = hepbaler.dask(archives)
    eager = [hepbaler.open(path)["Events"] for path in archives]
    assert lazy.npartitions == sum(len(tree.common_entry_offsets()) - 1 for tree in eager)
    assert hepbaler.dask(archives, clusters_per_partition=100).npartitions == 2
    truth = ak.concatenate([tree.arrays() for tree in eager])
    assert ak.array_equal(lazy.compute(scheduler="sync"), truth)


def test_only_used_branches_are_read(archives):
    import dask_awkward

    lazy = hepbaler.dask(archives, filter_name=["Jet_*", "MET_*"])
    asked = lazy.Jet_pt[lazy.MET_pt > 40]
    (used,) = dask_awkward.necessary_columns(asked).values()
    assert used == {"Jet_pt", "MET_pt"}
    truth = ak.concatenate([hepbaler.open(path)["Events"].arrays(["Jet_pt", "MET_pt"]) for path in archives])
    assert ak.array_equal(asked.compute(scheduler="sync"), truth.Jet_pt[truth.MET_pt > 40])


def test_what_cannot_be_one_array(archives, tmp_path, strings_file):
    with pytest.raises(InputError, match="no archive"):
        hepbaler.dask([])
    with pytest.raises(InputError, match="at least one cluster"):
        hepbaler.dask(archives, clusters_per_partition=0)
    other = tmp_path / "skim.hbal"
    hepbaler.compress(strings_file, other, use_model=False)
    mine = tmp_path / "mine.hbal"
    hepbaler.compress(strings_file, mine, use_model=False, keep=["x"])
    with pytest.raises(InputError, match="are not those in"):
        hepbaler.dask([other, mine], "tree")
