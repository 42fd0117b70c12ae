"""The nearest row of another list, where no index column tells it: the parton of a generator jet, the jet of a large one.

The writer looks for it in direction and momentum and stores its place in a page of its own; a reader only looks it up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ("Nearest", "direction_of", "nearest_places", "place_name")

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# Distances are measured in these units, and what is further away than so many of them is not looked at. Measured on generator
# jets and partons: half and twice the units cost less than a percent of what the links save.
_ANGLE, _LOG_MOMENTUM, _FURTHEST = 0.1, 0.5, 4.0
# Places of the other list that are compared: the cost grows with them.
_MOST_PLACES = 32
_LEAST_MOMENTUM = 1e-6


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Nearest:
    """Which columns tell how near two rows are.

    Attributes
    ----------
    own, other
        Keys of pt, eta, phi of the table itself and of the one it looks at.
    """

    own: tuple[str, str, str]
    other: tuple[str, str, str]


def place_name(model: int, table: int) -> str:
    """Name of the page with the places of a model's rows in another table."""
    return f"@nearest/{model}/{table}"


def nearest_places(
    nearest: Nearest, values: Callable[[str], FloatArray], counts: IntArray, other_counts: IntArray
) -> IntArray:
    """Place of the nearest row in the other list of the same event, or -1 where none is near.

    Parameters
    ----------
    nearest
        Which columns.
    values
        A column's values by its key.
    counts, other_counts
        Lengths of the lists, both of shape ``(n_parent_rows,)``.

    Returns
    -------
    Shape ``(counts.sum(),)``.
    """
    with np.errstate(all="ignore"):
        pt, eta, phi = (values(key) for key in nearest.own)
        other_pt, other_eta, other_phi = (values(key) for key in nearest.other)
        momentum, other_momentum = (np.log(np.maximum(some, _LEAST_MOMENTUM)) for some in (pt, other_pt))
        event = np.repeat(np.arange(counts.size), counts)
        first = (np.cumsum(other_counts) - other_counts)[event]
        length = other_counts[event]
        best = np.full(event.size, _FURTHEST**2)
        place = np.full(event.size, -1, np.int64)
        for i in range(min(int(other_counts.max(initial=0)), _MOST_PLACES)):
            rows = np.flatnonzero(length > i)
            there = first[rows] + i
            turned = np.abs(phi[rows] - other_phi[there]) % (2 * np.pi)
            turned = np.minimum(turned, 2 * np.pi - turned)
            angle = (eta[rows] - other_eta[there]) ** 2 + turned**2
            ratio = momentum[rows] - other_momentum[there]
            distance = angle / _ANGLE**2 + (ratio / _LOG_MOMENTUM) ** 2
            closer = distance < best[rows]
            best[rows[closer]] = distance[closer]
            place[rows[closer]] = i
    return place


def direction_of(columns: Collection[str]) -> tuple[str, str, str] | None:
    """Keys of pt, eta and phi among a table's columns, if it has all three of one stem: the shortest stem."""
    stems = sorted((key[:-3] for key in columns if key.endswith("_pt")), key=len)
    for stem in stems:
        keys = (f"{stem}_pt", f"{stem}_eta", f"{stem}_phi")
        if all(key in columns for key in keys):
            return keys
    return None
