"""What `hepbaler.open` returns: an archive, read as uproot reads a ROOT file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .coding.plain import decode_bytes
from .container import ContainerReader
from .errors import ColumnNotFound, CorruptFile, InputError, UnsupportedFeature
from .filters import Filter, chooser
from .required import FEATURES
from .segments import segments_from_list
from .tree import Tree

if TYPE_CHECKING:
    import os

__all__ = ("ARCHIVE_KIND", "Archive", "Directory", "open", "open_archive")

ARCHIVE_KIND = "archive"
_SUFFIX = ".hbal"


def __dir__() -> tuple[str, ...]:
    return __all__


def open(path: str | os.PathLike[str] | bytes | Mapping[Any, str | None], **storage_options: Any) -> Any:
    """Open an archive for reading, or a tree of it.

    Parameters
    ----------
    path
        A file, any URL that fsspec understands, or the bytes themselves. As in uproot, ``"events.root.hbal:Events"``
        and ``{"events.root.hbal": "Events"}`` name a tree.
    storage_options
        Given to fsspec.

    Returns
    -------
    Archive, or the `hepbaler.tree.Tree` that is named
        Use it as a context manager or call its ``close``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ColumnNotFound
        If the archive has no such tree.
    FormatError
        If it is not an archive, or is damaged, or needs a newer hepbaler.

    Examples
    --------
    >>> with hepbaler.open("events.root.hbal") as archive:  # doctest: +SKIP
    ...     jets = archive["Events"].arrays(filter_name="Jet_*", entry_stop=1000)
    """
    file, tree = _file_and_tree(path)
    archive = open_archive(file, **storage_options)
    if tree is None:
        return archive
    try:
        return archive[tree]
    except ColumnNotFound:
        archive.close()
        raise


def _file_and_tree(
    path: str | os.PathLike[str] | bytes | Mapping[Any, str | None],
) -> tuple[str | os.PathLike[str] | bytes, str | None]:
    if isinstance(path, Mapping):
        if len(path) != 1:
            msg = f"open takes one file, not {len(path)}; hepbaler.iterate and hepbaler.concatenate take many"
            raise InputError(msg)
        return next(iter(path.items()))
    if isinstance(path, str) and not Path(path).exists():
        file, colon, tree = path.rpartition(f"{_SUFFIX}:")
        return (file + _SUFFIX, tree) if colon else (path, None)
    return path, None


def open_archive(path: str | os.PathLike[str] | bytes, **storage_options: Any) -> Archive:
    """Open an archive, and not a tree of it; everything else as in `open`."""
    return Archive(ContainerReader(path, storage_options or None, features=FEATURES))


class Directory(Mapping[str, Any]):
    """A directory of an archive: its trees, objects and directories by their path from here.

    Parameters
    ----------
    archive
        Where it is.
    path
        Of the directory in it; empty for the archive itself.
    """

    def __init__(self, archive: Archive, path: str) -> None:
        self._archive = archive
        self._path = path

    @property
    def object_path(self) -> str:
        """Path in the archive."""
        return self._path

    def classnames(
        self,
        *,
        recursive: bool = True,
        cycle: bool = False,
        filter_name: Filter = None,
        filter_classname: Filter = None,
    ) -> dict[str, str]:
        """Class of everything in it, by path.

        Parameters
        ----------
        recursive
            False to leave out what is in directories of this one.
        cycle
            True for ``Events;1`` instead of ``Events``. An archive holds the newest cycle only.
        filter_name, filter_classname
            On path and class, as in `hepbaler.tree.Tree.arrays`.
        """
        by_name, by_class = chooser(filter_name), chooser(filter_classname)
        start = f"{self._path}/" if self._path else ""
        found = {
            path.removeprefix(start): name for path, name in self._archive._all().items() if path.startswith(start)
        }
        return {
            f"{path};1" if cycle else path: name
            for path, name in found.items()
            if (recursive or "/" not in path) and by_name(path) and by_class(name)
        }

    def keys(self, **filters: Any) -> list[str]:  # type: ignore[override]  # a list, as uproot's, not a view
        """Paths of everything in it; parameters as for `classnames`."""
        return list(self.classnames(**filters))

    def __getitem__(self, path: str) -> Any:
        """As `Archive.__getitem__`, the path from here."""
        return self._archive[f"{self._path}/{path}"]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and path.partition(";")[0].strip("/") in self.classnames()

    def __iter__(self) -> Iterator[str]:
        return iter(self.classnames())

    def __len__(self) -> int:
        return len(self.classnames())

    def __repr__(self) -> str:
        return f"<Directory {self._path!r} of {self._archive.path!r}>"


class Archive(Directory):
    """An open archive: trees by their path, and the other objects of the ROOT file.

    Parameters
    ----------
    reader
        The container.
    """

    def __init__(self, reader: ContainerReader) -> None:
        super().__init__(self, "")
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

    def _all(self) -> dict[str, str]:
        """Class of every tree, object and directory, by path."""
        classes = {"RNTuple": "ROOT::RNTuple"}
        return {path: classes.get(tree.kind, tree.kind) for path, tree in self._trees.items()} | self._objects()

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
        """A `Tree`, a branch of one (``"Events/Jet_pt"``), a `Directory`, or another object as uproot reads it."""
        plain = path.partition(";")[0].strip("/")
        if plain in self._trees:
            return self._trees[plain]
        classname = self._objects().get(plain)
        if classname == "TDirectory":
            return Directory(self, plain)
        if classname is not None:
            return self._object(plain)
        for tree in self._trees:
            if plain.startswith(f"{tree}/"):
                return self._trees[tree][plain.removeprefix(f"{tree}/")]
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
