from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.container import ContainerReader, ContainerWriter
from hepbaler.errors import CorruptFile, OutputError

names = st.text("abcXYZ019._/@+-", min_size=1, max_size=20)
pages = st.one_of(st.just(b""), st.binary(max_size=40), st.integers(4000, 9000).map(lambda n: b"p" * n))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def archives(draw):
    """(parts in file order, number of slots of each tree)"""
    n_slots = draw(st.lists(st.integers(0, 6), max_size=3))
    clusters = [
        (tree, draw(st.lists(pages, min_size=n, max_size=n)))
        for tree, n in enumerate(n_slots)
        for _ in range(draw(st.integers(0, 4)))
    ]
    sections = list(draw(st.dictionaries(names, st.binary(max_size=100), max_size=4)).items())
    return draw(st.permutations(clusters + sections)), n_slots


@given(archives(), st.dictionaries(st.text(), json_values, max_size=4))
def test_what_is_written_is_read(archive, meta):
    parts, n_slots = archive
    meta.pop("writer", None)
    meta.pop("required_features", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.hbal"
        with ContainerWriter(path, overwrite=False) as out:
            for tree, n in enumerate(n_slots):
                out.add_tree(tree, n)
            for key, content in parts:
                if isinstance(key, str):
                    out.add_section(key, content)
                else:
                    out.add_cluster(key, content)
            out.finish(meta)
        with ContainerReader(path) as reader:
            for key, value in meta.items():
                if key != "format_version":
                    assert reader.meta[key] == value
            assert reader.section_names == tuple(key for key, _ in parts if isinstance(key, str))
            for key, content in parts:
                if isinstance(key, str):
                    assert reader.section(key) == content
            for tree, n in enumerate(n_slots):
                clusters = [content for key, content in parts if key == tree]
                assert reader.trees[tree] == (len(clusters), n)
                lengths = [[len(page) for page in cluster] for cluster in clusters]
                assert reader.sizes(tree).tolist() == lengths
                cells = [(c, s) for c in range(len(clusters)) for s in range(n)][::-1]
                assert reader.pages(tree, cells) == [clusters[c][s] for c, s in cells]
            size = path.stat().st_size
            assert sum(n for _, n in reader.check()) == size
            assert reader.bytes_by_part() == out.bytes_by_part()
            assert sum(reader.bytes_by_part().values()) == size


def test_pages_come_in_the_order_asked_for_and_as_often(write):
    reader = ContainerReader(write([(0, [b"a", b"", b"c"]), (0, [b"d", b"e", b"f"])]))
    assert reader.pages(0, [(1, 1), (0, 0), (0, 1), (1, 1)]) == [b"e", b"a", b"", b"e"]
    assert reader.pages(0, []) == []


def test_sizes_are_int64_and_zero_where_absent(write):
    sizes = ContainerReader(write([(0, [b"ab", b""])])).sizes(0)
    assert sizes.dtype == np.int64
    assert sizes.tolist() == [[2, 0]]


def test_what_does_not_exist_is_an_error_of_the_file(write):
    reader = ContainerReader(write([("model/0", b"m"), (0, [b"a"])]))
    with pytest.raises(CorruptFile, match=r"no section 'model/1'; it has: model/0"):
        reader.section("model/1")
    for cell in [(1, 0), (0, 1), (-1, 0), (0, -1)]:
        with pytest.raises(CorruptFile, match="has no page for slot"):
            reader.pages(0, [cell])
    for tree in (1, -1):
        with pytest.raises(CorruptFile, match="it has 1 trees"):
            reader.pages(tree, [])
        with pytest.raises(CorruptFile, match="it has 1 trees"):
            reader.sizes(tree)


def test_index_costs_few_bytes_a_page(write):
    rng = np.random.default_rng(1)
    clusters = [[rng.bytes(n) for n in rng.integers(20, 60, 1500)] for _ in range(20)]
    reader = ContainerReader(write([(0, cluster) for cluster in clusters]))
    assert reader.bytes_by_part()["index"] < 1.0 * 1500 * 20
    assert reader.pages(0, [(19, 1499)]) == [clusters[19][1499]]


def test_constant_columns_cost_nothing(write):
    reader = ContainerReader(write([(0, [b""] * 1499 + [b"x"])] * 200))
    assert reader.bytes_by_part()["index"] < 5 * 200


def test_neighbours_are_read_in_one_request(write):
    page = b"p" * 10_000
    reader = ContainerReader(write([(0, [page] * 50)] * 4))
    opened = reader.requests
    assert opened == 2
    assert reader.pages(0, [(0, slot) for slot in range(50)]) == [page] * 50
    assert reader.requests == opened + 1
    reader.pages(0, [(1, 0), (1, 5)])
    assert reader.requests == opened + 2
    reader.pages(0, [(0, 0), (0, 40)])
    assert reader.requests == opened + 4


def test_small_file_is_read_once(small):
    reader = ContainerReader(small)
    assert [*reader.check()]
    assert reader.requests == 1


def test_long_footer_takes_one_more_request(write):
    rng = np.random.default_rng(2)
    meta = {"noise": rng.bytes(100_000).hex()}
    reader = ContainerReader(write([(0, [b"x" * 200_000])], meta))
    assert reader.requests == 3
    assert reader.meta["noise"] == meta["noise"]


def test_tiny_page_beside_a_large_one_is_read_alone(write):
    large = b"L" * 500_000
    reader = ContainerReader(write([(0, [b"before", large, b"after"]), (0, [large] * 3)]))
    seen = []
    read = reader._source.read
    reader._source.read = lambda ranges: seen.extend(ranges) or read(ranges)
    assert reader.pages(0, [(0, 0), (0, 2)]) == [b"before", b"after"]
    assert sum(stop - start for start, stop in seen) == len(b"before") + len(b"after")


def test_many_threads_read_through_one_reader(write):
    rng = np.random.default_rng(3)
    clusters = [[rng.bytes(int(n)) for n in rng.integers(0, 5000, 30)] for _ in range(20)]
    reader = ContainerReader(write([(0, cluster) for cluster in clusters]))
    wrong: list[int] = []

    def work(seed: int) -> None:
        cells = np.random.default_rng(seed).integers(0, [20, 30], (200, 2)).tolist()
        for c, s in cells:
            if reader.pages(0, [(c, s)]) != [clusters[c][s]]:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["", "a b", "ü", "a\n", "x" * 256, "a\\b", "a:b"])
