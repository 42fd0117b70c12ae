"""coffea's NanoEvents straight from an archive, each column decoded when it is touched.

`coffea.nanoevents.NanoEventsFactory.from_root` reads ``hepbaler://`` too, as does coffea's ``Runner``. This way is
shorter: no ROOT bytes in between, and integers keep the types that a TTree cannot give to counters.
"""

from __future__ import annotations

import json
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepbaler._optional import need

need("coffea", extra="coffea")  # says how to get it, which the next line would not

from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from coffea.nanoevents.mapping.base import BaseSourceMapping, UUIDOpener
from coffea.nanoevents.util import quote, tuple_to_key

from hepbaler.archive import open_archive
from hepbaler.caching import CACHE_BYTES, ColumnCache

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from hepbaler.branches import TreeBranch
    from hepbaler.tree import Tree

__all__ = ("nanoevents",)


def __dir__() -> tuple[str, ...]:
    return __all__


def nanoevents(
    path: str | os.PathLike[str],
    schemaclass: Any = None,
    entry_start: int | None = None,
    entry_stop: int | None = None,
    *,
    tree: str = "Events",
    metadata: Mapping[str, Any] | None = None,
    access_log: list[Any] | None = None,
    cache_bytes: int = CACHE_BYTES,
    **storage_options: Any,
) -> ak.Array:
    """Events of an archive with coffea's behaviours, as virtual arrays.

    Parameters
    ----------
    path
        The archive: a path, or any URL that fsspec understands.
    schemaclass
        One of coffea's schemas, ``NanoAODSchema`` by default.
    entry_start, entry_stop
        Entry range, as in a slice.
    tree
        Which tree of the archive.
    metadata
        Goes into ``events.metadata``.
    access_log
        A list to which coffea appends each branch that is read.
    cache_bytes
        What decoded columns may take in memory, beside the events' own.
    storage_options
        Given to fsspec.

    Returns
    -------
    ak.Array
        What ``NanoEventsFactory(...).events()`` gives. The archive stays open as long as it lives.

    Raises
    ------
    FormatError
        If the archive is damaged.
    ColumnNotFound
        If it has no such tree.

    Warns
    -----
    UserWarning
        Which branches NanoEvents cannot hold: unions and missing values.

    Examples
    --------
    >>> events = hepbaler.nanoevents("events.root.hbal")  # doctest: +SKIP
    >>> events.Jet[events.MET.pt > 40].pt  # doctest: +SKIP
    """
    archive = open_archive(path, **storage_options)
    source = archive[tree].cached(ColumnCache(cache_bytes))
    start, stop, _ = slice(entry_start, entry_stop).indices(source.num_entries)
    stop = max(start, stop)
    file_id = str(uuid.UUID(bytes=archive.reader.fingerprint))
    form = _ArchiveMapping._extract_base_form(source)
    form["typenames"] = source.typenames()
    form["parameters"]["metadata"] = dict(metadata or {})
    mapping = _ArchiveMapping(_Opener({file_id: archive.path}), start, stop, {}, access_log, virtual=True)
    mapping.preload_column_source(file_id, source.object_path, source)
    key = tuple_to_key((file_id, source.object_path, f"{start}-{stop}"))
    schema = (schemaclass or NanoAODSchema)(form)
    return NanoEventsFactory(schema, mapping, key, mode="virtual").events()


class _Opener(UUIDOpener):  # type: ignore[misc]
    """Opens an archive again where the mapping was sent to another process."""

    def open_uuid(self, uuid: str) -> Any:
        return open_archive(self._uuid_pfnmap[uuid])


class _ArchiveMapping(BaseSourceMapping):  # type: ignore[misc]
    """What coffea asks for a buffer, and gets it from the branch that the buffer's name begins with."""

    @classmethod
    def _extract_base_form(cls, tree: Tree) -> dict[str, Any]:
        empty = tree.branch_arrays(tree.keys(), 0, 0)
        forms: dict[str, Any] = {}
        left_out = []
        for name, array in empty.items():
            branch = tree[name]
            notes = {"__doc__": branch.title, "typename": branch.typename}
            form = _keyed(json.loads(array.layout.form.to_json()), f"{name},!load", notes)
            if form is None or _is_odd(name):
                left_out.append(name)
            else:
                forms[name] = form
        if left_out:
            message = f"NanoEvents cannot hold {len(left_out)} branches of {tree.object_path!r}: {', '.join(left_out)}"
            warnings.warn(message, stacklevel=3)
        return {
            "class": "RecordArray",
            "fields": list(forms),
            "contents": list(forms.values()),
            "parameters": {"__doc__": tree.title},
            "form_key": None,
        }

    def key_root(self) -> str:
        return "hepbaler:"

    def get_column_handle(self, columnsource: Tree, name: str, allow_missing: bool) -> TreeBranch | None:
        return columnsource[name] if name in columnsource or not allow_missing else None

    def extract_column(
        self, columnhandle: TreeBranch | None, start: int, stop: int, allow_missing: bool, **_: Any
    ) -> ak.Array:
        if columnhandle is None:
            nothing = ak.index.Index64(np.full(stop - start, -1, np.int64))
            return ak.Array(ak.contents.IndexedOptionArray(nothing, ak.contents.NumpyArray(np.zeros(0, np.bool_))))
        layout = columnhandle.array(entry_start=start, entry_stop=stop).layout
        if layout.is_list:
            # coffea takes the offsets for those of the range alone
            layout = layout.to_ListOffsetArray64(True)
        if allow_missing:
            layout = ak.contents.IndexedOptionArray(ak.index.Index64(np.arange(stop - start)), layout)
        return ak.Array(layout)

    def __len__(self) -> int:
        return int(self._stop - self._start)

    def __iter__(self) -> Any:
        msg = "the buffers of an archive are made when they are asked for by name"
        raise NotImplementedError(msg)


def _is_odd(name: str) -> bool:
    """Commas and exclamation marks are words of coffea's little language of buffers."""
    return "," in name or "!" in name


def _keyed(form: dict[str, Any], key: str, notes: Mapping[str, str] | None) -> dict[str, Any] | None:
    """A form whose buffers are named by the steps that lead to them; None where NanoEvents knows no such step."""
    kept = {name: value for name, value in (form.get("parameters") or {}).items() if name == "__array__"}
    out = form | {"parameters": kept | dict(notes or {})}
    match form["class"]:
        case "NumpyArray":
            return out | {"form_key": quote(key)}
        case "ListOffsetArray":
            content = _keyed(form["content"], f"{key},!content", notes)
            return None if content is None else out | {"form_key": quote(key), "content": content}
        case "RegularArray":
            content = _keyed(form["content"], f"{key},!content", notes)
            return None if content is None else out | {"content": content}
        case "RecordArray" if form["fields"] is not None and not any(_is_odd(field) for field in form["fields"]):
            members = zip(form["fields"], form["contents"], strict=True)
            contents = [_keyed(content, f"{key},{field},!item", None) for field, content in members]
            return None if None in contents else out | {"contents": contents}
        case _:
            return None
