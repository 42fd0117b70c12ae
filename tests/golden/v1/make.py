"""Write the golden archives of format 1. What exists is never rewritten: old files must read for ever.

python tests/golden/v1/make.py
"""

from __future__ import annotations

from pathlib import Path

from hepbaler.container import FORMAT_VERSION, ContainerWriter

HERE = Path(__file__).resolve().parent
WRITER = {"name": "hepbaler", "version": "golden"}


def empty(out: ContainerWriter) -> None:
    """Nothing in it."""
    out.finish({"writer": WRITER})


def mixed(out: ContainerWriter) -> None:
    """Sections and clusters of two trees in turn, absent pages, parcels of every kind."""
    out.add_section("model/0", bytes(range(256)))
    out.add_cluster(0, [b"first", b"", b"\x00" * 4096, b"tiny", b"x" * 4095, b"y" * 10, b""])
    out.add_cluster(1, [])
    out.add_cluster(0, [b"", b"", b"z" * 5000, b"", b"a", b"b", b""])
    out.add_tree(2, 9)
    out.add_section("objects", b"")
    out.finish({"writer": WRITER, "trees": ["Events", "p\udce9T", "Runs"], "required_features": ["golden"]})


def repeated(out: ContainerWriter) -> None:
    """Index and META long enough to be compressed."""
    for cluster in range(40):
        out.add_cluster(0, [b"%d" % (cluster * slot) for slot in range(20)])
    out.finish({"writer": WRITER, "columns": [f"column_{i}" for i in range(50)]})


def main() -> None:
    """Write the archives that are absent."""
    major = FORMAT_VERSION.split(".", maxsplit=1)[0]
    if HERE.name != f"v{major}":
        msg = f"this hepbaler writes format {FORMAT_VERSION}, not {HERE.name}: golden files of old formats are never made anew"
        raise SystemExit(msg)
    for make in (empty, mixed, repeated):
        path = HERE / f"container_{make.__name__}.hbal"
        if not path.exists():
            with ContainerWriter(path, overwrite=False) as out:
                make(out)


if __name__ == "__main__":
    main()
