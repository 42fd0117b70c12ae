"""The file: a META document, named sections, and pages addressed by (tree, cluster, slot).

Which part to use when:

- `ContainerWriter` writes an archive from beginning to end, atomically.
- `ContainerReader` opens one from a path, a URL or bytes, and reads only what is asked for.

What the bytes of sections and pages mean is not known here. ``docs/format.md`` is the normative description.
"""

from __future__ import annotations

from hepbaler.container.layout import FORMAT_VERSION
from hepbaler.container.meta import validate_meta
from hepbaler.container.reader import ContainerReader, TreeShape
from hepbaler.container.sources import FileSystemSource, LocalSource
from hepbaler.container.sources import open_source as open_bytes
from hepbaler.container.writer import ContainerWriter, check_target

__all__ = (
    "FORMAT_VERSION",
    "ContainerReader",
    "ContainerWriter",
    "FileSystemSource",
    "LocalSource",
    "TreeShape",
    "check_target",
    "open_bytes",
    "validate_meta",
)


def __dir__() -> tuple[str, ...]:
    return __all__
