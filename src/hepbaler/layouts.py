"""awkward arrays <-> flat columns.

`layout_of` looks at an array once and says how it is taken apart; `flatten` does it for any later array of the same
branch, and `unflatten` is its exact inverse: same values, same awkward type.

::

    [[1.5, 2.5], [], [3.5]]   --flatten-->   Jet_pt@counts  2 0 1        one row an entry
                                             Jet_pt         1.5 2.5 3.5  one row a jet
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepbaler.errors import CorruptFile, InputError
from hepbaler.table import (
    Branch,
    Column,
    Layout,
    ListLayout,
    OptionLayout,
    RecordLayout,
    RegularLayout,
    Role,
    UnionLayout,
    Values,
)

__all__ = ("columns_of", "flatten", "has_unknown", "layout_of", "slice_columns", "unflatten")

Columns = dict[str, NDArray[Any]]
Parents = tuple[tuple[Any, ...], ...]

NUMBERS = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
)
TEXTS = {"string": "utf8", "bytestring": "bytes"}
CHARS = {"utf8": ("string", "char"), "bytes": ("bytestring", "byte")}


def __dir__() -> tuple[str, ...]:
    return __all__


# array -> layout


def layout_of(branch: str, array: ak.Array, taken: Collection[str] = ()) -> Layout:
    """Say how the arrays of a branch are taken apart into columns.

    Parameters
    ----------
    branch
        Name of the branch; the keys of its columns begin with it.
    array
        Any array of the branch, shape (n_rows, ...); only its type matters.
    taken
        Keys that other branches of the tree use already.

    Raises
    ------
    InputError
        The array holds something that is not a number, a string or a nesting of them.
    """
    keys = set(taken)

    def claim(path: str, suffix: str = "") -> tuple[str, str]:
        """Take a key that nobody has: each list inside a list adds ``[]`` to the path."""
        while path + suffix in keys:
            path += "[]"
        keys.add(path + suffix)
        return path, path + suffix

    def build(form: Any, path: str) -> Layout:
        parameters = form.parameters
        special = parameters.get("__array__")
        if form.is_unknown:
            return Values("unknown", claim(path)[1])
        if form.is_numpy:
            if form.inner_shape:
                return build(form.to_RegularForm(), path)
            if form.primitive not in NUMBERS:
                msg = f"branch {branch!r} holds values of type {form.primitive!r}, which is not a number; drop it"
                raise InputError(msg)
            return Values(form.primitive, claim(path)[1])
        if form.is_indexed and not form.is_option:
            return build(form.content, path)
        if form.is_option:
            path, mask = claim(path, "@mask")
            return OptionLayout(mask, build(form.content, path))
        if form.is_record:
            fields = tuple(
                (name, build(content, f"{path}.{name}"))
                for name, content in zip(form.fields, form.contents, strict=True)
            )
            return RecordLayout(fields, parameters.get("__record__"), form.is_tuple, special)
        if form.is_union:
            path, tags = claim(path, "@tags")
            return UnionLayout(tags, tuple(build(c, f"{path}#{i}") for i, c in enumerate(form.contents)))
        if form.is_regular and special not in TEXTS:
            return RegularLayout(form.size, build(form.content, path))
        if form.is_list:
            path, counts = claim(path, "@counts")
            if special in TEXTS:
                return ListLayout(counts, Values("uint8", claim(path)[1]), text=TEXTS[special])  # type: ignore[arg-type]
            return ListLayout(counts, build(form.content, path), array=special)
        msg = f"branch {branch!r} holds an awkward {type(form).__name__}, which has no layout; drop it"
        raise InputError(msg)

    return build(array.layout.form, branch)


def has_unknown(layout: Layout) -> bool:
    """Whether some values of the layout have no known type, outside of variants (whose first alternative has none)."""
    match layout:
        case Values():
            return layout.dtype == "unknown"
        case RecordLayout():
            return any(has_unknown(content) for _, content in layout.fields)
        case UnionLayout():
            return False
        case _:
            return has_unknown(layout.content)


def columns_of(branch: Branch) -> tuple[Column, ...]:
    """Return the columns of a branch, in the order in which they are needed to put it together again."""

    def walk(layout: Layout, parents: Parents, role: Role = "values") -> Iterator[Column]:
        match layout:
            case Values(dtype, key):
                yield Column(key, branch.name, "uint8" if dtype == "unknown" else dtype, role, parents)
            case ListLayout(counts, content, text):
                yield Column(counts, branch.name, "int64", "counts", parents)
                yield from walk(content, (*parents, ("list", counts)), "text" if text else "values")
            case RegularLayout(size, content):
                yield from walk(content, (*parents, ("regular", size)))
            case RecordLayout(fields):
                for _, content in fields:
                    yield from walk(content, parents)
            case OptionLayout(mask, content):
                yield Column(mask, branch.name, "bool", "mask", parents)
                yield from walk(content, parents)
            case UnionLayout(tags, contents):
                yield Column(tags, branch.name, "int8", "tags", parents)
                for tag, content in enumerate(contents):
                    yield from walk(content, (*parents, ("variant", tags, tag)))

    return tuple(walk(branch.layout, ()))


# array -> columns


def flatten(layout: Layout, array: ak.Array) -> Columns:
    """Take an array apart.

    Parameters
    ----------
    layout
        What `layout_of` gave for an array of the same type.
    array
        Shape (n_rows, ...); any kind of awkward layout: sliced, indexed, with offsets that start anywhere.

    Returns
    -------
    columns
        Contiguous arrays in native byte order by key, shape (rows of the column,) each; counts are int64.

    Raises
    ------
    InputError
        The array is of another type than the layout.
    """
    columns: Columns = {}
    _flatten(layout, array.layout, columns)
    return columns


def _flatten(layout: Layout, content: Any, columns: Columns) -> None:
    while content.is_indexed and not content.is_option:
        content = content.project()
    n_rows = content.length
    match layout:
        case Values("unknown", key) if content.is_unknown or content.is_numpy:
            columns[key] = np.zeros(n_rows, np.uint8)
        case Values(dtype, key) if content.is_unknown:
            columns[key] = np.zeros(0, dtype)
        case Values(dtype, key) if content.is_numpy and content.dtype == np.dtype(dtype):
            columns[key] = np.ascontiguousarray(content.data, dtype)
        case ListLayout(counts, inner) if content.is_list:
            content = content.to_ListOffsetArray64(True)
            offsets = np.asarray(content.offsets.data, np.int64)
            columns[counts] = np.diff(offsets)
            _flatten(inner, content.content[: offsets[-1]], columns)
        case RegularLayout(size, inner) if content.is_numpy or content.is_regular:
            if content.is_numpy:
                content = content.to_RegularArray()
            if content.size != size:
                raise InputError(_changed(layout, content))
            _flatten(inner, content.content[: size * n_rows], columns)
        case RecordLayout(fields) if content.is_record and len(fields) == len(content.fields):
            for name, inner in fields:
                if name not in content.fields:
                    raise InputError(_changed(layout, content))
                _flatten(inner, content.content(name), columns)
        case OptionLayout(mask, inner) if content.is_option:
            present = np.asarray(content.mask_as_bool(valid_when=True), bool)
            columns[mask] = present
            dense: Columns = {}
            _flatten(inner, content.project(), dense)
            _spread(inner, dense, present)
            columns.update(dense)
        case OptionLayout(mask, inner):
            # uproot leaves the option away where no value of the range is missing
            columns[mask] = np.ones(n_rows, bool)
            _flatten(inner, content, columns)
        case UnionLayout(tags, inners) if content.is_union and len(inners) == len(content.contents):
            columns[tags] = np.array(content.tags.data[:n_rows], np.int8)
            for tag, inner in enumerate(inners):
                _flatten(inner, content.project(tag), columns)
        case ListLayout() | RegularLayout() | RecordLayout() | UnionLayout() if content.is_unknown:
            columns.update(_zeros(layout, 0))
        case _:
            raise InputError(_changed(layout, content))


def _changed(layout: Layout, content: Any) -> str:
    where = next(iter(_keys(layout)), "?")
    return (
        f"the type of a branch changes inside the file: {where!r} begins as {type(layout).__name__} and is later "
        f"{content.form.type}; drop this branch"
    )


def _keys(layout: Layout) -> Iterator[str]:
    match layout:
        case Values(_, key):
            yield key
        case ListLayout(key, content) | OptionLayout(key, content):
            yield key
            yield from _keys(content)
        case RegularLayout(_, content):
            yield from _keys(content)
        case RecordLayout(fields):
            for _, content in fields:
                yield from _keys(content)
        case UnionLayout(key, contents):
            yield key
            for content in contents:
                yield from _keys(content)


def _zeros(layout: Layout, n_rows: int) -> Columns:
    """Return the columns of rows that hold nothing but zeros and empty lists; variants take their first type."""
    columns: Columns = {}
    match layout:
        case Values(dtype, key):
            columns[key] = np.zeros(n_rows, np.uint8 if dtype == "unknown" else dtype)
        case ListLayout(counts, content):
            columns[counts] = np.zeros(n_rows, np.int64)
            columns |= _zeros(content, 0)
        case RegularLayout(size, content):
            columns |= _zeros(content, size * n_rows)
        case RecordLayout(fields):
            for _, content in fields:
                columns |= _zeros(content, n_rows)
        case OptionLayout(mask, content):
            columns[mask] = np.zeros(n_rows, bool)
            columns |= _zeros(content, n_rows)
        case UnionLayout(tags, contents):
            columns[tags] = np.zeros(n_rows, np.int8)
            for tag, content in enumerate(contents):
                columns |= _zeros(content, 0 if tag else n_rows)
    return columns


def _spread(layout: Layout, columns: Columns, present: NDArray[np.bool_]) -> None:
    """Put a zero row (see `_zeros`) wherever `present` is False, so that the columns have a row for each of it."""

    def fill(key: str) -> None:
        wide = np.zeros(len(present), columns[key].dtype)
        wide[present] = columns[key]
        columns[key] = wide

    match layout:
        case Values(_, key) | ListLayout(key):
            fill(key)
        case RegularLayout(size, content):
            _spread(content, columns, np.repeat(present, size))
        case RecordLayout(fields):
            for _, content in fields:
                _spread(content, columns, present)
        case OptionLayout(mask, content):
            fill(mask)
            _spread(content, columns, present)
        case UnionLayout(tags, contents):
            fill(tags)
            first = columns[tags] == 0
            _spread(contents[0], columns, present[first])


# columns -> array


def unflatten(layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int) -> ak.Array:
    """Put an array together again; the exact inverse of `flatten`.

    Parameters
    ----------
    columns
        The columns of the branch by key (more do not harm).
    n_rows
        Length of the array.

    Raises
    ------
    CorruptFile
        The columns do not fit each other.
    """
    return ak.Array(_unflatten(layout, columns, n_rows))


def _rows(columns: Mapping[str, NDArray[Any]], key: str, n_rows: int) -> NDArray[Any]:
    if key not in columns or len(columns[key]) != n_rows:
        found = len(columns[key]) if key in columns else "none at all"
        msg = f"column {key!r} should have {n_rows} rows and has {found}"
        raise CorruptFile(msg, section=key, expected=n_rows, found=found)
    return columns[key]


def _offsets(columns: Mapping[str, NDArray[Any]], key: str, n_rows: int) -> NDArray[np.int64]:
    counts = _rows(columns, key, n_rows)
    if n_rows and counts.min() < 0:
        msg = f"column {key!r} counts the elements of lists and holds the negative number {counts.min()}"
        raise CorruptFile(msg, section=key, found=int(counts.min()))
    offsets = np.zeros(n_rows + 1, np.int64)
    np.cumsum(counts, out=offsets[1:], dtype=np.int64)
    return offsets


def _unflatten(layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int) -> Any:
    contents = ak.contents
    match layout:
        case Values("unknown"):
            return contents.EmptyArray()
        case Values(dtype, key):
            return contents.NumpyArray(np.ascontiguousarray(_rows(columns, key, n_rows), dtype))
        case ListLayout(counts, inner, text, array):
            offsets = _offsets(columns, counts, n_rows)
            content = _unflatten(inner, columns, int(offsets[-1]))
            parameters = None if array is None else {"__array__": array}
            if text is not None:
                outer, char = CHARS[text]
                content = contents.NumpyArray(content.data, parameters={"__array__": char})
                parameters = {"__array__": outer}
            return contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters=parameters)
        case RegularLayout(size, inner):
            return contents.RegularArray(_unflatten(inner, columns, size * n_rows), size, zeros_length=n_rows)
        case RecordLayout(fields, name, is_tuple, array):
            given = {"__record__": name, "__array__": array}
            return contents.RecordArray(
                [_unflatten(content, columns, n_rows) for _, content in fields],
                None if is_tuple else [field for field, _ in fields],
                length=n_rows,
                parameters={key: value for key, value in given.items() if value is not None} or None,
            )
        case OptionLayout(mask, inner):
            present = np.asarray(_rows(columns, mask, n_rows), bool)
            if isinstance(inner, Values) and inner.dtype == "unknown":
                nothing = np.full(n_rows, -1, np.int64)
                return contents.IndexedOptionArray(ak.index.Index64(nothing), contents.EmptyArray())
            content = _unflatten(inner, columns, n_rows)
            return contents.ByteMaskedArray(ak.index.Index8(present.view(np.int8)), content, valid_when=True)
        case UnionLayout(tags, inners):
            chosen = _rows(columns, tags, n_rows)
            if n_rows and (chosen.min() < 0 or chosen.max() >= len(inners)):
                msg = f"column {tags!r} should choose among {len(inners)} types and holds {chosen.min()} to {chosen.max()}"
                raise CorruptFile(msg, section=tags)
            index, sizes = _union_index(chosen, len(inners))
            return contents.UnionArray(
                ak.index.Index8(np.ascontiguousarray(chosen, np.int8)),
                ak.index.Index64(index),
                [_unflatten(content, columns, size) for content, size in zip(inners, sizes, strict=True)],
            )


def _union_index(tags: NDArray[Any], n_types: int) -> tuple[NDArray[np.int64], list[int]]:
    index = np.zeros(len(tags), np.int64)
    sizes = []
    for tag in range(n_types):
        mine = tags == tag
        sizes.append(int(np.count_nonzero(mine)))
        index[mine] = np.arange(sizes[-1])
    return index, sizes


# ranges of rows


def slice_columns(
    layout: Layout, columns: Mapping[str, NDArray[Any]], n_rows: int, start: int, stop: int
) -> tuple[Columns, int]:
    """Cut the columns of a branch down to the rows `start` to `stop` (as in a Python slice of the array).

    Returns
    -------
    columns, n_rows
        Views where numpy allows it, and the number of rows that are left.
    """
    start, stop, _ = slice(start, stop).indices(n_rows)
    stop = max(start, stop)
    cut: Columns = {}
    _slice(layout, columns, start, stop, cut)
    return cut, stop - start


def _slice(layout: Layout, columns: Mapping[str, NDArray[Any]], start: int, stop: int, cut: Columns) -> None:
    def inside(is_inner: Callable[[NDArray[Any]], Any], key: str) -> tuple[int, int]:
        first = int(is_inner(columns[key][:start]))
        return first, first + int(is_inner(columns[key][start:stop]))

    match layout:
        case Values(_, key):
            cut[key] = columns[key][start:stop]
        case ListLayout(counts, content):
            cut[counts] = columns[counts][start:stop]
            _slice(content, columns, *inside(lambda counted: counted.sum(dtype=np.int64), counts), cut)
        case RegularLayout(size, content):
            _slice(content, columns, start * size, stop * size, cut)
        case RecordLayout(fields):
            for _, content in fields:
                _slice(content, columns, start, stop, cut)
        case OptionLayout(mask, content):
            cut[mask] = columns[mask][start:stop]
            _slice(content, columns, start, stop, cut)
        case UnionLayout(tags, contents):
            cut[tags] = columns[tags][start:stop]
            for tag, content in enumerate(contents):
                _slice(content, columns, *inside(lambda chosen, tag=tag: np.count_nonzero(chosen == tag), tags), cut)  # type: ignore[misc]
