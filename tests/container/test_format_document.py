"""A second reader, written from docs/format.md alone and without numpy, must read what the writer wrote."""

from __future__ import annotations

import importlib.resources
import json
import re
import struct
from pathlib import Path

import pytest
import xxhash
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hepbaler.container import ContainerReader, ContainerWriter, index, layout

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"


def strangers_reader(data: bytes):
    """Return (META, sections, trees); trees[t][cluster][slot] is a page."""
    magic, major, _, _, required, checksum = struct.unpack_from("<8sHHIQQ", data, 0)
    assert magic == bytes.fromhex("89 48 42 4C 0D 0A 1A 0A")
    assert (major, required, checksum) == (1, 0, xxhash.xxh3_64_intdigest(data[:24]))
    *numbers, checksum, end = struct.unpack_from("<QQQQQQQQ8s", data, len(data) - 72)
    assert end == bytes.fromhex("89 48 42 4C 45 4E 44 0A")
    assert checksum == xxhash.xxh3_64_intdigest(data[-72:-16])
    offset, length, unpacked, checksum, meta_length, meta_unpacked, meta_checksum = numbers
    assert offset + length + meta_length + 72 == len(data)
    frames = []
    for start, stored, raw, expected in (
        (offset, length, unpacked, checksum),
        (offset + length, meta_length, meta_unpacked, meta_checksum),
    ):
        frame = data[start : start + stored]
        assert xxhash.xxh3_64_intdigest(frame) == expected
        frames.append(frame if stored == raw else zstandard.decompress(frame))
        assert len(frames[-1]) == raw
    listing, meta = frames

    at = 0

    def take(form: str):
        nonlocal at
        values = struct.unpack_from("<" + form, listing, at)
        at += struct.calcsize("<" + form)
        return values

    n_trees, n_sections, n_pieces = take("III")
    shapes = [take("II") for _ in range(n_trees)]
    kinds = take(f"{n_pieces}I")
    entries = []
    for _ in range(n_sections):
        (size,) = take("B")
        (name,) = take(f"{size}s")
        entries.append((name.decode(), *take("QQ")))
    lengths, checksums = [], []
    for n_slots, n_clusters in shapes:
        bits = take(f"{(n_slots + 7) // 8}B")
        occupied = [s for s in range(n_slots) if bits[s // 8] >> (s % 8) & 1]
        n = len(occupied) * n_clusters
        planes = take(f"{4 * n}B")
        table = [[0] * n_slots for _ in range(n_clusters)]
        for i, slot in enumerate(occupied):
            for c in range(n_clusters):
                j = i * n_clusters + c
                table[c][slot] = sum(planes[plane * n + j] << 8 * plane for plane in range(4))
        lengths.append(table)
        n_parcels = 0
        for row in table:
            start, before = 0, None
            for size in filter(None, row):
                if before is None or start // 4096 != before[0] // 4096 or size >= 4096 or before[1] >= 4096:
                    n_parcels += 1
                before = (start, size)
                start += size
        checksums.append(list(take(f"{n_parcels}I")))
    assert at == len(listing)

    sections, trees, position = {}, [[] for _ in shapes], 32
    for kind in kinds:
        if kind == 0:
            name, size, expected = entries[len(sections)]
            sections[name] = data[position : position + size]
            assert xxhash.xxh3_64_intdigest(sections[name]) == expected
            position += size
            continue
        pages, parcels, start, before = [], [], 0, None
        for size in lengths[kind - 1][len(trees[kind - 1])]:
            page = data[position + start : position + start + size]
            pages.append(page)
            if not size:
                continue
            if before is None or start // 4096 != before[0] // 4096 or size >= 4096 or before[1] >= 4096:
                parcels.append(b"")
            parcels[-1] += page
            before = (start, size)
            start += size
        for parcel in parcels:
            assert xxhash.xxh3_64_intdigest(parcel) & 0xFFFFFFFF == checksums[kind - 1].pop(0)
        trees[kind - 1].append(pages)
        position += start
    assert position == offset
    assert not any(checksums)
    return json.loads(meta), sections, trees


def read(data: bytes):
    reader = ContainerReader(data)
    return (
        reader.meta,
        {name: reader.section(name) for name in reader.section_names},
        [
            [reader.pages(t, [(c, s) for s in range(shape.n_slots)]) for c in range(shape.n_clusters)]
            for t, shape in enumerate(reader.trees)
        ],
    )


@given(
    st.lists(
        st.lists(st.sampled_from([0, 0, 1, 5, 1000, 3000, 4095, 4096, 4097, 10_000]), min_size=7, max_size=7),
        max_size=5,
    )
)
def test_both_readers_agree(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("x") / "x.hbal"
    with ContainerWriter(path, overwrite=False) as out:
        for i, row in enumerate(rows):
            out.add_cluster(i % 2, [bytes([slot]) * n for slot, n in enumerate(row)])
            out.add_section(f"s{i}", b"s" * i)
        out.finish({"a": ["é", 1.5, None]})
    data = path.read_bytes()
    assert strangers_reader(data) == read(data)


GOLDEN_FILES = sorted(GOLDEN.glob("v*/container_*.hbal"))


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden_files_are_read_by_both(path):
    assert strangers_reader(path.read_bytes()) == read(path.read_bytes())


def test_golden_content():
    meta, sections, trees = read((GOLDEN / "v1/container_mixed.hbal").read_bytes())
    assert meta == {
        "writer": {"name": "hepbaler", "version": "golden"},
        "trees": ["Events", "p\udce9T", "Runs"],
        "required_features": ["golden"],
        "format_version": "1.0",
    }
    assert sections == {"model/0": bytes(range(256)), "objects": b""}
    assert trees == [
        [
            [b"first", b"", b"\x00" * 4096, b"tiny", b"x" * 4095, b"y" * 10, b""],
            [b"", b"", b"z" * 5000, b"", b"a", b"b", b""],
        ],
        [[]],
        [],
    ]
    assert read((GOLDEN / "v1/container_empty.hbal").read_bytes())[1:] == ({}, [])
    _, _, trees = read((GOLDEN / "v1/container_repeated.hbal").read_bytes())
    assert trees == [[[b"%d" % (cluster * slot) for slot in range(20)] for cluster in range(40)]]


def test_limits_and_constants_are_the_documented_ones():
    text = (ROOT / "docs/format.md").read_text()
    documented = {
        "trees": index.MAX_TREES,
        "sections": index.MAX_SECTIONS,
        "slots of a tree": index.MAX_SLOTS,
        "slots times clusters of a tree": index.MAX_CELLS,
        "length of a page": index.MAX_PAGE,
        "length of a section's name": index.MAX_NAME,
    }
    for what, value in documented.items():
        found = re.search(rf"^\| {what} \| (?:2\^(\d+)( - 1)?|(\d+)) \|$", text, re.MULTILINE)
        assert found, what
        power, minus, plain = found.groups()
        assert (int(plain) if plain else 2 ** int(power) - (1 if minus else 0)) == value
    assert f"{index.PARCEL_SIZE}`" in text
    assert layout.MAGIC.hex(" ").upper() in text
    assert layout.END_MAGIC.hex(" ").upper() in text
    assert f"| {layout.FORMAT_VERSION} | 0.1.0 |" in text


def test_schema_is_shipped_and_documented():
    shipped = importlib.resources.files("hepbaler.container").joinpath("header.schema.json").read_text()
    assert (ROOT / "docs/header.schema.json").read_text() == shipped


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_container_fields_follow_the_schema(path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(importlib.resources.files("hepbaler.container").joinpath("header.schema.json").read_text())
    fields = ("format_version", "writer", "required_features")
    # Golden containers hold no trees of ROOT files: only what belongs to the container is compared.
    own = schema | {"required": ["format_version", "writer"]}
    own["properties"] = {key: schema["properties"][key] for key in fields}
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(own)
    meta = ContainerReader(path).meta
    validator.validate({key: meta[key] for key in fields if key in meta})
    for broken in ({"format_version": "2.0"}, {"writer": "me"}, {"required_features": [1]}):
        assert not validator.is_valid(meta | broken)
