"""One cluster of columns to pages, verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bounds import Choice, Quantised, quantise
from .coding import plain
from .coding.blocks import decode_rows, encode_rows
from .coding.elements import Coder
from .coding.learned import LATENTS
from .coding.pages import join_page, join_parts
from .context import PLACE, ContextInput, context_columns, with_missing
from .errors import HepbalerError, InputError
from .header import ModelEntry, TreeHeader
from .latent.encoding import AutoencoderInUse
from .latent.entry import page_name
from .lineage import Family, Lineage
from .nearest import Nearest, nearest_places, place_name
from .table import Table, TreeSchema

__all__ = (
    "ClusterEncoder",
    "Latents",
    "ModelInUse",
    "ToValues",
    "family_of",
    "known_columns",
    "lengths_of_lists",
    "rows_of_tables",
    "to_integers",
    "used_columns",
    "value_functions",
)

Array = NDArray[Any]
IntArray = NDArray[np.int64]
ToValues = Callable[[IntArray], NDArray[np.float64]]
Latents = Callable[[Mapping[str, IntArray]], IntArray | None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ModelInUse:
    """A learned coder as the writer holds it.

    Attributes
    ----------
    coder
        Decoder and tables.
    latents
        From integers of the coder's columns to latents of shape ``(n_rows, n_latent)``, or None without latents.
    nearest
        By what the nearest rows of other tables are found, in the order of the header.
    """

    coder: Coder
    latents: Latents
    nearest: tuple[Nearest, ...] = ()


def used_columns(
    coder: Coder,
    context: Sequence[ContextInput],
    lineage: Lineage | None = None,
    nearest: Sequence[Nearest] = (),
) -> tuple[str, ...]:
    """Keys of the columns that a coder codes or sees, and of those from which its context is taken."""
    own = [key for key in (*coder.names, *coder.inputs) if not key.startswith("@")]
    behind = [key for one in context for key in (one.index, one.column) if key is not None]
    rows = lineage.needs() if lineage is not None else ()
    near = [key for one in nearest for key in (*one.own, *one.other)]
    return tuple(dict.fromkeys((*own, *behind, *rows, *near)))


def rows_of_tables(tables: Sequence[Table], columns: Mapping[str, Array], n_entries: int) -> list[int]:
    """Number of rows of each table in one cluster, from its counts and tags."""
    rows: list[int] = []
    for table in tables:
        if table.kind == "entries":
            rows.append(n_entries)
        elif table.kind == "regular":
            rows.append(rows[table.parent] * table.size)
        elif table.counts is not None:
            values = columns[table.counts]
            rows.append(int(values.sum()) if table.kind == "list" else int(np.count_nonzero(values == table.size)))
    return rows


def lengths_of_lists(table: Table, n_rows: int, counts: IntArray | None) -> IntArray | None:
    """Rows of each list of a table: its counts, or its fixed size; None where each row stands for itself."""
    if table.kind == "regular" and table.size:
        return np.full(n_rows // table.size, table.size, np.int64)
    return counts if table.kind == "list" else None


def known_columns(counts: IntArray | None, wanted: Iterable[str]) -> dict[str, IntArray]:
    """Integer columns that a coder may see and that need no page: they follow from the counts of the table.

    Parameters
    ----------
    counts
        Lengths of the lists, shape ``(n_parent_rows,)``; None if the table is not made of lists.
    wanted
        Names among ``@index`` (position of a row in its list) and ``@counts`` (length of its list).
    """
    out: dict[str, IntArray] = {}
    for name in wanted:
        if counts is None:
            msg = f"the table has no lists, so no {name}"
            raise InputError(msg)
        if name == "@index":
            first = np.cumsum(counts) - counts
            out[name] = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(first, counts)
        elif name == "@counts":
            out[name] = np.repeat(counts, counts)
    return out


def value_functions(
    names: Iterable[str],
    choices: Mapping[str, Choice],
    context: Iterable[ContextInput] = (),
    lineage: Lineage | None = None,
) -> dict[str, ToValues]:
    """For each column the function from its integers to float64 values, the same bits on every machine.

    Parameters
    ----------
    names
        Columns, and inputs from other tables.
    choices
        Grids of the columns that have one.
    context
        Inputs from other tables, whose values are those of the columns that they look at, or 0.
    lineage
        Where inputs come from earlier rows of the table.
    """

    def of(name: str) -> ToValues:
        choice = choices.get(name)
        if choice is None:
            return lambda integers: integers.astype(np.float64)
        return lambda integers: choice.grid.to_values(integers, np.float64)

    looks_at = {one.name: one.column for one in context}
    from_rows = lineage.value_functions({key: of(key) for key in lineage.mother}) if lineage is not None else {}
    return {
        name: from_rows[name]
        if name in from_rows
        else with_missing(of(looks_at[name]))
        if name in looks_at
        else of(name)
        for name in names
    }


def to_integers(values: Array) -> IntArray:
    """Integers, bools and bytes as int64, bit for bit (uint64 wraps around)."""
    if values.dtype == np.uint64:
        return values.view(np.int64)
    return values.astype(np.int64)


class ClusterEncoder:
    """Turns the columns of one cluster into pages.

    Parameters
    ----------
    header
        Of the tree. Its `borders` and `rows` are not used.
    models
        One for each entry of ``header.models``.
    codecs
        For each column coded plainly, what to try.
    executor
        Tables that have a model, and columns that have none, are coded in parallel by it, if given.
    autoencoders
        One for each entry of ``header.autoencoders``.

    Attributes
    ----------
    exceptions
        Values so far that their grids or decoders could not hold.
    """

    def __init__(
        self,
        header: TreeHeader,
        models: Sequence[ModelInUse],
        codecs: Mapping[str, tuple[plain.Codec, ...]],
        executor: Executor | None = None,
        autoencoders: Sequence[AutoencoderInUse] = (),
    ) -> None:
        self._header = header
        self._models = models
        self._autoencoders = autoencoders
        self._autoencoded = header.autoencoded()
        self._codecs = codecs
        self._map = map if executor is None else executor.map
        self._of_models = {
            key
            for entry, model in zip(header.models, models, strict=True)
            for key in used_columns(model.coder, entry.context, entry.lineage, model.nearest)
        }
        self.exceptions = 0

    def encode(self, columns: Mapping[str, Array], n_entries: int) -> tuple[list[bytes], list[int]]:
        """Encode one cluster.

        Parameters
        ----------
        columns
            Every column of the tree.
        n_entries
            Number of entries.

        Returns
        -------
        pages, rows
            A page for each slot of the header (empty where it is absent), and the rows of each table.
        """
        schema = self._header.schema
        rows = rows_of_tables(schema.tables, columns, n_entries)
        self._check(schema, columns, rows)
        elsewhere = schema.same_as.keys() | self._header.constants.keys() | self._autoencoded.keys()
        stored = [c.key for c in schema.columns if c.key not in elsewhere]
        of_models = [key for key in stored if key in self._of_models]
        quantised = dict(
            zip(of_models, self._map(lambda key: self._quantise(key, columns[key]), of_models), strict=True)
        )
        integers = {key: q.integers for key, q in quantised.items()}
        learned = {key for entry in self._header.models for key in entry.columns}
        home, slots = self._header.table_of(), self._header.slots()
        pages = [b""] * self._header.n_slots

        def put(key: str, q: Quantised, payload: bytes) -> int:
            if rows[home[key]]:
                pages[slots[key]] = join_page(q.positions, q.patterns, payload)
            return len(q.positions)

        def by_model(number: int) -> int:
            entry, model = self._header.models[number], self._models[number]
            exceptions = 0
            for key, payload in self._encode_learned(number, entry, model, columns, integers, rows).items():
                if key.startswith("@"):
                    pages[slots[key]] = payload
                else:
                    exceptions += put(key, quantised[key], payload)
            return exceptions

        def by_itself(key: str) -> int:
            # What no model asks for is taken up and laid down column by column: integers take twice the memory of floats.
            q = quantised[key] if key in quantised else self._quantise(key, columns[key])
            return put(key, q, plain.encode(q.integers, self._codecs.get(key, plain.ALL_CODECS)))

        # Models first, that no processor waits for the longest of them at the end.
        tasks = [
            *(partial(by_model, i) for i in range(len(self._models))),
            *(partial(by_itself, key) for key in stored if key not in learned),
        ]
        self.exceptions += sum(self._map(lambda task: task(), tasks))
        for i, (one, autoencoder) in enumerate(zip(self._header.autoencoders, self._autoencoders, strict=True)):
            table = schema.tables[one.table]
            if rows[table.index]:
                counts = None if table.counts is None else to_integers(columns[table.counts])
                lengths = lengths_of_lists(table, rows[table.index], counts)
                latents, made, n_exceptions = autoencoder.encode({key: columns[key] for key in one.columns}, lengths)
                pages[slots[page_name(i)]] = latents
                for key, page in made.items():
                    pages[slots[key]] = page
                self.exceptions += n_exceptions
        return pages, rows

    def _quantise(self, key: str, values: Array) -> Quantised:
        choice = self._header.choices.get(key)
        if choice is None:
            return Quantised(to_integers(values), np.empty(0, np.int64), np.empty(0, np.uint64))
        return quantise(values, choice)

    def _encode_learned(
        self,
        number: int,
        entry: ModelEntry,
        model: ModelInUse,
        columns: Mapping[str, Array],
        integers: Mapping[str, IntArray],
        rows: Sequence[int],
    ) -> dict[str, bytes]:
        coder = model.coder
        tables = self._header.schema.tables
        spec, n_rows = tables[entry.table], rows[entry.table]

        def column(key: str) -> IntArray:
            return integers[key] if key in integers else to_integers(columns[key])

        lineage = entry.lineage
        from_rows = lineage.inputs if lineage is not None else {}
        seen = {key: integers[key] for key in (*coder.names, *coder.inputs) if not key.startswith("@")}
        context = {one.name: one for one in entry.context if one.name in coder.inputs}
        follow = [name for name in coder.inputs if name.startswith("@") and name not in {*context, *from_rows}]
        counts = column(spec.counts) if spec.kind == "list" and spec.counts is not None else None
        places = self._places(entry, model, column)
        hidden = {place_name(number, table): plain.encode(place) for table, place in places.items()}

        def known(key: str) -> IntArray:
            return places[int(key.removeprefix(PLACE))] if key.startswith(PLACE) else column(key)

        seen |= known_columns(counts, follow)
        seen |= context_columns(context.values(), tables, entry.table, n_rows, known)
        values = value_functions(coder.valued, self._header.choices, entry.context, lineage)
        if lineage is None or counts is None:
            latents = model.latents(seen) if coder.n_latent else None
            return hidden | {
                f"@latents/{number}" if key == LATENTS else key: page
                for key, page in _code(coder, seen, latents, values, spec.name).items()
            }
        family = family_of(lineage, counts, column, self._header.choices)
        parts: dict[str, list[bytes]] = {key: [] for key in coder.names}
        for some in family.generations:
            now = {key: array[some] for key, array in seen.items()}
            now |= {name: array for name, array in family.inputs(some, column).items() if name in coder.inputs}
            for key, page in _code(coder, now, None, values, spec.name).items():
                parts[key].append(page)
            family.learn(some, column)
        return hidden | {key: join_parts(pages) for key, pages in parts.items()}

    def _places(self, entry: ModelEntry, model: ModelInUse, column: Callable[[str], IntArray]) -> dict[int, IntArray]:
        """Where each row's nearest row is, by the table it is looked for in."""
        tables = self._header.schema.tables
        out = {}
        for target, nearest in zip(entry.nearest, model.nearest, strict=True):
            of = value_functions((*nearest.own, *nearest.other), self._header.choices)
            values = {key: of[key](column(key)) for key in of}
            counts, other = (column(str(tables[table].counts)) for table in (entry.table, target))
            out[target] = nearest_places(nearest, values.__getitem__, counts, other)
        return out

    def _check(self, schema: TreeSchema, columns: Mapping[str, Array], rows: Sequence[int]) -> None:
        """The second look at the file must see what the first one saw."""
        for table in schema.tables:
            for key in table.columns:
                if len(columns[key]) != rows[table.index]:
                    msg = f"column {key!r} has {len(columns[key])} rows instead of {rows[table.index]}"
                    raise InputError(msg)
        for key, other in schema.same_as.items():
            a, b = columns[key], columns[other]
            if not np.array_equal(_bits(a), _bits(b)):
                msg = (
                    f"columns {key!r} and {other!r} were equal and are no more: did the file change while it was read?"
                )
                raise InputError(msg)
        for key, bits in self._header.constants.items():
            if len(columns[key]) and not np.all(_bits(columns[key]) == bits):
                msg = f"column {key!r} was constant and is no more: did the file change while it was read?"
                raise InputError(msg)


