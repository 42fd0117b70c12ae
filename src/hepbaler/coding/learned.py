"""The learned coder of a table: columns coded under the distributions of a trained decoder. No torch.

Columns are decoded one after the other; each may see latents, columns that are given or coded plainly (`inputs`), and
columns decoded before it::

    latents z ----------------+
    inputs (known integers) --+--> integer network --> location, level --> tables --> ANS --> column 0
    column 0 .. i-1, hint ----+         (one a column)                                        column i

The encoder's side runs the very same integer decoder to learn the distributions, so both sides agree by construction.
A column needs only the pages of its parents, and of theirs: `LearnedCoder.needed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.coding import plain
from hepbaler.coding.decoder import IntegerNet, towards_hint
from hepbaler.coding.entropy import ColumnCoder, ReadSymbols, WriteSymbols, histogram_model
from hepbaler.errors import ColumnNotFound, CorruptFile, ModelError
from hepbaler.features.hints import HintScale, LinearHint, clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from hepbaler.features.hints import ToValues
    from hepbaler.features.ranks import RankTable

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float32]
    ValueArray = NDArray[np.float64]

__all__ = ("LATENTS", "LATENT_TOP", "MAX_BLOCKS", "LearnedCoder", "LearnedColumn")


def __dir__() -> tuple[str, ...]:
    return __all__


LATENTS = "@latents"
LATENT_TOP = 15
MAX_BLOCKS = 255
_LATENT_SCALE = 256.0


@dataclass(frozen=True, eq=False)
class LearnedColumn:
    """How one column is coded.

    Attributes
    ----------
    parents
        Slots that its network sees: inputs first (0 ... n_inputs - 1), then columns in decoding order.
    uniform
        2^-uniform of the probability follows the column's own histogram.
    hint
        A linear prediction, seen by the network and taken as location as far as its gate opens.
    """

    name: str
    ranks: RankTable
    parents: tuple[int, ...]
    uniform: int
    net: IntegerNet
    hint: LinearHint | None = None

    @cached_property
    def coder(self) -> ColumnCoder:
        """Codes the column's values."""
        return ColumnCoder(self.ranks, self.uniform)

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot that decoding this column needs, ascending."""
        return tuple(sorted({*self.parents, *(self.hint.slots if self.hint else ())}))


@dataclass(frozen=True, eq=False)
class LearnedCoder:
    """A trained coder of a table's columns.

    Attributes
    ----------
    inputs
        Names of integer columns it sees but does not code: given by the caller on both sides.
    input_ranks
        Their rank tables.
    columns
        What it codes, in decoding order.
    latent_mass
        Parts of 65536 of the latents' values -15 ... 15, shape (n_latent, 31).
    blocks
        Into how many blocks the rows of a cluster are cut at most (`hepbaler.coding.blocks`), 1 to 255.
    """

    inputs: tuple[str, ...]
    input_ranks: tuple[RankTable, ...]
    columns: tuple[LearnedColumn, ...]
    latent_mass: IntArray = field(default_factory=lambda: np.zeros((0, 2 * LATENT_TOP + 1), np.int64))
    blocks: int = 1
    _scales: dict[str, tuple[ToValues, HintScale | None]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        names = [*self.inputs, *self.names, LATENTS]
        if len(set(names)) != len(names) or len(self.input_ranks) != len(self.inputs):
            msg = "learned coder: two columns have the same name, or inputs and their rank tables differ in number"
            raise CorruptFile(msg, section="model")
        mass = self.latent_mass
        if mass.ndim != 2 or mass.shape[1] != 2 * LATENT_TOP + 1 or bool(np.any((mass < 1) | (mass > 65536))):
            msg = f"learned coder: latent tables of shape {mass.shape} do not hold 31 positive masses each"
            raise CorruptFile(msg, section="model", found=mass.shape)
        if bool(np.any(mass.sum(axis=1) != 65536)):
            msg = "learned coder: the masses of a latent do not add up to 65536"
            raise CorruptFile(msg, section="model")
        for position, column in enumerate(self.columns):
            first_unknown = len(self.inputs) + position
            n_inputs = len(column.parents) + self.n_latent + (column.hint is not None)
            if any(not 0 <= slot < first_unknown for slot in column.slots) or not 1 <= column.uniform <= 16:
                msg = f"learned coder: column {column.name!r} needs columns that are decoded after it"
                raise CorruptFile(msg, section="model", found=column.slots)
            if column.net.n_inputs != n_inputs:
                msg = f"learned coder: the network of column {column.name!r} has {column.net.n_inputs} inputs, not {n_inputs}"
                raise CorruptFile(msg, section="model", expected=n_inputs, found=column.net.n_inputs)

    @property
    def n_latent(self) -> int:
        """Number of latents a row."""
        return int(self.latent_mass.shape[0])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that it codes, in decoding order; each has a page of this name."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def _slot_of(self) -> dict[str, int]:
        return {name: slot for slot, name in enumerate(self.names, len(self.inputs))}

    @cached_property
    def valued(self) -> tuple[str, ...]:
        """Names of the columns and inputs whose values (`to_values`) hints need."""
        slots = {slot for column in self.columns if column.hint for slot in column.hint.slots}
        hinted = {len(self.inputs) + i for i, column in enumerate(self.columns) if column.hint}
        return tuple(self._slot_name(slot) for slot in sorted(slots | hinted))

    def needed(self, wanted: Iterable[str], decoded: Collection[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What must be at hand to decode some columns.

        Parameters
        ----------
        wanted
            Names of columns.
        decoded
            Names of columns that were decoded before.

        Returns
        -------
        Names of pages, in decoding order, with ``"@latents"`` first where there are latents; and names of inputs.

        Raises
        ------
        ColumnNotFound
            If a wanted column is not coded by this coder.
        """
        pending = []
        for name in wanted:
            if name not in self._slot_of:
                msg = f"column {name!r} is not coded by this model, which codes {', '.join(self.names)}"
                raise ColumnNotFound(msg)
            pending.append(self._slot_of[name])
        slots: set[int] = set()
        while pending:
            slot = pending.pop()
            if slot not in slots and (slot < len(self.inputs) or self._slot_name(slot) not in decoded):
                slots.add(slot)
                if slot >= len(self.inputs):
                    pending.extend(self.columns[slot - len(self.inputs)].slots)
        pages = tuple(self._slot_name(slot) for slot in sorted(slots) if slot >= len(self.inputs))
        inputs = tuple(self._slot_name(slot) for slot in sorted(slots) if slot < len(self.inputs))
        return ((LATENTS, *pages) if pages and self.n_latent else pages), inputs

    def encode(
        self,
        ints: Mapping[str, IntArray],
        latents: IntArray | None = None,
        *,
        to_values: Mapping[str, ToValues] | None = None,
    ) -> dict[str, bytes]:
        """Code the rows of a cluster.

        Parameters
        ----------
        ints
            Every column and input by name, each shape (n_rows,).
        latents
            Shape (n_rows, n_latent), -15 to 15; may be left out where `n_latent` is 0.
        to_values
            For each name in `valued`: from integers to the values they stand for.

        Returns
        -------
        A page a column by name, and ``"@latents"`` where there are latents.

        Raises
        ------
        ModelError
            If a column is missing or lengths differ.
        """
        missing = [name for name in (*self.inputs, *self.names) if name not in ints]
        if missing:
            msg = f"the model needs columns that are not there: {', '.join(missing)}"
            raise ModelError(msg)
        arrays = [np.ascontiguousarray(ints[name], np.int64) for name in (*self.inputs, *self.names)]
        n_rows = arrays[0].size if arrays else 0
        if any(array.shape != (n_rows,) for array in arrays):
            msg = f"the model needs columns of one length, got {sorted({array.size for array in arrays})}"
            raise ModelError(msg)
        if self.n_latent and (latents is None or latents.shape != (n_rows, self.n_latent)):
            msg = f"the model needs {self.n_latent} latents for each of {n_rows} rows"
            raise ModelError(msg)
        rows = _Rows(self, n_rows, to_values or {})
        pages: dict[str, bytes] = {}
        if self.n_latent and latents is not None:
            pages[LATENTS] = self._encode_latents(latents)
            rows.add_latents(latents)
        for slot, array in enumerate(arrays[: len(self.inputs)]):
            rows.add(slot, array)
        for slot, (column, array) in enumerate(zip(self.columns, arrays[rows.n_inputs :], strict=True), rows.n_inputs):
            location, level = rows.predict(column)
            stream, escaped = column.coder.encode(array, location, level)
            pages[column.name] = plain.write_varint(escaped.size) + (
                plain.write_varint(len(stream)) + stream + plain.encode(escaped) if escaped.size else stream
            )
            rows.add(slot, array)
        return pages

    def decode(
        self,
        pages: Mapping[str, bytes],
        known: Mapping[str, IntArray],
        n_rows: int,
        wanted: Iterable[str] | None = None,
        *,
        to_values: Mapping[str, ToValues] | None = None,
    ) -> dict[str, IntArray]:
        """Decode columns of a cluster; the inverse of `encode`.

        Parameters
        ----------
        pages, known
            At least what `needed` names for `wanted`. Columns decoded before may be among the known.
        wanted
            Names of columns; all by default.

        Returns
        -------
        The wanted columns, each shape (n_rows,).

        Raises
        ------
        CorruptFile
            If a page contradicts itself, or a page or input is missing.
        """
        wanted = self.names if wanted is None else tuple(wanted)
        before = [name for name in self.names if name in known and name not in wanted]
        needed_pages, needed_inputs = self.needed(wanted, before)
        missing = [name for name in needed_pages if name not in pages] + [n for n in needed_inputs if n not in known]
        if missing:
            msg = f"columns {', '.join(wanted)} cannot be decoded without {', '.join(missing)}"
            raise CorruptFile(msg, section="page", expected=missing)
        rows = _Rows(self, n_rows, to_values or {})
        slots = {name: slot for slot, name in enumerate((*self.inputs, *self.names))}
        for name in (*needed_inputs, *before):
            array = np.ascontiguousarray(known[name], np.int64)
            if array.shape != (n_rows,):
                msg = f"input {name!r} has shape {array.shape} where {n_rows} rows are needed"
                raise CorruptFile(msg, section="page", expected=n_rows, found=array.shape)
            rows.add(slots[name], array)
        if LATENTS in needed_pages:
            rows.add_latents(self.decode_latents(pages[LATENTS], n_rows))
        decoded: dict[str, IntArray] = {}
        for name in needed_pages:
            if name == LATENTS:
                continue
            slot = self._slot_of[name]
            column = self.columns[slot - rows.n_inputs]
            location, level = rows.predict(column)
            stream, escaped = _split_page(pages[name], n_rows)
            decoded[name], seen = column.coder.decode(stream, escaped, location, level)
            rows.add(slot, decoded[name], seen)
        return {name: decoded[name] for name in wanted}

    def scale(self, column: LearnedColumn, to_values: ToValues) -> HintScale | None:
        """Where predicted values of a column lie in its rank space; kept as long as the same function is given."""
        kept = self._scales.get(column.name)
        if kept is None or kept[0] is not to_values:
            kept = to_values, HintScale.of(column.ranks, to_values)
            self._scales[column.name] = kept
        return kept[1]

    def _encode_latents(self, latents: IntArray) -> bytes:
        writer = WriteSymbols()
        for number, mass in enumerate(self.latent_mass):
            writer.put(latents[:, number] + LATENT_TOP, histogram_model(mass))
        return writer.finish()

    def decode_latents(self, page: bytes, n_rows: int) -> IntArray:
        """Latents of a page, shape (n_rows, n_latent)."""
        reader = ReadSymbols(page)
        latents = np.empty((n_rows, self.n_latent), np.int64)
        for number, mass in enumerate(self.latent_mass):
            latents[:, number] = reader.take(n_rows, histogram_model(mass)) - LATENT_TOP
        reader.finish()
        return latents

    def _slot_name(self, slot: int) -> str:
        return self.inputs[slot] if slot < len(self.inputs) else self.columns[slot - len(self.inputs)].name


