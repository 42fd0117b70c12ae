"""An uproot tree seen as branches and layouts, as far as the tests of the writer need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak

from hepbaler.table import Branch, ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

if TYPE_CHECKING:
    from hepbaler.table import Layout


def layout_of(form: Any, key: str) -> Layout:
    """The layout of an awkward form; columns get names below `key`."""
    if isinstance(form, (ak.forms.IndexedForm, ak.forms.UnmaskedForm)):
        return layout_of(form.content, key)
    if form.is_unknown:
        return Values("float64", key)
    if form.is_numpy:
        layout: Layout = Values(form.primitive, key)
        for size in reversed(form.inner_shape):
            layout = RegularLayout(size, layout)
        return layout
    if form.is_option:
        return OptionLayout(f"{key}.mask", layout_of(form.content, key))
    if form.is_record:
        fields = tuple((name, layout_of(form.content(name), f"{key}.{name}")) for name in form.fields)
        return RecordLayout(fields, form.parameters.get("__record__"), form.is_tuple)
    if form.is_union:
        return UnionLayout(f"{key}.tags", tuple(layout_of(one, f"{key}.{i}") for i, one in enumerate(form.contents)))
    if form.is_regular:
        return RegularLayout(form.size, layout_of(form.content, key))
    text = {"string": "utf8", "bytestring": "bytes"}.get(form.parameters.get("__array__"))
    return ListLayout(f"{key}.counts", layout_of(form.content, key), text)  # type: ignore[arg-type]


def branch_of(name: str, array: ak.Array, typename: str = "", title: str = "", count_branch: str | None = None) -> Branch:
    return Branch(name, typename, title, layout_of(array.layout.form, name), count_branch)


def read_tree(tree: Any, stop: int | None = None) -> tuple[list[Branch], dict[str, ak.Array]]:
    """Branches and arrays of an uproot tree, without what uproot cannot read."""
    import uproot

    branches, arrays = [], {}
    for name, branch in tree.items():
        is_field = isinstance(tree, uproot.behaviors.RNTuple.HasFields)
        if not is_field and len(branch.branches):
            continue
        try:
            array = branch.array(entry_stop=stop)
        except Exception:  # noqa: BLE001  (whatever uproot cannot read is not for the writer)
            continue
        if is_field and ("." in name or array.layout.form.is_record and not array.fields):
            continue
        counter = None if is_field or branch.count_branch is None else branch.count_branch.name
        title = branch.description if is_field else branch.title
        branches.append(branch_of(name, array, branch.typename, title, counter))
        arrays[name] = array
    return branches, arrays
