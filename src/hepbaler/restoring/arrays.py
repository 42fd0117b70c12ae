"""The values of a leaf out of a branch's array, whatever awkward node types the array happens to be made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepbaler.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hepbaler.restoring.leaves import Leaf, Step

__all__ = ("counts_of", "elements", "leaf_values", "present", "slice_rows", "spread", "unwrapped")


def __dir__() -> tuple[str, ...]:
    return __all__


def leaf_values(array: ak.Array, leaf: Leaf) -> Any:
    """Follow a leaf's steps through an array.

    Parameters
    ----------
    array
        The branch's values; one row an entry.
    leaf
        What to take out of it.

    Returns
    -------
    ak.contents.Content
        Only ``NumpyArray``, ``RegularArray`` and ``ListOffsetArray`` (offsets from zero, content cut to the last one);
        of a leaf that is `streamed`, what its branch is.

    Raises
    ------
    OutputError
        If the array is not as the leaf's branch says.
    """
    if leaf.streamed:
        return unwrapped(array.layout)
    try:
        return _follow(unwrapped(array.layout), leaf.steps, np.dtype(leaf.dtype))
    except (TypeError, ValueError) as error:
        msg = f"branch {leaf.branch!r} came with type {array.type.content}, which does not fit its layout: {error}"
        raise OutputError(msg) from error


def unwrapped(content: Any) -> Any:
    """`content` without index indirection and without options that miss nothing."""
    while True:
        if isinstance(content, ak.contents.UnmaskedArray):
            content = content.content
        elif isinstance(content, ak.contents.IndexedArray):
            content = content.project()
        elif isinstance(content, ak.contents.NumpyArray) and content.data.ndim > 1:
            content = content.to_RegularArray()
        else:
            return content


def counts_of(content: Any) -> NDArray[np.int64]:
    """Length of each list, shape ``(n_rows,)``."""
    return np.diff(np.asarray(content.offsets))


def elements(content: Any) -> NDArray[Any]:
    """All numbers below `content` as one flat array."""
    while not isinstance(content, ak.contents.NumpyArray):
        content = content.content
    return np.asarray(content.data)


def slice_rows(content: Any, start: int, stop: int) -> Any:
    """Rows ``start:stop`` of what `leaf_values` gave, in the same form."""
    part = content[start:stop]
    if isinstance(part, ak.contents.RecordArray) or _holds_records(part):
        return ak.to_packed(part, highlevel=False)
    if isinstance(part, ak.contents.ListOffsetArray):
        part = part.to_ListOffsetArray64(True)
        return part.copy(content=part.content[: part.offsets[-1]])
    return part


def present(content: Any) -> NDArray[np.bool_]:
    """Where a row is not missing, shape ``(n_rows,)``."""
    if not content.is_option:
        return np.ones(len(content), np.bool_)
    return np.asarray(content.to_IndexedOptionArray64().index) >= 0


def spread(content: Any, valid: NDArray[np.bool_]) -> Any:
    """Put the rows of `content` where `valid` is, and zeros, or empty lists, elsewhere."""
    if isinstance(content, ak.contents.NumpyArray):
        out = np.zeros(len(valid), content.data.dtype)
        out[valid] = content.data
        return ak.contents.NumpyArray(out, parameters=content.parameters)
    if isinstance(content, ak.contents.RegularArray):
        inner = spread(content.content, np.repeat(valid, content.size))
        return content.copy(content=inner, zeros_length=len(valid))
    offsets = np.zeros(len(valid) + 1, np.int64)
    offsets[1:][valid] = counts_of(content)
    return content.copy(offsets=ak.index.Index64(np.cumsum(offsets)))


def _holds_records(content: Any) -> bool:
    while content.is_list or content.is_regular:
        content = content.content
    return bool(content.is_record)


def _follow(content: Any, steps: Sequence[Step], dtype: np.dtype[Any]) -> Any:
    if isinstance(content, ak.contents.EmptyArray):
        return _nothing(steps, dtype)
    if not steps:
        return _numbers(content, dtype)
    step, rest = steps[0], steps[1:]
    if step[0] == "mask":
        return ak.contents.NumpyArray(present(content))
    if step[0] == "option":
        valid = present(content)
        known = unwrapped(content.project()) if content.is_option else content
        return spread(_follow(known, rest, dtype), valid)
    if step[0] == "field":
        if not content.is_record:
            msg = f"a record with member {step[1]!r} was expected, and {content.form.type} found"
            raise TypeError(msg)
        return _follow(unwrapped(content.content(step[1])[: len(content)]), rest, dtype)
    if not (content.is_list or content.is_regular):
        msg = f"a list was expected, and {content.form.type} found"
        raise TypeError(msg)
    if step[0] == "regular":
        regular = content.to_RegularArray()
        if regular.size != step[1] and len(regular):
            msg = f"a C array of {step[1]} elements was expected, and one of {regular.size} found"
            raise ValueError(msg)
        inner = unwrapped(regular.content[: len(regular) * step[1]])
        return ak.contents.RegularArray(_follow(inner, rest, dtype), step[1], zeros_length=len(regular))
    lists = content.to_ListOffsetArray64(True)
    inner = unwrapped(lists.content[: lists.offsets[-1]])
    if step[0] == "text":
        # bytes as well are written as strings: a TTree knows no other text, and uproot only looks at this label
        chars = ak.contents.NumpyArray(_numbers(inner, dtype).data, parameters={"__array__": "char"})
        return ak.contents.ListOffsetArray(lists.offsets, chars, parameters={"__array__": "string"})
    return ak.contents.ListOffsetArray(lists.offsets, _follow(inner, rest, dtype))


def _numbers(content: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(content, ak.contents.EmptyArray):
        return ak.contents.NumpyArray(np.zeros(0, dtype))
    if not isinstance(content, ak.contents.NumpyArray):
        msg = f"numbers were expected, and {content.form.type} found"
        raise TypeError(msg)
    data = np.asarray(content.data)
    if not np.can_cast(data.dtype, dtype, "safe"):
        msg = f"{dtype} was expected, and {data.dtype} found"
        raise TypeError(msg)
    return ak.contents.NumpyArray(np.ascontiguousarray(data.astype(dtype, copy=False)))


def _nothing(steps: Sequence[Step], dtype: np.dtype[Any]) -> Any:
    """No rows, in the form that the steps lead to."""
    if not steps:
        return ak.contents.NumpyArray(np.zeros(0, dtype))
    step, rest = steps[0], steps[1:]
    if step[0] == "mask":
        return ak.contents.NumpyArray(np.zeros(0, np.bool_))
    if step[0] == "regular":
        return ak.contents.RegularArray(_nothing(rest, dtype), step[1], zeros_length=0)
    offsets = ak.index.Index64(np.zeros(1, np.int64))
    if step[0] == "list":
        return ak.contents.ListOffsetArray(offsets, _nothing(rest, dtype))
    if step[0] == "text":
        chars = ak.contents.NumpyArray(np.zeros(0, np.uint8), parameters={"__array__": "char"})
        return ak.contents.ListOffsetArray(offsets, chars, parameters={"__array__": "string"})
    return _nothing(rest, dtype)
