"""Physics before and after: columns compared, masses fitted, figures drawn. It takes arrays and opens no file.

What to use when:

- `ColumnTally` and `figures_of`: how far a column moved, and whether that could be seen.
- `correlate`, `Cut`: columns together, and objects that cross a cut.
- `Channel` and `compare_masses`: the top mass, with the paired error of its shift.
- `MassFitter`: one spectrum.

`hepbaler.judging` and `hepbaler.topmass` do the same for files.
"""

from __future__ import annotations

from .candidates import CHANNELS, Candidates, Channel, Selection
from .columns import ColumnFigures, figures_of
from .cuts import Cut, CutCounts
from .distances import Correlations, correlate
from .fits import MassFitter
from .masses import Difference, MassComparison, PeakErrors, Shift, compare_masses
from .result import MassFit
from .settings import FitSettings
from .tally import ColumnTally

__all__ = (
    "CHANNELS",
    "Candidates",
    "Channel",
    "ColumnFigures",
    "ColumnTally",
    "Correlations",
    "Cut",
    "CutCounts",
    "Difference",
    "FitSettings",
    "MassComparison",
    "MassFit",
    "MassFitter",
    "PeakErrors",
    "Selection",
    "Shift",
    "compare_masses",
    "correlate",
    "figures_of",
)


def __dir__() -> tuple[str, ...]:
    return __all__
