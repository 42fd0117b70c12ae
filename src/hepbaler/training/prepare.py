"""Before training: which columns to code, their rank tables, hints, parents, and the sample as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hepbaler.coding.decoder import INPUT_BITS
from hepbaler.features.hints import HintScale, LinearHint, clean
from hepbaler.features.ranks import MASS_BITS, MAX_BINS, RANK_BITS, RankTable, as_input, fit_ranks
from hepbaler.training.hints import fit_hint, possible_terms
from hepbaler.training.loop import Sheet
from hepbaler.training.order import sums_last
from hepbaler.training.structure import choose_parents, mutual_information, related

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.features.hints import ToValues
    from hepbaler.training.settings import TrainSettings

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

__all__ = ("Prepared", "build_sheet", "prepare")


def __dir__() -> tuple[str, ...]:
    return __all__


# A column below this is left to the plain coder: not even a network of the smallest kind could pay.
_LEAST_BYTES = 300
_LEAST_SEEN_BITS = 0.005
_REPEATING = 0.5
_MODEL_SHARE = 0.02
_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
_ROWS_A_BIN = 48
_MOST_SEEN_BINS = 64
_ROWS_FOR_7_BITS, _ROWS_FOR_8_BITS = 150_000, 600_000
_STRUCTURE_ROWS = 8000
_HINT_ROWS = 8000


@dataclass(frozen=True, eq=False)
class Prepared:
    """What training needs to know about a table.

    Attributes
    ----------
    inputs, names
        Columns that are only seen, and columns to code, in decoding order; together the slots.
    ranks, located
        Rank table of each slot; bin and offset of each of its values in the sample.
    parents, hints
        For each column to code.
    hint_ranks
        What the hint says for each row, or None, for each column to code.
    width
        Hidden units a column.
    weight_bits
        Bits of a weight.
    """

    inputs: tuple[str, ...]
    names: tuple[str, ...]
    ranks: tuple[RankTable, ...]
    located: tuple[tuple[NDArray[np.int16], IntArray], ...]
    parents: tuple[tuple[int, ...], ...]
    hints: tuple[LinearHint | None, ...]
    hint_ranks: tuple[IntArray | None, ...]
    width: int
    weight_bits: int

    @property
    def slots(self) -> tuple[str, ...]:
        """Inputs, then columns to code."""
        return self.inputs + self.names


def prepare(
    sample: Mapping[str, IntArray],
    *,
    known: Mapping[str, IntArray],
    plain_bits: Mapping[str, float],
    n_rows_total: int,
    settings: TrainSettings,
    to_values: Mapping[str, ToValues],
) -> Prepared:
    """Choose columns, tables, hints and parents; see `hepbaler.training.fit.fit` for the arguments."""
    n_rows = next((array.size for array in (*sample.values(), *known.values())), 0)
    varying = {name: array for name, array in sample.items() if n_rows and array.min() < array.max()}
    heaviest = sorted(varying, key=lambda name: -plain_bits[name])
    # What repeats from row to row the plain coder knows better; the others may still see it.
    repeating = {name for name in varying if plain_bits[name] < _REPEATING * _entropy(varying[name])}
    coded = {
        name
        for name in heaviest[: settings.max_columns]
        if plain_bits[name] * n_rows_total / 8 > _LEAST_BYTES and name not in repeating
    }
    names = tuple(name for name in varying if name in coded)
    if not names:
        return Prepared((), (), (), (), (), (), (), 0, 8)
    inputs = tuple(name for name, array in known.items() if array.min() < array.max())
    seen = {
        name for name in heaviest if name not in coded and (plain_bits[name] > _LEAST_SEEN_BITS or name in repeating)
    }
    seen = set(sorted(seen, key=lambda name: -plain_bits[name])[: settings.max_columns])
    inputs += tuple(name for name in varying if name in seen)
    columns = {
        name: np.ascontiguousarray((known if name in known else sample)[name], np.int64) for name in inputs + names
    }
    max_bins = int(np.clip(n_rows_total // _ROWS_A_BIN, 16, MAX_BINS))
    # What is only seen needs no more bins than a network can tell apart.
    seen_bins = min(max_bins, _MOST_SEEN_BINS)
    ranks = tuple(fit_ranks(columns[name], max_bins=seen_bins if name in inputs else max_bins) for name in columns)
    rng = np.random.default_rng(settings.seed)
    some = np.sort(rng.permutation(n_rows)[:_STRUCTURE_ROWS])
    shared = mutual_information(
        [table.ranks(array[some]) for table, array in zip(ranks, columns.values(), strict=True)]
    )
    if settings.hints:
        order = sums_last(columns, len(inputs), ranks, to_values, shared, rng)
        slots = list(columns)
        columns = {slots[slot]: columns[slots[slot]] for slot in order}
        ranks = tuple(ranks[slot] for slot in order)
        shared = shared[np.ix_(order, order)]
        names = tuple(columns)[len(inputs) :]
    located = tuple(table.locate(array) for table, array in zip(ranks, columns.values(), strict=True))
    first = len(inputs)
    parents = tuple(
        choose_parents(slot, range(slot), shared, most=settings.max_parents)
        for slot in range(first, first + len(names))
    )
    hints, hint_ranks = (
        _hints(columns, first, ranks, to_values, shared, rng)
        if settings.hints
        else ((None,) * len(names), (None,) * len(names))
    )
    total = sum(plain_bits[name] for name in names) * n_rows_total / 8
    width = _width(total, parents, settings.width)
    # Measured on jets: six bits cost 0.3 bits a row more than eight, and make the model a quarter smaller.
    weight_bits = 6 + int(n_rows_total > _ROWS_FOR_7_BITS) + int(n_rows_total > _ROWS_FOR_8_BITS)
    return Prepared(inputs, names, ranks, located, parents, hints, hint_ranks, width, weight_bits)


def _entropy(values: IntArray) -> float:
    """Bits a value, if values did not depend on their neighbours."""
    counts = np.unique(values, return_counts=True)[1]
    share = counts / max(values.size, 1)
    return float(-(share * np.log2(share)).sum())


def _hints(
    columns: Mapping[str, IntArray],
    first: int,
    ranks: Sequence[RankTable],
    to_values: Mapping[str, ToValues],
    shared: FloatArray,
    rng: np.random.Generator,
) -> tuple[tuple[LinearHint | None, ...], tuple[IntArray | None, ...]]:
    """A hint for each column to code that has one, and what it says for each row of the sample."""
    slots = list(columns)
    n_rows = columns[slots[0]].size
    values = {
        number: clean(np.asarray(to_values[name](columns[name]), np.float64))
        for number, name in enumerate(slots)
        if name in to_values
    }
    rows = np.sort(rng.permutation(n_rows)[:_HINT_ROWS])
    few = {slot: array[rows] for slot, array in values.items()}
    hints: list[LinearHint | None] = []
    hint_ranks: list[IntArray | None] = []
    for slot in range(first, len(slots)):
        name = slots[slot]
        scale = HintScale.of(ranks[slot], to_values[name]) if slot in values and ranks[slot].n_bins > 16 else None
        hint = None
        if scale is not None:
            terms = possible_terms(slots, few, related(slot, range(slot), shared))
            hint = fit_hint(few[slot], ranks[slot], columns[name][rows], scale, terms, few)
        hints.append(hint)
        hint_ranks.append(
            scale.rank(hint.predict(values.__getitem__, n_rows)) if scale is not None and hint is not None else None
        )
    return tuple(hints), tuple(hint_ranks)


def _width(total_bytes: float, parents: Sequence[Sequence[int]], most: int) -> int:
    """Widest networks whose weights stay below a small share of what the plain coder would write."""
    fitting = [
        width
        for width in _WIDTHS
        if width <= most
        and sum((len(own) + 1) * width + width * width + 3 * width for own in parents) <= _MODEL_SHARE * total_bytes
    ]
    return max(fitting, default=min(_WIDTHS[0], most))


def build_sheet(prepared: Prepared, settings: TrainSettings) -> Sheet:
    """The sample as tensors on the device."""
    first, device = len(prepared.inputs), settings.device
    n_rows = prepared.located[0][0].size
    features = np.zeros((len(prepared.slots) + 1, n_rows), np.float32)
    for row, (table, (bins, offset)) in enumerate(zip(prepared.ranks, prepared.located, strict=True)):
        features[row] = as_input(table.centre(bins, offset)) / np.float32(1 << INPUT_BITS)
    centre, width = np.empty((2, len(prepared.names), n_rows), np.float32)
    for row, (table, (bins, offset)) in enumerate(zip(prepared.ranks[first:], prepared.located[first:], strict=True)):
        wide = np.ldexp(table.mass[bins].astype(np.float64), -np.append(table.shift, 0)[bins] - MASS_BITS)
        width[row] = wide
        centre[row] = np.ldexp(table.cumulative[bins].astype(np.float64), -MASS_BITS) + wide * (offset + 0.5)
    hint = np.full((len(prepared.names), n_rows), 0.5, np.float32)
    for row, rank in enumerate(prepared.hint_ranks):
        if rank is not None:
            hint[row] = np.ldexp(rank.astype(np.float64), -RANK_BITS)
    most = max(len(own) for own in prepared.parents)
    padded = [[*own, *[len(prepared.slots)] * (most - len(own))] for own in prepared.parents]
    has_hint = [[float(own is not None)] for own in prepared.hints]
    return Sheet(
        features=torch.from_numpy(features).to(device),
        centre=torch.from_numpy(centre).to(device),
        width=torch.from_numpy(width).to(device),
        hint=torch.from_numpy(hint).to(device),
        parents=torch.tensor(padded, dtype=torch.int64, device=device).reshape(len(padded), most),
        has_hint=torch.tensor(has_hint, device=device),
    )
