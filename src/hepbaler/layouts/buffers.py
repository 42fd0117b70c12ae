"""Layouts -> awkward forms, with the column that each buffer of an array is made from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepbaler.layouts.unflattening import TEXTS, offsets_of, union_index
from hepbaler.table import Layout, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

__all__ = ("Buffer", "form_of")

# Key of a column, and what makes the buffer of its values.
Buffer = tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]


def __dir__() -> tuple[str, ...]:
    return __all__


def form_of(layout: Layout) -> tuple[ak.forms.Form, dict[str, Buffer]]:
    """The form of what `unflatten` makes, its buffers by the names that `ak.from_buffers` gives them.

    Whoever reads the buffers one by one decodes no more columns than somebody touches.
    """
    buffers: dict[str, Buffer] = {}
    return _form(layout, buffers), buffers


def _form(layout: Layout, buffers: dict[str, Buffer]) -> ak.forms.Form:
    forms = ak.forms
    match layout:
        case Values("unknown"):
            return forms.EmptyForm()
        case Values(dtype, key):
            buffers[f"{key}-data"] = key, partial(np.ascontiguousarray, dtype=dtype)
            return forms.NumpyForm(dtype, form_key=key)
        case ListLayout(counts, inner, text, array):
            buffers[f"{counts}-offsets"] = counts, partial(offsets_of, key=counts)
            content = _form(inner, buffers)
            parameters = None if array is None else {"__array__": array}
            if text is not None:
                outer, char = TEXTS[text]
                content = content.copy(parameters={"__array__": char})
                parameters = {"__array__": outer}
            return forms.ListOffsetForm("i64", content, parameters=parameters, form_key=counts)
        case RegularLayout(size, inner):
            return forms.RegularForm(_form(inner, buffers), size)
        case RecordLayout(fields, name, is_tuple, array):
            given = {"__record__": name, "__array__": array}
            return forms.RecordForm(
                [_form(content, buffers) for _, content in fields],
                None if is_tuple else [field for field, _ in fields],
                parameters={key: value for key, value in given.items() if value is not None} or None,
            )
        case OptionLayout(mask, Values("unknown")):
            buffers[f"{mask}-index"] = mask, _nothing
            return forms.IndexedOptionForm("i64", forms.EmptyForm(), form_key=mask)
        case OptionLayout(mask, inner):
            buffers[f"{mask}-mask"] = mask, _mask
            return forms.ByteMaskedForm("i8", _form(inner, buffers), True, form_key=mask)
        case UnionLayout(tags, inners):
            buffers[f"{tags}-tags"] = tags, partial(np.ascontiguousarray, dtype=np.int8)
            buffers[f"{tags}-index"] = tags, partial(_index, key=tags, n_types=len(inners))
            return forms.UnionForm("i8", "i64", [_form(content, buffers) for content in inners], form_key=tags)


def _nothing(present: NDArray[Any]) -> NDArray[np.int64]:
    return np.full(len(present), -1, np.int64)


def _mask(present: NDArray[Any]) -> NDArray[np.int8]:
    return np.asarray(present, bool).view(np.int8)


def _index(tags: NDArray[Any], key: str, n_types: int) -> NDArray[np.int64]:
    return union_index(tags, key, n_types)[0]
