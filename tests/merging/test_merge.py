"""Archives put together: what is read is what the inputs give, one after the other, and nothing is coded anew."""

from __future__ import annotations

import io
import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepbaler
from hepbaler.cli import main
from hepbaler.container import ContainerReader
from hepbaler.errors import CorruptFile, InputError, OutputError
from hepbaler.restoring import ObjectSum
from hepbaler.segments import segment_to_dict, segments_from_list

LEARNED = Path(__file__).parents[1] / "golden" / "v1" / "archive_learned.hbal"


@pytest.fixture(scope="module")
def parts(tmp_path_factory, nano_file, other_nano_file):
    folder = tmp_path_factory.mktemp("parts")
    paths = []
    for i, source in enumerate((nano_file, other_nano_file)):
        paths.append(folder / f"{i}.hbal")
        hepbaler.compress(source, paths[-1], use_model=False)
    return paths


@pytest.fixture(scope="module")
def merged(parts):
    path = parts[0].parent / "merged.hbal"
    hepbaler.merge(path, parts)
    return path


def arrays_of(path, **options):
    with hepbaler.open(path) as archive:
        return archive["Events"].arrays(**options)


def test_entries_follow_each_other(parts, merged):
    expected = ak.concatenate([arrays_of(part) for part in parts])
    assert ak.array_equal(arrays_of(merged), expected)
    assert ak.array_equal(arrays_of(merged, entry_start=390, entry_stop=410), expected[390:410])


def test_uproot_reads_it_as_one_file(parts, merged):
    tree = uproot.open(f"hepbaler://{merged}")["Events"]
    expected = ak.concatenate([arrays_of(part) for part in parts])
    assert tree.num_entries == 600
    assert ak.array_equal(tree["Jet_pt"].array(), expected["Jet_pt"])


def test_it_keeps_the_bounds_of_both(parts, merged, nano_file, other_nano_file, tmp_path):
    both = tmp_path / "both.root"
    with uproot.recreate(both) as file:
        for i, source in enumerate((nano_file, other_nano_file)):
            arrays = uproot.open(source)["Events"].arrays(ak_add_doc=False)
            contents = {name: arrays[name] for name in arrays.fields if not name.startswith("Jet_") and name != "nJet"}
            contents["Jet"] = ak.zip({n[4:]: arrays[n] for n in arrays.fields if n.startswith("Jet_")})
            if i == 0:
                file.mktree("Events", {name: array.type.content for name, array in contents.items()})
            file["Events"].extend(contents)
    assert hepbaler.verify(merged, both).ok
    broken = hepbaler.verify(merged).bytes_checked
    assert broken == merged.stat().st_size


def test_pages_are_the_very_bytes_of_the_inputs(parts, merged):
    with ContainerReader(merged) as whole:
        for number, part in enumerate(parts):
            with ContainerReader(part) as one:
                places = [(cluster, slot) for cluster in range(one.trees[0][0]) for slot in range(one.trees[0][1])]
                assert whole.pages(number, places) == one.pages(0, places)


def test_one_model_is_stored_once_and_makes_one_segment(tmp_path):
    report = hepbaler.merge(tmp_path / "twice.hbal", [LEARNED, LEARNED])
    with hepbaler.open(LEARNED) as archive:
        once = archive["Events"].arrays()
        n_models = len(archive["Events"].header.models)
    assert n_models > 0
    assert (report.models, report.models_shared) == (n_models, n_models)
    assert [tree.segments for tree in report.trees] == [1] * len(report.trees)
    assert ak.array_equal(arrays_of(tmp_path / "twice.hbal"), ak.concatenate([once, once]), equal_nan=True)
    # Two archives cost two headers and two models, one costs one.
    assert report.archive_bytes < 2 * LEARNED.stat().st_size


