"""What the header of an archive says about an autoencoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..fields import count_of, fail, field_of, index_of, typed

__all__ = ("AutoencoderEntry", "ColumnError", "autoencoders_from_list", "joint_error", "page_name")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ColumnError:
    """How far the values of a column moved, in its own unit; measured over all finite values while writing.

    Attributes
    ----------
    rms
        Root mean square of after minus before.
    largest
        Largest absolute difference.
    bias
        Mean of after minus before.
    """

    rms: float = 0.0
    largest: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True)
class AutoencoderEntry:
    """An autoencoder of one table: the section that holds its decoder, and the columns that come out of it.

    Attributes
    ----------
    section
        Name of the section with the decoder.
    table
        Index of the table.
    model
        Name of the kind of autoencoder; for people.
    n_latent
        Latents a row.
    columns
        Keys of the columns that it gives.
    errors
        Of each column.
    """

    section: str
    table: int
    model: str
    n_latent: int
    columns: tuple[str, ...]
    errors: tuple[ColumnError, ...]

    @property
    def nominal_ratio(self) -> float:
        """Columns over latents."""
        return len(self.columns) / self.n_latent

    def to_dict(self, number: Mapping[str, int]) -> dict[str, Any]:
        """As plain data; columns by their positions."""
        return {
            "section": self.section,
            "table": self.table,
            "model": self.model,
            "latents": self.n_latent,
            "columns": [number[key] for key in self.columns],
            "errors": [[error.rms, error.largest, error.bias] for error in self.errors],
        }


def joint_error(parts: Sequence[tuple[ColumnError, int]]) -> ColumnError:
    """The error of a column in several parts, each with its number of values."""
    n = max(sum(rows for _, rows in parts), 1)
    return ColumnError(
        math.sqrt(sum(error.rms**2 * rows for error, rows in parts) / n),
        max((error.largest for error, _ in parts), default=0.0),
        sum(error.bias * rows for error, rows in parts) / n,
    )


def page_name(number: int) -> str:
    """Name of the slot that holds the latents of an autoencoder."""
    return f"@autoencoder/{number}"


def autoencoders_from_list(
    data: list[Any],
    key_of: Callable[[object], str],
    table_columns: list[tuple[str, ...]],
    floats: frozenset[str],
) -> tuple[AutoencoderEntry, ...]:
    """Check and rebuild what `AutoencoderEntry.to_dict` gave.

    Parameters
    ----------
    data
        A list of objects.
    key_of
        From the number of a column to its key.
    table_columns
        Keys of the columns of each table.
    floats
        Columns that an autoencoder may give.

    Raises
    ------
    CorruptFile
        If the entries contradict the header or each other.
    """
    entries: list[AutoencoderEntry] = []
    seen: set[str] = set()
    for item in data:
        node = typed(item, dict, "autoencoder")
        table = index_of(node.get("table"), len(table_columns), "table")
        keys = tuple(key_of(k) for k in field_of(node, "columns", list))
        if not keys or len(set(keys)) != len(keys) or not set(keys) <= floats.intersection(table_columns[table]):
            fail("an autoencoder gives columns that are not floats of its table")
        if seen.intersection(keys):
            fail("a column comes from two autoencoders")
        seen.update(keys)
        n_latent = count_of(node.get("latents"), "latents")
        errors = tuple(_error(one) for one in field_of(node, "errors", list))
        if not n_latent or len(errors) != len(keys):
            fail("an autoencoder has no latents, or not one error a column")
        section, model = field_of(node, "section", str), field_of(node, "model", str)
        entries.append(AutoencoderEntry(section, table, model, n_latent, keys, errors))
    return tuple(entries)


def _error(data: object) -> ColumnError:
    numbers = [float(value) for value in typed(data, list, "errors") if isinstance(value, int | float)]
    if len(numbers) != 3 or not all(math.isfinite(value) for value in numbers) or min(numbers[:2]) < 0:
        fail(f"{data!r:.60} are not three measured errors")
    return ColumnError(*numbers)
