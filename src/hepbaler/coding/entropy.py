"""Entropy coding of one column under locations and levels, through constriction's ANS coder.

A page is the words of one ANS stream, then the values that lie in no bin. What the stream holds, in decoding order::

    bins     wide tables, in ascending order of table; inside a table in row order
             narrow tables, the same; rows where they say "none of them": the column's own histogram
    inside   leading bits of the offset under inner tables, where the distribution is not flat across the bin
             all other bits of the offset, 16 at a time, equally probable

Rows that share a table are coded with one call. The compiled loops do all of a column in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import constriction
import numpy as np

from hepbaler.coding import tables
from hepbaler.errors import CorruptFile
from hepbaler.features.ranks import MASS_BITS, RANK_BITS, RankTable, as_input
from hepbaler.loops import kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float32]

__all__ = ("ColumnCoder", "ReadSymbols", "WriteSymbols", "histogram_model", "words_of")


def __dir__() -> tuple[str, ...]:
    return __all__


_Ans = constriction.stream.stack.AnsCoder
_Categorical = constriction.stream.model.Categorical
_RAW_BITS = 16
_TABLES_AT_ONCE = 256
_NONE = 3
# The last symbol of every stream that is not empty: a stream that was cut or decoded wrongly does not end in it.
_END = 0x5AC3
_NO_END = "entropy-coded stream holds more than its rows, or the wrong symbols: the page or its model is damaged"
_NO_BIN = "entropy-coded stream points outside the column's bins: the page or its model is damaged"


def _model(weights: IntArray) -> Any:
    """Constriction's model with exactly these probabilities (parts of 2^24).

    Its fast quantisation gives symbol i the part floor(p_i * scale) + 1 with scale = (2^24 - n) / sum(p), so
    whole numbers p_i = weight - 1, whose sum is 2^24 - n, come through unchanged.
    """
    return _Categorical((weights - 1).astype(np.float64), perfect=False)


def histogram_model(mass: IntArray) -> Any:
    """Constriction's model of masses in parts of 65536."""
    return _model(mass << (tables.PRECISION - MASS_BITS))


@lru_cache(maxsize=16384)
def _narrow_model(uniform: int, index: int) -> Any:
    return _model(tables.narrow_weights(index, uniform))


@lru_cache(maxsize=16384)
def _inner_model(index: int) -> Any:
    return _model(tables.inner_weights(index))


@lru_cache(maxsize=64)
def _raw_model(bits: int) -> Any:
    return _model(np.full(1 << bits, 1 << (tables.PRECISION - bits), np.int64))