def test_merging_what_was_merged_is_merging_all(parts, tmp_path, merged):
    hepbaler.merge(tmp_path / "again.hbal", [merged, parts[0]])
    expected = ak.concatenate([arrays_of(merged), arrays_of(parts[0])])
    assert ak.array_equal(arrays_of(tmp_path / "again.hbal"), expected)
    with hepbaler.open(tmp_path / "again.hbal") as archive:
        assert len(archive.info()["settings"]["merged"]) == 3


def test_an_input_of_other_branches_is_refused_by_name(tmp_path, parts, nano_file):
    hepbaler.compress(nano_file, tmp_path / "less.hbal", use_model=False, drop=["Jet_mass"])
    with pytest.raises(InputError, match=r"less\.hbal is not that of .*0\.hbal: branch 'Jet_mass' is missing"):
        hepbaler.merge(tmp_path / "out.hbal", [parts[0], tmp_path / "less.hbal"])
    assert not (tmp_path / "out.hbal").exists()


def write_tree(path, name="t", **columns):
    with uproot.recreate(path) as file:
        file.mktree(name, {key: values.dtype for key, values in columns.items()})
        file[name].extend(columns)
    hepbaler.compress(path, path.with_suffix(".hbal"), use_model=False)
    return path.with_suffix(".hbal")


def test_other_types_and_trees_are_refused(tmp_path):
    x = np.arange(5, dtype=np.float32)
    one = write_tree(tmp_path / "one.root", x=x)
    other = write_tree(tmp_path / "other.root", x=x.astype(np.float64))
    third = write_tree(tmp_path / "third.root", name="u", x=x)
    with pytest.raises(InputError, match="branch 'x' is double instead of float"):
        hepbaler.merge(tmp_path / "out.hbal", [one, other])
    with pytest.raises(InputError, match="third.hbal has no tree 't', which .*one.hbal holds"):
        hepbaler.merge(tmp_path / "out.hbal", [one, third])


def test_bounds_of_different_kinds_are_refused(tmp_path, nano_file, parts):
    plan = hepbaler.Plan(default=hepbaler.Bound.parse("abs=0.5"))
    hepbaler.compress(nano_file, tmp_path / "abs.hbal", use_model=False, plan=plan)
    with pytest.raises(InputError, match="no one promise"):
        hepbaler.merge(tmp_path / "out.hbal", [parts[0], tmp_path / "abs.hbal"])


def test_the_weakest_bound_is_what_info_tells(tmp_path, nano_file, parts):
    plan = hepbaler.Plan(default=hepbaler.Bound.parse("bits=6"))
    hepbaler.compress(nano_file, tmp_path / "coarse.hbal", use_model=False, plan=plan)
    hepbaler.merge(tmp_path / "out.hbal", [parts[0], tmp_path / "coarse.hbal"])
    with hepbaler.open(tmp_path / "out.hbal") as archive:
        bounds = {column["column"]: column["bound"] for column in archive.info()["trees"][0]["columns"]}
    assert bounds["Jet_pt"] == "bits=6"


def test_the_output_is_no_input(parts, tmp_path):
    with pytest.raises(OutputError, match="one of the inputs"):
        hepbaler.merge(parts[0], parts, force=True)


