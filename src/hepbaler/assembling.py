"""An archive put together from parts of others: which tree of the container a segment goes to, models stored once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from .archive import Archive
from .container import ContainerReader, ContainerWriter
from .header import TreeHeader
from .segments import Segment, segment_to_dict

__all__ = ("Assembly", "strange_sections")


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass
class _Tree:
    segments: list[Segment] = field(default_factory=list)
    page_bytes: int = 0


class Assembly:
    """Trees that are being written, segment by segment.

    Parameters
    ----------
    writer
        The container.
    n_trees
        How many trees there will be; they are numbered from 0.

    Attributes
    ----------
    models, models_shared
        Model sections that were written, and how often one was asked for that was there already.
    """

    def __init__(self, writer: ContainerWriter, n_trees: int) -> None:
        self._writer = writer
        self._trees = [_Tree() for _ in range(n_trees)]
        self._next = n_trees
        self._sections: dict[bytes, str] = {}
        self.models_shared = 0

    @property
    def models(self) -> int:
        """Number of model sections."""
        return len(self._sections)

    @property
    def continued(self) -> bool:
        """Whether any tree has more than one segment."""
        return any(len(tree.segments) > 1 for tree in self._trees)

    def segments(self, tree: int) -> list[Segment]:
        """Segments of a tree so far."""
        return self._trees[tree].segments

    def page_bytes(self, tree: int) -> int:
        """Bytes of a tree's pages so far."""
        return self._trees[tree].page_bytes

    def model(self, content: bytes, kind: str = "model") -> str:
        """Name of the section with this model, or this decoder of latents; it is written if it is new."""
        digest = hashlib.sha256(content).digest()
        if digest in self._sections:
            self.models_shared += 1
        else:
            self._sections[digest] = f"{kind}/{len(self._sections)}"
            self._writer.add_section(self._sections[digest], content)
        return self._sections[digest]

    def begin(self, tree: int, header: TreeHeader) -> int:
        """Make room for a segment.

        Parameters
        ----------
        tree
            Number of the tree.
        header
            Of the segment; its models have the names of `model`.

        Returns
        -------
        The container's tree that takes its pages: that of the segment before, if both were coded alike.
        """
        segments = self._trees[tree].segments
        if segments and _coded_alike(segments[-1].header, header):
            segments[-1] = Segment(_appended(segments[-1].header, header), segments[-1].number)
            return segments[-1].number
        number = self._next if segments else tree
        self._next += bool(segments)
        segments.append(Segment(header, number))
        self._writer.add_tree(number, header.n_slots)
        return number

    def extend(self, tree: int, header: TreeHeader) -> None:
        """Tell of clusters that were written since the last segment of a tree began; `header` has them alone."""
        segments = self._trees[tree].segments
        segments[-1] = Segment(_appended(segments[-1].header, header), segments[-1].number)

    def add_cluster(self, tree: int, number: int, pages: list[bytes]) -> int:
        """Write a cluster of a segment that began; gives its bytes."""
        self._writer.add_cluster(number, pages)
        size = sum(map(len, pages))
        self._trees[tree].page_bytes += size
        return size

    def copy(self, tree: int, segment: Segment, reader: ContainerReader) -> Any:
        """Copy a segment page by page; yields the bytes of each cluster."""
        header = segment.header
        models = tuple(replace(one, section=self.model(reader.section(one.section))) for one in header.models)
        autoencoders = tuple(
            replace(one, section=self.model(reader.section(one.section), "autoencoder")) for one in header.autoencoders
        )
        number = self.begin(tree, replace(header, models=models, autoencoders=autoencoders))
        for cluster in range(header.n_clusters):
            pages = reader.pages(segment.number, [(cluster, slot) for slot in range(header.n_slots)])
            yield self.add_cluster(tree, number, pages)

    def headers(self) -> list[dict[str, Any]]:
        """What META says of the trees."""
        out: list[dict[str, Any]] = [{}] * self._next
        for tree in self._trees:
            first, *others = tree.segments
            out[first.number] = first.header.to_dict()
            for segment in others:
                out[segment.number] = segment_to_dict(segment.header, out[first.number], first.number)
        return out


def strange_sections(archive: Archive) -> list[str]:
    """Sections that are neither models of the trees nor other objects, so that an `Assembly` would lose them."""
    models = {
        name
        for tree in archive.trees.values()
        for segment in tree.segments
        for name in (
            *(one.section for one in segment.header.models),
            *(one.section for one in segment.header.autoencoders),
        )
    }
    return [name for name in archive.reader.section_names if name not in models and name != "objects"]


def _coded_alike(one: TreeHeader, other: TreeHeader) -> bool:
    """Whether clusters of both can follow each other in one segment."""
    if one.n_slots != other.n_slots or one.models != other.models or one.autoencoders != other.autoencoders:
        return False
    return _told(one) == _told(other)


def _told(header: TreeHeader) -> str:
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
