"""Hypothesis strategies: nested arrays of the kinds that ROOT branches hold."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ("branch_arrays", "contents", "ntuple_contents", "numbers")

NUMBERS = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)
FIELDS = st.text("abcxyz_.", min_size=1, max_size=4)


def __dir__() -> tuple[str, ...]:
    return __all__


@st.composite
def numbers(draw: st.DrawFn, n_rows: int) -> Any:
    """Numbers of any type and any bits (NaN with payloads, denormals, -0.0), shape (n_rows,) or (n_rows, 2)."""
    dtype = np.dtype(draw(st.sampled_from(NUMBERS)))
    inner = draw(st.sampled_from([(), (), (2,)]))
    size = n_rows * (2 if inner else 1)
    if dtype == np.bool_:
        values = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    else:
        raw = draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
        values = np.frombuffer(raw, dtype)
    return ak.contents.NumpyArray(values.reshape(n_rows, *inner))


@st.composite
def contents(draw: st.DrawFn, n_rows: int, depth: int = 3) -> Any:
    """Contents of `n_rows` rows, as awkward has them: lists of every kind, C arrays, records, tuples, strings, sets, missing values, variants."""
    kinds = ["numbers", "text"]
    if depth:
        kinds += ["list", "gaps", "regular", "record", "masked", "picked", "union"]
    kind = draw(st.sampled_from(kinds))
    if kind == "numbers":
        return draw(numbers(n_rows))
    if kind == "text":
        outer, char = draw(st.sampled_from([("string", "char"), ("bytestring", "byte")]))
        words = draw(st.lists(st.binary(max_size=5), min_size=n_rows, max_size=n_rows))
        chars = np.frombuffer(b"".join(words), np.uint8)
        return ak.contents.ListOffsetArray(
            ak.index.Index64(_offsets([len(word) for word in words], 0)),
            ak.contents.NumpyArray(chars, parameters={"__array__": char}),
            parameters={"__array__": outer},
        )
    if kind == "list":
        counts = draw(st.lists(st.integers(0, 3), min_size=n_rows, max_size=n_rows))
        first = draw(st.integers(0, 2))
        offsets = _offsets(counts, first)
        content = draw(contents(int(offsets[-1]) + draw(st.integers(0, 2)), depth - 1))
        special = draw(st.sampled_from([None, None, {"__array__": "set"}]))
        return ak.contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters=special)
    if kind == "gaps":
        n_inner = draw(st.integers(0, 4))
        starts = draw(st.lists(st.integers(0, n_inner), min_size=n_rows, max_size=n_rows))
        stops = [draw(st.integers(start, n_inner)) for start in starts]
        content = draw(contents(n_inner, depth - 1))
        index = ak.index.Index64
        return ak.contents.ListArray(index(np.array(starts, np.int64)), index(np.array(stops, np.int64)), content)
    if kind == "regular":
        size = draw(st.integers(0, 3))
        content = draw(contents(size * n_rows, depth - 1))
        return ak.contents.RegularArray(content, size, zeros_length=n_rows)
    if kind == "record":
        names = draw(st.one_of(st.none(), st.lists(FIELDS, max_size=3, unique=True)))
        n_fields = draw(st.integers(0, 2)) if names is None else len(names)
        name = draw(st.sampled_from([None, {"__record__": "TLorentzVector"}, {"__array__": "sorted_map"}]))
        fields = [draw(contents(n_rows, depth - 1)) for _ in range(n_fields)]
        return ak.contents.RecordArray(fields, names, length=n_rows, parameters=name)
    if kind == "masked":
        mask = np.array(draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)), np.int8)
        content = draw(contents(n_rows, depth - 1))
        return ak.contents.ByteMaskedArray.simplified(ak.index.Index8(mask), content, valid_when=draw(st.booleans()))
    if kind == "picked":
        n_inner = draw(st.integers(1, 4))
        index = np.array(draw(st.lists(st.integers(-1, n_inner - 1), min_size=n_rows, max_size=n_rows)), np.int64)
        content = draw(contents(n_inner, depth - 1))
        return ak.contents.IndexedOptionArray.simplified(ak.index.Index64(index), content)
    return draw(_unions(n_rows))


@st.composite
def _unions(draw: st.DrawFn, n_rows: int) -> Any:
    """Variants as uproot makes them: nothing, a number or a string, each of them optional."""
    tags = np.array(draw(st.lists(st.integers(0, 2), min_size=n_rows, max_size=n_rows)), np.int8)
    index = np.zeros(n_rows, np.int64)
    for tag in range(3):
        index[tags == tag] = np.arange(np.count_nonzero(tags == tag))
    n_each = [int(np.count_nonzero(tags == tag)) for tag in range(3)]
    nothing = ak.contents.IndexedOptionArray(ak.index.Index64(np.full(n_each[0], -1)), ak.contents.EmptyArray())
    values = ak.contents.UnmaskedArray(ak.contents.NumpyArray(np.arange(n_each[1], dtype=np.int32)))
    words = ak.contents.UnmaskedArray(
        ak.to_layout(ak.Array(["x" * (i % 3) for i in range(n_each[2])] or ["x"]))[: n_each[2]]
    )
    return ak.contents.UnionArray(ak.index.Index8(tags), ak.index.Index64(index), [nothing, values, words])


@st.composite
def branch_arrays(draw: st.DrawFn, max_rows: int = 5) -> ak.Array:
    """Arrays as a branch may hold them, shape (n_rows, ...) with at most `max_rows` rows."""
    return ak.Array(draw(contents(draw(st.integers(0, max_rows)))))


@st.composite
def ntuple_contents(draw: st.DrawFn, n_rows: int, depth: int = 0, *, options: bool = False) -> Any:
    """Contents of `n_rows` rows that uproot can write into an RNTuple; with `options`, values may be missing."""
    kinds = ["number", "number", "list", "text", "regular", "record", *(["option"] if options else [])]
    kind = draw(st.sampled_from(kinds if depth < 3 else ["number"]))
    if kind == "number":
        dtype = np.dtype(draw(st.sampled_from([name for name in NUMBERS if name != "float16"])))
        return ak.contents.NumpyArray(draw(hnp.arrays(dtype, n_rows)))
    if kind == "text":
        texts = draw(st.lists(st.text(max_size=5), min_size=n_rows, max_size=n_rows))
        return ak.Array(["", *texts]).layout[1:]
    if kind == "list":
        counts = draw(st.lists(st.integers(0, 3), min_size=n_rows, max_size=n_rows))
        inner = draw(ntuple_contents(sum(counts), depth + 1, options=options))
        return ak.contents.ListOffsetArray(ak.index.Index64(_offsets(counts, 0)), inner)
    if kind == "regular":
        inner = draw(ntuple_contents(2 * n_rows, depth + 1, options=options))
        return ak.contents.RegularArray(inner, 2, zeros_length=n_rows)
    if kind == "option":
        present = np.array(draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)), bool)
        inner = draw(ntuple_contents(int(present.sum()), depth + 3, options=options))
        index = np.where(present, np.cumsum(present) - 1, -1).astype(np.int64)
        return ak.contents.IndexedOptionArray(ak.index.Index64(index), inner)
    fields = [draw(ntuple_contents(n_rows, depth + 1, options=options)) for _ in range(2)]
    return ak.contents.RecordArray(fields, ["one", "two"], n_rows)


def _offsets(counts: list[int], first: int) -> Any:
    return np.cumsum([first, *counts], dtype=np.int64)
