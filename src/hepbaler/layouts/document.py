"""Layouts as plain data for the header of an archive, and back."""

from __future__ import annotations

from typing import Any

from ..fields import count_of, fail, field_of, pair_of, typed
from ..table import (
    Layout,
    ListLayout,
    OptionLayout,
    RecordLayout,
    RegularLayout,
    UnionLayout,
    Values,
)

__all__ = ("layout_from_dict", "layout_to_dict")

MAX_DEPTH = 24
DTYPES = frozenset(
    [
        "bool",
        *(f"{kind}int{n}" for kind in ("", "u") for n in (8, 16, 32, 64)),
        "float16",
        "float32",
        "float64",
        "unknown",
    ]
)


def __dir__() -> tuple[str, ...]:
    return __all__


def layout_to_dict(layout: Layout) -> Any:
    """As plain data: a leaf is ``[dtype, column]``, everything else an object with its kind as the only first key."""
    match layout:
        case Values(dtype, column):
            return [dtype, column]
        case ListLayout(counts, content, text, array):
            out = {"list": counts, "of": layout_to_dict(content)}
            return out | ({"text": text} if text else {}) | ({"array": array} if array else {})
        case RegularLayout(size, content):
            return {"regular": size, "of": layout_to_dict(content)}
        case RecordLayout(fields, name, is_tuple, array):
            out = {"record": [[key, layout_to_dict(content)] for key, content in fields]}
            out |= {"name": name} if name else {}
            out |= {"tuple": True} if is_tuple else {}
            return out | ({"array": array} if array else {})
        case OptionLayout(mask, content):
            return {"option": mask, "of": layout_to_dict(content)}
        case UnionLayout(tags, contents):
            return {"union": tags, "of": [layout_to_dict(content) for content in contents]}


def layout_from_dict(data: object, depth: int = 0) -> Layout:
    """Inverse of `layout_to_dict`; raises `CorruptFile`."""
    if depth > MAX_DEPTH:
        fail("a branch is nested too deeply")
    if isinstance(data, list):
        dtype, column = pair_of(data)
        if dtype not in DTYPES or not isinstance(column, str):
            fail(f"a leaf of unknown type {dtype!r}")
        return Values(str(dtype), column)
    node = typed(data, dict, "layout")
    inner = node.get("of")
    if "list" in node:
        text = node.get("text")
        content = layout_from_dict(inner, depth + 1)
        if text not in (None, "utf8", "bytes") or (
            text and not (isinstance(content, Values) and content.dtype == "uint8")
        ):
            fail(f"text of unknown kind {text!r}")
        return ListLayout(field_of(node, "list", str), content, text, _array(node, "set", "bitset"))
    if "regular" in node:
        return RegularLayout(count_of(node["regular"], "size"), layout_from_dict(inner, depth + 1))
    if "record" in node:
        fields = tuple(
            (typed(key, str, "field"), layout_from_dict(content, depth + 1))
            for key, content in (pair_of(item) for item in field_of(node, "record", list))
        )
        name = node.get("name")
        is_tuple = node.get("tuple") is True
        return RecordLayout(fields, name if isinstance(name, str) else None, is_tuple, _array(node, "sorted_map"))
    if "option" in node:
        return OptionLayout(field_of(node, "option", str), layout_from_dict(inner, depth + 1))
    if "union" in node:
        contents = typed(inner, list, "union")
        return UnionLayout(field_of(node, "union", str), tuple(layout_from_dict(item, depth + 1) for item in contents))
    return fail("a layout of unknown kind")


def _array(node: dict[str, Any], *allowed: str) -> str | None:
    array = node.get("array")
    if array is not None and array not in allowed:
        fail(f"an array of unknown kind {array!r:.40}")
    return array
