"""`compress`: the one place where the steps meet."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .accounting import autoencoder_reports, table_reports
from .allocator import give_back
from .archive import ARCHIVE_KIND
from .autoencoding import TableAutoencoder, autoencode, check_weights, checked_family
from .bounds import Plan
from .clock import PhaseClock
from .coding.learned_bytes import coder_to_bytes
from .coding.plain import encode_bytes
from .container import ContainerWriter, check_target
from .encoding import ClusterEncoder, ModelInUse
from .errors import InputError, ModelError, OutputError, UnreadableBranches
from .header import ModelEntry, TreeHeader
from .latent.entry import AutoencoderEntry
from .latent.settings import LatentSettings
from .learning import Training, encoder_of, learn, reuse
from .modelfile import TrainedTable, load_models
from .preparing import Prepared, prepare
from .provenance import file_fingerprint, settings_digest
from .reading import Source, SourceTree, open_source, split_input
from .reports import AutoencoderReport, CompressReport, TableReport
from .required import features_of
from .scanning import Scan, read_columns, scan
from .version import __version__

__all__ = (
    "CLUSTER_BYTES",
    "Progress",
    "View",
    "archive_name",
    "cannot_carry",
    "compress",
    "select_trees",
    "writer_info",
)

Progress = Callable[[str, int, int], None]
# From the opened file and the trees to carry to what is carried in their place, and what the archive says of that: entries of
# its settings, and notes.
View = Callable[[Source, Sequence[SourceTree]], tuple[list[SourceTree], Mapping[str, Any], list[str]]]

# One cluster as plain arrays: large enough for the coders, small enough to read for a look at a few entries.
CLUSTER_BYTES = 32_000_000


def __dir__() -> tuple[str, ...]:
    return __all__


def compress(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    plan: Plan | None = None,
    latent: LatentSettings | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    model: str | os.PathLike[str] | None = None,
    use_model: bool = True,
    preset: str = "default",
    train_steps: int | None = None,
    train_time: float | None = None,
    device: str = "auto",
    seed: int = 0,
    skip_unreadable: bool = False,
    fall_back: bool = False,
    force: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    view: View | None = None,
) -> CompressReport:
    """Compress a ROOT file.

    Parameters
    ----------
    source
        A ROOT file, one of its trees (``"events.root:Events"``), or a URL.
    target
        The archive to write; by default the source's name with ``.hbal`` behind it, in the working directory for a URL
        and beside the source otherwise.
    plan
        Bounds; by default ``bits=10`` for floats. Everything else is exact.
    latent
        Latent mode: floats become latents of an autoencoder, and their errors are measured instead of bounded. Columns that
        a rule of `plan` names, and tables too small for an autoencoder, keep their bounds.
    keep, drop
        Globs on branch names. All branches are kept by default.
    model
        A file that `train` made.
    use_model
        False to code plainly.
    preset
        ``"fast"``, ``"default"`` or ``"small"``: less time to train and to read, or fewer bytes.
    train_steps, train_time
        Steps of training a model may take, or the seconds from which their number is derived before training starts.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    seed
        The same seed and steps on the same machine give the same bytes.
    skip_unreadable
        Leave out what cannot be carried instead of raising.
    fall_back
        Where `model` does not fit a tree, train a new one, and say so in the notes, instead of raising.
    force
        Overwrite `target`.
    jobs
        Threads; as many as there are cores by default.
    progress
        Called as ``(phase, done, total)`` with phases ``scan``, ``train``, ``write``.
    view
        Carry something else in place of the trees: `hepbaler.skim` gives those of their entries that pass a cut.

    Returns
    -------
    CompressReport
        Sizes, times, and what was left out.

    Raises
    ------
    InputError
        If there is nothing to compress, or it cannot be read.
    UnreadableBranches
        If something cannot be carried and `skip_unreadable` is not set.
    OutputError
        If the target exists, or cannot be written. No half-written file is left.

    Examples
    --------
    >>> hepbaler.compress("events.root", plan=Plan(default=Bound.parse("bits=8")))  # doctest: +SKIP
    """
    plan = plan or Plan()
    if latent is not None and model is not None:
        msg = f"a trained model ({os.fspath(model)}) is for bounded mode; latent mode trains its own"
        raise InputError(msg)
    if latent is not None:
        checked_family(latent)
    # Everything that decides what is written, so that whoever asks for the same again can tell.
    asked: dict[str, Any] = {
        "plan": plan,
        "latent": latent,
        "keep": tuple(keep),
        "drop": tuple(drop),
        "model": model,
        "use_model": use_model,
        "preset": preset,
        "train_steps": train_steps,
        "train_time": train_time,
        "seed": seed,
    }
    out = Path(target) if target is not None else archive_name(str(source))
    refuse_input_as_output(str(source), out)
    check_target(out, overwrite=force)
    clock = PhaseClock()
    tell = progress or (lambda *_: None)
    training = Training(train_steps, train_time, device, seed, jobs, preset=preset)
    with open_source(str(source)) as opened:
        trees, left_out = select_trees(opened, keep, drop, plan)
        objects, objects_left = opened.copy_objects()
        left_out += [f"{left.name} ({left.classname}): {left.reason}" for left in objects_left]
        if left_out and not skip_unreadable:
            raise UnreadableBranches(cannot_carry(str(source), left_out))
        trees, seen, told = view(opened, trees) if view is not None else (trees, {}, [])
        asked |= seen
        if latent is not None:
            check_weights(latent, [branch.name for tree in trees for branch in tree.branches])
        given, unfit = _models_for(trees, model, fall_back=fall_back) if model is not None else ((), [])
        jobs = jobs or os.cpu_count() or 1
        with (
            ContainerWriter(out, overwrite=force) as writer,
            ThreadPoolExecutor(jobs) as executor,
        ):
            total = _Totals(notes=[*told, *unfit])
            headers = []
            sizes = [tree.uncompressed_bytes for tree in trees]
            for number, tree in enumerate(trees):
                share = sizes[number] / max(sum(sizes), 1)
                mine = replace(training, share=share) if len(trees) > 1 else training
                job = _TreeJob(tree, number, plan, latent, mine, use_model, given, fall_back, executor, clock, tell)
                headers.append(job.run(writer, total))
            if opened.objects:
                writer.add_section("objects", encode_bytes(objects))
            meta = {
                "kind": ARCHIVE_KIND,
                "required_features": features_of(headers),
                "source": {
                    "name": Path(opened.path).name,
                    "bytes": opened.size,
                    "uuid": opened.uuid,
                    "fingerprint": file_fingerprint(opened.path),
                },
                "writer": writer_info(),
                "settings": {
                    "digest": settings_digest(asked, split_input(str(source))[1]),
                    "plan": plan.to_dict(),
                    "latent": latent.to_dict() if latent is not None else None,
                    "seed": seed,
                    "preset": preset,
                    "train_steps": total.steps,
                    "train_time": train_time,
                    "keep": list(keep),
                    "drop": list(drop),
                    **seen,
                },
                "trees": [header.to_dict() for header in headers],
                "objects": [
                    {"path": o.path, "classname": o.classname, "cycle": o.cycle, "title": o.title}
                    for o in opened.objects
                ],
                "notes": [*opened.notes, *total.notes],
                "left_out": left_out,
            }
            with clock("write"):
                writer.finish(meta)
            parts = writer.bytes_by_part()
        return CompressReport(
            source=str(source),
            target=str(out),
            source_bytes=opened.size,
            raw_bytes=sum(table.raw_bytes for table in total.tables),
            archive_bytes=out.stat().st_size,
            trees=len(trees),
            branches=sum(len(tree.branches) for tree in trees),
            entries=sum(tree.num_entries for tree in trees),
            values=total.values,
            exceptions=total.exceptions,
            tables=tuple(total.tables),
            bytes_by_part=dict(parts),
            seconds=clock.seconds,
            train_steps=total.steps,
            notes=(*opened.notes, *total.notes),
            left_out=tuple(left_out),
            autoencoders=tuple(total.autoencoders),
        )


def _models_for(
    trees: Sequence[SourceTree], model: str | os.PathLike[str], *, fall_back: bool
) -> tuple[tuple[TrainedTable, ...], list[str]]:
    """Models for the trees, and what has to be said of the others."""
    models = load_models(model)
    held = {tree.path for tree in trees}
    strange = [one.tree for one in models if one.tree not in held]
    if not strange:
        return models, []
    msg = f"{model} was trained on tree {strange[0]!r}, and the file holds {', '.join(map(repr, held))}"
    if not fall_back:
        raise ModelError(msg)
    return tuple(one for one in models if one.tree in held), [msg]


def archive_name(source: str) -> Path:
    """Where the archive of `source` goes by default: ``events.root.hbal``."""
    path = source.rpartition(":")[0] if ".root:" in source and not source.endswith(".root") else source
    if "://" in path:
        return Path(path.rstrip("/").rpartition("/")[2] + ".hbal")
    return Path(path + ".hbal")


def writer_info() -> dict[str, str]:
    """Versions of what writes; never needed to read."""
    return {"name": "hepbaler", "version": __version__, "python": platform.python_version(), "numpy": np.__version__}


def select_trees(
    source: Source, keep: Sequence[str], drop: Sequence[str], plan: Plan
) -> tuple[list[SourceTree], list[str]]:
    """Trees to carry with the branches asked for, and what of them cannot be read.

    Raises
    ------
    InputError
        If nothing is left, or a pattern of `keep` or of the plan matches no branch.
    """
    if not source.trees:
        msg = f"{source.path} holds no tree; hepbaler compresses TTrees and RNTuples"
        raise InputError(msg)
    unused = plan.unused([(tree.path, branch.name) for tree in source.trees for branch in tree.branches])
    if unused:
        msg = f"no branch of {source.path} matches the bound for {unused[0]!r}"
        raise InputError(msg)
    trees = list(source.select(keep, drop) if keep or drop else source.trees)
    left_out = [
        f"{tree.path}:{item.name} ({item.typename}): {item.reason}" for tree in trees for item in tree.unreadable
    ]
    if (keep or drop) and not any(tree.branches for tree in trees):
        msg = f"--keep and --drop leave no branch of {source.path}"
        raise InputError(msg)
    if not any(tree.branches and tree.num_entries for tree in trees):
        why = {tree.path: "no entries" if tree.branches else "no branches that can be read" for tree in trees}
        told = ", ".join(f"tree {path!r} has {reason}" for path, reason in why.items())
        msg = f"{source.path} holds nothing to compress: {told}"
        raise InputError(msg)
    return trees, left_out


def refuse_input_as_output(source: str, target: Path) -> None:
    """Raise `OutputError` if `target` is the very file that shall be read."""
    here = Path(archive_name(source).as_posix().removesuffix(".hbal"))
    if target.exists() and here.exists() and target.samefile(here):
        msg = f"the output {target} is the input itself; choose another name with -o"
        raise OutputError(msg)


def cannot_carry(source: str, left_out: Sequence[str]) -> str:
    """The message that names what cannot be carried."""
    shown = "\n  ".join(left_out[:20])
    more = f"\n  and {len(left_out) - 20} more" if len(left_out) > 20 else ""
    return f"{source}: {len(left_out)} branches or objects cannot be carried; --skip-unreadable leaves them out:\n  {shown}{more}"


@dataclass
class _Totals:
    """Sums over the trees of a file."""

    values: int = 0
    exceptions: int = 0
    tables: list[TableReport] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    models: int = 0
    autoencoders: list[AutoencoderReport] = field(default_factory=list)


@dataclass(frozen=True)
class _TreeJob:
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

    def run(self, writer: ContainerWriter, total: _Totals) -> TreeHeader:
        tree = self.tree
        clusters = tree.clusters(CLUSTER_BYTES)
        with self.clock("scan"):
            found = scan(
                tree,
                clusters,
                seed=self.training.seed,
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
