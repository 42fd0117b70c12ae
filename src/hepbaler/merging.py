"""`merge`: archives of the same kind one after the other, as hadd does with ROOT files, without decoding a page."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .archive import ARCHIVE_KIND, FEATURES, Archive
from .archive import open as open_archive
from .bounds import Choice
from .coding.plain import encode_bytes
from .container import ContainerWriter, check_target
from .errors import InputError, OutputError
from .header import TreeHeader
from .pipeline import writer_info
from .restoring import ObjectSum
from .segments import SEGMENTS_FEATURE, Segment, first_difference, segment_to_dict, weakest

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


@dataclass
class _MergedTree:
    """Segments of a tree that were written so far."""

    first: int
    segments: list[Segment] = field(default_factory=list)
    page_bytes: int = 0


class _Merged:
    """The archive that is being written."""

    def __init__(self, writer: ContainerWriter, common: _Common) -> None:
        self._writer = writer
        self._common = common
        self._trees = {path: _MergedTree(number) for number, path in enumerate(common.headers)}
        self._next = len(self._trees)
        self._sections: dict[bytes, str] = {}
        self._shared = 0

    def append(self, archive: Archive) -> Any:
        """Copy all pages of an archive; yields their bytes, cluster by cluster."""
        for path, tree in archive.trees.items():
            mine = self._trees[path]
            for segment in tree.segments:
                header = self._renamed(archive, segment.header)
                # Of an empty tree only the first is kept, if it stays alone, so that there is something to tell of.
                if header.schema.num_entries or not (mine.segments or self._common.entries[path]):
                    number = self._place(mine, header)
                    yield from self._copy(archive, segment, number, mine)

    def finish(self, paths: Sequence[str], left_out: Sequence[str]) -> MergeReport:
        """Write what the pages mean, and give the file its name."""
        common, writer = self._common, self._writer
        objects = [info for path, info in common.object_infos.items() if path not in common.objects.unmergeable]
        if objects:
            writer.add_section("objects", encode_bytes(common.objects.finish()))
        continued = any(len(tree.segments) > 1 for tree in self._trees.values())
        notes = [*common.notes, *common.objects.notes]
        meta = {
            "kind": ARCHIVE_KIND,
            "required_features": [
                word for word in FEATURES if (continued if word == SEGMENTS_FEATURE else word in common.features)
            ],
            "source": _joint_source(common.origins),
            "writer": writer_info(),
            "settings": {"merged": common.origins},
            "trees": self._headers(),
            "objects": objects,
            "notes": notes,
            "left_out": [*common.left_out, *left_out],
        }
        writer.finish(meta)
        trees = tuple(
            MergedTree(
                path,
                sum(segment.header.schema.num_entries for segment in tree.segments),
                sum(segment.header.n_clusters for segment in tree.segments),
                len(tree.segments),
                tree.page_bytes,
            )
            for path, tree in self._trees.items()
        )
        return MergeReport(
            tuple(paths),
            str(writer.path),
            common.source_bytes,
            writer.path.stat().st_size,
            trees,
            len(self._sections),
            self._shared,
            len(objects),
            tuple(notes),
            (*common.left_out, *left_out),
        )

    def _renamed(self, archive: Archive, header: TreeHeader) -> TreeHeader:
        """The header with models under the names that they have here; those that are new are written."""
        models = []
        for entry in header.models:
            content = archive.reader.section(entry.section)
            digest = hashlib.sha256(content).digest()
            if digest in self._sections:
                self._shared += 1
            else:
                self._sections[digest] = f"model/{len(self._sections)}"
                self._writer.add_section(self._sections[digest], content)
            models.append(replace(entry, section=self._sections[digest]))
        return replace(header, models=tuple(models))

    def _place(self, mine: _MergedTree, header: TreeHeader) -> int:
        """Number of the container's tree that takes the clusters of `header`, which are appended in its rows."""
        last = mine.segments[-1] if mine.segments else None
        if last is not None and _coded_alike(last.header, header):
            mine.segments[-1] = Segment(_appended(last.header, header), last.number)
            return last.number
        number = mine.first if last is None else self._next
        self._next += last is not None
        mine.segments.append(Segment(header, number))
        self._writer.add_tree(number, header.n_slots)
        return number

    def _copy(self, archive: Archive, segment: Segment, number: int, mine: _MergedTree) -> Any:
        slots = range(segment.header.n_slots)
        for cluster in range(segment.header.n_clusters):
            pages = archive.reader.pages(segment.number, [(cluster, slot) for slot in slots])
            self._writer.add_cluster(number, pages)
            size = sum(map(len, pages))
            mine.page_bytes += size
            yield size

    def _headers(self) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = [{}] * self._next
        for tree in self._trees.values():
            first, *others = tree.segments
            out[tree.first] = first.header.to_dict()
            for segment in others:
                out[segment.number] = segment_to_dict(segment.header, out[tree.first], tree.first)
        return out


def _coded_alike(one: TreeHeader, other: TreeHeader) -> bool:
    """Whether clusters of both can follow each other in one segment."""
    if one.n_slots != other.n_slots or one.models != other.models:
        return False
    return _fingerprint(one) == _fingerprint(other)


def _fingerprint(header: TreeHeader) -> str:
    told = header.to_dict()
    for of_the_file in ("num_entries", "borders", "rows", "title", "cycle"):
        del told[of_the_file]
    return json.dumps(told, sort_keys=True)


def _appended(one: TreeHeader, other: TreeHeader) -> TreeHeader:
    entries = one.schema.num_entries
    schema = replace(one.schema, num_entries=entries + other.schema.num_entries)
    borders = (*one.borders, *(entries + border for border in other.borders[1:]))
    rows = tuple((*a, *b) for a, b in zip(one.rows, other.rows, strict=True))
    return replace(one, schema=schema, borders=borders, rows=rows)


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
