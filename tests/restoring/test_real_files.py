"""Files of experiments through the writer: read by uproot, written, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import pytest
import uproot

from hepbaler.restoring import RootWriter

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
pytestmark = pytest.mark.shared

# file, tree, how many differences of each kind the writer may report
TREES = [
    ("sim/ttbar_boosted_nano_f32.root", "Events", {}),
    ("real/Run2012B_SingleMu_1000.root", "Events", {}),
    ("real/cms_opendata_dimuon_100k.root", "Events", {}),
    ("real/uproot-HZZ.root", "events", {}),
    ("real/uproot-HZZ-objects.root", "events", {"type", "added"}),
    ("real/uproot-Zmumu.root", "events", {}),
    ("real/uproot-small-flat-tree.root", "tree", {}),
    ("real/uproot-nesteddirs.root", "one/two/tree", {}),
    ("real/uproot-nesteddirs.root", "three/tree", {"name"}),
    ("real/uproot-issue413.root", "mytree", {}),
    ("real/ndim-slice.root", "tree", {"type", "counter"}),
    ("real/uproot-empty.root", "tree", {}),
    ("real/uproot-double32-float16.root", "tree", {"type"}),
    ("real/uproot-stl_containers.root", "tree", {}),
    ("real/uproot-issue-880.root", "Z", {"name", "type", "added"}),
    ("real/ntpl001_staff_rntuple_v1-0-0-0.root", "Staff", {"type"}),
    ("real/cms_ntuple_wjet.root", "variable", {"name", "added"}),
]
WIDE = [
    ("real/nanoaod_v5_1000ev.root", "Events", {}),
    ("real/nano_dy.root", "Events", {}),
    ("real/atlas_PHYSLITE_100ev.root", "CollectionTree", {"name", "type", "added", "missing"}),
]
SLOW = [pytest.param(*one, marks=pytest.mark.slow) for one in WIDE]


@pytest.mark.parametrize("rntuple", [False, True], ids=["TTree", "RNTuple"])
@pytest.mark.parametrize(("file", "path", "kinds"), [*TREES, *SLOW])
def test_same_branches_types_titles_and_values(
    file: str, path: str, kinds: set[str], rntuple: bool, tmp_path: Path, read: Any, same: Any
) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"no {file} in {DATA}")
    with uproot.open(DATA / file) as source:
        tree = source[path]
        branches, arrays = read(tree, 1000)
        title = tree.title if hasattr(tree, "title") else tree.description
    n_entries = len(next(iter(arrays.values())))
    half = n_entries // 2
    clusters = [{name: array[at] for name, array in arrays.items()} for at in (slice(0, half), slice(half, None))]
    with RootWriter(tmp_path / "back.root", rntuple=rntuple) as writer:
        report = writer.write_tree(path, title, branches, clusters, n_entries)
    if not rntuple:
        assert {one.kind for one in report.differences} == set(kinds)
    new_names = {one.branch: one.restored for one in report.differences if one.kind == "name"}
    new_types = {one.branch: one.restored for one in report.differences if one.kind == "type"}
    counters = {name for name, typename in new_types.items() if typename == "int32_t"}
    gone = {one.branch for one in report.missing}
    compared = 0
    with uproot.open(tmp_path / "back.root") as file_back:
        tree = file_back[path]
        assert (tree.description if rntuple else tree.title) == title
        assert tree.keys(recursive=False) == list(report.branches)
        for branch in branches:
            name = new_names.get(branch.name, branch.name)
            if name not in report.branches:
                # taken apart or not written, and said so
                assert branch.name in gone or branch.name in new_types
                continue
            compared += 1
            back = tree[name]
            # counters become int32
            wanted = arrays[branch.name]
            assert same(back.array(), ak.values_astype(wanted, "int32") if branch.name in counters else wanted)
            assert back.typename == new_types.get(branch.name, branch.typename)
            told = back.description if rntuple else back.title
            # a leaf list is the file's own matter
            assert told == branch.title or (not rntuple and told.startswith(name) and "/" in told)
    assert compared >= len(branches) * 0.15
