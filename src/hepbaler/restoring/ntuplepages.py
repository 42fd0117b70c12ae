"""The columns of an RNTuple: which column of an archive each one is, and its pages as bytes.

An RNTuple keeps a field as an archive does: flat columns of values, and one of places for each level of lists. So a
page is a column of a cluster, but for two things: places are sums of counts, and there are no rows of what is missing.

::

    [[1.5, 2.5], [], [3.5]]       archive: counts 2 0 1, values 1.5 2.5 3.5;  RNTuple: ends 2 2 3, values 1.5 2.5 3.5
    [1.5, None, 3.5]              archive: mask 1 0 1, values 1.5 0.0 3.5;    RNTuple: ends 1 1 2, values 1.5 3.5
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hepbaler.errors import CorruptFile
from hepbaler.layouts.unflattening import union_index
from hepbaler.restoring.ntuples import variants_of
from hepbaler.table import ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hepbaler.table import Layout

__all__ = ("PageColumn", "page_columns")


def __dir__() -> tuple[str, ...]:
    return __all__


_Narrowing = tuple[Literal["mask"], str] | tuple[Literal["regular"], int] | tuple[Literal["tag"], str, int]
_SWITCH = np.dtype([("index", "<i8"), ("tag", "<i4")])


@dataclass(frozen=True)
class PageColumn:
    """A column of an RNTuple.

    Attributes
    ----------
    kind
        ``values``, ``ends`` of lists (from their counts) or of optional values (from their mask), or the ``switch`` of
        a variant.
    key
        The archive's column that it is made of.
    dtype
        Of its elements in the file, without byte order.
    narrowing
        What decides, from the next list outwards, which rows of the archive's column are there: outermost first.
        ``("mask", key)`` keeps what is present, ``("regular", size)`` repeats that for the elements of C arrays,
        ``("tag", key, tag)`` for those of a type.
    skipped
        Of a switch: how many of the archive's types, from the first, mean that there is no value.
    """

    kind: Literal["values", "ends", "switch"]
    key: str
    dtype: str
    narrowing: tuple[_Narrowing, ...] = ()
    skipped: int = 0

    @property
    def deciding(self) -> tuple[str, ...]:
        """Columns without which nobody knows how many elements there are: none, if there is one a row."""
        masked = [step[0] == "mask" for step in self.narrowing]
        if not any(masked):
            return ()
        return tuple(str(step[1]) for step in self.narrowing[masked.index(True) :] if step[0] != "regular")

    @property
    def wanted(self) -> tuple[str, ...]:
        """Columns that its pages are made of."""
        return (self.key, *self.deciding)

    def num_bytes(self, n_elements: int) -> int:
        """Size of a page of `n_elements` elements."""
        if self.kind == "switch":
            return n_elements * _SWITCH.itemsize
        if self.dtype == "bool":
            return (n_elements + 7) // 8
        return n_elements * np.dtype(self.dtype).itemsize

    def kept(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Which rows of the archive's column are there; `None` for all of them.

        Parameters
        ----------
        columns
            Those of `deciding`, by key.
        """
        keep: NDArray[np.bool_] | None = None
        for step in self.narrowing:
            match step:
                case ("mask", key):
                    mask = np.asarray(columns[key], np.bool_)
                    keep = mask if keep is None else mask & keep
                case ("regular", size):
                    keep = None if keep is None else np.repeat(keep, size)
                case ("tag", key, tag):
                    keep = None if keep is None else keep[columns[key] == tag]
        return keep

    def num_kept(self, columns: Mapping[str, NDArray[Any]]) -> int:
        """How many elements there are in a page of which the columns of `deciding`, at least one, are given."""
        keep = self.kept(columns)
        return 0 if keep is None else int(np.count_nonzero(keep))

    def pack(self, columns: Mapping[str, NDArray[Any]], num_bytes: int) -> bytes:
        """Make a page.

        Parameters
        ----------
        columns
            Those of `wanted`, by key.
        num_bytes
            Its size, as announced.

        Raises
        ------
        CorruptFile
            If there are more or fewer elements than announced.
        """
        column = columns[self.key]
        keep = self.kept(columns)
        if keep is not None and len(keep) != len(column):
            msg = f"column {self.key!r} has {len(column)} rows, and {len(keep)} are present or missing"
            raise CorruptFile(msg, section=self.key, expected=len(keep), found=len(column))
        if keep is not None:
            column = column[keep]
        if self.kind == "ends":
            column = np.cumsum(column, dtype=np.int64)
        elif self.kind == "switch":
            column = self._switch(column)
        data = np.packbits(column, bitorder="little") if self.dtype == "bool" else column.astype(self._stored)
        if data.nbytes != num_bytes:
            msg = f"column {self.key!r} has {data.nbytes} bytes in a page where {num_bytes} were announced"
            raise CorruptFile(msg, section=self.key, expected=num_bytes, found=data.nbytes)
        return data.tobytes()

    @property
    def _stored(self) -> np.dtype[Any]:
        return _SWITCH if self.kind == "switch" else np.dtype(self.dtype).newbyteorder("<")

    def _switch(self, tags: NDArray[Any]) -> NDArray[Any]:
        """Of each row which type it is, and which value of that type; type 0 is none at all."""
        index, _ = union_index(tags, self.key, 1 << 7)
        switch = np.zeros(len(tags), _SWITCH)
        switch["tag"] = np.maximum(tags.astype(np.int32) + 1 - self.skipped, 0)
        switch["index"] = np.where(switch["tag"] > 0, index, 0)
        return switch


def page_columns(layout: Layout) -> tuple[PageColumn, ...]:
    """The columns of a field, in the order in which uproot describes them.

    Parameters
    ----------
    layout
        One that `hepbaler.restoring.ntuples.plan_fields` takes.
    """
    return tuple(_columns(layout, ()))


def _columns(layout: Layout, narrowing: tuple[_Narrowing, ...]) -> list[PageColumn]:
    match layout:
        case Values(dtype, key):
            return [PageColumn("values", key, "float32" if dtype == "float16" else dtype, narrowing)]
        case ListLayout(counts, content):
            # what is missing has no elements, so that there are no others
            return [PageColumn("ends", counts, "int64", narrowing), *_columns(content, ())]
        case RegularLayout(size, content):
            return _columns(content, (*narrowing, ("regular", size)))
        case RecordLayout(fields):
            return [column for _, content in fields for column in _columns(content, narrowing)]
        case OptionLayout(mask, content):
            ends = PageColumn("ends", mask, "int64", narrowing)
            return [ends, *_columns(content, (*narrowing, ("mask", mask)))]
        case UnionLayout(tags, contents):
            variants = variants_of(layout)
            skipped = len(contents) - len(variants)
            columns = [PageColumn("switch", tags, "switch", narrowing, skipped)]
            for tag, content in enumerate(variants, skipped):
                columns += _columns(content, (*narrowing, ("tag", tags, tag)))
            return columns
