"""Columns of lists of one length (scale weights, PDF weights): what a coder of the places in the lists is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .coding.elements import MAX_ELEMENTS, ElementsCoder, elements_of
from .encoding import value_functions
from .modelfile import TrainedTable
from .preparing import Prepared, plain_cost
from .sight import promise_of
from .table import Table

if TYPE_CHECKING:
    from .training.settings import TrainSettings

__all__ = ("Elements", "find_elements", "fit_elements")

IntArray = NDArray[np.int64]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Elements:
    """The one column of a table whose lists have all the same length.

    Attributes
    ----------
    table
        Its table.
    key
        Of the column.
    size
        Length of the lists.
    sample
        By place (``"0"``, ``"1"``, ...) its integers, shape ``(n_lists,)``.
    plain_bits
        Bits a value that the plain coder takes for a place.
    n_lists
        Lists of the whole tree.
    """

    table: Table
    key: str
    size: int
    sample: Mapping[str, IntArray]
    plain_bits: Mapping[str, float]
    n_lists: int

    def promise(self) -> float:
        """About how many bytes the places tell about each other."""
        return promise_of(self.sample, self.plain_bits, self.n_lists)


def find_elements(prepared: Prepared, table: Table) -> Elements | None:
    """A table's only column, if its lists have from 2 to 128 elements, all the same number in the whole tree."""
    stored = [key for key in table.columns if key in prepared.sample]
    if table.kind == "regular":
        size = table.size
    elif table.kind == "list" and table.counts is not None:
        size = prepared.constants.get(prepared.schema.same_as.get(table.counts, table.counts), 0)
    else:
        size = 0
    if len(stored) != 1 or stored[0] in prepared.schema.counters or not 2 <= size <= MAX_ELEMENTS:
        return None
    sample = elements_of(prepared.sample[stored[0]], size)
    plain_bits = {name: plain_cost(values) for name, values in sample.items()}
    return Elements(table, stored[0], size, sample, plain_bits, prepared.rows[table.index] // size)


def fit_elements(
    prepared: Prepared, elements: Elements, settings: TrainSettings, progress: Callable[[int, int, float], None]
) -> TrainedTable | None:
    """Train a coder of the places; None where none pays.

    Parameters
    ----------
    prepared
        The tree.
    elements
        Of a column of it.
    settings
        How to train.
    progress
        Called with (steps done, steps in all, bits a list).
    """
    from .training.fit import fit

    key = elements.key
    values = value_functions([key], prepared.choices)[key]
    found = fit(
        elements.sample,
        known={},
        plain_bits=elements.plain_bits,
        n_rows_total=elements.n_lists,
        # Latents would have to have a page of their own.
        settings=replace(settings, n_latent=0),
        to_values=dict.fromkeys(elements.sample, values),
        progress=progress,
    )
    if found.coder is None:
        return None
    return TrainedTable(
        tree=prepared.schema.path,
        table=elements.table.name,
        dtypes={column.key: column.dtype for column in prepared.schema.columns if column.key == key},
        choices={key: prepared.choices[key]} if key in prepared.choices else {},
        context=(),
        coder=ElementsCoder(key, elements.size, found.coder),
        encoder=None,
        steps=settings.steps,
    )
