"""`decompress`: an archive back to a ROOT file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .archive import Archive, open_archive
from .container import check_target
from .errors import OutputError, UnwritableBranches
from .restoring import ObjectsReport, RootWriter, TreeReport
from .tree import Tree

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("RestoreReport", "decompress", "root_name")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class RestoreReport:
    """What `decompress` did.

    Attributes
    ----------
    archive, target
        Paths.
    archive_bytes, target_bytes
        Their sizes.
    trees
        How each tree was written, and what differs from the source.
    objects
        Other objects that were copied; None if there were none.
    """

    archive: str
    target: str
    archive_bytes: int
    target_bytes: int
    trees: tuple[TreeReport, ...]
    objects: ObjectsReport | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def decompress(
    archive: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    rntuple: bool | None = None,
    compression: str = "zstd:5",
    skip_unwritable: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Turn an archive back into a ROOT file.

    Parameters
    ----------
    archive
        Path or URL.
    target
        The ROOT file; by default the archive's name without ``.hbal``.
    rntuple
        Write RNTuples, or TTrees; by default each tree as it was.
    compression
        ``zstd:5``, ``lzma:9``, ``lz4:4``, ``zlib:1`` or ``none``.
    skip_unwritable
        Leave out what the ROOT file cannot hold; the report names it.
    force
        Overwrite `target`.
    progress
        Called as ``(phase, done, total)``.

    Returns
    -------
    RestoreReport
        With every difference between the file and the source of the archive.

    Raises
    ------
    FormatError
        If the archive is damaged.
    UnwritableBranches
        If the ROOT file cannot hold some branches, trees or objects, unless `skip_unwritable`.
    OutputError
        If the target exists or cannot be written. No half-written file is left.
    """
    out = Path(target) if target is not None else root_name(str(archive))
    if out.exists() and Path(archive).exists() and out.samefile(archive):
        msg = f"the output {out} is the archive itself; choose another name with -o"
        raise OutputError(msg)
    check_target(out, overwrite=force)
    with open_archive(archive) as opened, RootWriter(out, compression=compression, rntuple=rntuple) as writer:
        # First, since objects can only be copied into the first 2 GB of a ROOT file.
        stored = opened.objects_file()
        objects = writer.write_objects(stored) if stored is not None else None
        if not skip_unwritable:
            _refuse_losses(writer, opened, objects)
        trees = [
            writer.write_tree(
                path,
                tree.title,
                tree.header.schema.branches,
                _clusters(tree, progress),
                tree.num_entries,
                same_as=tree.header.schema.same_as,
                kind=tree.header.schema.kind,
            )
            for path, tree in opened.trees.items()
        ]
        n_bytes = opened.reader.size
    return RestoreReport(str(archive), str(out), n_bytes, out.stat().st_size, tuple(trees), objects)


def root_name(archive: str) -> Path:
    """Where `archive` goes by default: ``events.root.hbal`` becomes ``events.root``."""
    name = archive.rstrip("/").rpartition("/")[2] if "://" in archive else archive
    bare = name.removesuffix(".hbal")
    if bare == name or not bare.endswith(".root"):
        bare += ".root"
    return Path(bare)


def _refuse_losses(writer: RootWriter, archive: Archive, objects: ObjectsReport | None) -> None:
    """Before the first page is decoded.

    Raises
    ------
    UnwritableBranches
        If something would not be in the file.
    """
    by_reason: dict[str, list[str]] = {}
    for path, classname, reason in objects.missing if objects is not None else ():
        by_reason.setdefault(f"objects, {reason}", []).append(f"{path} ({classname})")
    for path, tree in archive.trees.items():
        schema = tree.header.schema
        for obstacle in writer.obstacles(
            schema.branches, schema.same_as, one_cluster=tree.header.n_clusters <= 1, kind=schema.kind
        ):
            by_reason.setdefault(f"{path}, {obstacle.reason}", []).append(obstacle.branch)
        if not schema.branches:
            by_reason.setdefault("trees, since uproot writes none without branches", []).append(path)
    if by_reason:
        lost = sum(len(names) for names in by_reason.values())
        lines = [f"{reason}: {', '.join(names)}" for reason, names in by_reason.items()]
        kinds = {writer.kind_of(tree.header.schema.kind) for tree in archive.trees.values()}
        msg = (
            f"{archive.path}: {lost} branches or objects cannot be written to a ROOT file with a {' and a '.join(sorted(kinds)) or 'TTree'}; "
            "--skip-unwritable leaves them out:\n  " + "\n  ".join(lines)
        )
        raise UnwritableBranches(msg)


def _clusters(tree: Tree, progress: Progress | None) -> Iterator[Mapping[str, ak.Array]]:
    borders = tree.common_entry_offsets()
    names = tree.keys()
    for start, stop in pairwise(borders):
        yield tree.branch_arrays(names, start, stop)
        if progress is not None:
            progress("restore", stop, tree.num_entries)
