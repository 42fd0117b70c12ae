"""Columns of a cluster to latents and back, on the writer's side; and what the way there and back did to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coding import plain
from ..errors import HepbalerError
from .coder import LatentCoder
from .entry import ColumnError
from .pages import column_page, column_values, latents_to_page

__all__ = ("AutoencoderInUse", "ErrorTally", "finite_table")

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass
class ErrorTally:
    """Sums over the errors of a column, cluster by cluster; see `ColumnError`."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    largest: float = 0.0

    def add(self, before: Array, after: Array) -> None:
        """Add values of the column; those that are not finite are exact and left out."""
        finite = np.isfinite(before) & np.isfinite(after)
        errors = after[finite].astype(np.float64) - before[finite].astype(np.float64)
        if len(errors):
            self.count += len(errors)
            self.total += float(errors.sum())
            self.squares += float((errors**2).sum())
            self.largest = max(self.largest, float(np.abs(errors).max()))

    def error(self) -> ColumnError:
        """What they come to."""
        n = max(self.count, 1)
        return ColumnError(math.sqrt(self.squares / n), self.largest, self.total / n)


@dataclass
class AutoencoderInUse:
    """An autoencoder as the writer holds it.

    Attributes
    ----------
    coder
        What a reader will have.
    latents
        From a table of finite values, shape (n_rows, n_columns), and the lengths of its lists, to integers of shape (n_rows,
        n_latent).
    fill
        What stands for a value that is not finite, by column.
    codecs
        What to try for each latent.
    tallies
        Errors so far, by column.
    """

    coder: LatentCoder
    latents: Callable[[FloatArray, IntArray | None], IntArray]
    fill: Mapping[str, float]
    codecs: Sequence[tuple[plain.Codec, ...]]
    tallies: dict[str, ErrorTally] = field(default_factory=dict)

    def encode(self, columns: Mapping[str, Array], lengths: IntArray | None) -> tuple[bytes, dict[str, bytes], int]:
        """Encode the rows of a cluster.

        Parameters
        ----------
        columns
            Those of the coder, in its order.
        lengths
            Rows of each list; None where each row stands for itself.

        Returns
        -------
        latents, pages, n_exceptions
            Pages of the latents and of each column, and the values kept bit for bit.
        """
        table = finite_table(columns, self.fill)
        page = latents_to_page(self.latents(table, lengths), self.codecs)
        # From the bytes, as a reader will: what is measured and digested is what is read.
        decoded = self.coder.decode(page, len(table), lengths, self.coder.names)
        pages: dict[str, bytes] = {}
        n_exceptions = 0
        for key, original in columns.items():
            pages[key], values, n = column_page(original, decoded[key])
            back = column_values(pages[key], decoded[key], original.dtype, key)
            if not np.array_equal(back.view(f"u{back.dtype.itemsize}"), values.view(f"u{values.dtype.itemsize}")):
                msg = f"column {key!r} does not decode to what was encoded; nothing was written"
                raise HepbalerError(msg)
            n_exceptions += n
            self.tallies.setdefault(key, ErrorTally()).add(original, values)
        return page, pages, n_exceptions

    def errors(self) -> tuple[ColumnError, ...]:
        """What was measured so far, in the order of the columns."""
        return tuple(self.tallies.get(key, ErrorTally()).error() for key in self.coder.names)


def finite_table(columns: Mapping[str, Array], fill: Mapping[str, float]) -> FloatArray:
    """Columns side by side, shape (n_rows, n_columns), with `fill` where a value is not finite."""
    parts = []
    for key, values in columns.items():
        column = values.astype(np.float64)
        parts.append(np.where(np.isfinite(column), column, fill[key]))
    return np.stack(parts, axis=1)
