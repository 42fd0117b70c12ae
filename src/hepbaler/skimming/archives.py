"""From an archive to a smaller archive: values as they are, on the grids and under the models that they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..archive import Archive
from ..assembling import Assembly
from ..bounds import quantise
from ..coding import plain
from ..coding.learned import LearnedCoder
from ..coding.learned_bytes import coder_from_bytes, coder_to_bytes
from ..decoding import ClusterDecoder
from ..encoding import ClusterEncoder, ModelInUse, to_integers
from ..header import TreeHeader
from ..layouts import RowMasks
from ..pipeline import CLUSTER_BYTES
from ..segments import Segment
from ..tree import Tree
from .choosing import Chosen
from .gathering import Gathered
from .narrowing import narrow_header

__all__ = ("rewrite_tree",)

Array = NDArray[Any]
IntArray = NDArray[np.int64]


def __dir__() -> tuple[str, ...]:
    return __all__


def rewrite_tree(
    archive: Archive,
    tree: Tree,
    number: int,
    names: Collection[str],
    chosen: Chosen,
    assembly: Assembly,
    executor: Executor,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the chosen entries of some branches.

    Parameters
    ----------
    archive, tree
        Where they are.
    number
        Of the tree in the new archive.
    names
        Branches to keep.
    chosen
        Its ranges are the tree's clusters.
    assembly
        The new archive.
    progress
        Called with the number of entries done.
    """
    first = 0
    empty: TreeHeader | None = None
    for segment in tree.segments:
        part = _Part(archive, segment, names, executor)
        clusters = range(first, first + segment.header.n_clusters)
        first += len(clusters)
        empty = empty or part.header
        if not sum(chosen.passing[cluster] for cluster in clusters):
            continue
        part.write(clusters, chosen, number, assembly, progress)
    if not assembly.segments(number) and empty is not None:
        assembly.begin(number, replace(empty, models=()))


@dataclass(frozen=True)
class _Model:
    """A model of the segment as far as it is used."""

    old: int
    coder: LearnedCoder
    content: bytes
    parents: tuple[tuple[Any, ...], ...]


