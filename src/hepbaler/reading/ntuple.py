"""RNTuples, through uproot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import uproot

from hepbaler.reading.failures import attempt, reading_errors, reason_of
from hepbaler.reading.tree import SourceTree, Unreadable, branches_of

__all__ = ("NTupleReader", "open_ntuple")

PROBED_ENTRIES = 100

# A cluster that is larger is not read to see whether it can be: the types are known without.
PROBED_BYTES = 64_000_000

# uproot reads whole clusters. Where one is cut into several ranges, its decompressed pages are kept up to this size.
CACHED_BYTES = 256_000_000


def __dir__() -> tuple[str, ...]:
    return __all__


class _Everything(str):
    """A key that asks for each field below another: uproot compares every field with every key otherwise."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


class _Chosen:
    """An RNTuple of which uproot sees some fields: finding them by name takes it seconds where there are a thousand."""

    def __init__(self, ntuple: Any, form: Any) -> None:
        self._ntuple = ntuple
        self._form = form

    def to_akform(self, **_: object) -> tuple[Any, None]:
        return self._form, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ntuple, name)


@dataclass(frozen=True)
class NTupleReader:
    """Reads ranges of an RNTuple.

    Attributes
    ----------
    ntuple, path
        uproot's RNTuple, and file and ntuple for messages.
    members
        uproot's RField of each top-level field.
    starts
        First entry of each cluster, and the number of entries at the end.
    cluster_bytes
        Uncompressed bytes of each cluster, by top-level field.
    """

    ntuple: Any
    path: str
    members: Mapping[str, Any]
    starts: tuple[int, ...]
    cluster_bytes: Mapping[str, Sequence[int]]
    cache: Any = field(default_factory=lambda: uproot.cache.LRUArrayCache(CACHED_BYTES))

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Read entries of fields, in one call where possible."""
        got = attempt(lambda: self.read_together(names, start, stop))
        arrays: dict[str, ak.Array] = {} if isinstance(got, Exception) else got
        for name in names:
            if name not in arrays:
                with reading_errors(f"field {name!r} of {self.path} cannot be read between entries {start} and {stop}"):
                    arrays |= self.read_together([name], start, stop)
        return arrays

    def read_together(self, names: Sequence[str], start: int, stop: int) -> dict[str, ak.Array]:
        """Read entries of fields; raises whatever uproot raises."""
        form = self.form(names)
        if start == stop:
            arrays = ak.Array(form.length_zero_array())
        else:
            whole = start in self.starts and stop in self.starts
            if whole:
                self.cache.clear()
            arrays = uproot.behaviors.RNTuple.HasFields.arrays(
                _Chosen(self.ntuple, form),
                entry_start=start,
                entry_stop=stop,
                array_cache=None if whole else self.cache,
                library="ak",
            )
        return {name: arrays[name] for name in names}

    def form(self, names: Sequence[str]) -> Any:
        """Return awkward's form of some fields; raises whatever uproot raises."""
        forms = [self.ntuple.field_form(self.members[name].field_id, [_Everything()]) for name in names]
        return ak.forms.RecordForm(forms, list(names), form_key="toplevel")

    def borders(self, names: Sequence[str]) -> list[int]:  # noqa: ARG002 - clusters are common to all fields
        """Return the entries at which clusters begin."""
        return list(self.starts)

    def uncompressed_bytes(self, names: Sequence[str]) -> int:
        """Return the uncompressed size of the fields' pages."""
        return sum(sum(self.cluster_bytes.get(name, ())) for name in names)


def open_ntuple(ntuple: Any, path: str, cycle: int, file: str) -> SourceTree:
    """Find the top-level fields of an RNTuple and what they hold.

    Parameters
    ----------
    ntuple
        uproot's RNTuple.
    path, cycle
        Where it is in the file.
    file
        Path of the file, for messages.
    """
    where = f"RNTuple {path!r} in {file}"
    with reading_errors(where):
        members = {str(item.name): item for item in ntuple.fields}
        num_entries = int(ntuple.num_entries)
        summaries = list(ntuple.cluster_summaries)
        starts = tuple(int(cluster.num_first_entry) for cluster in summaries)
        cluster_bytes = _cluster_bytes(ntuple, members, len(summaries))
        title = str(ntuple.description)
    reader = NTupleReader(ntuple, where, members, (*starts, num_entries), cluster_bytes)
    arrays, unreadable = _probe(reader, list(members), num_entries)
    facts = {name: (str(members[name].typename), str(members[name].description), None) for name in arrays}
    branches, odd = branches_of(arrays, facts, list(members))
    order = {name: index for index, name in enumerate(members)}
    return SourceTree(
        path=path,
        cycle=cycle,
        title=title,
        kind="RNTuple",
        num_entries=num_entries,
        branches=tuple(branches),
        unreadable=tuple(sorted(unreadable + odd, key=lambda branch: order[branch.name])),
        file=file,
        reader=reader,
    )


def _cluster_bytes(ntuple: Any, members: Mapping[str, Any], n_clusters: int) -> dict[str, list[int]]:
    """Sum the uncompressed pages of each top-level field, cluster by cluster."""
    top_of = {item.field_id: name for name, item in members.items()}
    parents = [record.parent_field_id for record in ntuple.field_records]

    def top(field_id: int) -> str | None:
        while field_id not in top_of and parents[field_id] != field_id:
            field_id = parents[field_id]
        return top_of.get(field_id)

    sizes = {name: [0] * n_clusters for name in members}
    for number, column in enumerate(ntuple.column_records):
        name = top(column.field_id)
        for cluster in range(n_clusters):
            columns = ntuple.page_link_list[cluster]
            if name is not None and number < len(columns) and not columns[number].suppressed:
                n_elements = sum(int(page.num_elements) for page in columns[number].pages)
                sizes[name][cluster] += -(-n_elements * int(column.nbits) // 8)
    return sizes


def _probe(reader: NTupleReader, names: list[str], num_entries: int) -> tuple[dict[str, ak.Array], list[Unreadable]]:
    """Read the first entries of all fields (or where that is much: only their types), and find those with which that fails."""
    first = sum(sizes[0] for sizes in reader.cluster_bytes.values() if len(sizes))
    # uproot would read the second cluster too where a range ends with the first
    stop = min(PROBED_ENTRIES, max(1, reader.starts[1] - 1)) if len(reader.starts) > 1 else 0
    stop = 0 if first > PROBED_BYTES else min(stop, num_entries)
    got = attempt(lambda: reader.read_together(names, 0, stop)) if names else {}
    if not isinstance(got, Exception):
        return got, []
    arrays: dict[str, ak.Array] = {}
    failed: list[Unreadable] = []
    for name in names:
        one = attempt(lambda name=name: reader.read_together([name], 0, stop))  # type: ignore[misc]
        if isinstance(one, Exception):
            failed.append(Unreadable(name, str(reader.members[name].typename), reason_of(one)))
        else:
            arrays |= one
    return arrays, failed
