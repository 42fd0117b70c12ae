"""The order of decoding: what is a sum of others comes last.

By the chain rule any order costs the same under perfect models. Under small ones it does not: the grid of a sum is
coarser than the grids of its parts, so a sum that follows its parts costs almost nothing and is easy to predict, while
a part that follows the sum is a small difference of large numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hepbaler.features.hints import HintScale, clean
from hepbaler.training.hints import ETA, MASS, MOMENTUM, PHI, possible_gain, possible_terms
from hepbaler.training.structure import related

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.features.hints import ToValues
    from hepbaler.features.ranks import RankTable

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

__all__ = ("sums_last",)


def __dir__() -> tuple[str, ...]:
    return __all__


_ROWS = 1500
_LEAST_BINS = 64
_LEAST_GAIN_BITS = 3.0
# A later round looks only at columns that were predictable from all others; what is left of a relation is enough.
_MOST_ROUNDS = 12
_MOMENTUM = frozenset((*MOMENTUM, *ETA, *PHI, *MASS))


def sums_last(
    columns: Mapping[str, IntArray],
    first: int,
    ranks: Sequence[RankTable],
    to_values: Mapping[str, ToValues],
    shared: FloatArray,
    rng: np.random.Generator,
) -> list[int]:
    """Slots in decoding order: the given order, with well predicted sums moved to the end.

    Parameters
    ----------
    columns
        Inputs, then the columns to code.
    first
        Number of inputs.
    ranks
        Rank table of each.
    to_values
        As in `hepbaler.training.fit.fit`.
    shared
        Mutual information of each pair.
    """
    slots = list(columns)
    n_rows = columns[slots[0]].size
    rows = np.sort(rng.permutation(n_rows)[:_ROWS])
    few = {name: columns[name][rows] for name in slots}
    values = {
        slot: clean(np.asarray(to_values[name](few[name]), np.float64))
        for slot, name in enumerate(slots)
        if name in to_values
    }
    scales = {
        slot: HintScale.of(ranks[slot], to_values[slots[slot]])
        for slot in range(first, len(slots))
        if slot in values and ranks[slot].n_bins >= _LEAST_BINS
    }
    left = list(range(len(slots)))
    # What other tables tell is known from the start: who follows from it alone need not wait for anything.
    context = {slot for slot in range(first) if slots[slot].startswith("@")}
    pending = [slot for slot, scale in scales.items() if scale is not None]
    last: list[int] = []
    for _ in range(_MOST_ROUNDS):
        gains = {}
        for slot in pending:
            scale = scales[slot]
            if scale is None:
                continue
            terms = possible_terms(
                slots, values, related(slot, [o for o in left if o != slot and o not in context], shared)
            )
            gains[slot] = possible_gain(values[slot], ranks[slot], few[slots[slot]], scale, terms, values)
        pending = [slot for slot in pending if gains[slot] >= _LEAST_GAIN_BITS]
        if not pending:
            break
        best = max(pending, key=gains.__getitem__)
        last.insert(0, best)
        left.remove(best)
        pending.remove(best)
    return _momenta_first(slots, first, [*left, *last])


def _momenta_first(names: Sequence[str], first: int, order: Sequence[int]) -> list[int]:
    """The order, with the parts of four-momenta before all other columns that are coded."""
    endings = {slot: names[slot].lower().rpartition("_")[::2] for slot in order if slot >= first}
    parts: dict[str, set[int]] = {}
    for slot, (stem, last) in endings.items():
        if last in _MOMENTUM:
            parts.setdefault(stem, set()).add(slot)
    momenta = {slot for slots in parts.values() if len(slots) >= 3 for slot in slots}
    return sorted(order, key=lambda slot: (slot >= first, slot not in momenta))
