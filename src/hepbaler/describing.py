"""What `hepbaler info` shows: an archive by its parts, tables and columns, as plain data."""

from __future__ import annotations

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
    for number, tree in enumerate(archive.trees.values()):
        sizes = (
            reader.sizes(number).sum(axis=0, dtype=np.int64)
            if tree.header.n_clusters
            else np.zeros(tree.header.n_slots, np.int64)
        )
        n_columns = len(tree.header.schema.columns)
        pages += int(sizes[:n_columns].sum())
        latents += int(sizes[n_columns:].sum())
        trees.append(_tree(tree.header, sizes, sections))
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


def _tree(header: TreeHeader, sizes: np.ndarray[Any, np.dtype[np.int64]], sections: dict[str, int]) -> dict[str, Any]:
    schema = header.schema
    slots = header.slots()
    learned = {key: i for i, entry in enumerate(header.models) for key in entry.columns}
    home = header.table_of()
    rows = [sum(row) for row in header.rows]
    columns = []
    for column in schema.columns:
        choice = header.choices.get(schema.same_as.get(column.key, column.key))
        if column.key in schema.same_as:
            coder = "same as " + schema.same_as[column.key]
        elif column.key in header.constants:
            coder = "constant"
        else:
            coder = "learned" if column.key in learned else "plain"
        columns.append(
            {
                "column": column.key,
                "branch": column.branch,
                "table": schema.tables[home[column.key]].name,
                "dtype": column.dtype,
                "role": column.role,
                "rows": rows[home[column.key]],
                "bytes": int(sizes[slots[column.key]]),
                "coder": coder,
                "bound": str(choice.bound) if choice is not None else "exact",
                "exact": choice is None or choice.exact,
                "scale": choice.scale if choice is not None and choice.bound.kind == "bits" else None,
                "grid": choice.grid.to_dict() if choice is not None else {"kind": "integer"},
            }
        )
    itemsize = {column.key: column.raw_itemsize for column in schema.columns}
    tables = []
    for table in schema.tables:
        models = [entry for entry in header.models if entry.table == table.index]
        n_latents = sum(
            int(sizes[slots[f"@latents/{i}"]]) for i, e in enumerate(header.models) if e.table == table.index
        )
        n_models = sum(sections.get(f"section:{entry.section}", 0) for entry in models)
        tables.append(
            {
                "table": table.name,
                "rows": rows[table.index],
                "columns": len(table.columns),
                "learned": sum(len(entry.columns) for entry in models),
                "raw_bytes": sum(rows[table.index] * itemsize[key] for key in table.columns),
                "page_bytes": int(sum(sizes[slots[key]] for key in table.columns)),
                "latent_bytes": n_latents,
                "model_bytes": n_models,
            }
        )
    return {
        "path": schema.path,
        "kind": schema.kind,
        "title": schema.title,
        "entries": schema.num_entries,
        "clusters": header.n_clusters,
        "branches": len(schema.branches),
        "tables": tables,
        "links": _links(header),
        "columns": columns,
    }


def _links(header: TreeHeader) -> list[dict[str, Any]]:
    """Ways on which rows of one table see another, with the columns seen."""
    tables = header.schema.tables
    ways: dict[tuple[Any, ...], list[str]] = {}
    for entry in header.models:
        for one in entry.context:
            way = (tables[entry.table].name, one.target(tables).name, one.kind, one.index)
            ways.setdefault(way, []).append(f"{one.column}[{one.item}]" if one.kind == "item" else one.column)
    return [
        {"table": table, "target": target, "kind": kind, "index": index, "columns": columns}
        for (table, target, kind, index), columns in ways.items()
    ]
