"""ROOT files written by uproot, read through our eyes and through uproot's own."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import awkward as ak
import hist
import numpy as np
import pytest
import uproot

from hepbaler.errors import InputError
from hepbaler.layouts import flatten, unflatten
from hepbaler.reading import SourceTree, open_source
from hepbaler.reading.objects import classes_inside
from hepbaler.table import ListLayout, RegularLayout, Values


def assert_reads_as_uproot_does(tree: SourceTree, original: object) -> None:
    arrays = tree.read(0, tree.num_entries)
    assert list(arrays) == [branch.name for branch in tree.branches]
    for branch in tree.branches:
        array = arrays[branch.name]
        expected = original[branch.name].array()  # type: ignore[index]
        back = unflatten(branch.layout, flatten(branch.layout, array), len(array))
        assert back.type == expected.type
        assert ak.array_equal(back, expected, equal_nan=True)


def test_a_ttree_is_read_with_its_types(nano_file: Path) -> None:
    with open_source(nano_file) as source, uproot.open(nano_file) as file:
        (tree,) = source.trees
        assert (tree.path, tree.kind, tree.num_entries, tree.title) == ("Events", "TTree", 400, "small events")
        assert source.size == nano_file.stat().st_size
        assert source.uuid == str(file.file.uuid)
        assert source.objects == ()
        assert tree.unreadable == ()
        assert_reads_as_uproot_does(tree, file["Events"])
        branches = {branch.name: branch for branch in tree.branches}
    assert branches["Jet_pt"].layout == ListLayout("Jet_pt@counts", Values("float32", "Jet_pt"))
    assert (branches["Jet_pt"].typename, branches["Jet_pt"].count_branch) == ("float[]", "nJet")
    assert branches["LHEScaleWeight"].layout == RegularLayout(9, Values("float32", "LHEScaleWeight"))
    assert branches["nJet"].count_branch is None


def test_an_rntuple_is_read_with_its_types(ntuple_file: Path) -> None:
    with open_source(ntuple_file) as source, uproot.open(ntuple_file) as file:
        (tree,) = source.trees
        assert (tree.path, tree.kind, tree.num_entries) == ("ntuple", "RNTuple", 50)
        assert [branch.name for branch in tree.branches] == file["ntuple"].keys(recursive=False)
        assert {branch.name for branch in tree.branches} == {"met", "jet_pt", "hits", "label"}
        assert_reads_as_uproot_does(tree, file["ntuple"])
        assert tree.read(3, 3)["hits"].type == file["ntuple"]["hits"].array()[:0].type
        assert tree.uncompressed_bytes > 50 * 4


def test_strings_and_odd_values_are_read(strings_file: Path, odd_values_file: Path) -> None:
    for path, name in ((strings_file, "tree"), (odd_values_file, "odd")):
        with open_source(path) as source, uproot.open(path) as file:
            assert_reads_as_uproot_does(source.trees[0], file[name])


@pytest.mark.parametrize("which", ["nano_file", "ntuple_file"])
def test_ranges_put_together_are_the_whole(which: str, request: pytest.FixtureRequest) -> None:
    with open_source(request.getfixturevalue(which)) as source:
        tree = source.trees[0]
        whole = tree.read(0, tree.num_entries)
        ranges = tree.clusters(tree.uncompressed_bytes // 7)
        assert len(ranges) > 1
        for start, stop in ranges:
            for name, part in tree.read(start, stop).items():
                assert ak.array_equal(part, whole[name][start:stop], equal_nan=True)


def test_clusters_end_at_baskets(nano_file: Path) -> None:
    with open_source(nano_file) as source:
        tree = source.trees[0]
        assert tree.clusters(int(tree.uncompressed_bytes * 0.3)) == [(0, 100), (100, 200), (200, 300), (300, 400)]
        assert tree.clusters(10**9) == [(0, 400)]


def test_some_names_are_read_in_their_order(nano_file: Path) -> None:
    with open_source(nano_file) as source:
        tree = source.trees[0]
        assert list(tree.read(5, 7, ["Jet_pt", "run"])) == ["Jet_pt", "run"]
        with pytest.raises(InputError, match=r"no readable branch 'Jet_Pt'; nearest: 'Jet_pt'"):
            tree.read(0, 1, ["Jet_Pt"])
        with pytest.raises(InputError, match="entries 390 to 401 are not in tree 'Events' of .*, which has 400"):
            tree.read(390, 401)


def test_reading_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "long.root"
    with uproot.recreate(path, compression=None) as file:
        file.mktree("tree", {"x": "float64"})
        for seed in range(8):
            file["tree"].extend({"x": np.random.default_rng(seed).normal(size=50_000)})
    with open_source(path) as source:
        tree = source.trees[0]
        tree.read(0, 1)
        tracemalloc.start()
        for start, stop in tree.clusters(400_000):
            assert len(tree.read(start, stop)["x"]) == stop - start
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    # all of it is 3.2 MB
    assert kept < 400_000


def test_all_trees_of_all_directories_newest_cycle(crowded_file: Path) -> None:
    with open_source(crowded_file) as source:
        assert {(t.path, t.cycle, t.num_entries) for t in source.trees} == {
            ("tree", 1, 3),
            ("a/tree", 1, 5),
            ("a/b/tree", 1, 7),
            ("twice", 2, 4),
        }
        assert source.notes == ("twice: cycle 2 is the newest; cycle 1 left out",)
        assert {(o.path, o.classname) for o in source.objects} == {
            ("a", "TDirectory"),
            ("a/b", "TDirectory"),
            ("empty", "TDirectory"),
            ("mass", "TH1D"),
            ("a/number", "TH1D"),
            ("remark", "TObjString"),
        }


def test_objects_are_copied_byte_by_byte(crowded_file: Path) -> None:
    with open_source(crowded_file) as source, uproot.open(crowded_file) as original:
        content, left = source.copy_objects()
        assert left == ()
        with uproot.open(io.BytesIO(content)) as copied:
            assert set(copied.keys(cycle=False)) == {"a", "a/b", "empty", "mass", "a/number", "remark"}
            assert str(copied["remark"]) == "made by a test"
            for name in ("mass", "a/number"):
                for mine, theirs in zip(copied[name].to_numpy(), original[name].to_numpy(), strict=True):
                    np.testing.assert_array_equal(mine, theirs)


def test_an_object_that_cannot_be_copied_does_not_lose_the_others(
    crowded_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_from = uproot.WritableDirectory.copy_from

    def fails_for_mass(self: object, source: object, *, filter_name: object, **options: object) -> None:
        if filter_name("mass"):  # type: ignore[operator]
            msg = "no streamers"
            raise ValueError(msg)
        copy_from(self, source, filter_name=filter_name, **options)

    monkeypatch.setattr(uproot.WritableDirectory, "copy_from", fails_for_mass)
    with open_source(crowded_file) as source:
        content, left = source.copy_objects()
    assert [(item.name, item.classname, item.reason) for item in left] == [("mass", "TH1D", "no streamers")]
    with uproot.open(io.BytesIO(content)) as copied:
        assert "a/number" in copied
        assert "mass" not in copied


def test_one_tree_may_be_asked_for(crowded_file: Path) -> None:
    with open_source(f"{crowded_file}:a/b/tree") as source:
        assert [tree.path for tree in source.trees] == ["a/b/tree"]
        assert source.objects == ()
        assert source.notes == ("only a/b/tree was asked for: 3 other trees and 6 other objects are left out",)
    with open_source(f"{crowded_file}:a") as source:
        assert [tree.path for tree in source.trees] == ["a/tree", "a/b/tree"]
    with open_source(f"{crowded_file}:twice;1") as source:
        assert [(tree.cycle, tree.num_entries) for tree in source.trees] == [(1, 2)]


def test_a_tree_that_is_not_there_is_told(crowded_file: Path) -> None:
    with pytest.raises(InputError, match=r"holds no tree 'trie'; it holds the trees .*; nearest: 'tree'"):
        open_source(f"{crowded_file}:trie")
    with pytest.raises(InputError, match=r"'mass' in .* is a TH1D, not a tree"):
        open_source(f"{crowded_file}:mass")


def test_a_file_without_trees_names_what_it_holds(no_tree_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no tree; it holds mass \(TH1D\)"):
        open_source(no_tree_file)
    with uproot.recreate(tmp_path / "nothing.root"):
        pass
    with pytest.raises(InputError, match="holds no tree; it is empty"):
        open_source(tmp_path / "nothing.root")


def test_a_tree_without_entries_has_types_and_no_clusters(empty_tree_file: Path) -> None:
    with open_source(empty_tree_file) as source:
        (tree,) = source.trees
        assert tree.num_entries == 0
        assert tree.clusters(1000) == []
        arrays = tree.read(0, 0)
        assert {name: str(array.type) for name, array in arrays.items()} == {
            "x": "0 * float32",
            "nJet": "0 * int32",
            "Jet_pt": "0 * var * float32",
        }


def test_branches_are_chosen_by_globs(nano_file: Path) -> None:
    with open_source(nano_file) as source:
        tree = source.trees[0]

        def names(chosen: SourceTree) -> list[str]:
            return [branch.name for branch in chosen.branches]

        assert names(tree.select(["Jet_[pm]*"])) == ["nJet", "Jet_pt", "Jet_mass"]
        assert names(tree.select(["Jet_*"], ["Jet_[!p]*"])) == ["nJet", "Jet_pt"]
        assert names(tree.select(["Jet_pt"], ["n*"])) == ["nJet", "Jet_pt"]
        assert names(tree.select(drop=["*"])) == []
        assert names(tree.select()) == names(tree)
        with pytest.raises(InputError, match=r"no branch of tree 'Events' .* matches 'jet_pt'; nearest: 'Jet_pt'"):
            tree.select(["jet_pt"])
        assert list(tree.select(["MET_*"]).read(0, 2)) == ["MET_pt", "MET_phi"]


def test_a_pattern_has_to_match_in_one_of_the_trees(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "two.root") as file:
        for name, column in (("Events", "pt"), ("Runs", "weight")):
            file.mktree(name, {column: "float32"})
            file[name].extend({column: np.zeros(2, np.float32)})
    with open_source(tmp_path / "two.root") as source:
        assert [tree.path for tree in source.select(["pt"])] == ["Events"]
        assert [tree.path for tree in source.select(["*t"])] == ["Events", "Runs"]
        assert [tree.path for tree in source.select(drop=["pt"])] == ["Runs"]
        with pytest.raises(InputError, match=r"no branch in .* matches 'weights'; nearest: 'weight'"):
            source.select(["weights"])


def test_a_basket_that_is_damaged_is_an_input_error(nano_file: Path, tmp_path: Path) -> None:
    with uproot.open(nano_file) as file:
        key = file["Events"]["run"].basket_key(2)
        first, length = int(key.fSeekKey) + int(key.fKeylen), int(key.fNbytes) - int(key.fKeylen)
    content = bytearray(nano_file.read_bytes())
    content[first : first + length] = bytes(length)
    damaged = tmp_path / "damaged.root"
    damaged.write_bytes(content)
    with open_source(damaged) as source:
        tree = source.trees[0]
        assert len(tree.read(0, 200)["run"]) == 200
        with pytest.raises(InputError, match="branch 'run' of tree 'Events' in .*damaged.root cannot be read between"):
            tree.read(200, 300)
        assert len(tree.select(drop=["run"]).read(200, 300)) == len(tree.branches) - 1


def test_a_url_is_read_through_fsspec(nano_file: Path) -> None:
    import fsspec

    with fsspec.open("memory://folder/nano.root", "wb") as target:
        target.write(nano_file.read_bytes())
    with open_source("memory://folder/nano.root:Events") as source:
        assert source.size == nano_file.stat().st_size
        assert len(source.trees[0].read(10, 20)["run"]) == 10
    with pytest.raises(InputError, match=r"memory://folder/none\.root cannot be opened as a ROOT file"):
        open_source("memory://folder/none.root")


def test_classes_of_objects_inside_of_others_are_described(tmp_path):
    # the labels of an axis are TObjStrings in a THashList, as the box with its statistics would be a TPaveStats
    labelled = hist.Hist(hist.axis.StrCategory(["a", "b"], name="kind"))
    labelled.fill(["a", "b", "b"])
    with uproot.recreate(tmp_path / "labels.root") as file:
        file["labelled"] = labelled
        file.mktree("t", {"x": "float32"})
        file["t"].extend({"x": np.ones(2, np.float32)})
    with open_source(tmp_path / "labels.root") as source:
        assert {"THashList", "TObjString"} <= set(classes_inside(source._directory, source.objects))
        content, left = source.copy_objects()
    assert left == ()
    with uproot.open(io.BytesIO(content)) as copied:
        assert list(copied["labelled"].axis().labels()) == ["a", "b"]
