"""From integers to what a network sees.

- `ranks`: a column's integers as intervals of its own cumulative distribution.
- `hints`: a linear prediction of a column's value from the values of earlier columns, as a place in that distribution.

Everything here is on the reading side too: integers, and floating point only as ``+ - * /`` in a fixed order.
"""

from __future__ import annotations

__all__: tuple[str, ...] = ()


def __dir__() -> tuple[str, ...]:
    return __all__
