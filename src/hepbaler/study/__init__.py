"""`hepbaler study`: every autoencoder at one ratio on one file, beside bounds, judged by its columns and by the top mass.

- `settings`: what is asked for.
- `archives`: each made once.
- `running`: archives evaluated and analysed.
- `results`: what came out, as plain data.
- `report`: table, figures, one page.
"""

from __future__ import annotations

from .report import write_report
from .results import StudyResult, Variant
from .running import study
from .settings import StudySettings

__all__ = ("StudyResult", "StudySettings", "Variant", "study", "write_report")


def __dir__() -> tuple[str, ...]:
    return __all__
