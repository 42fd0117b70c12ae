"""`merge`: archives of the same kind one after the other, as hadd does with ROOT files, without decoding a page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .archive import ARCHIVE_KIND, Archive, open_archive
from .assembling import Assembly, strange_sections
from .bounds import Choice
from .coding.plain import encode_bytes
from .container import ContainerWriter, check_target
from .errors import InputError, OutputError
from .header import TreeHeader
from .pipeline import writer_info
from .required import FEATURES
from .restoring import ObjectSum
from .segments import SEGMENTS_FEATURE, first_difference, weakest

__all__ = ("MergeReport", "MergedTree", "merge")

Progress = Callable[[str, int, int], None]


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class MergedTree:
    """A tree of a merged archive.

    Attributes
    ----------
    path
        Directory and name.
    entries
        Of all inputs together.
    clusters, segments
        Clusters, and in how many segments they lie: neighbours that were coded alike share one.
    page_bytes
        What was copied.
    """

    path: str
    entries: int
    clusters: int
    segments: int
    page_bytes: int


@dataclass(frozen=True)
class MergeReport:
    """What `merge` did.

    Attributes
    ----------
    sources, target
        Paths.
    source_bytes, archive_bytes
        Sizes of all inputs together, and of the result.
    trees
        One a tree.
    models, models_shared
        Models in the result, and models of inputs that were there already.
    objects
        Other objects, histograms added up.
    notes, left_out
        What the reader should know; objects that could not be added, and why.
    """

    sources: tuple[str, ...]
    target: str
    source_bytes: int
    archive_bytes: int
    trees: tuple[MergedTree, ...]
    models: int
    models_shared: int
    objects: int
    notes: tuple[str, ...]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def merge(
    target: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]],
    *,
    skip_unmergeable: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> MergeReport:
    """Put archives together: the entries of each tree one after the other, histograms added.

    Pages are copied as they are, so every value is the one that the input gives, and the bound that held for it
    still holds. Archives that were coded with one model (``compress --model``) share it in the result; others keep theirs.

    Parameters
    ----------
    target
        The archive to write.
    sources
        Archives with the same trees and branches, paths or URLs.
    skip_unmergeable
        Leave out objects that differ and cannot be added instead of raising.
    force
        Overwrite `target`.
    progress
        Called as ``("merge", bytes done, bytes in all)``.

    Raises
    ------
    InputError
        If trees, branches or types differ, naming the first difference; or if objects differ and cannot be added.
    FormatError
        If an input is damaged.
    OutputError
        If the target exists, is an input, or cannot be written. No half-written file is left.

    Examples
    --------
    >>> hepbaler.merge("all.hbal", ["one.root.hbal", "two.root.hbal"])  # doctest: +SKIP
    """
    paths = [os.fspath(source) for source in sources]
    out = Path(target)
    if not paths:
        msg = "there is nothing to merge: name at least one archive"
        raise InputError(msg)
    for path in paths:
        if out.exists() and Path(path).exists() and out.samefile(path):
            msg = f"the output {out} is one of the inputs; the output comes first, as with hadd, or behind -o"
            raise OutputError(msg)
    check_target(out, overwrite=force)
    common = _Common()
    for path in paths:
        with open_archive(path) as archive:
            common.look_at(path, archive)
    left_out = list(common.objects.unmergeable.values())
    if left_out and not skip_unmergeable:
        msg = f"{left_out[0]}: it cannot be added" + (f", nor can {len(left_out) - 1} others" if left_out[1:] else "")
        msg += "; --skip-unmergeable leaves such objects out"
        raise InputError(msg)
    with ContainerWriter(out, overwrite=force) as writer:
        merged = _Merged(writer, common)
        done = 0
        for path, fingerprint in zip(paths, common.fingerprints, strict=True):
            with open_archive(path) as archive:
                if archive.reader.fingerprint != fingerprint:
                    msg = f"{path} changed while it was merged"
                    raise InputError(msg)
                for size in merged.append(archive):
                    done += size
                    if progress is not None:
                        progress("merge", done, common.page_bytes)
        return merged.finish(paths, left_out)


class _Common:
    """What a first look at all inputs tells: that they go together, and what they hold besides pages."""

    def __init__(self) -> None:
        self.fingerprints: list[bytes] = []
        self.headers: dict[str, TreeHeader] = {}
        self.entries: dict[str, int] = {}
        self.objects = ObjectSum()
        self.object_infos: dict[str, dict[str, Any]] = {}
        self.origins: list[dict[str, Any]] = []
        self.features: dict[str, None] = {}
        self.notes: dict[str, None] = {}
        self.left_out: dict[str, None] = {}
        self.source_bytes = 0
        self.page_bytes = 0
        self._choices: dict[tuple[str, str], Choice] = {}
        self._first = ""

    def look_at(self, path: str, archive: Archive) -> None:
        """Take in one input."""
        meta = archive.meta
        self._first = self._first or path
        strange = strange_sections(archive)
        if strange:
            msg = f"{path} is coded in a way that cannot be merged ({strange[0]}): decompress it, and compress it again"
            raise InputError(msg)
        self._compare_trees(path, archive)
        for tree in archive.trees.values():
            self.entries[tree.object_path] = self.entries.get(tree.object_path, 0) + tree.num_entries
            for key, choice in tree.header.choices.items():
                self._weaken(path, tree.object_path, key, choice)
        stored = archive.objects_file()
        if stored is not None:
            self.objects.add(path, stored)
        for info in _dicts(meta.get("objects")):
            self.object_infos.setdefault(str(info.get("path")), info)
        settings = meta.get("settings")
        merged = settings.get("merged") if isinstance(settings, dict) else None
        self.origins += _dicts(merged) or [{"source": meta.get("source"), "settings": settings}]
        self.features |= dict.fromkeys(meta.get("required_features", ()))
        self.notes |= dict.fromkeys(_texts(meta.get("notes")))
        self.left_out |= dict.fromkeys(_texts(meta.get("left_out")))
        self.fingerprints.append(archive.reader.fingerprint)
        self.source_bytes += archive.reader.size
        self.page_bytes += sum(size for part, size in archive.reader.bytes_by_part().items() if part[:5] == "tree:")

    def _compare_trees(self, path: str, archive: Archive) -> None:
        if not self.headers:
            self.headers = {name: tree.segments[0].header for name, tree in archive.trees.items()}
            return
        for name in (*self.headers, *archive.trees):
            if name not in archive.trees or name not in self.headers:
                has, lacks = (self._first, path) if name in self.headers else (path, self._first)
                msg = f"{lacks} has no tree {name!r}, which {has} holds: they cannot be merged"
                raise InputError(msg)
            schema, other = self.headers[name].schema, archive.trees[name].header.schema
            different = first_difference(schema.branches, other.branches)
            if different is None and schema.kind != other.kind:
                different = f"it is of kind {other.kind} instead of {schema.kind}"
            if different is not None:
                msg = f"tree {name!r} of {path} is not that of {self._first}: {different}"
                raise InputError(msg)

    def _weaken(self, path: str, tree: str, key: str, choice: Choice) -> None:
        before = self._choices.setdefault((tree, key), choice)
        weaker = weakest([before, choice])
        if weaker is None:
            msg = (
                f"column {key!r} of tree {tree!r} is bounded by {choice.bound} in {path} and by {before.bound} before: "
                "no one promise would hold for the whole; compress again with the same kind of bound"
            )
            raise InputError(msg)
        self._choices[tree, key] = weaker


class _Merged:
    """The archive that is being written."""

    def __init__(self, writer: ContainerWriter, common: _Common) -> None:
        self._writer = writer
        self._common = common
        self._numbers = {path: number for number, path in enumerate(common.headers)}
        self._assembly = Assembly(writer, len(self._numbers))

    def append(self, archive: Archive) -> Iterator[int]:
        """Copy all pages of an archive; yields their bytes, cluster by cluster."""
        for path, tree in archive.trees.items():
            number = self._numbers[path]
            for segment in tree.segments:
                # Of empty trees one is kept if there is nothing else, so that there is something to tell of.
                alone = not self._common.entries[path] and not self._assembly.segments(number)
                if segment.header.schema.num_entries or alone:
                    yield from self._assembly.copy(number, segment, archive.reader)

    def finish(self, paths: Sequence[str], left_out: Sequence[str]) -> MergeReport:
        """Write what the pages mean, and give the file its name."""
        common, writer, assembly = self._common, self._writer, self._assembly
        objects = [info for path, info in common.object_infos.items() if path not in common.objects.unmergeable]
        if common.objects.holds_something:
            writer.add_section("objects", encode_bytes(common.objects.finish()))
        notes = (*common.notes, *common.objects.notes)
        left_out = (*common.left_out, *left_out)
        words = [*common.features, *([SEGMENTS_FEATURE] if assembly.continued else [])]
        meta = {
            "kind": ARCHIVE_KIND,
            "required_features": [word for word in FEATURES if word in words],
            "source": _joint_source(common.origins),
            "writer": writer_info(),
            "settings": {"merged": common.origins},
            "trees": assembly.headers(),
            "objects": objects,
            "notes": list(notes),
            "left_out": list(left_out),
        }
        writer.finish(meta)
        trees = tuple(self._told(path, number) for path, number in self._numbers.items())
        return MergeReport(
            tuple(paths),
            str(writer.path),
            common.source_bytes,
            writer.path.stat().st_size,
            trees,
            assembly.models,
            assembly.models_shared,
            len(objects),
            notes,
            left_out,
        )

    def _told(self, path: str, number: int) -> MergedTree:
        headers = [segment.header for segment in self._assembly.segments(number)]
        entries = sum(header.schema.num_entries for header in headers)
        clusters = sum(header.n_clusters for header in headers)
        return MergedTree(path, entries, clusters, len(headers), self._assembly.page_bytes(number))


def _joint_source(origins: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sources = [origin["source"] for origin in origins if isinstance(origin.get("source"), dict)]
    if len(sources) == 1:
        return dict(sources[0])
    sizes = [source["bytes"] for source in sources if isinstance(source.get("bytes"), int)]
    return {"name": f"{len(origins)} files", "bytes": sum(sizes)}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
