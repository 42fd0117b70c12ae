from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hepbaler.container import ContainerReader, ContainerWriter
from hepbaler.container.layout import Trailer, checksum64, pack_header

Archive = dict[str, Any]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive: `parts` are ("name", bytes) for sections and (tree, [pages]) for clusters, in file order."""

    def write(
        parts: Sequence[tuple[str, bytes] | tuple[int, Sequence[bytes]]],
        meta: Mapping[str, Any] | None = None,
        name: str = "events.root.hbal",
    ) -> Path:
        path = tmp_path / name
        with ContainerWriter(path, overwrite=True) as out:
            for key, content in parts:
                if isinstance(key, str):
                    out.add_section(key, content)
                else:
                    out.add_cluster(key, content)
            out.finish(meta or {})
        return path

    return write


@pytest.fixture
def small(write: Callable[..., Path]) -> bytes:
    """An archive of a few hundred bytes with a bit of everything."""
    path = write(
        [
            ("model/0", b"weights " * 3),
            (0, [b"first page", b"", b"x", b"third"]),
            (1, [b"other tree"]),
            (0, [b"second", b"", b"", b"\x00" * 9]),
            ("objects", b""),
        ],
        {"trees": ["Events", "Runs"], "source": {"name": "events.root"}},
    )
    return path.read_bytes()


@pytest.fixture
def forge() -> Callable[..., bytes]:
    """Put an archive together from a raw index and META, with right checksums."""

    def forge(
        index: bytes,
        meta: bytes = b'{"format_version":"1.0","writer":{"name":"w","version":"0"}}',
        payload: bytes = b"",
        *,
        stored_index: bytes | None = None,
        index_raw_length: int | None = None,
        stored_meta: bytes | None = None,
        meta_raw_length: int | None = None,
        header: bytes | None = None,
    ) -> bytes:
        header = pack_header() if header is None else header
        packed = index if stored_index is None else stored_index
        document = meta if stored_meta is None else stored_meta
        trailer = Trailer(
            len(header) + len(payload),
            len(packed),
            len(index) if index_raw_length is None else index_raw_length,
            checksum64(packed),
            len(document),
            len(meta) if meta_raw_length is None else meta_raw_length,
            checksum64(document),
        )
        return header + payload + packed + document + trailer.pack()

    return forge


@pytest.fixture
def read_all() -> Callable[[ContainerReader], Archive]:
    """Read everything that a reader offers."""

    def read_all(reader: ContainerReader) -> Archive:
        return {
            "meta": reader.meta,
            "sections": {name: reader.section(name) for name in reader.section_names},
            "trees": [
                [
                    reader.pages(tree, [(cluster, slot) for slot in range(shape.n_slots)])
                    for cluster in range(shape.n_clusters)
                ]
                for tree, shape in enumerate(reader.trees)
            ],
            "checked": sum(size for _, size in reader.check()),
        }

    return read_all
