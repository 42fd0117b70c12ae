"""ROOT files -> branches and arrays.

Start with `open_source`: a `Source` is an open file, its `SourceTree`s are read range by range. `expand_inputs` is for what a user
types on a command line.
"""

from __future__ import annotations

from hepbaler.reading.inputs import expand_inputs, is_remote, split_input
from hepbaler.reading.objects import Left, ObjectInfo
from hepbaler.reading.source import Source, open_source
from hepbaler.reading.tree import SourceTree, Unreadable

__all__ = (
    "Left",
    "ObjectInfo",
    "Source",
    "SourceTree",
    "Unreadable",
    "expand_inputs",
    "is_remote",
    "open_source",
    "split_input",
)


def __dir__() -> tuple[str, ...]:
    return __all__
