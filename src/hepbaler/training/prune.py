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
    coder: LearnedCoder,
    bits: Mapping[str, float],
    plain_bits: Mapping[str, float],
    n_rows_total: int,
    least_saving: float = 0.0,
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
    least_saving
        Share of its plain bits that a column must save.
    """
    latent_bytes = bits.get(LATENTS, 0.0) * n_rows_total / 8
    saved = {name: (plain_bits[name] - bits[name] * _PAGE_OVERHEAD) * n_rows_total / 8 for name in coder.names}
    least = {name: least_saving * plain_bits[name] * n_rows_total / 8 for name in coder.names}
    kept = {name for name in coder.names if saved[name] > least[name]}
    while kept:
        smaller = keep_columns(coder, kept)
        size = len(coder_to_bytes(smaller))
        price = {name: size * share for name, share in _shares(smaller).items()}
        losers = {name for name in kept if saved[name] <= price[name]}
        if not losers:
            return smaller if sum(saved[name] for name in kept) > size + latent_bytes else None
        kept -= losers
    return None


def _shares(coder: LearnedCoder) -> dict[str, float]:
    """About which share of the model would go if a column went.

    A byte a weight, two a bias or a bin. The rank table of a column that others see stays in the model whatever
    becomes of the column.
    """
    networks = {
        column.name: column.net.multiply_adds + 2 * sum(int(layer.bias.size) for layer in column.net.layers)
        for column in coder.columns
    }
    tables = {column.name: 2 * column.ranks.n_bins for column in coder.columns}
    total = sum(networks.values()) + sum(tables.values()) + sum(2 * ranks.n_bins for ranks in coder.input_ranks)
    seen = {slot - len(coder.inputs) for column in coder.columns for slot in column.slots}
    own = {name: 0 if number in seen else tables[name] for number, name in enumerate(coder.names)}
    return {name: (networks[name] + own[name]) / total for name in coder.names}


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
        coder.blocks,
    )


def _renumbered(column: LearnedColumn, new_slot: Mapping[int, int]) -> LearnedColumn:
    hint = column.hint
    if hint is not None:
        terms = tuple(Term(term.kind, tuple(new_slot[slot] for slot in term.slots)) for term in hint.terms)
        hint = LinearHint(terms, hint.weights, hint.offset)
    return replace(column, parents=tuple(new_slot[slot] for slot in column.parents), hint=hint)
