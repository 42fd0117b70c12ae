"""An RNTuple whose pages somebody else provides: its description, and lists of where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot
import uproot.writing._cascadentuple as cascade

from hepbaler.errors import OutputError
from hepbaler.restoring.ntuples import conform
from hepbaler.table import ListLayout, OptionLayout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hepbaler.table import Branch

__all__ = ("AnnouncedPages",)


def __dir__() -> tuple[str, ...]:
    return __all__


# uproot numbers the algorithm before the level, and the level 0 compresses nothing.
_UNCOMPRESSED = uproot.ZLIB(0).code


class AnnouncedPages:
    """An RNTuple in a file, with one page a column and cluster.

    Lists of pages have the same size wherever the pages are. So all of it is written at once, and `place` only fills in
    the places.

    Parameters
    ----------
    directory
        Where it goes, ``uproot.WritableDirectory``.
    name, title
        Of the RNTuple.
    fields
        Name in the file -> branch, as `hepbaler.restoring.ntuples.plan_fields` gives them.
    borders
        First entry of each cluster, and the number of entries at the end.
    elements
        Of each page, in the order of `hepbaler.restoring.ntuplepages.page_columns`; shape ``(n_columns, n_clusters)``.
    num_bytes
        Of each page, same shape.

    Raises
    ------
    OutputError
        If this version of uproot describes the fields otherwise.
    """

    def __init__(
        self,
        directory: Any,
        name: str,
        title: str,
        fields: Mapping[str, Branch],
        borders: Sequence[int],
        elements: NDArray[np.int64],
        num_bytes: NDArray[np.int64],
    ) -> None:
        self._sink = directory.file.sink
        self._borders, self._elements, self._num_bytes = borders, elements, num_bytes
        header = _Header(name, title, fields)
        if len(header._column_keys) != len(elements):
            msg = (
                f"uproot {uproot.__version__} describes {len(header._column_keys)} columns of RNTuple {name!r}, and "
                f"hepbaler {len(elements)}"
            )
            raise OutputError(msg)
        footer = cascade.NTuple_Footer(None, header._checksum)
        anchor = cascade.NTuple_Anchor(None, *uproot.const.rntuple_version_for_writing, *[None] * 6, 0)
        self._ntuple = cascade.NTuple(
            directory._cascading, header._akform, directory._cascading.freesegments, header, footer, [], anchor
        )
        self._header_checksum = header._checksum
        self._list_start = 0
        if len(borders) > 1:
            data = self._page_list(np.zeros_like(elements))
            key = self._ntuple.add_rblob(self._sink, data, len(data))
            self._list_start, self._list_key = key.location + key.allocation, key.location
            link = cascade.NTuple_EnvLink(len(data), cascade.NTuple_Locator(len(data), self._list_start))
            footer.cluster_group_record_frames.append(
                cascade.NTuple_ClusterGroupRecord(0, int(borders[-1]), len(borders) - 1, link)
            )
        self._ntuple.write(self._sink)

    @property
    def records(self) -> tuple[int, ...]:
        """Where the keys of its parts are that no directory lists."""
        parts = [self._ntuple._header_key.location, self._ntuple._footer_key.location]
        return (*parts, self._list_key) if self._list_start else tuple(parts)

    def place(self, starts: NDArray[np.int64]) -> None:
        """Say where the pages are; shape ``(n_columns, n_clusters)``."""
        if self._list_start:
            self._sink.write(self._list_start, self._page_list(starts))

    def _page_list(self, starts: NDArray[np.int64]) -> bytes:
        before = np.cumsum(self._elements, axis=1) - self._elements
        summaries, clusters = [], []
        for cluster, first in enumerate(self._borders[:-1]):
            summaries.append(cascade.NTuple_ClusterSummary(first, self._borders[cluster + 1] - first))
            columns = zip(
                self._elements[:, cluster].tolist(),
                self._num_bytes[:, cluster].tolist(),
                starts[:, cluster].tolist(),
                before[:, cluster].tolist(),
                strict=True,
            )
            clusters.append(
                [
                    cascade.NTuple_ColumnPageListDescription(
                        [cascade.NTuple_PageDescription(n, cascade.NTuple_Locator(n_bytes, start))] if n else [],
                        offset,
                        _UNCOMPRESSED,
                    )
                    for n, n_bytes, start, offset in columns
                ]
            )
        return bytes(cascade.NTuple_PageListEnvelope(self._header_checksum, summaries, clusters).serialize())


class _Header(cascade.NTuple_Header):  # type: ignore[misc]
    """uproot's, with the types of fields as the source names them."""

    def __init__(self, name: str, title: str, fields: Mapping[str, Branch]) -> None:
        self._fields = fields
        contents = [_described(branch) for branch in fields.values()]
        super().__init__(None, name, title, ak.contents.RecordArray(contents, list(fields), 0).form)

    def generate_field_col_records(self) -> None:
        super().generate_field_col_records()
        top = [one for number, one in enumerate(self._field_records) if one.parent_field_id == number]
        for record, branch in zip(top, self._fields.values(), strict=True):
            if _says_the_same(branch):
                record.type_name = branch.typename


def _described(branch: Branch) -> Any:
    content = conform(ak.contents.EmptyArray(), branch.layout)
    return content.copy(parameters={**content.parameters, "__doc__": branch.title}) if branch.title else content


def _says_the_same(branch: Branch) -> bool:
    """Whether the source's type does not lead uproot to other columns than are there."""
    is_option = isinstance(branch.layout, OptionLayout)
    is_text = isinstance(branch.layout, ListLayout) and branch.layout.text == "utf8"
    name = branch.typename
    return (
        "RNTupleCardinality" not in name
        and name.startswith("std::optional") == is_option
        and name.startswith("std::string") == is_text
    )
