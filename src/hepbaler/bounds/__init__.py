"""What may change and by how much: bounds, the plan that gives them to branches, and the grids that keep them.

- `Bound`, `Rule`, `Plan`: promises and who gets them;
- `ColumnFacts`, `choose_grid`: from a look at a column to its grid;
- `quantise`, `restore`: values to integers and back, every value checked.
"""

from __future__ import annotations

from .bound import DEFAULT, EXACT, Bound
from .choose import choose_grid
from .facts import ColumnFacts
from .grids import Grid
from .plan import Plan, Rule
from .planfile import PlanLine, write_plan
from .quantise import Choice, Quantised, holds, quantise, restore

__all__ = (
    "DEFAULT",
    "EXACT",
    "Bound",
    "Choice",
    "ColumnFacts",
    "Grid",
    "Plan",
    "PlanLine",
    "Quantised",
    "Rule",
    "choose_grid",
    "holds",
    "quantise",
    "restore",
    "write_plan",
)


def __dir__() -> tuple[str, ...]:
    return __all__
