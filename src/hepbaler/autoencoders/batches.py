"""Rows for training: events split into two parts, and drawn in another order each time round."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from .family import Batch
from .networks import RowPlaces

__all__ = ("Rounds", "Sheet", "split_events")

IntArray = NDArray[np.int64]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows of whole events, one after the other, as tensors.

    Attributes
    ----------
    features
        Shape (n_rows, n_features).
    counts
        Rows of each event; none of them 0.
    """

    features: torch.Tensor
    counts: IntArray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.features.shape[0])

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.counts)

    def batch(self, rows: IntArray, places: tuple[IntArray, IntArray] | None) -> Batch:
        """Some rows, with their places where they are wanted."""
        device = self.features.device
        where = None
        if places is not None:
            where = RowPlaces(*(torch.from_numpy(part).to(device) for part in places))
        return Batch(self.features[torch.from_numpy(rows).to(device)], where)

    def blocks(self, most_rows: int) -> list[Batch]:
        """All rows in order, in blocks of whole events with about `most_rows` rows."""
        ends = np.cumsum(self.counts)
        cuts = [0, *np.searchsorted(ends, np.arange(most_rows, self.n_rows, most_rows)).tolist(), self.n_events]
        blocks = []
        for first, last in pairwise(cuts):
            if last > first:
                rows, position, length = rows_of(self.counts, np.arange(first, last))
                blocks.append(self.batch(rows, (position, length)))
        return blocks


class Rounds:
    """Endless batches; each round goes once through all rows, in an order drawn from a seed and the round's number.

    So that a training can go on where another one stopped, the place is two numbers: `round` and `batch`.

    Parameters
    ----------
    sheet
        The rows.
    batch_rows
        Rows a batch; of whole events, so that it may be a few more or less, where neighbours matter.
    neighbours
        Whether rows of an event stay together.
    seed
        Of the order.
    """

    def __init__(self, sheet: Sheet, batch_rows: int, *, neighbours: bool, seed: int) -> None:
        self._sheet, self._seed, self._neighbours = sheet, seed, neighbours
        self._batch_rows = min(batch_rows, sheet.n_rows)
        self.round, self.batch = 0, 0
        self._order, self._cuts = self._shuffled()

    def go_to(self, round_number: int, batch: int) -> None:
        """Go on from a place that was noted before."""
        self.round, self.batch = round_number, batch
        self._order, self._cuts = self._shuffled()

    def draw(self) -> Batch:
        """The next batch."""
        if self.batch >= len(self._cuts) - 1:
            self.go_to(self.round + 1, 0)
        first, last = self._cuts[self.batch], self._cuts[self.batch + 1]
        self.batch += 1
        chosen = self._order[first:last]
        if not self._neighbours:
            return self._sheet.batch(chosen, None)
        rows, position, length = rows_of(self._sheet.counts, chosen)
        return self._sheet.batch(rows, (position, length))

    def _shuffled(self) -> tuple[IntArray, list[int]]:
        """Rows (or events) in this round's order, and where each batch begins; what is left over waits for the next."""
        rng = np.random.default_rng([self._seed, self.round])
        if not self._neighbours:
            order = rng.permutation(self._sheet.n_rows)
            n = self._batch_rows
            return order, list(range(0, len(order) - len(order) % n + 1, n))
        order = rng.permutation(self._sheet.n_events)
        ends = np.cumsum(self._sheet.counts[order])
        n_batches = max(self._sheet.n_rows // self._batch_rows, 1)
        targets = np.arange(1, n_batches + 1) * (self._sheet.n_rows / n_batches)
        cuts = np.unique(np.concatenate([[0], np.searchsorted(ends, targets - 0.5) + 1]))
        return order, [int(c) for c in cuts]


def rows_of(counts: IntArray, events: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Rows of some events, one event after the other, and the place of each row and the length of its event."""
    starts = np.cumsum(counts) - counts
    taken = counts[events]
    position = np.arange(int(taken.sum()), dtype=np.int64) - np.repeat(np.cumsum(taken) - taken, taken)
    return np.repeat(starts[events], taken) + position, position, np.repeat(taken, taken)


def split_events(counts: NDArray[Any], *, held_out: float, max_rows: int, seed: int) -> tuple[IntArray, IntArray]:
    """Numbers of the events to train on, and of those to validate with, each ascending.

    Parameters
    ----------
    counts
        Rows of each event.
    held_out
        Share of the events for validation; at least one event on either side.
    max_rows
        Rows that are used at most.
    seed
        Of the draw.

    Raises
    ------
    InputError
        If there are fewer than two events with rows.
    """
    filled = np.flatnonzero(np.asarray(counts) > 0)
    if len(filled) < 2:
        msg = f"training needs at least two events with rows, one of them for validation; there are {len(filled)}"
        raise InputError(msg)
    order = np.random.default_rng([seed, len(filled)]).permutation(filled)
    fitting = int(np.searchsorted(np.cumsum(np.asarray(counts)[order]), max_rows, side="right"))
    order = order[: max(fitting, 2)]
    n_held = min(max(round(held_out * len(order)), 1), len(order) - 1)
    return np.sort(order[n_held:]), np.sort(order[:n_held])
