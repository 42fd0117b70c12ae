"""`RootWriter`: a ROOT file that appears under its name when it is complete, and not before."""

from __future__ import annotations

import contextlib
import os
import uuid
from itertools import chain
from typing import TYPE_CHECKING, Any

import uproot

from hepbaler.errors import HepbalerError, OutputError
from hepbaler.restoring.compression import parse_compression
from hepbaler.restoring.ntuples import NTupleSink, plan_fields
from hepbaler.restoring.objects import copy_objects
from hepbaler.restoring.plan import basket_sized, common_length, plan_tree
from hepbaler.restoring.report import Difference, ObjectsReport, TreeReport
from hepbaler.restoring.settling import Settled, settle_objects
from hepbaler.restoring.trees import TreeSink
from hepbaler.temporaries import temporary_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Literal, Self

    import awkward as ak

    from hepbaler.restoring.bytestreams import Stream
    from hepbaler.restoring.plan import TreePlan
    from hepbaler.table import Branch

    Kind = Literal["TTree", "RNTuple"]

__all__ = ("RootWriter",)


def __dir__() -> tuple[str, ...]:
    return __all__


class RootWriter:
    """Write a ROOT file from arrays; a context manager.

    The file is written under a temporary name beside the target and renamed when the block ends. Whatever exception
    leaves the block, Ctrl-C too, removes the temporary file and leaves the target as it was.

    Parameters
    ----------
    target
        Path of the file. One that exists is replaced.
    compression
        Of the baskets, as `parse_compression` reads it. Objects keep the compression that they have.
    rntuple
        Write RNTuples, or TTrees; by default each tree as it was.

    Raises
    ------
    InputError
        If the compression does not exist.
    OutputError
        On entering and leaving, if the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import awkward as ak
    >>> from hepbaler.table import Branch, Values
    >>> met = Branch("MET_pt", "float", "missing momentum", Values("float64", "MET_pt"))
    >>> with TemporaryDirectory() as folder, RootWriter(Path(folder) / "back.root") as writer:
    ...     report = writer.write_tree("Events", "", [met], [{"MET_pt": ak.Array([20.5, 31.25])}], 2)
    >>> report.differences[0].restored
    'double'
    """

    def __init__(self, target: Path, *, compression: str = "zstd:5", rntuple: bool | None = None) -> None:
        self._target = target
        self._compression = parse_compression(compression)
        self._rntuple = rntuple
        self._temporary = temporary_beside(target)
        self._root: Any = None
        self._mini_root: bytes | None = None
        self._settlements: dict[tuple[Branch, ...], Settled] = {}

    def __enter__(self) -> Self:
        with self._writing():
            file = self._temporary.open("x+b")
        try:
            with self._writing():
                # uproot would take its own look at a path (protocols, colons), but takes an open file as it is
                self._root = uproot.recreate(file, compression=self._compression, uuid_function=uuid.uuid4)
        except BaseException:
            file.close()
            self._temporary.unlink(missing_ok=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with self._writing():
                    self._root.close()
                    _sync(self._temporary)
                    self._temporary.replace(self._target)
                    _sync_folder(self._target.parent)
        finally:
            # what is left to flush after an error goes nowhere anyway
            with contextlib.suppress(OSError):
                self._root.close()
            self._temporary.unlink(missing_ok=True)

    def obstacles(
        self, branches: Sequence[Branch], same_as: Mapping[str, str], *, one_cluster: bool, kind: Kind = "TTree"
    ) -> tuple[Difference, ...]:
        """Those branches, or parts of them, that `write_tree` would leave out; told from their layouts alone.

        Parameters
        ----------
        branches, same_as
            As for `write_tree`.
        one_cluster
            Whether all entries come at once.
        kind
            What the tree was.
        """
        if self.kind_of(kind) == "RNTuple":
            _, differences = plan_fields(branches, one_cluster=one_cluster)
        else:
            settled = self._settled(branches, same_as)
            differences = plan_tree(branches, same_as, objects=settled.objects).differences
        return tuple(difference for difference in differences if difference.kind == "missing")

    def write_tree(
        self,
        path: str,
        title: str,
        branches: Sequence[Branch],
        clusters: Iterable[Mapping[str, ak.Array]],
        num_entries: int,
        *,
        same_as: Mapping[str, str] | None = None,
        kind: Kind = "TTree",
    ) -> TreeReport:
        """Write a tree, cluster by cluster; no more than one cluster is held.

        Parameters
        ----------
        path
            Directories and name, without cycle: ``Events``, ``one/two/tree``.
        title
            Of the tree.
        branches
            In the order wanted.
        clusters
            Branch name -> array, for consecutive entries. Each becomes one basket a branch (several where one would be
            too large).
        num_entries
            Of all clusters together.
        same_as
            Columns known to hold the same values, as in `hepbaler.table.TreeSchema`: proof of which branch tells the
            counts of which lists. Without it the branches' own `Branch.count_branch` is believed until the values
            contradict it.
        kind
            What the tree was.

        Returns
        -------
        TreeReport
            With everything in which the tree is not as it was.

        Raises
        ------
        OutputError
            If the file cannot be written, or the clusters do not hold what was announced.
        """
        folder, _, name = path.strip("/").rpartition("/")
        write = self._write_rntuple if self.kind_of(kind) == "RNTuple" else self._write_ttree
        with self._writing():
            directory = self._directory(folder)
        report = write(directory, path.strip("/"), name, title, branches, clusters, num_entries, same_as or {})
        if report.not_written is None and report.num_entries != num_entries:
            msg = f"the clusters of {path!r} held {report.num_entries} entries, but {num_entries} were announced"
            raise OutputError(msg)
        return report

    def write_objects(self, mini_root: bytes) -> ObjectsReport:
        """Copy all objects besides trees out of a ROOT file in memory, with their directories.

        Best before the trees: they can only be copied into the first 2 GB of the file.

        Parameters
        ----------
        mini_root
            The bytes of the file.

        Returns
        -------
        ObjectsReport
            What was copied, and what could not be, and why.

        Raises
        ------
        InputError
            If `mini_root` is not a ROOT file.
        OutputError
            If the file cannot be written.
        """
        self._mini_root = mini_root
        with self._writing():
            return copy_objects(self._root, mini_root, end=self._temporary.stat().st_size)

    def kind_of(self, kind: Kind) -> Kind:
        """What a tree that was of this kind becomes."""
        if self._rntuple is None:
            return kind
        return "RNTuple" if self._rntuple else "TTree"

    def _settled(self, branches: Sequence[Branch], same_as: Mapping[str, str]) -> Settled:
        """Which branches of a tree are written as objects; asked for before the tree is written, and again then."""
        key = tuple(branches)
        if key not in self._settlements:
            self._settlements[key] = settle_objects(branches, same_as, self._mini_root)
        return self._settlements[key]

    def _directory(self, folder: str) -> Any:
        if not folder:
            return self._root
        try:
            return self._root.mkdir(folder)
        except TypeError as error:
            msg = f"{self._target} cannot get a directory {folder!r}: an object of that name is in the file"
            raise OutputError(msg) from error

    def _write_ttree(
        self,
        directory: Any,
        path: str,
        name: str,
        title: str,
        branches: Sequence[Branch],
        clusters: Iterable[Mapping[str, ak.Array]],
        num_entries: int,
        same_as: Mapping[str, str],
    ) -> TreeReport:
        settled = self._settled(branches, same_as)
        plan = plan_tree(branches, same_as, objects=settled.objects)
        if not plan.leaves:
            return _not_written("TTree", path, plan.differences)
        sink: TreeSink | None = None
        extents: list[int] = []
        for values in _values(plan, clusters):
            strangers = plan.strangers(values)
            if strangers:
                plan = plan.without(strangers)
                if sink is not None:
                    with self._writing():
                        sink = self._write_again(plan, settled.streams, directory, path, name, title, extents)
            with self._writing():
                if sink is None:
                    rows = common_length(values)
                    sink = TreeSink(
                        directory,
                        name,
                        title,
                        plan.leaves,
                        plan.groups,
                        baskets=-(-num_entries // rows),
                        streams=settled.streams,
                    )
                sink.extend(values)
            extents.append(common_length(values))
        if sink is None:
            with self._writing():
                sink = TreeSink(directory, name, title, plan.leaves, plan.groups, baskets=1)
        differences = plan.differences
        if not sink.titles_kept:
            lost = [
                branch for branch in branches if any(leaf.branch == branch.name and leaf.title for leaf in plan.leaves)
            ]
            reason = "this version of uproot writes no titles"
            differences += tuple(Difference(branch.name, "title", branch.title, "", reason) for branch in lost)
        return TreeReport(path, "TTree", sum(extents), sink.branches, differences)

    def _write_again(
        self,
        plan: TreePlan,
        streams: Mapping[str, Stream],
        directory: Any,
        path: str,
        name: str,
        title: str,
        extents: Sequence[int],
    ) -> TreeSink:
        """Start a tree again with another plan, from what is in the file already.

        The baskets of the first attempt stay as unused bytes: the price of a counter that lies late in a file.
        """
        self._root.file.sink.flush()
        with uproot.open({self._temporary: None}) as written:
            old = written[path]
            del directory[name]
            sink = TreeSink(directory, name, title, plan.leaves, plan.groups, baskets=len(extents) + 8, streams=streams)
            start = 0
            for rows in extents:
                sink.extend(plan.read_back(old, start, start + rows))
                start += rows
        return sink

    def _write_rntuple(
        self,
        directory: Any,
        path: str,
        name: str,
        title: str,
        branches: Sequence[Branch],
        clusters: Iterable[Mapping[str, ak.Array]],
        num_entries: int,
        same_as: Mapping[str, str],  # noqa: ARG002  (an RNTuple has no counters)
    ) -> TreeReport:
        coming = iter(clusters)
        first = next(coming, None)
        whole = first is None or all(len(array) == num_entries for array in first.values())
        fields, differences = plan_fields(branches, one_cluster=whole)
        if not fields:
            return _not_written("RNTuple", path, differences)
        with self._writing():
            sink = NTupleSink(directory, name, title, fields)
        total = 0
        for cluster in chain([] if first is None else [first], coming):
            values = sink.values(cluster)
            rows = common_length(values)
            if rows:
                with self._writing():
                    sink.extend(values)
            total += rows
        return TreeReport(path, "RNTuple", total, sink.branches, differences)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what the operating system says into an error that names the target."""
        try:
            yield
        except HepbalerError:
            raise
        except OSError as error:
            msg = f"cannot write {self._target}: {error.strerror or error}"
            raise OutputError(msg) from error


def _values(plan: TreePlan, clusters: Iterable[Mapping[str, ak.Array]]) -> Iterator[dict[str, Any]]:
    for cluster in clusters:
        # the leaves are the same in every plan for these branches, only their counters change
        yield from basket_sized(plan.values(cluster))


def _not_written(kind: Any, path: str, differences: tuple[Difference, ...]) -> TreeReport:
    reason = f"it has no branch that could be written, and uproot writes no {kind} without branches"
    return TreeReport(path, kind, 0, (), differences, reason)


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the rename last; a system that cannot open folders does it by itself."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