def test_what_only_one_file_says_is_not_said_of_all(tmp_path):
    """In one file the columns are equal, or constant, or their lists have equal lengths."""

    def write(name, run, first, second):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file["t"] = {
                "run": np.full(len(first), run),
                "a": np.array(list(map(len, first))),
                "one": ak.Array({"x": ak.values_astype(ak.Array(first), np.float32)}),
                "two": ak.Array({"x": ak.values_astype(ak.Array(second), np.float32)}),
            }
        hepbaler.compress(tmp_path / f"{name}.root", tmp_path / f"{name}.hbal", use_model=False)
        return tmp_path / f"{name}.hbal"

    alike = write("alike", 1, [[1.0], [2.0, 3.0]], [[1.0], [2.0, 3.0]])
    apart = write("apart", 2, [[1.0, 4.0], []], [[7.0], [8.0]])
    hepbaler.merge(tmp_path / "out.hbal", [alike, apart])
    with hepbaler.open(tmp_path / "out.hbal") as archive:
        tree = archive["t"]
        assert len(tree.segments) == 2
        assert "run" not in tree.header.constants
        same_as = tree.header.schema.same_as
        home = tree.header.table_of()
        told = ak.concatenate([hepbaler.open(path)["t"].arrays() for path in (alike, apart)])
        assert ak.array_equal(tree.arrays(), told)
        one, two = (next(key for key in home if key.startswith(name) and "@" not in key) for name in ("one", "two"))
        assert home[one] != home[two]
        assert two not in same_as
    # The counters of the ROOT file that comes out must tell each list's own counts.
    hepbaler.decompress(tmp_path / "out.hbal", tmp_path / "out.root")
    back = uproot.open(tmp_path / "out.root")["t"].arrays()
    virtual = uproot.open(f"hepbaler://{tmp_path / 'out.hbal'}")["t"].arrays()
    assert virtual.fields == back.fields
    for name in back.fields:
        assert ak.array_equal(back[name], virtual[name])


def stored_segments():
    """Two segments of one tree as they lie in META."""
    with hepbaler.open(LEARNED) as archive:
        one = archive["Events"].header
    first = one.to_dict()
    return [first, segment_to_dict(one, first, 0)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"continues": 1}, "there is no tree before the segments"),
        ({"continues": "0"}, "there is no tree before the segments"),
        ({"branches": []}, "there is no column 0"),
        ({"num_entries": 1}, "borders"),
        ({"rows": []}, "rows"),
    ],
)
def test_segments_that_contradict_themselves_are_refused(change, reason):
    data = json.loads(json.dumps(stored_segments()))
    assert [len(tree) for tree in segments_from_list(data)] == [2]
    data[1] |= change
    with pytest.raises(CorruptFile, match=reason):
        segments_from_list(data)


def test_a_segment_continues_no_segment_and_no_other_tree():
    data = json.loads(json.dumps(stored_segments()))
    with pytest.raises(CorruptFile, match="continues a segment"):
        segments_from_list([*data, data[1] | {"continues": 1}])
    branches = data[0]["branches"]
    other = {"branches": [branches[0] | {"type": "TH1D"}, *branches[1:]]}
    with pytest.raises(CorruptFile, match="another tree: branch .* is TH1D"):
        segments_from_list([data[0], data[1] | other])
    with pytest.raises(CorruptFile, match="two trees 'Events'"):
        segments_from_list([data[0], data[0]])


@st.composite
def files(draw):
    """Two sets of entries of the same branches."""
    sizes = draw(st.lists(st.integers(0, 12), min_size=2, max_size=3).filter(any))
    floats = st.floats(width=32, allow_nan=False)
    out = []
    for n in sizes:
        numbers = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
        lists = draw(st.lists(st.lists(floats, max_size=3), min_size=n, max_size=n))
        flags = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        out.append(
            {
                "i": np.array(numbers, np.int32),
                "x": ak.values_astype(ak.Array([*lists, [0.0]])[:-1], np.float32),
                "y": np.array(numbers, np.float64) / 3.0,
                "b": np.array(flags, bool),
            }
        )
    return out


