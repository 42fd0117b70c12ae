"""Lists of lists, maps, strings and objects of classes in a TTree: what uproot reads is what was written."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.layouts import flatten, layout_of, unflatten
from hepbaler.restoring import RootWriter
from hepbaler.restoring.bytestreams import Fixed, Items, Members, Numbers, Text, pack_rows, stream_bytes
from hepbaler.restoring.settling import settle_objects
from hepbaler.table import Branch, Element, Group

NUMBERS = {"float": "float32", "double": "float64", "int16_t": "int16", "uint8_t": "uint8", "bool": "bool"}


class _Kept(io.BytesIO):
    def close(self) -> None:
        """uproot closes what it has written; the bytes are wanted."""


@pytest.fixture(scope="module")
def classes() -> bytes:
    """A file that describes some classes: those that a histogram is made of."""
    sink = _Kept()
    with uproot.recreate(sink) as file:
        file["counts"] = np.histogram([1.0, 2.0], bins=4, range=(0, 4))
    return sink.getvalue()


def values_of(typename: str) -> st.SearchStrategy[Any]:
    """Values of a C++ type as Python has them."""
    if typename.startswith("std::map<"):
        key, value = typename[9:-1].split(", ", 1)
        pairs = st.dictionaries(values_of(key), values_of(value), max_size=3)
        return pairs.map(lambda one: sorted(one.items()))
    if typename.startswith("std::set<"):
        return st.lists(values_of(typename[9:-1]), max_size=3, unique=True).map(sorted)
    if typename.startswith("std::vector<"):
        return st.lists(values_of(typename[12:-1]), max_size=3)
    if typename == "std::string":
        return st.one_of(st.text("ab\u00e9 ", max_size=5), st.integers(250, 260).map(lambda n: "x" * n))
    dtype = np.dtype(NUMBERS[typename])
    if dtype.kind == "f":
        return st.floats(width=dtype.itemsize * 8, allow_nan=False)
    if dtype.kind == "b":
        return st.booleans()
    return st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)


def type_of(typename: str) -> Any:
    """Its awkward type."""
    if typename.startswith("std::map<"):
        pair = ak.types.RecordType(
            [type_of(one) for one in typename[9:-1].split(", ", 1)], None, parameters={"__array__": "sorted_map"}
        )
        return ak.types.ListType(pair)
    if typename.startswith("std::set<"):
        return ak.types.ListType(type_of(typename[9:-1]), parameters={"__array__": "set"})
    if typename.startswith("std::vector<"):
        return ak.types.ListType(type_of(typename[12:-1]))
    if typename == "std::string":
        return ak.types.from_datashape("string", highlevel=False)
    return ak.types.NumpyType(NUMBERS[typename])


def array_of(typename: str, entries: list[Any]) -> ak.Array:
    """Values of a type as the array that uproot would give."""
    form = ak.forms.from_type(type_of(typename))
    layout = layout_of("x", ak.Array(form.length_zero_array(highlevel=False)))
    columns: dict[str, list[Any]] = {}

    def fill(one: Any, values: list[Any]) -> None:
        match type(one).__name__:
            case "Values":
                columns.setdefault(one.column, []).extend(values)
            case "ListLayout" if one.text is not None:
                letters = [value.encode() for value in values]
                columns.setdefault(one.counts, []).extend(map(len, letters))
                columns.setdefault(one.content.column, []).extend(b"".join(letters))
            case "ListLayout":
                columns.setdefault(one.counts, []).extend(map(len, values))
                fill(one.content, [element for value in values for element in value])
            case "RecordLayout":
                for place, (_, content) in enumerate(one.fields):
                    fill(content, [value[place] for value in values])

    fill(layout, entries)
    empty = flatten(layout, ak.Array(form.length_zero_array(highlevel=False)))
    arrays = {key: np.array(columns[key], values.dtype) for key, values in empty.items()}
    return unflatten(layout, arrays, len(entries))


TYPES = [
    "std::vector<float>",
    "std::vector<bool>",
    "std::vector<std::vector<double>>",
    "std::vector<std::vector<std::vector<int16_t>>>",
    "std::string",
    "std::vector<std::string>",
    "std::vector<std::vector<std::string>>",
    "std::set<int16_t>",
    "std::map<int16_t, double>",
    "std::map<int16_t, std::vector<uint8_t>>",
    "std::map<std::string, std::vector<std::string>>",
    "std::vector<std::set<int16_t>>",
]


@pytest.mark.parametrize("typename", TYPES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_containers_come_back(typename: str, data: st.DataObject) -> None:
    entries = data.draw(st.lists(values_of(typename), min_size=1, max_size=6))
    if "map" in typename:
        # uproot learns from the first entry of a basket how to read the others, whoever wrote it
        entries = [data.draw(values_of(typename).filter(lambda one: one and all(v != [] for _, v in one))), *entries]
    array = array_of(typename, entries)
    branch = Branch("x", typename, "the title", layout_of("x", array))
    half = 0 if "map" in typename else len(entries) // 2
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "back.root"
        with RootWriter(target) as writer:
            clusters = [{"x": array[start:stop]} for start, stop in ((0, half), (half, None)) if stop != 0]
            report = writer.write_tree("Events", "", [branch], clusters, len(entries))
        assert report.differences == ()
        with uproot.open(target) as file:
            back = file["Events/x"]
            assert (back.typename, back.title) == (typename, "the title")
            read = flatten(branch.layout, back.array())
            for key, column in flatten(branch.layout, array).items():
                np.testing.assert_array_equal(read[key], column)


def test_bytes_as_root_writes_them() -> None:
    # one entry of std::vector<std::vector<int16_t>>, as in ROOT's own files: count, version 9, lengths, numbers
    data, starts = pack_rows(Items(Items(Numbers("int16")), 9), ak.Array([[[1, 2], [3]], []]).layout)
    assert bytes(data[: starts[1]]).hex(" ") == (
        "40 00 00 14 00 09 00 00 00 02 00 00 00 02 00 01 00 02 00 00 00 01 00 03"
    )
    assert bytes(data[starts[1] :]).hex(" ") == "40 00 00 06 00 09 00 00 00 00"
    long, _ = pack_rows(Text(), ak.Array(["a", "b" * 255]).layout)
    assert bytes(long[:7]).hex(" ") == "01 61 ff 00 00 00 ff"
    # numbers behind a pointer: a byte tells whether there are any
    behind, _ = pack_rows(Items(Numbers("int16"), counted=False, flagged=True), ak.Array([[1, 2], []]).layout)
    assert bytes(behind).hex(" ") == "01 00 01 00 02 00"
    fixed, _ = pack_rows(Members((("x", Numbers("uint8")), ("y", Fixed(2, Numbers("int32")))), 3), ak.Array(
        {"x": np.array([7], np.uint8), "y": ak.to_regular(np.array([[1, -1]], np.int32))}
    ).layout)  # fmt: skip
    assert bytes(fixed).hex(" ") == "40 00 00 0b 00 03 07 00 00 00 01 ff ff ff ff"


@pytest.mark.parametrize("typename", TYPES[:7])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_sizes_are_known_before_the_bytes(typename: str, data: st.DataObject) -> None:
    array = array_of(typename, data.draw(st.lists(values_of(typename), max_size=5)))
    layout = layout_of("x", array)
    columns = flatten(layout, array)
    stream: Any = Text() if "string" in typename else Numbers(NUMBERS[typename.rpartition("<")[2].strip(">")])
    for depth in range(typename.count("vector")):
        stream = Items(stream, 9 if depth == typename.count("vector") - 1 else None)

    def text_bytes(counts: str, letters: str) -> int:
        lengths = columns[counts]
        return len(columns[letters]) + len(lengths) + 4 * int((lengths >= 255).sum())

    expected = stream_bytes(stream, layout, len(array), lambda key: len(columns[key]), text_bytes)
    assert len(pack_rows(stream, array.layout)[0]) == expected


def test_objects_of_classes_that_the_file_describes(classes: bytes, tmp_path: Path) -> None:
    line = ak.zip({"fLineColor": [1, 2, 3], "fLineStyle": [4, 5, 6], "fLineWidth": [7, 8, 9]}, with_name="TAttLine")
    line = ak.values_astype(line, "int16")
    lines = ak.unflatten(line, [2, 0, 1])
    arrays = {"one": line, "many": lines, "unknown": lines}
    branches = [
        Branch("one", "TAttLine", "", layout_of("one", line)),
        Branch("many", "std::vector<TAttLine>", "", layout_of("many", lines)),
        Branch("unknown", "std::vector<NoSuchClass>", "", layout_of("unknown", lines)),
    ]
    with RootWriter(tmp_path / "back.root") as writer:
        writer.write_objects(classes)
        report = writer.write_tree("Events", "", branches, [arrays], 3)
    assert {one.branch for one in report.differences} == {"unknown"}
    with uproot.open(tmp_path / "back.root") as file:
        tree = file["Events"]
        assert tree["one"].typename == "TAttLine"
        assert tree["many"].typename == "std::vector<TAttLine>"
        assert tree["one"].array().tolist() == line.tolist()
        assert tree["many"].array().tolist() == lines.tolist()
        # a class that nobody describes is taken apart
        assert tree["unknown.fLineColor"].array().tolist() == lines["fLineColor"].tolist()


def test_references_to_other_objects(tmp_path: Path) -> None:
    one = ak.zip({"ref": np.array([7, 8, 9], np.uint32)}, with_name="TRef")
    many = ak.zip(
        {
            "fName": ["", "", "named"],
            "fSize": np.array([2, 0, 1], np.int32),
            "refs": ak.values_astype(ak.Array([[1, 2], [], [3]]), "int32"),
        },
        depth_limit=1,
        with_name="TRefArray",
    )
    arrays = {"one": one, "many": many}
    branches = [
        Branch("one", "TRef", "", layout_of("one", one)),
        Branch("many", "TRefArray", "", layout_of("many", many)),
    ]
    with RootWriter(tmp_path / "back.root") as writer:
        assert writer.write_tree("Events", "", branches, [arrays], 3).differences == ()
    with uproot.open(tmp_path / "back.root") as file:
        assert file["Events"].typenames() == {"one": "TRef", "many": "TRefArray"}
        assert file["Events/one"].array().tolist() == one.tolist()
        assert file["Events/many"].array().tolist() == many.tolist()


def test_branches_in_branches(tmp_path: Path) -> None:
    evt = Group("evt", "the event", Element("Event", "", "", 17, 1, -2, 0, -1))
    p3 = Group("evt/P3", "P3", Element("Event", "Event", "", 17, 1, 2, 2, 62), evt)
    hits = Group("evt/hits", "hits_", Element("Event", "Event", "Hit", 17, 1, 3, 4, 300), evt)
    charge = ak.Array([[1.5], [], [2.5, 3.5]])
    arrays = {
        "evt/id": ak.Array(np.array([5, 6, 7], np.int32)),
        "evt/P3/P3.x": ak.Array([0.5, 1.5, 2.5]),
        "evt/hits/hits.charge": charge,
        "evt/hits/hits.time[2]": ak.unflatten(ak.to_regular(ak.Array([[1, 2], [3, 4], [5, 6]])), [1, 0, 2]),
        "plain": ak.Array([1.0, 2.0, 3.0]),
    }
    told = {
        "evt/id": ("int32_t", evt, Element("Event", "Event", "", 17, 1, 1, 0, 3)),
        "evt/P3/P3.x": ("double", p3, Element("P3", "P3", "", 3, 1, 0, 0, 8)),
        "evt/hits/hits.charge": ("double[]", hits, Element("Hit", "Hit", "", 4, 1, 0, 31, 8)),
        "evt/hits/hits.time[2]": ("int64_t[][2]", hits, Element("Hit", "Hit", "", 4, 1, 1, 31, 36)),
        "plain": ("double", None, None),
    }
    branches = [
        Branch(
            name,
            typename,
            f"title of {name}",
            layout_of(name, arrays[name]),
            "evt/hits" if group is hits else None,
            element,
            group,
        )
        for name, (typename, group, element) in told.items()
    ]
    with RootWriter(tmp_path / "back.root") as writer:
        report = writer.write_tree("one/tree", "", branches, [arrays], 3)
    assert [(one.branch, one.kind, one.restored) for one in report.differences] == [
        ("evt/hits/hits.charge", "added", "evt/hits")
    ]
    with uproot.open(tmp_path / "back.root") as file:
        tree = file["one/tree"]
        assert tree.keys(recursive=False) == ["evt", "plain"]
        assert set(arrays) | {"evt", "evt/P3", "evt/hits"} == set(tree.keys())
        assert (tree["evt"].typename, tree["evt"].title) == ("Event", "the event")
        assert tree["evt"].member("fCheckSum") == 17
        # a group has as many entries as what is in it, so that all of it can be read at once
        assert {tree[name].num_entries for name in tree.keys()} == {3}  # noqa: SIM118  (with those in others)
        for name, array in arrays.items():
            assert tree[name].typename == told[name][0]
            assert tree[name].title == f"title of {name}"
            assert tree[name].array().tolist() == array.tolist()
        assert tree["hits.charge"].array().tolist() == charge.tolist()


def test_several_leaves_in_a_branch(tmp_path: Path) -> None:
    values = ak.Array({"x": [1.5, 2.5], "n": np.array([1, 2], np.int32)})
    branch = Branch("both", "struct {double x; int32_t n;}", "x/D:n/I", layout_of("both", values))
    with RootWriter(tmp_path / "back.root") as writer:
        assert writer.write_tree("Events", "", [branch], [{"both": values}], 2).differences == ()
    with uproot.open(tmp_path / "back.root") as file:
        back = file["Events/both"]
        assert (back.typename, back.title) == (branch.typename, "x/D:n/I")
        assert back.array().tolist() == values.tolist()


def test_unsigned_counters_stay_unsigned(tmp_path: Path) -> None:
    jets = ak.Array([[1.0], [], [2.0, 3.0]])
    number = ak.Array(np.array([1, 0, 2], np.uint32))
    branches = [
        Branch("nJet", "uint32_t", "", layout_of("nJet", number)),
        Branch("Jet_pt", "double[]", "", layout_of("Jet_pt", jets), "nJet"),
    ]
    with RootWriter(tmp_path / "back.root") as writer:
        report = writer.write_tree("Events", "", branches, [{"nJet": number, "Jet_pt": jets}], 3)
    assert report.differences == ()
    with uproot.open(tmp_path / "back.root") as file:
        assert file["Events"].typenames() == {"nJet": "uint32_t", "Jet_pt": "double[]"}
        assert file["Events/nJet"].array().type == number.type
        assert file["Events/Jet_pt"].count_branch.name == "nJet"
        assert file["Events/Jet_pt"].array().tolist() == jets.tolist()


def test_a_branch_with_the_name_of_a_group_says_nothing_of_others() -> None:
    values = ak.Array([[[1.5], []], []])
    typename = "std::vector<std::vector<double>>"
    # split and not, under one name
    evt = Group("evt.", "", Element(typename, "", "", 17, 1, -2, 0, -1))
    branches = [
        Branch("evt.", typename, "", layout_of("evt.", values), None, evt.element),
        Branch("evt./id", "int32_t", "", layout_of("evt./id", ak.Array(np.zeros(2, np.int32))), None, None, evt),
        Branch("other", typename, "", layout_of("other", values), None, evt.element),
    ]
    settled = settle_objects(branches, {}, None)
    assert list(settled.streams) == ["other"]
    assert list(settled.reasons) == ["evt."]