def _groups(index: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Rows ordered by table, the tables in use (ascending) and the rows of each."""
    # numpy sorts 16-bit numbers by radix, ten times as fast as wider ones.
    short = index.astype(np.uint16) if index.size and int(index.max()) < 1 << 16 else index
    order = np.argsort(short, kind="stable")
    counts = np.bincount(index) if index.size else np.zeros(0, np.int64)
    used = np.flatnonzero(counts)
    return order, used, counts[used]


def words_of(stream: bytes) -> NDArray[np.uint32]:
    """The words of a stream.

    Raises
    ------
    CorruptFile
        If its length is no whole number of words, or the last one is 0, which none is.
    """
    if len(stream) % 4:
        msg = f"entropy-coded stream has {len(stream)} bytes, which is no whole number of 32-bit words"
        raise CorruptFile(msg, section="page", found=len(stream))
    words = np.frombuffer(stream, "<u4").astype(np.uint32)
    if words.size and words[-1] == 0:
        msg = "entropy-coded stream is damaged: it ends in a word of zeros"
        raise CorruptFile(msg, section="page")
    return words


class WriteSymbols:
    """Collects symbols in decoding order; `finish` pushes them onto the stack backwards."""

    def __init__(self) -> None:
        self._steps: list[tuple[NDArray[np.int32], Any]] = []

    def put(self, symbols: IntArray, model: Any) -> None:
        """Append symbols that share a model."""
        if symbols.size:
            self._steps.append((symbols.astype(np.int32), model))

    def put_grouped(self, symbols: IntArray, index: IntArray, models: Callable[[IntArray], Iterator[Any]]) -> None:
        """Append symbols with a table index each."""
        order, used, counts = _groups(index)
        ordered = symbols[order].astype(np.int32)
        start = 0
        for model, count in zip(models(used), counts.tolist(), strict=True):
            self._steps.append((ordered[start : start + count], model))
            start += count

    def finish(self) -> bytes:
        """The stream: little-endian 32-bit words."""
        coder = _Ans()
        if self._steps:
            coder.encode_reverse(np.array([_END], np.int32), _raw_model(_RAW_BITS))
        for symbols, model in reversed(self._steps):
            coder.encode_reverse(symbols, model)
        return bytes(coder.get_compressed().astype("<u4").tobytes())


class ReadSymbols:
    """Takes symbols from a stream in the order in which `WriteSymbols` was given them."""

    def __init__(self, stream: bytes) -> None:
        self._coder = _Ans(words_of(stream))
        self._any = False

    def take(self, count: int, model: Any) -> IntArray:
        """The next `count` symbols, which share a model."""
        if count == 0:
            return np.zeros(0, np.int64)
        self._any = True
        symbols: IntArray = self._coder.decode(model, count).astype(np.int64)
        return symbols

    def take_grouped(self, index: IntArray, models: Callable[[IntArray], Iterator[Any]]) -> IntArray:
        """Symbols with a table index each, in row order."""
        order, used, counts = _groups(index)
        decode = self._coder.decode
        parts = [decode(model, count) for model, count in zip(models(used), counts.tolist(), strict=True)]
        symbols = np.empty(index.size, np.int64)
        if parts:
            self._any = True
            symbols[order] = np.concatenate(parts)
        return symbols

    def finish(self) -> None:
        """Check that the stream ends here: with the end mark, if anything was taken, and then empty."""
        marked = not self._any or int(self._coder.decode(_raw_model(_RAW_BITS), 1)[0]) == _END
        if not (marked and self._coder.is_empty()):
            raise CorruptFile(_NO_END, section="page")


class _Routes:
    """Which tables serve each row of a column, as far as it follows from the network's output alone."""

    def __init__(
        self, ranks: RankTable, mass_levels: IntArray, location: IntArray, level: IntArray, uniform: int
    ) -> None:
        self.ranks, self.location, self.level, self.uniform = ranks, location, level, uniform
        self.mass_levels = mass_levels
        fine = np.flatnonzero(level > tables.WIDE_LEVEL)
        starts = ranks.cumulative[:-1] << (RANK_BITS - MASS_BITS)
        centre = np.searchsorted(starts, location[fine], side="right") - 1
        relative = level[fine] - self.mass_levels[centre]
        low, high = tables.NARROW_LEVELS
        chosen = relative >= low
        self.narrow = fine[chosen]
        self.centre = centre[chosen]
        away = location[self.narrow] - starts[self.centre]
        step = np.minimum((away * tables.NARROW_STEPS) // (ranks.mass[self.centre] << (RANK_BITS - MASS_BITS)), 63)
        self.narrow_index = (np.minimum(relative[chosen], high - 1) - low) * tables.NARROW_STEPS + step
        is_wide = np.ones(location.size, np.bool_)
        is_wide[self.narrow] = False
        self.wide = np.flatnonzero(is_wide)
        self.wide_index = tables.wide_index(location[self.wide], np.minimum(level[self.wide], tables.WIDE_LEVEL))

    def wide_models(self, used: IntArray) -> Iterator[Any]:
        for start in range(0, used.size, _TABLES_AT_ONCE):
            weights = tables.wide_weights(used[start : start + _TABLES_AT_ONCE], self.ranks, self.uniform)
            probabilities = (weights - 1).astype(np.float64)
            for row in probabilities:
                yield _Categorical(row, perfect=False)

    def narrow_models(self, used: IntArray) -> Iterator[Any]:
        return (_narrow_model(self.uniform, index) for index in used.tolist())

    def histogram(self) -> Any:
        return histogram_model(self.ranks.mass)

    def inner(self, bins: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Rows whose offset has leading bits under an inner table, their tables, and how many bits each row has."""
        bits = np.append(self.ranks.shift, 0)[bins]
        relative = self.level - self.mass_levels[bins]
        low, high = tables.INNER_LEVELS
        rows = np.flatnonzero((relative >= low) & (bits > 0))
        chosen = bins[rows]
        leading = np.minimum(bits[rows], tables.INNER_BITS)
        index = tables.inner_index(
            self.location[rows],
            np.minimum(relative[rows], high - 1),
            self.ranks.cumulative[chosen],
            self.ranks.mass[chosen],
            leading,
        )
        return rows, index, bits


def _inner_models(used: IntArray) -> Iterator[Any]:
    return (_inner_model(index) for index in used.tolist())


def _raw_models(used: IntArray) -> Iterator[Any]:
    return (_raw_model(bits) for bits in used.tolist())


@dataclass(frozen=True, eq=False)
class ColumnCoder:
    """Codes one column.

    Attributes
    ----------
    ranks
        The column's bins.
    uniform
        2^-uniform of the probability follows the column's own histogram.
    """

    ranks: RankTable
    uniform: int

    @cached_property
    def _levels(self) -> IntArray:
        return tables.mass_levels(self.ranks.mass)

    def encode(self, q: IntArray, location: IntArray, level: IntArray) -> tuple[bytes, IntArray]:
        """Encode values under the decoder's locations and levels.

        Parameters
        ----------
        q
            Values, shape (n_rows,).
        location, level
            The decoder's output for each row: parts of 2^28, and 0 to LAST_LEVEL.

        Returns
        -------
        The stream, and the values that lie in no bin, in row order.
        """
        located, offset = self.ranks.locate(q)
        bins = located.astype(np.int64)
        outside = q[bins == self.ranks.n_bins]
        loops = kernels()
        if loops is not None:
            where = (np.ascontiguousarray(location), np.ascontiguousarray(level), q.size)
            table = (self.ranks.arrays, self._levels, self.uniform, tables.constants())
            stream: bytes = loops.encode_symbols(*where, *table, bins, np.ascontiguousarray(offset))
            return stream, outside
        return _write_symbols(_Routes(self.ranks, self._levels, location, level, self.uniform), bins, offset), outside

    def decode(
        self, stream: bytes, escaped: IntArray, location: IntArray, level: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """The inverse of `encode`.

        Returns
        -------
        Values, and how a network sees them (`as_input` of their ranks), each shape (n_rows,).

        Raises
        ------
        CorruptFile
            If the stream does not fit the rows.
        """
        loops = kernels()
        if loops is None:
            routes = _Routes(self.ranks, self._levels, location, level, self.uniform)
            bins, values = _read_symbols(stream, routes)
            outside = np.flatnonzero(bins == self.ranks.n_bins)
            _check_escaped(outside.size, escaped.size)
            located = bins.astype(np.int16)
            seen = as_input(self.ranks.centre(located, values))
            values = self.ranks.values(located, values)
            values[outside] = escaped
            return values, seen
        values, seen = np.empty(location.size, np.int64), np.empty(location.size, np.float32)
        rows = (np.ascontiguousarray(location), np.ascontiguousarray(level), location.size)
        status, n_outside = loops.decode_symbols(
            *(words_of(stream), np.ascontiguousarray(escaped), escaped.size, *rows),
            *(self.ranks.arrays, self._levels, self.uniform, tables.constants(), values, seen),
        )
        if status == 1:
            raise CorruptFile(_NO_BIN, section="page")
        if status:
            raise CorruptFile(_NO_END, section="page")
        _check_escaped(n_outside, escaped.size)
        return values, seen


def _check_escaped(asked: int, held: int) -> None:
    if asked != held:
        msg = f"page holds {held} values outside the bins, its stream asks for {asked}"
        raise CorruptFile(msg, section="page", expected=asked, found=held)


def _write_symbols(routes: _Routes, bins: IntArray, offset: IntArray) -> bytes:
    """The stream of a column's bins and offsets."""
    writer = WriteSymbols()
    writer.put_grouped(bins[routes.wide], routes.wide_index, routes.wide_models)
    relative = bins[routes.narrow] - routes.centre + 1
    near = (relative >= 0) & (relative < _NONE)
    writer.put_grouped(np.where(near, relative, _NONE), routes.narrow_index, routes.narrow_models)
    writer.put(bins[routes.narrow[~near]], routes.histogram())
    rows, index, bits = routes.inner(bins)
    rest = bits.copy()
    rest[rows] -= index & 7
    writer.put_grouped(offset[rows] >> rest[rows], index, _inner_models)
    low = offset & ((np.int64(1) << rest) - 1)
    while rest.any():
        left = np.flatnonzero(rest)
        taken = np.minimum(rest[left], _RAW_BITS)
        rest[left] -= taken
        writer.put_grouped((low[left] >> rest[left]) & ((1 << taken) - 1), taken, _raw_models)
    return writer.finish()


def _read_symbols(stream: bytes, routes: _Routes) -> tuple[IntArray, IntArray]:
    """Bins and offsets of a column, each shape (n_rows,)."""
    reader = ReadSymbols(stream)
    n_rows = routes.location.size
    bins = np.empty(n_rows, np.int64)
    bins[routes.wide] = reader.take_grouped(routes.wide_index, routes.wide_models)
    relative = reader.take_grouped(routes.narrow_index, routes.narrow_models)
    near = relative + routes.centre - 1
    away = np.flatnonzero(relative == _NONE)
    near[away] = reader.take(away.size, routes.histogram())
    bins[routes.narrow] = near
    if bool(np.any((bins < 0) | (bins > routes.ranks.n_bins))):
        raise CorruptFile(_NO_BIN, section="page")
    rows, index, bits = routes.inner(bins)
    rest = bits.copy()
    rest[rows] -= index & 7
    offset = np.zeros(n_rows, np.int64)
    offset[rows] = reader.take_grouped(index, _inner_models)
    while rest.any():
        left = np.flatnonzero(rest)
        taken = np.minimum(rest[left], _RAW_BITS)
        rest[left] -= taken
        offset[left] = (offset[left] << taken) | reader.take_grouped(taken, _raw_models)
    reader.finish()
    return bins, offset
