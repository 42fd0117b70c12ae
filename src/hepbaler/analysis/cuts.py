"""Objects that cross a cut: one wrong value at the threshold is one event more or less."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ("Cut", "CutCounts")

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CUT = re.compile(
    r"\s*(?:abs\((?P<absolute>[^()]+)\)|(?P<plain>[^<>=!]+?))\s*(?P<sign>>=|<=|==|!=|>|<)\s*(?P<value>\S+)\s*"
)


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Cut:
    """A condition on one column.

    Attributes
    ----------
    text
        As it was written.
    column
        Whose values are looked at.
    absolute
        Whether it is about ``|x|``.
    """

    text: str
    column: str
    absolute: bool
    sign: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Read ``Jet_pt>30`` or ``abs(Jet_eta)<2.4``.

        Raises
        ------
        InputError
            The text is neither.
        """
        found = _CUT.fullmatch(text)
        try:
            value = float(found["value"]) if found else 0.0
        except ValueError:
            found = None
        if found is None:
            msg = f"cannot read the cut {text!r}; write it as 'Jet_pt>30' or 'abs(Jet_eta)<2.4'"
            raise InputError(msg)
        column = (found["absolute"] or found["plain"]).strip()
        return cls(text, column, found["absolute"] is not None, found["sign"], value)

    def passing(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values pass, shape (n_rows,). The comparison is in float64; NaN passes nothing but ``!=``."""
        wide = np.asarray(values, np.float64)
        return np.asarray(_OPERATORS[self.sign](np.abs(wide) if self.absolute else wide, self.value))


@dataclass(frozen=True)
class CutCounts:
    """Objects that pass a cut.

    Attributes
    ----------
    before, after
        That pass.
    gained, lost
        That pass only after, and only before.
    """

    cut: str
    before: int = 0
    after: int = 0
    gained: int = 0
    lost: int = 0

    def add(self, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> CutCounts:
        """The counts with some more objects, each of shape (n_rows,)."""
        return CutCounts(
            self.cut,
            self.before + int(before.sum()),
            self.after + int(after.sum()),
            self.gained + int(np.count_nonzero(after & ~before)),
            self.lost + int(np.count_nonzero(before & ~after)),
        )
