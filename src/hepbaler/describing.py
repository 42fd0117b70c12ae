"""What `hepbaler info` shows: an archive by its parts, tables and columns, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .header import TreeHeader

if TYPE_CHECKING:
    from .archive import Archive

__all__ = ("describe",)


def __dir__() -> tuple[str, ...]:
    return __all__


def describe(archive: Archive) -> dict[str, Any]:
    """Describe an open archive.

    Returns
    -------
    dict
        See `hepbaler.archive.Archive.info`. Sizes are in bytes; ``ratio.source`` is the size of the ROOT file over the
        size of the archive with everything in it, ``ratio.arrays`` the same for plain arrays.
    """
    reader, meta = archive.reader, archive.meta
    sections = reader.bytes_by_part()
    trees = []
    pages = latents = 0
    for tree in archive.trees.values():
        parts = []
        for segment in tree.segments:
            header = segment.header
            sizes = (
                reader.sizes(segment.number).sum(axis=0, dtype=np.int64)
                if header.n_clusters
                else np.zeros(header.n_slots, np.int64)
            )
            parts.append(_Part(header, dict(zip(header.slots(), sizes.tolist(), strict=True))))
            n_columns = len(header.schema.columns)
            pages += int(sizes[:n_columns].sum())
            latents += int(sizes[n_columns:].sum())
        trees.append(_tree(tree.header, parts, sections))
    models = sum(size for name, size in sections.items() if name.startswith("section:model/"))
    objects = sections.get("section:objects", 0)
    total = reader.size
    source = meta.get("source")
    source = source if isinstance(source, dict) else {}
    raw = sum(table["raw_bytes"] for tree in trees for table in tree["tables"])
    return {
        "path": archive.path,
        "bytes": total,
        "bytes_by_part": {
            "corrections": pages,
            "latents": latents,
            "models": models,
            "objects": objects,
            "header": sections.get("meta", 0),
            "index": total - pages - latents - models - objects - sections.get("meta", 0),
        },
        "source": source,
        "raw_bytes": raw,
        "ratio": {
            "source": _ratio(source.get("bytes"), total),
            "arrays": _ratio(raw, total),
        },
        "format_version": meta.get("format_version"),
        "writer": meta.get("writer"),
        "settings": meta.get("settings"),
        "trees": trees,
        "objects": meta.get("objects", []),
        "notes": meta.get("notes", []),
        "left_out": meta.get("left_out", []),
    }


def _ratio(before: object, after: int) -> float | None:
    return before / after if isinstance(before, int) and after else None


@dataclass(frozen=True)
class _Part:
    """A segment of a tree, and the bytes of its pages by column, or by ``@latents/i``."""

    header: TreeHeader
    sizes: Mapping[str, int]


def _tree(header: TreeHeader, parts: Sequence[_Part], sections: Mapping[str, int]) -> dict[str, Any]:
    schema = header.schema
    home = header.table_of()
    rows = [sum(row) for row in header.rows]
    columns = []
    for column in schema.columns:
        choice = header.choices.get(schema.same_as.get(column.key, column.key))
        columns.append(
            {
                "column": column.key,
                "branch": column.branch,
                "table": schema.tables[home[column.key]].name,
                "dtype": column.dtype,
                "role": column.role,
                "rows": rows[home[column.key]],
                "bytes": sum(part.sizes[column.key] for part in parts),
                "coder": ", ".join(dict.fromkeys(_coder(part.header, column.key) for part in parts)),
                "bound": str(choice.bound) if choice is not None else "exact",
                "exact": choice is None or choice.exact,
                "scale": choice.scale if choice is not None and choice.bound.kind == "bits" else None,
                "grid": choice.grid.to_dict() if choice is not None else {"kind": "integer"},
            }
        )
    itemsize = {column.key: column.raw_itemsize for column in schema.columns}
    tables = []
    for table in schema.tables:
        # A segment may have more columns in one table than all segments have in common.
        mine = [
            (part, i, entry)
            for part in parts
            for i, entry in enumerate(part.header.models)
            if any(home[key] == table.index for key in entry.columns[:1])
        ]
        tables.append(
            {
                "table": table.name,
                "rows": rows[table.index],
                "columns": len(table.columns),
                "learned": len({key for _, _, entry in mine for key in entry.columns}.intersection(table.columns)),
                "raw_bytes": sum(rows[table.index] * itemsize[key] for key in table.columns),
                "page_bytes": sum(part.sizes[key] for part in parts for key in table.columns),
                "latent_bytes": sum(part.sizes[f"@latents/{i}"] for part, i, _ in mine),
                "model_bytes": sum(
                    sections.get(f"section:{name}", 0) for name in {entry.section for *_, entry in mine}
                ),
            }
        )
    return {
        "path": schema.path,
        "kind": schema.kind,
        "title": schema.title,
        "entries": schema.num_entries,
        "clusters": header.n_clusters,
        "segments": len(parts),
        "branches": len(schema.branches),
        "tables": tables,
        "links": _links([part.header for part in parts]),
        "columns": columns,
    }


def _coder(header: TreeHeader, key: str) -> str:
    if key in header.schema.same_as:
        return "same as " + header.schema.same_as[key]
    if key in header.constants:
        return "constant"
    return "learned" if any(key in entry.columns for entry in header.models) else "plain"


def _links(headers: Sequence[TreeHeader]) -> list[dict[str, Any]]:
    """Ways on which rows of one table see another, with the columns seen."""
    ways: dict[tuple[Any, ...], dict[str, None]] = {}
    for header in headers:
        tables = header.schema.tables
        for entry in header.models:
            for one in entry.context:
                way = (tables[entry.table].name, one.target(tables).name, one.kind, one.index)
                seen = f"{one.column}[{one.item}]" if one.kind == "item" else one.column
                ways.setdefault(way, {})[seen] = None
    return [
        {"table": table, "target": target, "kind": kind, "index": index, "columns": list(columns)}
        for (table, target, kind, index), columns in ways.items()
    ]
