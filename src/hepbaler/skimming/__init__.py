"""`skim`: some entries and some branches of an archive or a ROOT file, as an archive or a ROOT file.

::

    cuts --> selection.py --> choosing.py: which entries pass, a bit each; the cut flow
                                  |
    archive --> archives.py ------+--> archive: same grids, same models (narrowing.py)
    archive, ROOT file -----------+--> ROOT file
    ROOT file --> rootfiles.py ---+--> archive: `hepbaler.compress` of what passes
"""

from __future__ import annotations

from .reports import SkimmedModel, SkimmedTree, SkimReport
from .running import skim

__all__ = ("SkimReport", "SkimmedModel", "SkimmedTree", "skim")


def __dir__() -> tuple[str, ...]:
    return __all__
