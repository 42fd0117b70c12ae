"""Files that are cut, flipped, forged or of another kind: always an error of the family, never other bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hepbaler.container import ContainerReader
from hepbaler.container.layout import TRAILER_SIZE, Trailer, checksum64, pack_header
from hepbaler.errors import CorruptFile, FormatError, NotHepbalerFile, TruncatedFile, UnsupportedFeature

EMPTY_INDEX = struct.pack("<III", 0, 0, 0)


def test_cut_at_every_byte(small):
    for size in range(len(small)):
        with pytest.raises((TruncatedFile, NotHepbalerFile)) as caught:
            ContainerReader(small[:size])
        assert caught.type is (TruncatedFile if size else NotHepbalerFile)


def test_large_file_cut_anywhere(write):
    rng = np.random.default_rng(0)
    data = write([(0, [rng.bytes(50_000)])] * 8).read_bytes()
    for size in sorted({*rng.integers(32, len(data), 200).tolist(), *range(len(data) - 300, len(data))}):
        with pytest.raises(TruncatedFile, match="cut"):
            ContainerReader(data[:size])


@pytest.mark.parametrize("mask", [0xFF, 1, 0x80])
def test_every_byte_flipped(small, read_all, mask):
    for at in range(len(small)):
        flipped = bytearray(small)
        flipped[at] ^= mask
        with pytest.raises(FormatError):
            read_all(ContainerReader(bytes(flipped)))


def test_every_byte_flipped_where_index_and_meta_are_compressed(read_all):
    data = (Path(__file__).resolve().parents[1] / "golden/v1/container_repeated.hbal").read_bytes()
    footer = Trailer.unpack(data[-TRAILER_SIZE:], len(data), "golden").index_offset
    for at in range(footer, len(data)):
        with pytest.raises(FormatError):
            read_all(ContainerReader(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=300)
def test_frames_forged_with_right_checksums(changes, in_index):
    """No byte of a zstd frame leads to anything but an error of the family."""
    data = (Path(__file__).resolve().parents[1] / "golden/v1/container_repeated.hbal").read_bytes()
    old = Trailer.unpack(data[-TRAILER_SIZE:], len(data), "golden")
    index = bytearray(data[old.index_offset : old.meta_offset])
    meta = bytearray(data[old.meta_offset : -TRAILER_SIZE])
    for at, value in changes:
        frame = index if in_index else meta
        # Most of what can be said wrongly is said in the first bytes of a frame.
        frame[at % (len(frame) if at % 2 else 16)] = value
    trailer = dataclasses.replace(old, index_checksum=checksum64(bytes(index)), meta_checksum=checksum64(bytes(meta)))
    with contextlib.suppress(FormatError):
        ContainerReader(data[: old.index_offset] + bytes(index) + bytes(meta) + trailer.pack())


def test_bytes_inserted_removed_or_appended(small, read_all):
    for at in range(len(small)):
        for changed in (small[:at] + b"\x00" + small[at:], small[:at] + small[at + 1 :]):
            with pytest.raises(FormatError):
                read_all(ContainerReader(changed))
    with pytest.raises(FormatError):
        ContainerReader(small + b"\n")


@given(st.data())
@settings(max_examples=200)
def test_random_damage(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    start = pack_header() if data.draw(st.booleans()) else b""
    junk = start + rng.bytes(data.draw(st.integers(0, 300)))
    with pytest.raises(FormatError):
        ContainerReader(junk)


def test_damage_is_located(small):
    at = small.index(b"third")
    damaged = small[:at] + b"Third" + small[at + 5 :]
    reader = ContainerReader(damaged)
    assert reader.section("model/0") == b"weights " * 3
    assert reader.pages(1, [(0, 0)]) == [b"other tree"]
    with pytest.raises(CorruptFile, match="tree 0, cluster 0, slots 0 to 3 at offset 56 have checksum") as caught:
        reader.pages(0, [(0, 0)])
    error = caught.value
    assert (error.section, error.offset) == ("tree:0", 56)
    assert isinstance(error.expected, int)
    assert error.expected != error.found
    with pytest.raises(CorruptFile, match="tree 0, cluster 0"):
        list(reader.check())
    at = small.index(b"weights")
    with pytest.raises(CorruptFile, match="section 'model/0' at offset 32") as caught:
        ContainerReader(small[:at] + b"W" + small[at + 1 :]).section("model/0")
    assert (caught.value.section, caught.value.offset) == ("model/0", 32)


@pytest.mark.parametrize(
    ("start", "looks_like"),
    [
        (b"", "an empty file"),
        (b"root\x00\x00\xf6\x04", "a ROOT file"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (zstandard.compress(b"hello"), "zstd"),
        (b"PK\x03\x04....", "zip"),
        (b"<!doctype html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89HBL\n\x1a\n" + b"\x00" * 100, "text mode"),
        (b"whatever this is", "something unknown"),
    ],
)
def test_other_files_are_told_by_their_looks(start, looks_like):
    with pytest.raises(NotHepbalerFile, match=looks_like):
        ContainerReader(start)


def test_newer_major_version(forge):
    with pytest.raises(UnsupportedFeature, match=r"format version 2\.7.*pip install -U hepbaler"):
        ContainerReader(forge(EMPTY_INDEX, header=pack_header(2, 7)))


def test_newer_minor_version_is_read(forge):
    meta = b'{"format_version":"1.9","writer":{"name":"w","version":"0"},"unknown":1}'
    header = pack_header(1, 9, optional_features=1 << 31)
    assert ContainerReader(forge(EMPTY_INDEX, meta, header=header)).meta["unknown"] == 1


def test_unknown_required_feature(forge):
    with pytest.raises(UnsupportedFeature, match=r"feature bit 0, 63.*upgrade"):
        ContainerReader(forge(EMPTY_INDEX, header=pack_header(required_features=1 | 1 << 63)))
    meta = (
        b'{"format_version":"1.0","writer":{"name":"w","version":"9"},"required_features":["learned-1","odd\\udc80"]}'
    )
    assert ContainerReader(forge(EMPTY_INDEX, meta)).meta["required_features"]
    with pytest.raises(UnsupportedFeature, match=r"'w 9'.*requires \['odd\\udc80'\].*upgrade"):
        ContainerReader(forge(EMPTY_INDEX, meta), features={"learned-1"})


def test_version_zero_does_not_exist(forge):
    with pytest.raises(CorruptFile, match="format version 0"):
        ContainerReader(forge(EMPTY_INDEX, header=pack_header(0, 1)))


def test_meta_of_another_version_than_the_header(forge):
    with pytest.raises(CorruptFile, match=r"header says format version 1\.3, its meta '?1\.0"):
        ContainerReader(forge(EMPTY_INDEX, header=pack_header(1, 3)))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (b"", "not acceptable JSON"),
        (b"[]", "is a list, not an object"),
        (b"\xff\xfe", "not acceptable JSON"),
        (b'{"a":1,"a":2}', "'a' appears twice"),
        (b'{"b":{"a":1,"a":1}}', "'a' appears twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":1e999}', "beyond float64"),
        (b'{"a":' + b"9" * 5000 + b"}", "not acceptable JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not acceptable JSON"),
        (b"{}", "format_version must be"),
        (b'{"format_version":1}', "format_version must be"),
        (b'{"format_version":"1.0"}', "writer must be"),
        (b'{"format_version":"1.0","writer":{"name":1,"version":""}}', "writer must be"),
        (b'{"format_version":"1.0","writer":{"name":"","version":""},"required_features":[1]}', "list of texts"),
    ],
)
def test_meta_that_is_not_acceptable(forge, meta, message):
    with pytest.raises(CorruptFile, match=message) as caught:
        ContainerReader(forge(EMPTY_INDEX, meta))
    assert caught.value.section == "meta"


def section(name: bytes, length: int, data: bytes = b"") -> bytes:
    return bytes([len(name)]) + name + struct.pack("<QQ", length, checksum64(data))


def tree(n_slots: int, n_clusters: int, *rest: bytes) -> bytes:
    return (
        struct.pack("<IIIII", 1, 0, n_clusters, n_slots, n_clusters) + b"\x01\x00\x00\x00" * n_clusters + b"".join(rest)
    )


@pytest.mark.parametrize(
    ("index", "payload", "message"),
    [
        (b"", b"", "head needs 12 bytes"),
        (EMPTY_INDEX + b"\x00", b"", "1 bytes too many"),
        (EMPTY_INDEX, b"hole", "do not fill the 4 bytes"),
        (struct.pack("<III", 2**16 + 1, 0, 0), b"", "65537 trees"),
        (struct.pack("<III", 0, 2**16 + 1, 0), b"", "65537 sections"),
        (struct.pack("<III", 0, 0, 2**32 - 1), b"", "list of pieces needs"),
        (struct.pack("<III", 0, 1, 0), b"", "does not agree"),
        (struct.pack("<IIII", 0, 0, 1, 1), b"", "belongs to tree 0 of 0"),
        (struct.pack("<IIII", 0, 1, 1, 0) + section(b"a", 5), b"abcd", "do not fill"),
        (struct.pack("<IIII", 0, 1, 1, 0) + section(b"a", 3), b"abcd", "do not fill"),
        (struct.pack("<IIII", 0, 1, 1, 0) + section(b"a", 2**64 - 1), b"abcd", "bytes in section 'a'"),
        (struct.pack("<IIII", 0, 1, 1, 0) + section(b"a b", 4), b"abcd", "'a b' is no section name"),
        (struct.pack("<IIII", 0, 1, 1, 0) + section(b"", 4), b"abcd", "'' is no section name"),
        (struct.pack("<IIIII", 0, 2, 2, 0, 0) + section(b"a", 2) * 2, b"abcd", "appears twice"),
        (tree(2**20 + 1, 0), b"", "1048577 page slots of a tree"),
        (struct.pack("<IIIII", 1, 0, 0, 2**20, 2**32 - 1), b"", "page slots times clusters"),
        (struct.pack("<IIIII", 1, 0, 0, 0, 2**32 - 1), b"", "does not agree"),
        (tree(1, 1, b"\x02"), b"", "slot that does not exist"),
        (tree(1, 1, b"\x01", b"\x00\x00\x00\x00"), b"", "occupied and has no page"),
        (tree(1, 0, b"\x01"), b"", "occupied and has no page"),
        (tree(1, 1, b"\x01", b"\x04\x00\x00"), b"abcd", "page lengths needs 4 bytes"),
        (tree(1, 1, b"\x01", b"\x04\x00\x00\x00"), b"abcd", "checksums of pages needs 4 bytes"),
        (tree(1, 1, b"\x01", b"\xff\xff\xff\xff", b"abcd"), b"abcd", "do not fill"),
    ],
)
def test_forged_index(forge, index, payload, message):
    with pytest.raises(CorruptFile, match=message) as caught:
        ContainerReader(forge(index, payload=payload))
    assert caught.value.section == "index"
    assert caught.value.offset in (32, 32 + len(payload))


def test_forged_index_that_is_right(forge):
    page = b"abcd"
    checksum = (checksum64(page) & 0xFFFFFFFF).to_bytes(4, "little")
    reader = ContainerReader(forge(tree(1, 1, b"\x01", b"\x04\x00\x00\x00", checksum), payload=page))
    assert reader.pages(0, [(0, 0)]) == [page]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
@settings(max_examples=300)
def test_index_forged_at_random_tiles_or_is_refused(changes, grow):
    page = b"ab"
    short = (checksum64(page) & 0xFFFFFFFF).to_bytes(4, "little")
    index = bytearray(
        struct.pack("<IIIII", 1, 1, 3, 3, 2)
        + struct.pack("<III", 1, 0, 1)
        + section(b"s", 3, b"sss")
        + b"\x05"
        + bytes([1, 0, 1, 2]).ljust(16, b"\x00")
        + short * 2
    )
    for at, value in changes:
        index[at % len(index)] = value
    raw = bytes(index) + (b"\x00" if grow else b"")
    meta = b'{"format_version":"1.0","writer":{"name":"w","version":"0"}}'
    payload = b"ab" + b"sss" + b"ab"
    trailer = Trailer(32 + len(payload), len(raw), len(raw), checksum64(raw), len(meta), len(meta), checksum64(meta))
    data = pack_header() + payload + raw + meta + trailer.pack()
    try:
        reader = ContainerReader(data)
    except FormatError:
        return
    assert sum(reader.bytes_by_part().values()) == len(data)
    for number, shape in enumerate(reader.trees):
        assert reader.sizes(number).shape == shape


def bombs(forge):
    zeros = zstandard.ZstdCompressor(level=19).compress(bytes(2**27))
    unsized = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(2**27))
    document = b'{"format_version":"1.0","writer":{"name":"w","version":"0"}}'
    nested = zstandard.compress(b'{"a":' + b"[[]," * 250_000)
    return {
        "declares what it has": forge(EMPTY_INDEX, stored_index=zeros, index_raw_length=2**27),
        "declares less in the trailer": forge(EMPTY_INDEX, stored_index=zeros, index_raw_length=2**20),
        "declares nothing in the frame": forge(EMPTY_INDEX, stored_index=unsized, index_raw_length=2**20),
        "huge": forge(EMPTY_INDEX, stored_index=zeros[:100], index_raw_length=2**63),
        "huge meta": forge(EMPTY_INDEX, document, stored_meta=zeros, meta_raw_length=2**27),
        "lists": forge(EMPTY_INDEX, document, stored_meta=nested, meta_raw_length=5 + 4 * 250_000),
        "many slots": forge(tree(2**20, 32, bytes(2**17))),
        "many pieces": forge(struct.pack("<IIIII", 1, 0, 2**31, 0, 2**31)),
        "many pages": forge(tree(8, 2**18, b"\xff")),
        "long section": forge(struct.pack("<IIII", 0, 1, 1, 0) + section(b"a", 2**62)),
        "long page": forge(tree(1, 1, b"\x01", b"\xff\xff\xff\xff", b"abcd")),
    }


def test_bombs_cost_little_memory(forge, small):
    ContainerReader(small)
    cases = bombs(forge)
    for name, data in cases.items():
        tracemalloc.start()
        try:
            refused = False
            try:
                ContainerReader(data)
            except CorruptFile:
                refused = True
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert refused or name == "many slots", name
        assert peak < 64 * 2**20, (name, peak)


def test_frame_with_something_behind_it(forge):
    packed = zstandard.ZstdCompressor().compress(EMPTY_INDEX + bytes(100))
    with pytest.raises(CorruptFile, match="no zstd frame"):
        ContainerReader(forge(EMPTY_INDEX, stored_index=packed + packed, index_raw_length=112))


def test_frame_that_is_no_zstd(forge):
    with pytest.raises(CorruptFile, match="no zstd frame"):
        ContainerReader(forge(EMPTY_INDEX, stored_index=b"nonsense", index_raw_length=112))


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300), min_size=7, max_size=7))
def test_any_trailer(fields):
    data = pack_header() + EMPTY_INDEX + b"{}" + Trailer(*fields).pack()
    with pytest.raises(FormatError):
        ContainerReader(data)


def test_trailer_is_as_long_as_documented():
    assert TRAILER_SIZE == 72
    assert len(pack_header()) == 32
