from __future__ import annotations

import pytest
import uproot

from hepbaler.errors import InputError
from hepbaler.restoring import parse_compression


@pytest.mark.parametrize(
    ("text", "code"),
    [("zstd:5", 505), ("ZSTD", 505), ("lzma:9", 209), ("lz4:4", 404), ("zlib:1", 101), (" lz4 ", 404)],
)
def test_becomes_what_root_calls_it(text: str, code: int) -> None:
    compression = parse_compression(text)
    assert compression is not None
    assert compression.code == code


def test_none_is_no_compression() -> None:
    assert parse_compression("none") is None


@pytest.mark.parametrize("text", ["", "gzip", "zstd:", "zstd:0", "zstd:23", "lzma:-1", "lzma:2.5", "none:1", "zstd:²"])
def test_refuses_others(text: str) -> None:
    with pytest.raises(InputError, match=r"unknown (compression|level)"):
        parse_compression(text)


@pytest.mark.parametrize("text", ["zstd:5", "lzma:9", "lz4:4", "zlib:1", "none"])
def test_file_is_written_with_it(text: str, branch, write) -> None:
    target, _ = write([branch("x", [1.5] * 5000)], {"x": [1.5] * 5000}, compression=text)
    with uproot.open(target) as file:
        small = file["Events/x"].compressed_bytes < file["Events/x"].uncompressed_bytes
        assert small == (text != "none")
        assert file["Events/x"].array().to_list() == [1.5] * 5000
