"""Reading takes the memory of a step and of the cache, however long the archive is; so does compressing it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot

import hepbaler

pytestmark = pytest.mark.slow

N = 60_000
CLUSTER = 400_000


def write(path: Path, times: int) -> Path:
    """Eight columns of random values, 1.9 MB for each time."""
    random = np.random.default_rng(7)
    with uproot.recreate(path) as file:
        file.mktree("Events", {f"x{i}": "float32" for i in range(8)})
        for _ in range(times):
            file["Events"].extend({f"x{i}": random.normal(size=N).astype(np.float32) for i in range(8)})
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    return [write(folder / f"times{times}.root", times) for times in (2, 8)]


def compressed(source: Path) -> Path:
    target = source.with_name(f"{source.name}.hbal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepbaler.pipeline.CLUSTER_BYTES", CLUSTER)
        # of the same size for both files
        patch.setattr("hepbaler.treejob.FEW_BYTES", CLUSTER)
        hepbaler.compress(source, target, use_model=False, force=True, jobs=1)
    return target


@pytest.fixture(scope="module")
def archives(files):
    return [compressed(source) for source in files]


def peak(work: Callable[[Path], object], path: Path) -> int:
    """Bytes that Python and numpy held at most while `work` ran."""
    tracemalloc.start()
    try:
        work(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def by_tree(path: Path) -> int:
    return sum(len(step) for step in hepbaler.iterate(path, step_size="500 kB"))


def by_url(path: Path) -> int:
    files = {f"hepbaler://events.root::{path}": "Events"}
    return sum(len(step) for step in uproot.iterate(files, step_size="500 kB", hepbaler={"cache_bytes": CLUSTER}))


@pytest.mark.parametrize("read", [by_tree, by_url])
def test_longer_archives_are_read_in_the_same_memory(read, archives):
    for archive, times in zip(archives, (2, 8), strict=True):
        assert read(archive) == times * N
    short, long = (peak(read, archive) for archive in archives)
    # if anything were kept, the columns of six times as many entries would be there
    assert long - short < 8 * 4 * N


def test_longer_files_are_compressed_in_the_same_memory(files):
    for source in files:
        compressed(source)
    short, long = (peak(compressed, source) for source in files)
    assert long - short < 8 * 4 * N
