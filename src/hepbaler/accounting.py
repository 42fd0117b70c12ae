"""What became of each table and each autoencoder, in bytes: from the sizes of pages to reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .autoencoding import TableAutoencoder
from .coding.learned_bytes import coder_to_bytes
from .header import TreeHeader
from .latent.entry import page_name
from .modelfile import TrainedTable
from .preparing import Prepared
from .reports import AutoencoderReport, TableReport
from .table import Table

__all__ = ("autoencoder_reports", "table_report", "table_reports")

Sizes = np.ndarray[Any, np.dtype[np.int64]]


def __dir__() -> tuple[str, ...]:
    return __all__


def table_reports(
    prepared: Prepared,
    header: TreeHeader,
    sizes: Sizes,
    models: Sequence[TrainedTable],
    autoencoders: Sequence[TableAutoencoder] = (),
) -> list[TableReport]:
    """One report a table.

    Parameters
    ----------
    prepared
        The tree, with the columns of autoencoders.
    header
        As it is written.
    sizes
        Bytes of the pages of each slot.
    models, autoencoders
        In the order of the header's.
    """
    slots = header.slots()
    out = []
    for table in prepared.schema.tables:
        n_bytes = int(sum(sizes[slots[key]] for key in table.columns))
        learned = 0
        for i, (entry, model) in enumerate(zip(header.models, models, strict=True)):
            if entry.table == table.index:
                n_bytes += sum(int(sizes[slots[name]]) for name in header.hidden(i)) + len(coder_to_bytes(model.coder))
                learned += len(model.coder.names)
        for i, one in enumerate(autoencoders):
            if one.table == table.index:
                n_bytes += int(sizes[slots[page_name(i)]]) + len(one.section)
                learned += len(one.names)
        out.append(table_report(prepared, table, learned, n_bytes))
    return out


def table_report(prepared: Prepared, table: Table, learned: int, archive_bytes: int) -> TableReport:
    """What became of a table: `learned` columns by a model, `archive_bytes` in all."""
    itemsize = {column.key: column.raw_itemsize for column in prepared.schema.columns}
    rows = prepared.rows[table.index]
    stored = [key for key in table.columns if key in prepared.plain_bits]
    return TableReport(
        tree=prepared.schema.path,
        name=table.name,
        rows=rows,
        columns=len(table.columns),
        stored=len(stored),
        learned=learned,
        raw_bytes=sum(rows * itemsize[key] for key in table.columns),
        plain_bytes=int(sum(prepared.plain_bits[key] * rows / 8 for key in stored)),
        archive_bytes=archive_bytes,
    )


def autoencoder_reports(
    header: TreeHeader, sizes: Sizes, autoencoders: Sequence[TableAutoencoder]
) -> list[AutoencoderReport]:
    """One report an autoencoder; arguments as for `table_reports`."""
    slots = header.slots()
    out = []
    for i, (entry, one) in enumerate(zip(header.autoencoders, autoencoders, strict=True)):
        table = header.schema.tables[entry.table]
        out.append(
            AutoencoderReport(
                tree=header.schema.path,
                table=table.name,
                model=entry.model,
                n_latent=entry.n_latent,
                rows=sum(header.rows[table.index]),
                latent_bytes=int(sizes[slots[page_name(i)]]),
                page_bytes=int(sum(sizes[slots[key]] for key in entry.columns)),
                decoder_bytes=len(one.section),
                errors=dict(zip(entry.columns, entry.errors, strict=True)),
                steps=one.steps,
                seconds=one.seconds,
                rounding=one.added,
                history=one.history,
            )
        )
    return out
