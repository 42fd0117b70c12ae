"""Which columns pay: bits saved on held-out rows against the bytes of their networks and tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hepbaler.coding.learned import LATENTS, LearnedCoder, LearnedColumn
from hepbaler.coding.learned_bytes import coder_to_bytes
from hepbaler.features.hints import LinearHint, Term

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ("keep_columns", "prune")


def __dir__() -> tuple[str, ...]:
    return __all__


# Pages of real clusters have ends and escapes that the held-out rows do not show.
_PAGE_OVERHEAD = 1.002


def prune(
    coder: LearnedCoder, bits: Mapping[str, float], plain_bits: Mapping[str, float], n_rows_total: int
) -> LearnedCoder | None:
    """The coder with only the columns that pay, or None.

    Parameters
    ----------
    bits
        Bits a value under this coder, by column, and of ``"@latents"``.
    plain_bits
        Bits a value under the plain coder.
    n_rows_total
        Rows of the table in the whole file.
    """
    latent_bytes = bits.get(LATENTS, 0.0) * n_rows_total / 8
    saved = {name: (plain_bits[name] - bits[name] * _PAGE_OVERHEAD) * n_rows_total / 8 for name in coder.names}
    kept = {name for name in coder.names if saved[name] > 0}
    while kept:
        smaller = keep_columns(coder, kept)
        size = len(coder_to_bytes(smaller))
        parts = {column.name: _parts(column) for column in smaller.columns}
        price = {name: size * part / sum(parts.values()) for name, part in parts.items()}
        losers = {name for name in kept if saved[name] <= price[name]}
        if not losers:
            return smaller if sum(saved[name] for name in kept) > size + latent_bytes else None
        kept -= losers
    return None


def _parts(column: LearnedColumn) -> int:
    """About how many bytes of a model are a column's own: a byte a weight, two a bias or a bin."""
    n_biases = sum(int(layer.bias.size) for layer in column.net.layers)
    return column.net.multiply_adds + 2 * n_biases + 2 * column.ranks.n_bins


def keep_columns(coder: LearnedCoder, kept: Collection[str]) -> LearnedCoder:
    """The same coder for fewer columns: the others become inputs where they are still seen, or go."""
    columns = [column for column in coder.columns if column.name in kept]
    names = [*coder.inputs, *coder.names]
    tables = [*coder.input_ranks, *(column.ranks for column in coder.columns)]
    seen = sorted({slot for column in columns for slot in column.slots})
    inputs = [slot for slot in seen if names[slot] not in kept]
    order = [*inputs, *(names.index(column.name) for column in columns)]
    new_slot = {slot: number for number, slot in enumerate(order)}
    return LearnedCoder(
        tuple(names[slot] for slot in inputs),
        tuple(tables[slot] for slot in inputs),
        tuple(_renumbered(column, new_slot) for column in columns),
        coder.latent_mass,
    )


def _renumbered(column: LearnedColumn, new_slot: Mapping[int, int]) -> LearnedColumn:
    hint = column.hint
    if hint is not None:
        terms = tuple(Term(term.kind, tuple(new_slot[slot] for slot in term.slots)) for term in hint.terms)
        hint = LinearHint(terms, hint.weights, hint.offset)
    return replace(column, parents=tuple(new_slot[slot] for slot in column.parents), hint=hint)