@given(files())
@settings(max_examples=25)
def test_reading_the_merged_is_concatenating_what_is_read(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("property")
    paths = []
    for i, arrays in enumerate(contents):
        if len(arrays["i"]):
            with uproot.recreate(folder / f"{i}.root") as file:
                file.mktree("t", {"i": "int32", "x": "var * float32", "y": "float64", "b": "bool"})
                file["t"].extend(arrays)
            hepbaler.compress(folder / f"{i}.root", folder / f"{i}.hbal", use_model=False)
            paths.append(folder / f"{i}.hbal")
    hepbaler.merge(folder / "all.hbal", paths)
    expected = ak.concatenate([hepbaler.open(path)["t"].arrays() for path in paths])
    with hepbaler.open(folder / "all.hbal") as archive:
        assert ak.array_equal(archive["t"].arrays(), expected)
        steps = list(archive["t"].iterate(step_size=3))
    assert ak.array_equal(ak.concatenate(steps), expected)


def histograms(path, weight, text="made by a test", low=0.0):
    import boost_histogram as bh

    with uproot.recreate(path) as file:
        flat = bh.Histogram(bh.axis.Regular(4, low, 4.0), storage=bh.storage.Weight())
        flat.fill([0.5, 1.5, 9.0], weight=weight)
        file["mass"] = flat
        profile = bh.Histogram(bh.axis.Regular(4, 0.0, 4.0), storage=bh.storage.Mean())
        profile.fill([0.5, 0.6, 1.5], sample=[1.0 * weight, 3.0, 5.0])
        file["deep/profile"] = profile
        file["remark"] = text
    return Path(path).read_bytes()


def test_histograms_are_added_as_hadd_does(tmp_path):
    total = ObjectSum()
    for i, weight in enumerate((1.0, 2.0, 4.0)):
        total.add(f"{i}.hbal", histograms(tmp_path / f"{i}.root", weight))
    assert not total.unmergeable
    with uproot.open(io.BytesIO(total.finish())) as file:
        mass, profile = file["mass"], file["deep/profile"]
        assert mass.values(flow=True).tolist() == [0.0, 7.0, 7.0, 0.0, 0.0, 7.0]
        assert mass.variances().tolist() == [21.0, 21.0, 0.0, 0.0]
        singles = [uproot.open(tmp_path / f"{i}.root")["mass"] for i in range(3)]
        for name in ("fEntries", "fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2"):
            assert mass.member(name) == sum(one.member(name) for one in singles)
        assert profile.counts().tolist() == [6.0, 3.0, 0.0, 0.0]
        assert np.isclose(profile.values()[0], (1.0 + 3.0 + 2.0 + 3.0 + 4.0 + 3.0) / 6.0)
        assert str(file["remark"]) == "made by a test"


def test_histograms_that_cannot_be_added_are_named(tmp_path, nano_file):
    paths = []
    for i, low in enumerate((0.0, 1.0)):
        histograms(tmp_path / f"{i}.root", 1.0, text=f"file {i}", low=low)
        with uproot.update(tmp_path / f"{i}.root") as file:
            file["t"] = {"x": np.arange(3, dtype=np.float32)}
        hepbaler.compress(tmp_path / f"{i}.root", tmp_path / f"{i}.hbal", use_model=False)
        paths.append(tmp_path / f"{i}.hbal")
    with pytest.raises(InputError, match=r"mass \(TH1D\) has other bins in .*1\.hbal: it cannot be added; --skip-unm"):
        hepbaler.merge(tmp_path / "out.hbal", paths)
    report = hepbaler.merge(tmp_path / "out.hbal", paths, skip_unmergeable=True)
    assert len(report.left_out) == 1
    assert "remark (TObjString) differs" in report.notes[0]
    with hepbaler.open(tmp_path / "out.hbal") as archive:
        assert set(archive.classnames()) == {"t", "deep", "deep/profile", "remark"}
        assert str(archive["remark"]) == "file 0"
        assert archive["deep/profile"].counts().tolist() == [4.0, 2.0, 0.0, 0.0]


def test_the_command_takes_the_output_first_as_hadd_does(parts, tmp_path, capsys):
    out = tmp_path / "out.hbal"
    assert main(["merge", str(out), *map(str, parts)]) == 0
    assert "2 archives" in capsys.readouterr().out
    assert main(["merge", str(out), *map(str, parts)]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["merge", "-q", "-f", "-o", str(out), *map(str, parts)]) == 0
    assert main(["merge", str(tmp_path / "alone.hbal")]) == 2
    assert main(["info", str(out)]) == 0
    assert "2 segments" in capsys.readouterr().out
