"""The one place where the steps of a skim meet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..archive import Archive, open_archive
from ..assembling import Assembly, strange_sections
from ..container import ContainerWriter, check_target
from ..errors import InputError, NotHepbalerFile, OutputError
from ..layouts import columns_of, unflatten
from ..pipeline import CLUSTER_BYTES, writer_info
from ..reading import open_source
from ..required import FEATURES
from ..restoring import RootWriter
from ..segments import SEGMENTS_FEATURE
from ..table import Branch
from ..tree import Tree
from .archives import rewrite_tree
from .choosing import Chosen, tree_of_cuts
from .gathering import Gathered
from .job import Job, Progress
from .reports import SkimmedModel, SkimReport
from .rootfiles import compress_root, skim_root
from .selection import cuts_of

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("skim",)

# Arguments of `hepbaler.compress` that decide how values are coded.
_SETTINGS = ("plan", "latent", "model", "use_model", "preset", "train_steps", "train_time", "device", "seed")


def __dir__() -> tuple[str, ...]:
    return __all__


def skim(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    cut: str | Sequence[str] = (),
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    tree: str | None = None,
    rntuple: bool | None = None,
    compression: str = "zstd:5",
    skip_unreadable: bool = False,
    settings: Mapping[str, Any] | None = None,
    force: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> SkimReport:
    """Write the entries that pass a cut, and the branches that globs choose.

    Values are those that the source gives, bit for bit. From an archive to an archive they stay on their grids, so the
    bound under which they were compressed still holds against the original, and models stay in use without training. Only
    from a ROOT file to an archive they are rounded, as `hepbaler.compress` does it.

    Parameters
    ----------
    source
        An archive or a ROOT file.
    target
        What to write: ``.root`` is a ROOT file, ``.hbal`` an archive.
    cut
        A condition on entries, or several: ``"nJet >= 4 and any(Muon_pt > 30)"``.
    keep, drop
        Globs on branch names. Branches that count the elements of a kept one stay too.
    tree
        The tree that the cut is about; needed where several have its branches. Other trees keep all their entries.
    rntuple, compression
        Of a ROOT file, as for `hepbaler.decompress`.
    skip_unreadable
        Leave out what cannot be carried instead of raising.
    settings
        How a ROOT file becomes an archive, as arguments of `hepbaler.compress`: ``plan``, ``latent``, ``model``, ``use_model``,
        ``preset``, ``train_steps``, ``train_time``, ``device``, ``seed``.
    force
        Overwrite `target`.
    jobs
        Threads; as many as there are cores by default.
    progress
        Called as ``(phase, done, total)`` with phases ``cut`` and ``write``, and those of `hepbaler.compress`.

    Raises
    ------
    InputError
        If the cut cannot be understood or computed, a glob of `keep` matches no branch, or `settings` are not for this.
    ColumnNotFound
        If the cut names a branch that no tree has.
    OutputError
        If the target exists, is the source, or cannot be written. No half-written file is left.

    Examples
    --------
    >>> hepbaler.skim("events.root.hbal", "muons.hbal", cut="any(Muon_pt > 30)", keep=["Muon_*"])  # doctest: +SKIP
    """
    cuts = cuts_of([cut] if isinstance(cut, str) else cut)
    out, tell = Path(target), progress or (lambda *_: None)
    if out.suffix not in (".root", ".hbal"):
        msg = f"the output {out} should end in .hbal or .root, which says what it shall be"
        raise OutputError(msg)
    if rntuple and out.suffix == ".hbal":
        msg = f"the output {out} is an archive, which holds no RNTuple; leave --rntuple out, or write a .root file"
        raise OutputError(msg)
    if out.exists() and Path(source).exists() and out.samefile(source):
        msg = f"the output {out} is the input itself; choose another name with -o"
        raise OutputError(msg)
    check_target(out, overwrite=force)
    job = Job(os.fspath(source), out, cuts, tuple(keep), tuple(drop), tree, tell)
    try:
        archive = open_archive(source)
    except NotHepbalerFile:
        if out.suffix == ".hbal":
            return compress_root(job, _known(settings), skip_unreadable=skip_unreadable, force=force, jobs=jobs)
        _refuse(settings)
        with open_source(os.fspath(source)) as opened:
            return skim_root(job, opened, rntuple, compression, skip_unreadable)
    _refuse(settings)
    with archive:
        if out.suffix == ".hbal":
            return _to_archive(job, archive, force, jobs)
        return _to_root(job, archive, rntuple, compression)


def _known(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    strange = [name for name in settings or {} if name not in _SETTINGS]
    if strange:
        msg = f"{strange[0]!r} is no setting of compression; there are {', '.join(_SETTINGS)}"
        raise InputError(msg)
    return dict(settings or {})


def _refuse(settings: Mapping[str, Any] | None) -> None:
    if settings:
        msg = (
            f"{', '.join(settings)}: bounds and models are chosen where a ROOT file becomes an archive; "
            "here values stay as they are, so leave this out"
        )
        raise InputError(msg)


def _to_archive(job: Job, archive: Archive, force: bool, jobs: int | None) -> SkimReport:
    meta = archive.meta
    strange = strange_sections(archive)
    # Rows that left would change what the errors of latent mode were measured on.
    strange += [
        entry.section
        for tree in archive.trees.values()
        for segment in tree.segments
        for entry in segment.header.autoencoders
    ]
    if strange:
        msg = f"{job.source} is coded in a way that is not cut into ({strange[0]}): skim it to a ROOT file"
        raise InputError(msg)
    trees = archive.trees
    kept = job.branches_of({path: tree.header.schema.branches for path, tree in trees.items()})
    cut_tree = tree_of_cuts(job.cuts, {path: tree.keys() for path, tree in trees.items()}, job.source, job.tree)
    chosen = job.chosen_of({path: trees[path] for path in kept}, cut_tree)
    models: list[SkimmedModel] = []
    counts = {}
    with ContainerWriter(job.out, overwrite=force) as writer, ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        assembly = Assembly(writer, len(kept))
        for number, (path, branches) in enumerate(kept.items()):
            tree, mine = trees[path], chosen[path]
            if len(branches) == len(tree) and mine.num_entries == tree.num_entries:
                for segment in tree.segments:
                    for _ in assembly.copy(number, segment, archive.reader):
                        pass
            else:
                names = [branch.name for branch in branches]
                models += rewrite_tree(
                    archive,
                    tree,
                    number,
                    names,
                    mine,
                    assembly,
                    pool,
                    lambda done, n=tree.num_entries: job.tell("write", done, n),  # type: ignore[misc]
                )
            counts[path] = tree.num_entries, mine.num_entries, len(branches)
        if "objects" in archive.reader.section_names:
            writer.add_section("objects", archive.reader.section("objects"))
        note = job.note(cut_tree, counts.get(cut_tree or "", (0,))[0], chosen.get(cut_tree or ""))
        # Words for what may be gone are kept where it cannot be told cheaply that it is.
        words = {*meta.get("required_features", ())} - {SEGMENTS_FEATURE}
        words |= {SEGMENTS_FEATURE} if assembly.continued else set()
        settings = meta.get("settings")
        settings = dict(settings) if isinstance(settings, dict) else {}
        settings |= job.settings()
        writer.finish(
            {key: meta[key] for key in ("kind", "source", "objects", "left_out") if key in meta}
            | {
                "required_features": [word for word in FEATURES if word in words],
                "writer": writer_info(),
                "settings": settings,
                "trees": assembly.headers(),
                "notes": [*meta.get("notes", ()), note],
            }
        )
    return job.report(
        archive.reader.size, counts, cut_tree, chosen.get(cut_tree or ""), models=tuple(models), notes=(note,)
    )


def _to_root(job: Job, archive: Archive, rntuple: bool | None, compression: str) -> SkimReport:
    trees = archive.trees
    kept = job.branches_of({path: tree.header.schema.branches for path, tree in trees.items()})
    cut_tree = tree_of_cuts(job.cuts, {path: tree.keys() for path, tree in trees.items()}, job.source, job.tree)
    chosen = job.chosen_of({path: trees[path] for path in kept}, cut_tree)
    counts, written = {}, []
    with RootWriter(job.out, compression=compression, rntuple=rntuple) as writer:
        stored = archive.objects_file()
        objects = writer.write_objects(stored) if stored is not None else None
        for path, branches in kept.items():
            tree, mine = trees[path], chosen[path]
            arrays = _arrays(tree, branches, mine, job.tell)
            same_as = tree.header.schema.same_as
            written.append(
                writer.write_tree(
                    path,
                    tree.title,
                    branches,
                    arrays,
                    mine.num_entries,
                    same_as=_left(same_as, branches),
                    kind=tree.header.schema.kind,
                )
            )
            counts[path] = tree.num_entries, mine.num_entries, len(branches)
    left = tuple(f"{path} ({kind}): {reason}" for path, kind, reason in (objects.missing if objects else ()))
    return job.report(
        archive.reader.size, counts, cut_tree, chosen.get(cut_tree or ""), written=tuple(written), left_out=left
    )


def _left(same_as: Mapping[str, str], branches: Sequence[Branch]) -> dict[str, str]:
    """Who repeats whom among the columns that are left."""
    first: dict[str, str] = {}
    out = {}
    keys = {column.key for branch in branches for column in columns_of(branch)}
    for key in sorted(keys, key=lambda key: key in same_as):
        root = same_as.get(key, key)
        if (other := first.setdefault(root, key)) != key:
            out[key] = other
    return out


def _arrays(tree: Tree, branches: Sequence[Branch], chosen: Chosen, tell: Progress) -> Iterator[Mapping[str, ak.Array]]:
    gathered = Gathered([column for branch in branches for column in columns_of(branch)])
    keys = [column.key for branch in branches for column in columns_of(branch)]
    for cluster, (_, stop) in enumerate(chosen.ranges):
        if chosen.passing[cluster]:
            gathered.add(tree.decoder.columns([cluster], keys)[0], chosen.mask(cluster))
        tell("write", stop, tree.num_entries)
        if gathered.n_bytes >= CLUSTER_BYTES or (gathered.n_entries and cluster == len(chosen.ranges) - 1):
            columns, n = gathered.take()
            yield {branch.name: unflatten(branch.layout, columns, n) for branch in branches}
