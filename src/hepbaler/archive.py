"""What `hepbaler.open` returns: an archive, read as uproot reads a ROOT file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .coding.plain import decode_bytes
from .container import ContainerReader
from .errors import ColumnNotFound, CorruptFile, UnsupportedFeature
from .filters import Filter
from .required import FEATURES
from .segments import segments_from_list
from .tree import Tree

if TYPE_CHECKING:
    import os

__all__ = ("ARCHIVE_KIND", "Archive", "open")

ARCHIVE_KIND = "archive"


def __dir__() -> tuple[str, ...]:
    return __all__


def open(path: str | os.PathLike[str] | bytes, **storage_options: Any) -> Archive:
    """Open an archive for reading.

    Parameters
    ----------
    path
        A file, any URL that fsspec understands, or the bytes themselves.
    storage_options
        Given to fsspec.

    Returns
    -------
    Archive
        Use it as a context manager or call `Archive.close`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is not an archive, or is damaged, or needs a newer hepbaler.

    Examples
    --------
    >>> with hepbaler.open("events.root.hbal") as archive:  # doctest: +SKIP
    ...     jets = archive["Events"].arrays(filter_name="Jet_*", entry_stop=1000)
    """
    return Archive(ContainerReader(path, storage_options or None, features=FEATURES))


class Archive(Mapping[str, Any]):
    """An open archive: trees by their path, and the other objects of the ROOT file.

    Parameters
    ----------
    reader
        The container.
    """

    def __init__(self, reader: ContainerReader) -> None:
        self._reader = reader
        meta = reader.meta
        kind = meta.get("kind")
        if kind != ARCHIVE_KIND:
            msg = f"{reader.name} holds a {kind!r}, not an archive of ROOT trees"
            raise UnsupportedFeature(msg)
        trees = meta.get("trees")
        if not isinstance(trees, list) or len(trees) != len(reader.trees):
            msg = f"{reader.name}: the header does not describe every tree"
            raise CorruptFile(msg, section="meta")
        self._trees: dict[str, Tree] = {}
        for segments in segments_from_list(trees):
            for header, number in ((segment.header, segment.number) for segment in segments):
                if reader.trees[number] != (header.n_clusters, header.n_slots):
                    msg = f"{reader.name}: the pages of tree {header.schema.path!r} do not fit its header"
                    raise CorruptFile(msg, section="meta", expected=header.n_slots, found=reader.trees[number])
            tree = Tree(segments, reader)
            self._trees[tree.object_path] = tree

    @property
    def path(self) -> str:
        """Where the archive was opened."""
        return str(self._reader.name)

    @property
    def trees(self) -> dict[str, Tree]:
        """Trees by path, without cycle."""
        return dict(self._trees)

    @property
    def meta(self) -> Mapping[str, Any]:
        """The header as it is stored."""
        meta: Mapping[str, Any] = self._reader.meta
        return meta

    @property
    def reader(self) -> ContainerReader:
        """The container behind it."""
        return self._reader

    def classnames(self) -> dict[str, str]:
        """Class of every tree and object, by path."""
        return {path: tree.kind for path, tree in self._trees.items()} | self._objects()

    def _objects(self) -> dict[str, str]:
        objects = self._reader.meta.get("objects")
        if not isinstance(objects, list):
            return {}
        return {
            str(o["path"]): str(o["classname"])
            for o in objects
            if isinstance(o, dict) and {"path", "classname"} <= o.keys()
        }

    def objects_file(self) -> bytes | None:
        """A ROOT file with everything that is not a tree, or None if there was nothing else."""
        if "objects" not in self._reader.section_names:
            return None
        return decode_bytes(self._reader.section("objects"))

    def __getitem__(self, path: str) -> Any:
        """A `Tree`, or another object of the ROOT file as uproot reads it."""
        plain = path.split(";", maxsplit=1)[0].strip("/")
        if plain in self._trees:
            return self._trees[plain]
        if plain in self._objects():
            return self._object(plain)
        known = [*self._trees, *self._objects()]
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.3) or known[:5]
        msg = f"{plain!r} not found in {self.path}; it holds: {', '.join(map(repr, near))}"
        raise ColumnNotFound(msg)

    def _object(self, path: str) -> Any:
        import io

        import uproot

        stored = self.objects_file()
        if stored is None:
            msg = f"{self.path} names the object {path!r} but does not hold it"
            raise CorruptFile(msg, section="objects")
        return uproot.open(io.BytesIO(stored))[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.classnames())

    def __len__(self) -> int:
        return len(self.classnames())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def info(self) -> dict[str, Any]:
        """Everything that `hepbaler info` shows, as plain data.

        Returns
        -------
        dict
            ``bytes`` by part, ``ratio`` against the source and against raw arrays, ``source``, ``writer``,
            ``settings``, ``trees`` with their tables and columns (bound, grid, coder, bytes), ``objects``, ``notes``.
        """
        from .describing import describe

        return describe(self)

    def trace(
        self, filter_name: Filter, *, entry_start: int | None = None, entry_stop: int | None = None
    ) -> dict[str, Any]:
        """Read some branches, and tell what was decoded for them.

        Parameters
        ----------
        filter_name
            Branches of all trees, as in `hepbaler.tree.Tree.keys`.
        entry_start, entry_stop
            Entry range of each tree, as in a slice.

        Returns
        -------
        dict
            What ``hepbaler info --trace --json`` prints: ``requests`` to the storage, and ``trees`` with the columns
            that were decoded, why, and how many pages and bytes they took.

        Raises
        ------
        ColumnNotFound
            If no branch of any tree is chosen.
        CorruptFile
            If a page is damaged.
        """
        from .tracing import trace

        return trace(self, filter_name, entry_start, entry_stop)

    def __repr__(self) -> str:
        return f"<Archive {self.path!r} with {', '.join(self._trees) or 'no trees'}>"
