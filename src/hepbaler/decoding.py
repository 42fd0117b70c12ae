"""Pages of one or more clusters back to columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .bounds import restore
from .coding import plain
from .coding.blocks import decode_rows
from .coding.elements import Coder
from .coding.learned import LATENTS
from .coding.pages import split_page, split_parts
from .context import PLACE, checked_counts, context_columns
from .encoding import ToValues, family_of, known_columns, lengths_of_lists
from .errors import CorruptFile
from .header import TreeHeader
from .latent.entry import page_name
from .latent.pages import column_values
from .lineage import Lineage
from .loops import n_threads
from .nearest import place_name
from .treemodels import TreeModels

__all__ = ("ClusterDecoder", "Decoder", "PageSource")

Array = NDArray[Any]
IntArray = NDArray[np.int64]

# Fewer values than this are decoded before a second thread has begun.
_WORTH_THREADS = 100_000


def __dir__() -> tuple[str, ...]:
    return __all__


class PageSource(Protocol):
    """Where pages come from: `hepbaler.container.ContainerReader`."""

    def pages(self, tree: int, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """Pages by (cluster, slot)."""

    def section(self, name: str) -> bytes:
        """A named section."""


class Decoder(Protocol):
    """What readers ask: `ClusterDecoder`, or several of them for a merged tree."""

    @property
    def learned(self) -> tuple[str, ...]:
        """Keys of the columns that models code."""

    def columns(self, clusters: Sequence[int], wanted: Iterable[str]) -> list[dict[str, Array]]:
        """See `ClusterDecoder.columns`."""

    def cluster(
        self, cluster: int, wanted: Iterable[str], before: Mapping[str, IntArray]
    ) -> tuple[dict[str, Array], dict[str, IntArray]]:
        """See `ClusterDecoder.cluster`."""


class ClusterDecoder:
    """Decodes columns of a tree, and no more than they need.

    Parameters
    ----------
    header
        Of the tree.
    source
        The container.
    tree
        Number of the tree in the container.
    """

    def __init__(self, header: TreeHeader, source: PageSource, tree: int) -> None:
        self._header = header
        self._source = source
        self._tree = tree
        self._slots = header.slots()
        self._home = header.table_of()
        self._dtypes = {column.key: np.dtype(column.dtype) for column in header.schema.columns}
        self.models = TreeModels(header, source.section)

    @property
    def learned(self) -> tuple[str, ...]:
        """Keys of the columns that models code."""
        return tuple(self.models.model_of)

    def columns(self, clusters: Sequence[int], wanted: Iterable[str]) -> list[dict[str, Array]]:
        """Decode columns of some clusters, with one request for all their pages.

        Parameters
        ----------
        clusters
            Their numbers.
        wanted
            Keys of columns.

        Returns
        -------
        list of dict
            For each cluster the columns wanted, as the reader of the ROOT file gave them (within their bounds).

        Raises
        ------
        CorruptFile
            If a page does not hold what the header says.
        """
        keys = list(dict.fromkeys(wanted))
        same_as = self._header.schema.same_as
        stored = list(dict.fromkeys(same_as.get(key, key) for key in keys))
        names = self.models.needed(stored, {})
        places = [(cluster, self._slots[name]) for cluster in clusters for name in names]
        pages = iter(self._source.pages(self._tree, places))
        out = []
        for cluster in clusters:
            done = self._decode(cluster, {name: next(pages) for name in names}, {})
            decoded = {key: done.values(key) for key in stored}
            out.append({key: self._as_asked(key, decoded[same_as.get(key, key)]) for key in keys})
        return out

    def cluster(
        self, cluster: int, wanted: Iterable[str], before: Mapping[str, IntArray]
    ) -> tuple[dict[str, Array], dict[str, IntArray]]:
        """Decode columns of a cluster by the help of what was decoded before.

        Parameters
        ----------
        cluster
            Its number.
        wanted
            Keys of columns.
        before
            Integers that an earlier call gave for this cluster, by key.

        Returns
        -------
        columns
            Those wanted, and those of models that had to be decoded on the way.
        integers
            Of models' columns, for later calls.

        Raises
        ------
        CorruptFile
            If a page does not hold what the header says.
        """
        keys = list(dict.fromkeys(wanted))
        same_as = self._header.schema.same_as
        stored = list(dict.fromkeys(same_as.get(key, key) for key in keys))
        helpful = {key: integers for key, integers in before.items() if key not in stored}
        # A decoder gives all its columns at once, and their pages are small.
        touched = {self.models.autoencoder_of[key] for key in stored if key in self.models.autoencoder_of}
        names = self.models.needed(
            [*stored, *(key for number in touched for key in self._header.autoencoders[number].columns)], helpful
        )
        pages = self._source.pages(self._tree, [(cluster, self._slots[name]) for name in names])
        on_the_way = [name for name in names if not name.startswith("@") and name not in stored]
        done = self._decode(cluster, dict(zip(names, pages, strict=True)), helpful)
        columns = {key: self._as_asked(key, done.values(same_as.get(key, key))) for key in keys}
        columns |= {key: done.values(key) for key in on_the_way}
        return columns, {key: done.integers(key) for key in names if key in self.models.model_of}

    def _as_asked(self, key: str, values: Array) -> Array:
        dtype = self._dtypes[key]
        return values if values.dtype == dtype else values.astype(dtype)

    def _decode(self, cluster: int, pages: Mapping[str, bytes], before: Mapping[str, IntArray]) -> _Cluster:
        done = _Cluster(self, cluster, pages, before)
        wanted = [key for key in pages if not key.startswith("@")]
        done.decode(wanted)
        return done


class _Cluster:
    """One cluster being decoded."""

    def __init__(
        self, owner: ClusterDecoder, cluster: int, pages: Mapping[str, bytes], before: Mapping[str, IntArray]
    ) -> None:
        self._owner = owner
        self._header = owner._header
        self.models = owner.models
        self._cluster = cluster
        self._integers: dict[str, IntArray] = dict(before)
        self._before = before
        self._exceptions: dict[str, tuple[IntArray, NDArray[np.uint64]]] = {}
        self._values: dict[str, Array] = {}
        self._pages = pages

    def _rows(self, key: str) -> int:
        return self._header.rows[self._owner._home[key]][self._cluster]

    def decode(self, wanted: Sequence[str]) -> None:
        learned: dict[int, dict[str, bytes]] = {}
        autoencoded: dict[int, list[str]] = {}
        for key in wanted:
            n_rows = self._rows(key)
            giver = self.models.autoencoder_of.get(key)
            if giver is not None:
                autoencoded.setdefault(giver, []).append(key)
                continue
            if n_rows == 0:
                self._integers[key] = np.empty(0, np.int64)
                self._exceptions[key] = (np.empty(0, np.int64), np.empty(0, np.uint64))
                continue
            positions, patterns, payload = split_page(self._pages[key], n_rows)
            self._exceptions[key] = (positions, patterns)
            number = self.models.model_of.get(key)
            if number is None:
                self._integers[key] = plain.decode(payload, n_rows)
            else:
                learned.setdefault(number, {})[key] = payload
        self._decode_models(learned)
        for giver, keys in autoencoded.items():
            self._run_autoencoder(giver, keys)

    def _decode_models(self, learned: Mapping[int, dict[str, bytes]]) -> None:
        """Decode the columns of models; those that do not ask for each other's, side by side.

        What a model asks for is coded plainly, or by models before it.
        """
        n_values = sum(self._rows(key) for payloads in learned.values() for key in payloads)
        if len(learned) < 2 or n_values < _WORTH_THREADS or n_threads() < 2:
            for number, payloads in sorted(learned.items()):
                self._integers |= self._decode_learned(number, payloads)
            return
        waiting = {
            number: {other for other in self.models.after(number) & learned.keys() if other < number}
            for number in learned
        }
        running: dict[Future[dict[str, IntArray]], int] = {}
        with ThreadPoolExecutor(min(n_threads(), len(learned))) as executor:
            while waiting or running:
                for number in sorted(number for number, before in waiting.items() if not before):
                    del waiting[number]
                    running[executor.submit(self._decode_learned, number, learned[number])] = number
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    finished = running.pop(done)
                    self._integers |= done.result()
                    for before in waiting.values():
                        before.discard(finished)

    def _decode_learned(self, number: int, payloads: dict[str, bytes]) -> dict[str, IntArray]:
        coder, entry = self.models.coder(number), self._header.models[number]
        tables = self._header.schema.tables
        table = tables[entry.table]
        n_rows = self._header.rows[table.index][self._cluster]
        asked = list(payloads)
        if f"@latents/{number}" in self._pages:
            payloads[LATENTS] = self._pages[f"@latents/{number}"]
        lineage = entry.lineage
        inputs = self.models.needed_of(number, asked, self._before)[1]
        context = {name: one for name, one in self.models.context[number].items() if name in inputs}
        from_rows = lineage.inputs if lineage is not None else {}
        follow = [name for name in inputs if name.startswith("@") and name not in {*context, *from_rows}]
        counts = None
        if follow or lineage is not None:
            counts = checked_counts(self._known(self.models.counts_of(number)), n_rows, table.name)
        known = known_columns(counts, follow)
        known |= {name: self._known(name) for name in inputs if not name.startswith("@")}

        def column(key: str) -> IntArray:
            if key.startswith(PLACE):
                page = self._pages[place_name(number, int(key.removeprefix(PLACE)))]
                return plain.decode(page, n_rows)
            return self._known(key)

        known |= context_columns(context.values(), tables, table.index, n_rows, column)
        values = self.models.values_of(number)
        if lineage is None or counts is None:
            known |= {name: self._before[name] for name in coder.names if name in self._before}
            return decode_rows(coder, payloads, known, n_rows, asked, to_values=values)
        lineage = lineage.only(inputs) or replace(lineage, mother=(), vector=())
        return self._descend(coder, lineage, counts, payloads, known, values)

    def _descend(
        self,
        coder: Coder,
        lineage: Lineage,
        counts: IntArray,
        payloads: Mapping[str, bytes],
        known: Mapping[str, IntArray],
        values: Mapping[str, ToValues],
    ) -> dict[str, IntArray]:
        """Decode generation after generation: all columns asked of the rows of one, then those of their daughters."""
        done = {name: np.zeros(int(counts.sum()), np.int64) for name in payloads}

        def column(key: str) -> IntArray:
            return done[key] if key in done else self._known(key)

        family = family_of(lineage, counts, self._known, self._header.choices)
        parts = {name: split_parts(payload, len(family.generations)) for name, payload in payloads.items()}
        for number, rows in enumerate(family.generations):
            seen = {name: array[rows] for name, array in known.items()}
            seen |= {name: array for name, array in family.inputs(rows, column).items() if name in coder.inputs}
            pages = {name: part[number] for name, part in parts.items()}
            for name, integers in decode_rows(coder, pages, seen, rows.size, done, to_values=values).items():
                done[name][rows] = integers
            family.learn(rows, column)
        return done

    def _run_autoencoder(self, number: int, keys: Sequence[str]) -> None:
        table = self._header.schema.tables[self._header.autoencoders[number].table]
        n_rows = self._header.rows[table.index][self._cluster]
        if n_rows == 0:
            self._values |= {key: np.empty(0, self._owner._dtypes[key]) for key in keys}
            return
        coder = self.models.autoencoder(number)
        counts = None
        if coder.sees_neighbours:
            given = (
                checked_counts(self._known(table.counts), n_rows, table.name)
                if table.kind == "list" and table.counts is not None
                else None
            )
            counts = lengths_of_lists(table, n_rows, given)
        decoded = coder.decode(self._pages[page_name(number)], n_rows, counts, keys)
        self._values |= {
            key: column_values(self._pages[key], decoded[key], self._owner._dtypes[key], key) for key in keys
        }

    def _known(self, name: str) -> IntArray:
        stored = self._header.schema.same_as.get(name, name)
        if stored in self._header.constants:
            return np.full(self._rows(name), self._header.constants[stored], np.int64)
        if stored not in self._integers:
            msg = f"column {name!r} is needed before it is decoded"
            raise CorruptFile(msg, section="meta")
        return self._integers[stored]

    def integers(self, key: str) -> IntArray:
        """A column that was decoded, on its grid."""
        return self._integers[key]

    def values(self, key: str) -> Array:
        """A column as the reader of the ROOT file gave it."""
        n_rows = self._rows(key)
        dtype = self._owner._dtypes[key]
        bits = self._header.constants.get(key)
        if bits is not None:
            if dtype.kind == "f":
                return np.full(n_rows, bits, f"i{dtype.itemsize}").view(dtype)
            return np.full(n_rows, bits, np.int64).astype(dtype)
        if key in self._values:
            return self._values[key]
        integers = self._integers[key]
        choice = self._header.choices.get(key)
        if choice is None:
            return integers.view(np.uint64) if dtype == np.uint64 else integers.astype(dtype)
        positions, patterns = self._exceptions[key]
        return restore(integers, positions, patterns, choice, dtype)
