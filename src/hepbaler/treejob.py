"""What happens to one tree while a file is compressed: looked at, given models, written cluster by cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from .accounting import autoencoder_reports, table_reports
from .allocator import give_back
from .autoencoding import TableAutoencoder, autoencode
from .bounds import Plan
from .clock import PhaseClock
from .coding.learned_bytes import coder_to_bytes
from .container import ContainerWriter
from .encoding import ClusterEncoder, ModelInUse
from .errors import ModelError
from .header import ModelEntry, TreeHeader
from .latent.entry import AutoencoderEntry
from .latent.settings import LatentSettings
from .learning import encoder_of, learn, reuse
from .modelfile import TrainedTable
from .preparing import Prepared, prepare
from .presets import Training
from .reading import SourceTree
from .reports import AutoencoderReport, TableReport
from .scanning import FEW_BYTES, SAMPLE_BYTES, Scan, read_columns, scan

__all__ = ("Progress", "Totals", "TreeJob")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass
class Totals:
    """Sums over the trees of a file."""

    values: int = 0
    exceptions: int = 0
    tables: list[TableReport] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: int = 0
    autoencoders: list[AutoencoderReport] = field(default_factory=list)


@dataclass(frozen=True)
class TreeJob:
    """Everything that happens to one tree."""

    tree: SourceTree
    number: int
    plan: Plan
    latent: LatentSettings | None
    training: Training
    use_model: bool
    given: Sequence[TrainedTable]
    fall_back: bool
    executor: ThreadPoolExecutor
    clock: PhaseClock
    tell: Progress
    cluster_bytes: int

    def run(self, writer: ContainerWriter, total: Totals) -> TreeHeader:
        """Read the tree twice, write its models and clusters, and add to the totals what there is to tell."""
        tree = self.tree
        clusters = tree.clusters(self.cluster_bytes)
        with self.clock("scan"):
            found = scan(
                tree,
                clusters,
                seed=self.training.seed,
                sample_bytes=SAMPLE_BYTES if self._trains else FEW_BYTES,
                progress=lambda done: self.tell("scan", done, tree.num_entries),
            )
        give_back()
        prepared, models, autoencoders = self._models(found, total.notes)
        everything = replace(prepared, sample={}, sample_counts={})
        prepared = everything.without([key for one in autoencoders for key in one.names])
        total.values += sum(facts.count for facts in found.facts.values())
        # The sample has done its work, and is the largest thing in memory.
        del found
        give_back()
        entries = []
        home = {key: table.index for table in prepared.schema.tables for key in table.columns}
        for table, model in models:
            name = f"model/{total.models}"
            writer.add_section(name, coder_to_bytes(model.coder))
            near = tuple(home[one.other[0]] for one in model.nearest)
            entries.append(ModelEntry(name, table, model.coder.names, model.context, model.lineage, near))
            total.models += 1
            total.steps[f"{tree.path}:{prepared.schema.tables[table].name}"] = model.steps
        given: list[AutoencoderEntry] = []
        for one in autoencoders:
            name = f"autoencoder/{len(total.autoencoders) + len(given)}"
            writer.add_section(name, one.section)
            given.append(AutoencoderEntry(name, one.table, one.model, one.n_latent, one.names, ()))
        rows_so_far: list[list[int]] = [[] for _ in prepared.schema.tables]
        header = TreeHeader(
            prepared.schema, (0,), (), prepared.choices, prepared.constants, tuple(entries), tuple(given)
        )
        encoder = ClusterEncoder(
            header,
            [ModelInUse(model.coder, encoder_of(model), model.nearest) for _, model in models],
            prepared.codecs,
            self.executor,
            [one.use for one in autoencoders],
        )
        writer.add_tree(self.number, header.n_slots)
        sizes = np.zeros(header.n_slots, np.int64)
        with self.clock("write"):
            for start, stop in clusters:
                if stop == start:
                    continue
                pages, rows = encoder.encode(read_columns(tree, start, stop), stop - start)
                writer.add_cluster(self.number, pages)
                sizes += np.array([len(page) for page in pages], np.int64)
                # Or else what threads freed in their own corners adds up over the clusters.
                del pages
                give_back()
                for so_far, n in zip(rows_so_far, rows, strict=True):
                    so_far.append(n)
                self.tell("write", stop, tree.num_entries)
        borders = (0, *(stop for start, stop in clusters if stop > start))
        total.exceptions += encoder.exceptions
        header = replace(
            header,
            borders=borders,
            rows=tuple(tuple(rows) for rows in rows_so_far),
            autoencoders=tuple(
                replace(entry, errors=one.use.errors()) for entry, one in zip(given, autoencoders, strict=True)
            ),
        )
        total.tables += table_reports(everything, header, sizes, [model for _, model in models], autoencoders)
        total.autoencoders += autoencoder_reports(header, sizes, autoencoders)
        if tree.num_entries == 0:
            total.notes.append(f"tree {tree.path!r} has no entries")
        if not tree.branches:
            total.notes.append(f"tree {tree.path!r} has no branches that are carried")
        return header

    @property
    def _trains(self) -> bool:
        """Whether a model of this tree may be trained."""
        return self.latent is not None or (self.use_model and (self.fall_back or not self.given))

    def _models(
        self, found: Scan, notes: list[str]
    ) -> tuple[Prepared, list[tuple[int, TrainedTable]], list[TableAutoencoder]]:
        """The tree's tables and grids, and the model or the autoencoder of each table that has one."""
        mine = [model for model in self.given if model.tree == self.tree.path]
        if mine:
            try:
                # Of columns that have another type here, `reuse` will tell.
                dtypes = {column.key: column.dtype for column in found.columns}
                choices = {
                    key: choice
                    for model in mine
                    for key, choice in model.choices.items()
                    if dtypes.get(key) == model.dtypes[key]
                }
                protected = frozenset(key for model in mine for key in model.columns)
                with self.clock("scan"):
                    prepared = prepare(
                        *(self.tree, found, self.plan), given=choices, protected=protected, executor=self.executor
                    )
                with self.clock("train"):
                    return prepared, reuse(mine, prepared, found, self.plan), []
            except ModelError as error:
                if not self.fall_back:
                    raise
                notes.append(f"tree {self.tree.path!r} is coded by a model of its own: {error}")
        with self.clock("scan"):
            keep = self.use_model or self.latent is not None
            prepared = prepare(self.tree, found, self.plan, keep_sample=keep, executor=self.executor)
        autoencoders: list[TableAutoencoder] = []
        if self.latent is not None:
            with self.clock("train"):
                autoencoders, kept = autoencode(
                    prepared, found, self.plan, self.latent, self.training, lambda done, n: self.tell("train", done, n)
                )
            notes += kept
        if not self.use_model or (self.given and not mine):
            return prepared, [], autoencoders
        rest = prepared.without([key for one in autoencoders for key in one.names])
        with self.clock("train"):
            models = learn(rest, self.training, lambda done, n: self.tell("train", done, n))
        return prepared, models, autoencoders
