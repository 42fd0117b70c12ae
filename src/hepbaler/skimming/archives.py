"""From an archive to a smaller archive: values as they are, on the grids and under the models that they have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..archive import Archive
from ..assembling import Assembly
from ..bounds import quantise
from ..coding import plain
from ..coding.elements import Coder
from ..coding.learned import LearnedCoder
from ..coding.learned_bytes import coder_from_bytes, coder_to_bytes
from ..decoding import ClusterDecoder
from ..encoding import ClusterEncoder, ModelInUse, to_integers
from ..header import ModelEntry, TreeHeader
from ..layouts import RowMasks
from ..nearest import place_name
from ..pipeline import CLUSTER_BYTES
from ..segments import Segment
from ..tree import Tree
from .choosing import Chosen
from .gathering import Gathered
from .narrowing import narrow_header
from .reports import SkimmedModel

__all__ = ("rewrite_tree",)

Array = NDArray[Any]
IntArray = NDArray[np.int64]

# Columns that a reason names.
_MOST_NAMES = 5


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
) -> tuple[SkimmedModel, ...]:
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

    Returns
    -------
    What became of the models.
    """
    first = 0
    told: dict[SkimmedModel, None] = {}
    empty: TreeHeader | None = None
    for segment in tree.segments:
        part = _Part(archive, segment, names, executor)
        clusters = range(first, first + segment.header.n_clusters)
        first += len(clusters)
        empty = empty or part.header
        if not sum(chosen.passing[cluster] for cluster in clusters):
            continue
        part.write(clusters, chosen, number, assembly, progress)
        told |= dict.fromkeys(part.told)
    if not assembly.segments(number) and empty is not None:
        assembly.begin(number, replace(empty, models=()))
    return tuple(told)


@dataclass(frozen=True)
class _Model:
    """A model of the segment as far as it is used.

    Attributes
    ----------
    old
        Its number in the segment.
    parents
        The way from an entry to the rows of its table.
    hidden
        What its pages hold beside columns, rows of its table all: their names in the segment.
    places
        Those of them with places of nearest rows, by the table in the new header.
    """

    old: int
    coder: Coder
    content: bytes
    parents: tuple[tuple[Any, ...], ...]
    hidden: tuple[str, ...]
    places: Mapping[int, str]


class _Part:
    """A segment being written anew."""

    def __init__(self, archive: Archive, segment: Segment, names: Collection[str], executor: Executor) -> None:
        self._archive = archive
        self._segment = segment
        self._executor = executor
        sections = [archive.reader.section(entry.section) for entry in segment.header.models]
        coders = [coder_from_bytes(section) for section in sections]
        self.header, models = narrow_header(segment.header, coders, names)
        way = {column.key: column.parents for column in self.header.schema.columns}
        self._models: list[_Model] = []
        self.told: list[SkimmedModel] = []
        for model in models:
            table = segment.header.schema.tables[segment.header.models[model.number].table].name
            coded = () if model.coder is None else model.coder.names
            reason = f"what {_some(model.plain)} would be predicted from is not kept: {_some(model.missing)}"
            self.told.append(
                SkimmedModel(segment.header.schema.path, table, coded, model.plain, reason if model.plain else "")
            )
            if model.coder is not None:
                whole = model.coder is coders[model.number]
                places = {new: place_name(model.number, old) for old, new in model.places}
                latents = (f"@latents/{model.number}",) if model.coder.n_latent else ()
                self._models.append(
                    _Model(
                        model.number,
                        model.coder,
                        sections[model.number] if whole else coder_to_bytes(model.coder),
                        way[model.coder.names[0]],
                        (*latents, *places.values()),
                        places,
                    )
                )
        self._hidden: dict[str, IntArray] = {}

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
        hidden: dict[str, list[IntArray]] = {name: [] for model in self._models for name in model.hidden}
        for inside, cluster in enumerate(clusters):
            if chosen.passing[cluster]:
                mask = chosen.mask(cluster)
                columns = decoder.columns([inside], [column.key for column in described])[0]
                gathered.add(columns, mask)
                masks = RowMasks(columns, mask)
                for model in self._models:
                    for name in model.hidden:
                        hidden[name].append(self._decoded(model, name, inside)[masks.of(model.parents)])
            if progress is not None:
                progress(chosen.ranges[cluster][1])
            if gathered.n_bytes >= CLUSTER_BYTES or (gathered.n_entries and inside == len(clusters) - 1):
                self._hidden = {name: np.concatenate(pieces) for name, pieces in hidden.items()}
                hidden = {name: [] for name in hidden}
                yield gathered.take()

    def _decoded(self, model: _Model, name: str, cluster: int) -> IntArray:
        """What a page of a model holds beside columns."""
        header = self._segment.header
        n_rows = header.rows[header.models[model.old].table][cluster]
        coder = model.coder if name not in model.places.values() else None
        if not n_rows:
            return np.zeros(0 if coder is None else (0, coder.n_latent), np.int64)
        page = self._archive.reader.pages(self._segment.number, [(cluster, header.slots()[name])])[0]
        return coder.decode_latents(page, n_rows) if isinstance(coder, LearnedCoder) else plain.decode(page, n_rows)

    def _strict(self) -> TreeHeader:
        """The header under which no value may move at all: what was rounded once is not rounded again."""
        choices = {key: replace(choice, exact=True) for key, choice in self.header.choices.items()}
        return replace(self.header, choices=choices)

    def _encoder(self, codecs: Mapping[str, tuple[plain.Codec, ...]]) -> ClusterEncoder:
        models = [
            _ModelAsItWas(
                model.coder,
                lambda _, old=model.old: self._hidden.get(f"@latents/{old}"),  # type: ignore[misc]
                places=lambda names=model.places: {table: self._hidden[name] for table, name in names.items()},  # type: ignore[misc]
            )
            for model in self._models
        ]
        return _Encoder(self._strict(), models, codecs, self._executor)

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
            saved -= sum(len(learned[slots[name]]) for name in self.header.hidden(i))
            if saved * expected > len(model.content) * n_entries:
                paying.append(i)
            else:
                self._tell_dropped(entry, len(model.content), saved * expected // n_entries)
        self.header = replace(self.header, models=tuple(self.header.models[i] for i in paying))
        self._models = [self._models[i] for i in paying]

    def _tell_dropped(self, entry: ModelEntry, weights: int, saved: int) -> None:
        table = self.header.schema.tables[entry.table].name
        about = f"about {saved:,} of its {weights:,} bytes" if saved > 0 else f"none of its {weights:,} bytes"
        reason = f"of the entries that are left it would save {about}"
        self.told = [
            SkimmedModel(one.tree, table, (), (*one.columns, *one.plain), "; ".join(filter(None, (reason, one.reason))))
            if one.columns == entry.columns
            else one
            for one in self.told
        ]


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _MOST_NAMES} more" if len(keys) > _MOST_NAMES else ""
    return ", ".join(keys[:_MOST_NAMES]) + more


@dataclass(frozen=True)
class _ModelAsItWas(ModelInUse):
    """A model whose rows look where they looked before.

    Attributes
    ----------
    places
        Gives the places of nearest rows in other tables, by table. Whole entries go, so they stay right.
    """

    places: Callable[[], Mapping[int, IntArray]] = dict


class _Encoder(ClusterEncoder):
    """Nearest rows are not looked for again: the columns by which they were found may be gone."""

    def _places(self, entry: ModelEntry, model: ModelInUse, column: Callable[[str], IntArray]) -> dict[int, IntArray]:
        if isinstance(model, _ModelAsItWas):
            return dict(model.places())
        return super()._places(entry, model, column)
