"""Real ROOT files of many experiments and odd ones: each is read as uproot reads it, or refused in one line."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hepbaler.errors import InputError
from hepbaler.layouts import columns_of, flatten, layout_of, unflatten
from hepbaler.reading import SourceTree, open_source

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
ENTRIES = 2000


def files_of_scikit_hep_testdata() -> list[Path]:
    spec = importlib.util.find_spec("skhep_testdata")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "data").glob("*.root"))


def sweep_tree(tree: SourceTree) -> int:
    keys = [column.key for branch in tree.branches for column in columns_of(branch)]
    assert len(keys) == len(set(keys))
    ranges = tree.clusters(16_000_000)
    assert [stop for _, stop in ranges[:-1]] == [start for start, _ in ranges[1:]]
    stop = min(tree.num_entries, ENTRIES)
    arrays = tree.read(0, stop)
    for branch in tree.branches:
        array = arrays[branch.name]
        member = tree.reader.members[branch.name]
        columns = flatten(branch.layout, array)
        back = unflatten(branch.layout, columns, stop)
        assert {column.key for column in columns_of(branch)} == set(columns), branch.name
        if stop:
            # read by itself, in uproot's own way
            expected = member.array(entry_stop=stop) if tree.kind == "TTree" else array
            assert back.type == expected.type, branch.name
            again = flatten(layout_of(branch.name, expected), expected)
            assert [values.tobytes() for values in again.values()] == [values.tobytes() for values in columns.values()]
            assert ak.array_equal(back, expected, equal_nan=True) or _holds_unions(back)
    return len(tree.branches)


def _holds_unions(array: ak.Array) -> bool:
    return "union" in str(array.type)


def sweep(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refusal = ""
        try:
            with open_source(path) as source:
                for tree in source.trees:
                    sweep_tree(tree)
                    assert all(branch.reason and "\n" not in branch.reason for branch in tree.unreadable)
                content, left = source.copy_objects()
                assert content[:4] == b"root" if source.objects else content[:4] in (b"root", b"")
                assert {item.name for item in left} == {tree.name for tree in source.unreadable}
        except InputError as error:
            refusal = str(error)
    assert "\n" not in refusal
    assert not refusal or (path.name in refusal and ("no tree" in refusal or "cannot be opened" in refusal))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SHARED.glob("real/*.root")), ids=lambda path: path.stem)
def test_real_files(path: Path) -> None:
    sweep(path)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SHARED.glob("sim/*.root")), ids=lambda path: path.stem)
def test_simulated_files(path: Path) -> None:
    sweep(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", files_of_scikit_hep_testdata(), ids=lambda path: path.stem)
def test_scikit_hep_testdata(path: Path) -> None:
    sweep(path)


@pytest.mark.shared
@pytest.mark.slow
def test_a_hundred_million_rows_in_two_kilobytes_are_read_in_bounded_ranges() -> None:
    path = SHARED / "real/test_int_multicluster_rntuple_v1-0-0-0.root"
    if not path.exists():
        pytest.skip(f"no data at {path}")
    with open_source(path) as source:
        tree = source.trees[0]
        ranges = tree.clusters(16_000_000)
        assert ranges[-1][1] == tree.num_entries == 100_000_000
        assert max(stop - start for start, stop in ranges) <= 16_000_000
        start, stop = ranges[5]
        assert tree.read(start, stop)["one_integers"].nbytes == 2 * (stop - start)
        assert np.asarray(tree.read(start, start + 3)["one_integers"]).dtype == np.int16
