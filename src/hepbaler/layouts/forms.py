"""The types of awkward arrays -> layouts and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import awkward as ak

from hepbaler.errors import InputError
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

__all__ = ("columns_of", "layout_of")

Parents = tuple[tuple[Any, ...], ...]

NUMBERS = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
)
TEXTS = {"string": "utf8", "bytestring": "bytes"}


def __dir__() -> tuple[str, ...]:
    return __all__


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
