"""Objects of several files made one: histograms are added, as hadd does, and what is equal everywhere is kept once."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from hepbaler.errors import InputError
from hepbaler.restoring.objects import DIRECTORIES, copy_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ("ObjectSum",)


def __dir__() -> tuple[str, ...]:
    return __all__


_HISTOGRAM = re.compile(r"TH[123][CSILFD]|TProfile[23]?D?")
# Texts say how a file was made: where they differ, the first one's are kept.
_TEXTS = frozenset({"TObjString", "TNamed"})
_ADDED = frozenset(
    {
        "fEntries",
        *(f"fTsumw{of}" for of in ("", "2", "x", "x2", "y", "y2", "xy", "z", "z2", "xz", "yz", "t", "t2")),
    }
)
_AXES = ("fXaxis", "fYaxis", "fZaxis")
_EDGES = ("fNbins", "fXmin", "fXmax")


class ObjectSum:
    """Adds up what files hold besides trees.

    Attributes
    ----------
    notes
        Texts that differ, and are the first file's.
    unmergeable
        Objects that differ and cannot be added, with the reason; they are in the result as in the first file.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.unmergeable: dict[str, str] = {}
        self._files: list[bytes] = []
        self._home: dict[str, tuple[int, str]] = {}
        self._sums: dict[str, Any] = {}

    @property
    def holds_something(self) -> bool:
        """Whether any file was added: one without objects may have streamers."""
        return bool(self._files)

    def add(self, name: str, mini_root: bytes) -> None:
        """Add the objects of one file.

        Parameters
        ----------
        name
            Of the file, for messages.
        mini_root
            A small ROOT file with all objects.

        Raises
        ------
        InputError
            If it is not a ROOT file.
        """
        with _opened(name, mini_root) as file:
            found = {path: str(file.key(path).fClassName) for path in file.keys(cycle=False) if path}
            fresh = [path for path in found if path not in self._home]
            for path in fresh:
                self._home[path] = len(self._files), found[path]
            for path in found.keys() - set(fresh):
                self._join(name, path, found[path], file)
        if fresh or not self._files:
            self._files.append(mini_root)

    def finish(self) -> bytes:
        """All objects as a small ROOT file."""
        sink = _Sink()
        with uproot.recreate(sink) as target:
            for number, mini_root in enumerate(self._files):
                mine = {path for path, (file, _) in self._home.items() if file == number}
                copy_objects(target, mini_root, end=0, wanted=mine - self._sums.keys())
            for path, total in self._sums.items():
                target[path] = total
        return sink.getvalue()

    def _join(self, name: str, path: str, classname: str, file: Any) -> None:
        number, before = self._home[path]
        if before in DIRECTORIES or path in self.unmergeable:
            return
        with _opened(path, self._files[number]) as first:
            if classname != before:
                self.unmergeable[path] = f"{path} is a {before}, and a {classname} in {name}"
            elif _HISTOGRAM.fullmatch(classname):
                total = self._sums[path] if path in self._sums else first[path]
                reason = _add(total, file[path])
                if reason is None:
                    self._sums[path] = total
                else:
                    self.unmergeable[path] = f"{path} ({classname}) {reason} in {name}"
                    self._sums.pop(path, None)
            elif _payload(first, path) != _payload(file, path):
                if classname in _TEXTS:
                    self.notes.append(f"{path} ({classname}) differs in {name}; the first file's is kept")
                else:
                    self.unmergeable[path] = f"{path} ({classname}) differs in {name}"


class _Sink(io.BytesIO):
    """Survives being closed by uproot."""

    def close(self) -> None:
        pass


def _opened(name: str, mini_root: bytes) -> Any:
    try:
        # Without a cache: what is read is changed by adding to it.
        return uproot.open(io.BytesIO(mini_root), object_cache=None)
    except (OSError, ValueError) as error:
        msg = f"the objects besides trees of {name} ({len(mini_root)} bytes) are not a ROOT file: {error}"
        raise InputError(msg) from error


def _payload(file: Any, path: str) -> bytes:
    chunk, cursor = file.key(path).get_uncompressed_chunk_cursor()
    size = int(file.key(path).data_uncompressed_bytes)
    return bytes(chunk.get(cursor.index, cursor.index + size, cursor, {}))


def _add(total: Any, other: Any) -> str | None:
    """Add a histogram to another; says why not, if they do not have the same bins."""
    for axis in _AXES:
        if _edges(total.member(axis)) != _edges(other.member(axis)):
            return "has other bins"
    if total.member("fBufferSize") or other.member("fBufferSize"):
        return "has not decided on its bins"
    for weights, contents in (("fSumw2", None), ("fBinSumw2", "fBinEntries")):
        if total.has_member(weights):
            _same_weights(total, other, weights, contents)
    _walk(total, other)
    return None


def _edges(axis: Any) -> tuple[Any, ...]:
    labels = axis.member("fLabels")
    named = None if labels is None else tuple((int(item.member("@fUniqueID")), str(item)) for item in labels)
    return (*(axis.member(name) for name in _EDGES), tuple(axis.member("fXbins")), named)


def _same_weights(total: Any, other: Any, name: str, contents: str | None) -> None:
    """Where only one histogram has squared weights, each entry of the other one had weight 1."""
    one, two = total.member(name), other.member(name)
    for poor, model in ((one, total), (two, other)):
        if not len(poor) and len(one) != len(two):
            counted = _contents(model) if contents is None else model.member(contents)
            _put(poor, np.abs(np.asarray(counted, np.float64)))


def _contents(model: Any) -> Any:
    return next(base for base in model.bases if isinstance(base, uproot.models.TArray.Model_TArray))


def _walk(total: Any, other: Any) -> None:
    for name, value in total.members.items():
        if name in _ADDED:
            total.members[name] = value + other.member(name)
        elif name in ("fSumw2", "fBinEntries", "fBinSumw2"):
            _put(value, np.asarray(value) + np.asarray(other.member(name)))
    for mine, theirs in zip(total.bases, other.bases, strict=True):
        if isinstance(mine, uproot.models.TArray.Model_TArray):
            dtype = np.asarray(mine).dtype
            added = np.add(np.asarray(mine), np.asarray(theirs), dtype=np.int64 if dtype.kind == "i" else np.float64)
            if dtype.kind == "i":
                # Bins of integers that are full stay full, as in ROOT.
                added = np.clip(added, np.iinfo(dtype).min, np.iinfo(dtype).max)
            _put(mine, added)
        else:
            _walk(mine, theirs)


def _put(array: Any, values: NDArray[Any]) -> None:
    array.members["fN"] = len(values)
    array._data = values.astype(array.dtype)
