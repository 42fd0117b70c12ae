"""An RNTuple on its way into a file: it holds nearly every layout as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepbaler.errors import OutputError
from hepbaler.restoring.arrays import present, unwrapped
from hepbaler.restoring.report import Difference
from hepbaler.table import ListLayout, OptionLayout, RecordLayout, RegularLayout, UnionLayout, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hepbaler.table import Branch, Layout

__all__ = ("NTupleSink", "conform", "plan_fields", "variants_of")


def __dir__() -> tuple[str, ...]:
    return __all__


_STD = {"bool": "bool", "float32": "float", "float64": "double"}


class NTupleSink:
    """An open RNTuple that takes the arrays of its fields, cluster by cluster.

    Parameters
    ----------
    directory
        Where it goes, ``uproot.WritableDirectory``.
    name, title
        Of the RNTuple.
    fields
        Name in the file -> branch, as `plan_fields` gives them.
    """

    def __init__(self, directory: Any, name: str, title: str, fields: Mapping[str, Branch]) -> None:
        self._fields = dict(fields)
        self._ntuple = directory.mkrntuple(name, self._rows({}).form, title)
        self.branches = tuple(self._fields)

    def values(self, cluster: Mapping[str, ak.Array]) -> dict[str, Any]:
        """Name in the file -> content, for the arrays of a cluster.

        Raises
        ------
        OutputError
            If a branch is missing, or not as its layout says.
        """
        missing = [branch.name for branch in self._fields.values() if branch.name not in cluster]
        if missing:
            msg = f"the cluster has no array for branch {missing[0]!r}; it has {sorted(cluster)[:8]}"
            raise OutputError(msg)
        found = {}
        for name, branch in self._fields.items():
            try:
                found[name] = conform(cluster[branch.name].layout, branch.layout)
            except OutputError as error:
                msg = f"branch {branch.name!r} does not fit its layout: {error}"
                raise OutputError(msg) from error
        return found

    def extend(self, values: Mapping[str, Any]) -> None:
        """Write a cluster.

        Parameters
        ----------
        values
            As the method `values` gives them, all with the same rows.
        """
        self._ntuple.extend(ak.Array(self._rows(values)))

    def _rows(self, values: Mapping[str, Any]) -> Any:
        contents = []
        for name, branch in self._fields.items():
            content = values.get(name)
            if content is None:
                content = conform(ak.contents.EmptyArray(), branch.layout)
            if branch.title:
                content = content.copy(parameters={**content.parameters, "__doc__": branch.title})
            contents.append(content)
        return ak.contents.RecordArray(contents, list(self._fields))


def plan_fields(
    branches: Sequence[Branch], *, one_cluster: bool, described: bool = False
) -> tuple[dict[str, Branch], tuple[Difference, ...]]:
    """Name the fields, and say what will differ.

    Parameters
    ----------
    branches
        Of one tree.
    one_cluster
        Whether all entries come at once. uproot reads the variants of all clusters but the first wrongly.
    described
        Whether they were fields of an RNTuple and are only described: any name of theirs is possible there, and records
        without members, which uproot does not write, are as good as others.

    Returns
    -------
    fields
        Name in the file -> branch, for those that can be written.
    differences
        By branch.
    """
    fields: dict[str, Branch] = {}
    differences: list[Difference] = []
    seen: set[str] = set()
    field_name = str if described else _field_name
    plain = {branch.name for branch in branches if field_name(branch.name) == branch.name}
    for branch in branches:
        reason = _obstacle(branch.layout, one_cluster=one_cluster, empty_records=described)
        if branch.name in seen:
            reason = "another branch of this tree has the same name"
        seen.add(branch.name)
        if reason is not None:
            differences.append(Difference(branch.name, "missing", branch.typename, "", reason))
            continue
        name, number = field_name(branch.name), 2
        while name != branch.name and (name in fields or name in plain):
            name, number = f"{field_name(branch.name)}_{number}", number + 1
        fields[name] = branch
        if name != branch.name:
            reason = "names of RNTuple fields have no '.', '/' or ':'"
            differences.append(Difference(branch.name, "name", branch.name, name, reason))
        typename = _std_name(branch.layout)
        if typename != branch.typename:
            reason = "the nearest type that uproot writes to an RNTuple"
            differences.append(Difference(branch.name, "type", branch.typename, typename, reason))
    return fields, tuple(differences)


def conform(content: Any, layout: Layout) -> Any:
    """Bring an array to exactly the node types that `layout` spells, so that all clusters have one form.

    Parameters
    ----------
    content
        ``ak.contents.Content``, of any nodes.
    layout
        What it holds.

    Raises
    ------
    OutputError
        If it holds something else.
    """
    content = unwrapped(content)
    nothing = isinstance(content, ak.contents.EmptyArray)
    match layout:
        case Values():
            dtype = np.dtype("float32" if layout.dtype == "float16" else layout.dtype)
            if nothing:
                return ak.contents.NumpyArray(np.zeros(0, dtype))
            if content.is_numpy and np.can_cast(content.data.dtype, dtype, "safe"):
                return ak.contents.NumpyArray(np.ascontiguousarray(content.data.astype(dtype, copy=False)))
        case ListLayout():
            if nothing:
                content = ak.contents.ListOffsetArray(ak.index.Index64(np.zeros(1, np.int64)), content)
            if content.is_list:
                lists = content.to_ListOffsetArray64(True)
                inner = conform(lists.content[: lists.offsets[-1]], layout.content)
                if layout.text is None:
                    return ak.contents.ListOffsetArray(lists.offsets, inner)
                text, char = ("string", "char") if layout.text == "utf8" else (None, None)
                inner = inner.copy(parameters={"__array__": char} if char else None)
                return ak.contents.ListOffsetArray(
                    lists.offsets, inner, parameters={"__array__": text} if text else None
                )
        case RegularLayout():
            if nothing:
                return ak.contents.RegularArray(conform(content, layout.content), layout.size, zeros_length=0)
            if content.is_list:
                regular = content.to_RegularArray()
                if regular.size == layout.size or not len(regular):
                    inner = conform(regular.content[: len(regular) * layout.size], layout.content)
                    return ak.contents.RegularArray(inner, layout.size, zeros_length=len(regular))
        case RecordLayout():
            if nothing or content.is_record:
                contents = [
                    conform(content if nothing else content.content(name)[: len(content)], field)
                    for name, field in layout.fields
                ]
                names = None if layout.is_tuple else [name for name, _ in layout.fields]
                return ak.contents.RecordArray(contents, names, len(content))
        case OptionLayout():
            valid = present(content)
            known = content.project() if content.is_option else content
            index = np.where(valid, np.cumsum(valid) - 1, -1).astype(np.int64)
            return ak.contents.IndexedOptionArray(ak.index.Index64(index), conform(known, layout.content))
        case UnionLayout():
            if nothing or content.is_union:
                return _conform_union(content, layout)
    msg = f"an array came with type {content.form.type}, and {layout} was expected"
    raise OutputError(msg)


def _conform_union(content: Any, layout: UnionLayout) -> Any:
    """Contents in the order of `variants_of`; each has only its own rows."""
    variants = variants_of(layout)
    skipped = len(layout.contents) - len(variants)
    if isinstance(content, ak.contents.EmptyArray):
        tags = np.zeros(0, np.int8)
        contents = [conform(content, variant) for variant in variants]
    else:
        tags = np.asarray(content.tags) - np.int8(skipped)
        parts = [unwrapped(content.project(tag + skipped)) for tag in range(len(variants))]
        if np.any(tags < 0) or not all(np.all(present(part)) for part in parts):
            msg = "a std::variant without a value came up, and uproot cannot write that to an RNTuple"
            raise OutputError(msg)
        parts = [part.project() if part.is_option else part for part in parts]
        contents = [conform(part, variant) for part, variant in zip(parts, variants, strict=True)]
    index = np.zeros(len(tags), np.int64)
    for tag in range(len(variants)):
        index[tags == tag] = np.arange(np.count_nonzero(tags == tag))
    return ak.contents.UnionArray(ak.index.Index8(tags), ak.index.Index64(index), contents)


def variants_of(layout: UnionLayout) -> tuple[Layout, ...]:
    """The types of a variant: uproot reads one more in front, for variants without a value, and makes all optional."""
    first, *others = layout.contents
    contents = others if isinstance(first, OptionLayout) and others else layout.contents
    return tuple(content.content if isinstance(content, OptionLayout) else content for content in contents)


def _obstacle(layout: Layout, *, one_cluster: bool, empty_records: bool) -> str | None:
    """Why a layout cannot be written; `None` where it can."""
    match layout:
        case Values(dtype="unknown"):
            return "it has values of no type that uproot knows"
        case RegularLayout(size=0):
            return "it is an array of no elements"
        case RecordLayout(fields=()) if not empty_records:
            return "it has no members, and uproot writes no empty records"
        case UnionLayout() if not one_cluster:
            return "uproot reads a std::variant wrongly when there is more than one cluster"
        case RecordLayout():
            inner: Sequence[Layout] = [field for _, field in layout.fields]
        case UnionLayout():
            inner = variants_of(layout)
        case ListLayout() | RegularLayout() | OptionLayout():
            inner = [layout.content]
        case _:
            inner = []
    found = (_obstacle(content, one_cluster=one_cluster, empty_records=empty_records) for content in inner)
    return next((reason for reason in found if reason is not None), None)


def _field_name(name: str) -> str:
    return name.rstrip("./").translate(str.maketrans("./:", "___"))


def _std_name(layout: Layout) -> str:
    """The type as uproot names it when it reads the RNTuple: nothing for what holds a record, as that has no C++ name."""
    name = _inner_name(layout)
    return "" if "record" in name else name


def _inner_name(layout: Layout) -> str:
    match layout:
        case Values():
            dtype = "float32" if layout.dtype == "float16" else layout.dtype
            return _STD.get(dtype, f"std::{dtype}_t")
        case ListLayout(text="utf8"):
            return "std::string"
        case ListLayout():
            return f"std::vector<{_inner_name(layout.content)}>"
        case RegularLayout():
            return f"std::array<{_inner_name(layout.content)},{layout.size}>"
        case OptionLayout():
            return f"std::optional<{_inner_name(layout.content)}>"
        case UnionLayout():
            return f"std::variant<{','.join(_inner_name(field) for field in variants_of(layout))}>"
        case RecordLayout(is_tuple=True):
            return f"std::tuple<{','.join(_inner_name(field) for _, field in layout.fields)}>"
        case _:
            return "record"