def _code(
    coder: Coder,
    seen: Mapping[str, IntArray],
    latents: IntArray | None,
    values: Mapping[str, ToValues],
    table: str,
) -> dict[str, bytes]:
    """Pages of some rows, decoded again: what cannot be read back must not be written."""
    n_rows = next(iter(seen.values())).size
    pages = encode_rows(coder, seen, latents, to_values=values)
    back = decode_rows(coder, pages, {key: seen[key] for key in coder.inputs}, n_rows, to_values=values)
    for key in coder.names:
        if not np.array_equal(back[key], seen[key]):
            msg = f"column {key!r} of table {table!r} does not decode to what was encoded; nothing was written"
            raise HepbalerError(msg)
    return pages


def family_of(
    lineage: Lineage, counts: IntArray, known: Callable[[str], IntArray], choices: Mapping[str, Choice]
) -> Family:
    """How the rows of a cluster descend from each other; values as the grids of the columns give them."""
    place = np.full(int(counts.sum()), -1, np.int64) if lineage.index is None else known(lineage.index)
    return Family(lineage, counts, place, value_functions(lineage.vector, choices))


def _bits(values: Array) -> Array:
    """Integers as int64; floats as the signed integer of their bits."""
    if values.dtype.kind == "f":
        return values.view(f"i{values.dtype.itemsize}")
    return to_integers(values)
