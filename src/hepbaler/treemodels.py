"""The models of a tree as a reader has them, and which pages and columns decoding takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .coding.elements import Coder
from .coding.learned import LATENTS
from .coding.learned_bytes import coder_from_bytes
from .encoding import ToValues, value_functions
from .errors import CorruptFile
from .header import TreeHeader
from .latent.coder import LatentCoder
from .latent.entry import page_name
from .nearest import place_name

__all__ = ("TreeModels",)

IntArray = NDArray[np.int64]


def __dir__() -> tuple[str, ...]:
    return __all__


class TreeModels:
    """Models and autoencoders of a tree, built when they are asked for; many threads may ask.

    Parameters
    ----------
    header
        Of the tree.
    section
        Gives a named section of the container.
    """

    def __init__(self, header: TreeHeader, section: Callable[[str], bytes]) -> None:
        self._header = header
        self._section = section
        self._slots = header.slots()
        self.model_of = {key: i for i, entry in enumerate(header.models) for key in entry.columns}
        self.context = [{one.name: one for one in entry.context} for entry in header.models]
        self.autoencoder_of = header.autoencoded()
        self._coders: dict[int, Coder] = {}
        self._value_functions: dict[int, dict[str, ToValues]] = {}
        self._autoencoders: dict[int, LatentCoder] = {}
        # Threads that decode other clusters want the same coder.
        self._guard = threading.Lock()

    def coder(self, number: int) -> Coder:
        """The coder of a model; raises `CorruptFile` where it is not one of its table."""
        with self._guard:
            return self._built(number)

    def _built(self, number: int) -> Coder:
        if number not in self._coders:
            entry = self._header.models[number]
            coder = coder_from_bytes(self._section(entry.section))
            inputs = {key for key in coder.inputs if not key.startswith("@")}
            table = self._header.schema.tables[entry.table]
            if (
                set(coder.names) != set(entry.columns)
                or (entry.lineage is not None and coder.n_latent > 0)
                or not inputs <= set(table.columns) - set(coder.names)
            ):
                msg = f"the model in section {entry.section!r} is not one of table {table.name!r}"
                raise CorruptFile(msg, section=entry.section)
            self._coders[number] = coder
        return self._coders[number]

    def after(self, number: int) -> set[int]:
        """Models whose columns must be decoded before those of a model."""
        keys = [key for name in self.coder(number).inputs for key in self._behind(number, name)]
        stored = {self._header.schema.same_as.get(key, key) for key in keys}
        return {self.model_of[key] for key in stored if key in self.model_of} - {number}

    def values_of(self, number: int) -> Mapping[str, ToValues]:
        """For the columns and inputs of a model, from integers to values; always the same functions."""
        if number not in self._value_functions:
            context, lineage = self.context[number].values(), self._header.models[number].lineage
            self._value_functions[number] = value_functions(
                self.coder(number).valued, self._header.choices, context, lineage
            )
        return self._value_functions[number]

    def needed(self, stored: Sequence[str], before: Mapping[str, IntArray]) -> list[str]:
        """Names of all pages that decoding needs, in slot order; constants and what was decoded before need none."""
        names: set[str] = set()
        todo = list(stored)
        while todo:
            of_model: dict[int, list[str]] = {}
            for key in todo:
                if key in names or key in self._header.constants or key in before:
                    continue
                names.add(key)
                if key in self.model_of:
                    of_model.setdefault(self.model_of[key], []).append(key)
            todo = [one for key in todo for one in self._autoencoder_needs(key, names)]
            for number, keys in of_model.items():
                todo += self._model_needs(number, keys, before, names)
        return sorted(names, key=self._slots.__getitem__)

    def _autoencoder_needs(self, key: str, names: set[str]) -> list[str]:
        """Columns needed for one that an autoencoder gives; its page joins the names."""
        giver = self.autoencoder_of.get(key)
        if giver is None or page_name(giver) in names or key not in names:
            return []
        names.add(page_name(giver))
        return self._counts_for(giver)

    def _model_needs(self, number: int, keys: list[str], before: Mapping[str, IntArray], names: set[str]) -> list[str]:
        """Columns of other tables needed for some of a model; its own pages join the names."""
        pages, inputs = self.needed_of(number, keys, before)
        names.update(f"@latents/{number}" if name == LATENTS else name for name in pages)
        tables = self._header.schema.tables
        names.update(
            place_name(number, one.target(tables).index)
            for name in inputs
            if (one := self.context[number].get(name)) is not None and one.kind == "nearest"
        )
        return [self._header.schema.same_as.get(one, one) for name in inputs for one in self._behind(number, name)]

    def needed_of(
        self, number: int, keys: Sequence[str], before: Mapping[str, IntArray]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Pages and inputs that a model needs for some of its columns, in decoding order; see `LearnedCoder.needed`.

        Rows that follow from earlier ones are decoded row after row, with the columns that those rows show.
        """
        coder, lineage = self.coder(number), self._header.models[number].lineage
        if lineage is None:
            return coder.needed(keys, before)
        wanted = set(keys)
        while True:
            pages, inputs = coder.needed(wanted)
            shown = {key for name in inputs if name in lineage.inputs for key in lineage.behind(name)}
            more = shown.intersection(coder.names) - wanted
            if not more:
                return pages, inputs
            wanted |= more

    def autoencoder(self, number: int) -> LatentCoder:
        """The decoder of an autoencoder; raises `CorruptFile` where it does not give the header's columns."""
        if number not in self._autoencoders:
            entry = self._header.autoencoders[number]
            coder = LatentCoder.from_bytes(self._section(entry.section))
            if coder.names != entry.columns or coder.n_latent != entry.n_latent:
                msg = f"the decoder in section {entry.section!r} does not give the columns that the header names"
                raise CorruptFile(msg, section=entry.section)
            self._autoencoders[number] = coder
        return self._autoencoders[number]

    def _counts_for(self, number: int) -> list[str]:
        """Columns that a decoder needs to know which rows stand in one list."""
        table = self._header.schema.tables[self._header.autoencoders[number].table]
        if table.kind != "list" or table.counts is None or not self.autoencoder(number).sees_neighbours:
            return []
        return [self._header.schema.same_as.get(table.counts, table.counts)]

    def _behind(self, number: int, name: str) -> tuple[str, ...]:
        """Keys of the columns from which an input of a model follows."""
        if not name.startswith("@"):
            return (name,)
        lineage = self._header.models[number].lineage
        if lineage is not None and name in lineage.inputs:
            return (*lineage.behind(name), self.counts_of(number))
        context = self.context[number].get(name)
        if context is None:
            return (self.counts_of(number),)
        return context.needs(self._header.schema.tables, self._header.models[number].table)

    def counts_of(self, number: int) -> str:
        """Key of the column with the lengths of the lists whose rows a model codes."""
        table = self._header.schema.tables[self._header.models[number].table]
        if table.kind != "list" or table.counts is None:
            msg = f"a model of table {table.name!r} asks for what neither its lists nor the header give"
            raise CorruptFile(msg, section=self._header.models[number].section)
        return self._header.schema.same_as.get(table.counts, table.counts)