def test_section_names_are_plain(tmp_path, name):
    with (
        pytest.raises(OutputError, match="cannot name a section"),
        ContainerWriter(tmp_path / "x", overwrite=False) as out,
    ):
        out.add_section(name, b"")
    assert list(tmp_path.iterdir()) == []


def test_section_twice_and_wrong_number_of_pages(tmp_path):
    with ContainerWriter(tmp_path / "x", overwrite=False) as out:
        out.add_section("a", b"")
        with pytest.raises(OutputError, match="'a' was already written"):
            out.add_section("a", b"")
        out.add_cluster(0, [b"", b"y"])
        with pytest.raises(OutputError, match="tree 0 has 2 page slots, not 1"):
            out.add_cluster(0, [b""])
        out.finish({})
    assert ContainerReader(tmp_path / "x").pages(0, [(0, 1)]) == [b"y"]


def test_pages_may_be_any_buffer(tmp_path):
    numbers = np.arange(5, dtype="<u2")
    with ContainerWriter(tmp_path / "x", overwrite=False) as out:
        out.add_section("s", bytearray(b"abc"))
        out.add_cluster(0, [numbers, memoryview(b"xy")])
        out.finish({})
    reader = ContainerReader(tmp_path / "x")
    assert reader.pages(0, [(0, 0), (0, 1)]) == [numbers.tobytes(), b"xy"]
    assert reader.section("s") == b"abc"


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"a": float("nan")}, "not JSON compliant"),
        ({"a": np.int64(3)}, "int64"),
        ({1: 0, "1": 0}, "twice"),
        ({"required_features": "learned"}, "list of texts"),
        ({"writer": "me"}, "writer must be"),
        ({"a": b"bytes"}, "bytes"),
    ],
)
def test_meta_that_could_not_be_read_is_not_written(tmp_path, meta, message):
    with (
        pytest.raises(OutputError, match=message),
        ContainerWriter(tmp_path / "x", overwrite=False) as out,
    ):
        out.finish(meta)
    assert list(tmp_path.iterdir()) == []


def test_odd_names_survive_in_meta(write):
    name = b"p\xe9T \xff".decode("utf-8", "surrogateescape")
    reader = ContainerReader(write([], {"trees": [name, "µ", "\U0001f600"]}))
    assert reader.meta["trees"] == [name, "µ", "\U0001f600"]


def test_same_input_same_bytes(write):
    parts = [("m", b"1"), (0, [b"a", b"b"])]
    assert write(parts, {"k": 1}, "one").read_bytes() == write(parts, {"k": 1}, "two").read_bytes()


def test_written_meta_is_plain_json(small):
    document = ContainerReader(small).meta
    assert json.loads(json.dumps(document)) == document
    assert document["format_version"] == "1.0"
    assert document["writer"]["name"] == "hepbaler"