def _split_page(page: bytes, n_rows: int) -> tuple[bytes, IntArray]:
    """The stream of a page and its values outside the bins."""
    n_escaped, start = plain.read_varint(page, 0)
    if n_escaped > n_rows:
        msg = f"page of {n_rows} rows claims {n_escaped} values outside the bins"
        raise CorruptFile(msg, section="page", expected=n_rows, found=n_escaped)
    if n_escaped == 0:
        return page[start:], np.zeros(0, np.int64)
    length, start = plain.read_varint(page, start)
    if start + length > len(page):
        msg = f"page of {len(page)} bytes claims a stream of {length} bytes"
        raise CorruptFile(msg, section="page", expected=length, found=len(page) - start)
    return page[start : start + length], plain.decode(page[start + length :], n_escaped)


class _Rows:
    """What is known of a cluster's rows so far: latents, and columns as ranks and as values."""

    def __init__(self, coder: LearnedCoder, n_rows: int, to_values: Mapping[str, ToValues]) -> None:
        self.coder, self.n_rows, self.to_values = coder, n_rows, to_values
        self.n_inputs = len(coder.inputs)
        self._latents: list[FloatArray] = []
        self._ints: dict[int, IntArray] = {}
        self._features: dict[int, FloatArray] = {}
        self._values: dict[int, ValueArray] = {}

    def add_latents(self, latents: IntArray) -> None:
        self._latents = [(column * _LATENT_SCALE).astype(np.float32) for column in latents.T]

    def add(self, slot: int, q: IntArray, seen: FloatArray | None = None) -> None:
        self._ints[slot] = q
        if seen is not None:
            self._features[slot] = seen

    def predict(self, column: LearnedColumn) -> tuple[IntArray, IntArray]:
        """Location and level of each row of a column."""
        inputs = [self._feature(slot) for slot in column.parents] + self._latents
        scale = None
        hint = np.zeros(self.n_rows, np.int64)
        if column.hint:
            scale = self.coder.scale(column, self._converter(column.name))
            if scale is None:
                msg = f"the values of column {column.name!r} do not ascend with its integers: it cannot have a hint"
                raise CorruptFile(msg, section="model")
            hint, seen = scale.place(column.hint.predict(self._value, self.n_rows))
            inputs.append(seen)
        location, level, gate = column.net.run(inputs, n_rows=self.n_rows)
        return (towards_hint(location, gate, hint) if scale else location), level

    def _feature(self, slot: int) -> FloatArray:
        if slot not in self._features:
            ranks = self.coder.input_ranks
            table = ranks[slot] if slot < self.n_inputs else self.coder.columns[slot - self.n_inputs].ranks
            self._features[slot] = table.inputs(self._ints[slot])
        return self._features[slot]

    def _value(self, slot: int) -> ValueArray:
        if slot not in self._values:
            name = self.coder._slot_name(slot)
            self._values[slot] = clean(np.asarray(self._converter(name)(self._ints[slot]), np.float64))
        return self._values[slot]

    def _converter(self, name: str) -> ToValues:
        if name not in self.to_values:
            msg = f"the model predicts with the values of column {name!r}, but nothing says what its integers stand for"
            raise ModelError(msg)
        return self.to_values[name]
