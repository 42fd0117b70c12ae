"""From arrays back to a ROOT file: trees, and the other objects that the source held."""

from __future__ import annotations

from hepbaler.restoring.adding import ObjectSum
from hepbaler.restoring.compression import parse_compression
from hepbaler.restoring.report import Difference, ObjectsReport, TreeReport
from hepbaler.restoring.writer import RootWriter

__all__ = ("Difference", "ObjectSum", "ObjectsReport", "RootWriter", "TreeReport", "parse_compression")


def __dir__() -> tuple[str, ...]:
    return __all__