class _Part:
    """A segment being written anew."""

    def __init__(self, archive: Archive, segment: Segment, names: Collection[str], executor: Executor) -> None:
        self._archive = archive
        self._segment = segment
        self._executor = executor
        sections = [archive.reader.section(entry.section) for entry in segment.header.models]
        coders = [coder_from_bytes(section) for section in sections]
        self.header, parts = narrow_header(segment.header, coders, names)
        way = {column.key: column.parents for column in self.header.schema.columns}
        self._models = [
            _Model(old, coder, sections[old] if coder is coders[old] else coder_to_bytes(coder), way[coder.names[0]])
            for old, coder in parts
        ]
        self._latents: dict[int, IntArray] = {}

    def write(
        self,
        clusters: range,
        chosen: Chosen,
        number: int,
        assembly: Assembly,
        progress: Callable[[int], None] | None,
    ) -> None:
        """Write the chosen entries of the segment's clusters, which are these of `chosen`."""
        expected = sum(chosen.passing[cluster] for cluster in clusters)
        encoder: ClusterEncoder | None = None
        home = -1
        borders: list[int] = [0]
        rows: list[list[int]] = []
        for columns, n_entries in self._gathered(clusters, chosen, progress):
            if encoder is None:
                codecs = self._codecs(columns)
                self._drop_models_that_do_not_pay(columns, n_entries, expected, codecs)
                models = tuple(
                    replace(entry, section=assembly.model(model.content))
                    for entry, model in zip(self.header.models, self._models, strict=True)
                )
                self.header = replace(self.header, models=models)
                home = assembly.begin(number, self.header)
                encoder = self._encoder(codecs)
            pages, n_rows = encoder.encode(columns, n_entries)
            assembly.add_cluster(number, home, pages)
            borders.append(borders[-1] + n_entries)
            rows.append(n_rows)
        schema = replace(self.header.schema, num_entries=borders[-1])
        by_table = tuple(tuple(row[table] for row in rows) for table in range(len(schema.tables)))
        assembly.extend(number, replace(self.header, schema=schema, borders=tuple(borders), rows=by_table))

    def _gathered(
        self, clusters: range, chosen: Chosen, progress: Callable[[int], None] | None
    ) -> Iterator[tuple[dict[str, Array], int]]:
        """Columns of the chosen entries in clusters of the usual size; the latents of their rows beside them."""
        decoder = ClusterDecoder(self._segment.header, self._archive.reader, self._segment.number)
        described = self.header.schema.columns
        gathered = Gathered(described)
        latents: dict[int, list[IntArray]] = {model.old: [] for model in self._models if model.coder.n_latent}
        for inside, cluster in enumerate(clusters):
            if chosen.passing[cluster]:
                mask = chosen.mask(cluster)
                columns = decoder.columns([inside], [column.key for column in described])[0]
                gathered.add(columns, mask)
                masks = RowMasks(columns, mask)
                for model in self._models:
                    if model.coder.n_latent:
                        latents[model.old].append(self._latents_of(model, inside)[masks.of(model.parents)])
            if progress is not None:
                progress(chosen.ranges[cluster][1])
            if gathered.n_bytes >= CLUSTER_BYTES or (gathered.n_entries and inside == len(clusters) - 1):
                self._latents = {old: np.concatenate(pieces) for old, pieces in latents.items()}
                latents = {old: [] for old in latents}
                yield gathered.take()

    def _latents_of(self, model: _Model, cluster: int) -> IntArray:
        header = self._segment.header
        n_rows = header.rows[header.models[model.old].table][cluster]
        slot = header.slots()[f"@latents/{model.old}"]
        page = self._archive.reader.pages(self._segment.number, [(cluster, slot)])[0]
        return model.coder.decode_latents(page, n_rows) if n_rows else np.zeros((0, model.coder.n_latent), np.int64)

    def _strict(self) -> TreeHeader:
        """The header under which no value may move at all: what was rounded once is not rounded again."""
        choices = {key: replace(choice, exact=True) for key, choice in self.header.choices.items()}
        return replace(self.header, choices=choices)

    def _encoder(self, codecs: Mapping[str, tuple[plain.Codec, ...]]) -> ClusterEncoder:
        models = [
            ModelInUse(model.coder, lambda _, old=model.old: self._latents.get(old))  # type: ignore[misc]
            for model in self._models
        ]
        return ClusterEncoder(self._strict(), models, codecs, self._executor)

    def _codecs(self, columns: Mapping[str, Array]) -> dict[str, tuple[plain.Codec, ...]]:
        header = self._strict()
        stored = [key for key in columns if key not in header.schema.same_as and key not in header.constants]

        def promising(key: str) -> tuple[plain.Codec, ...]:
            choice = header.choices.get(key)
            values = columns[key][: 1 << 17]
            return plain.promising(to_integers(values) if choice is None else quantise(values, choice).integers)

        return dict(zip(stored, self._executor.map(promising, stored), strict=True))

    def _drop_models_that_do_not_pay(
        self,
        columns: Mapping[str, Array],
        n_entries: int,
        expected: int,
        codecs: Mapping[str, tuple[plain.Codec, ...]],
    ) -> None:
        """Of few entries a model may be larger than what it saves; the first cluster tells what it saves."""
        if not self._models:
            return
        learned, _ = self._encoder(codecs).encode(columns, n_entries)
        bare = replace(self._strict(), models=())
        plainly, _ = ClusterEncoder(bare, [], codecs, self._executor).encode(columns, n_entries)
        slots = self.header.slots()
        paying = []
        for i, (entry, model) in enumerate(zip(self.header.models, self._models, strict=True)):
            saved = sum(len(plainly[slots[key]]) - len(learned[slots[key]]) for key in entry.columns)
            saved -= len(learned[slots[f"@latents/{i}"]])
            if saved * expected > len(model.content) * n_entries:
                paying.append(i)
        self.header = replace(self.header, models=tuple(self.header.models[i] for i in paying))
        self._models = [self._models[i] for i in paying]
