"""What `hepbaler info` shows: an archive by its parts, tables and columns, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .header import TreeHeader
from .latent.entry import joint_error, page_name

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
    pages = latents = places = 0
    for tree in archive.trees.values():
        parts = []
        for segment in tree.segments:
            header = segment.header
            sizes = (
                reader.sizes(segment.number).sum(axis=0, dtype=np.int64)
                if header.n_clusters
                else np.zeros(header.n_slots, np.int64)
            )
            part = _Part(header, dict(zip(header.slots(), sizes.tolist(), strict=True)))
            parts.append(part)
            n_columns = len(header.schema.columns)
            found = sum(part.places(i) for i in range(len(header.models)))
            pages += int(sizes[:n_columns].sum())
            latents += int(sizes[n_columns:].sum()) - found
            places += found
        trees.append(_tree(tree.header, parts, sections))
    models = sum(size for name, size in sections.items() if name.startswith(("section:model/", "section:autoencoder/")))
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
            "nearest rows": places,
            "models": models,
            "objects": objects,
            "header": sections.get("meta", 0),
            "index": total - pages - latents - places - models - objects - sections.get("meta", 0),
        },
        "source": source,
        "raw_bytes": raw,
        "ratio": {
            "source": _ratio(source.get("bytes"), total),
            "arrays": _ratio(raw, total),
            **_latent_ratios([one for tree in trees for one in tree["autoencoders"]]),
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


def _latent_ratios(autoencoders: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Of all columns that come from autoencoders: columns over latents, and bytes as float32 over bytes stored."""
    if not autoencoders:
        return {}
    values = sum(len(one["columns"]) * one["rows"] for one in autoencoders)
    latents = sum(one["latents"] * one["rows"] for one in autoencoders)
    stored = sum(one["latent_bytes"] + one["page_bytes"] + one["decoder_bytes"] for one in autoencoders)
    return {"nominal": _ratio(values, latents), "float32": _ratio(4 * values, stored)}


@dataclass(frozen=True)
class _Part:
    """A segment of a tree, and the bytes of its pages by column, or by the name of a slot for latents."""

    header: TreeHeader
    sizes: Mapping[str, int]

    def places(self, model: int) -> int:
        """Bytes in which a model's rows say where their nearest rows are."""
        return sum(self.sizes[name] for name in self.header.places(model))


def _tree(header: TreeHeader, parts: Sequence[_Part], sections: Mapping[str, int]) -> dict[str, Any]:
    schema = header.schema
    home = header.table_of()
    rows = [sum(row) for row in header.rows]
    columns = []
    for column in schema.columns:
        choice = header.choices.get(schema.same_as.get(column.key, column.key))
        error = _error([part.header for part in parts], column.key)
        is_float = column.dtype.startswith("float")
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
                # Floats without a bound come from latents.
                "bound": str(choice.bound) if choice is not None else None if is_float else "exact",
                "exact": not is_float if choice is None else choice.exact,
                "error": error,
                "scale": choice.scale if choice is not None and choice.bound.kind == "bits" else None,
                "grid": choice.grid.to_dict() if choice is not None else {"kind": "latent" if is_float else "integer"},
            }
        )
    itemsize = {column.key: column.raw_itemsize for column in schema.columns}
    autoencoders = [
        _autoencoder(part, number, sections) for part in parts for number in range(len(part.header.autoencoders))
    ]
    tables = []
    for table in schema.tables:
        # A segment may have more columns in one table than all segments have in common.
        mine = [
            (part, i, entry)
            for part in parts
            for i, entry in enumerate(part.header.models)
            if any(home[key] == table.index for key in entry.columns[:1])
        ]
        others = [one for one in autoencoders if home[one["columns"][0]] == table.index]
        learned = {key for _, _, entry in mine for key in entry.columns} | {key for o in others for key in o["columns"]}
        tables.append(
            {
                "table": table.name,
                "rows": rows[table.index],
                "columns": len(table.columns),
                "learned": len(learned.intersection(table.columns)),
                "raw_bytes": sum(rows[table.index] * itemsize[key] for key in table.columns),
                "page_bytes": sum(part.sizes[key] for part in parts for key in table.columns),
                "latent_bytes": sum(
                    sum(part.sizes[name] for name in part.header.hidden(i)) - part.places(i) for part, i, _ in mine
                )
                + sum(one["latent_bytes"] for one in others),
                "place_bytes": sum(part.places(i) for part, i, _ in mine),
                "model_bytes": sum(sections.get(f"section:{name}", 0) for name in {entry.section for *_, entry in mine})
                + sum(one["decoder_bytes"] for one in others),
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
        "autoencoders": autoencoders,
        "columns": columns,
    }


def _coder(header: TreeHeader, key: str) -> str:
    if key in header.schema.same_as:
        return "same as " + header.schema.same_as[key]
    if key in header.constants:
        return "constant"
    if key in header.autoencoded():
        return "latent"
    return "learned" if any(key in entry.columns for entry in header.models) else "plain"


def _error(headers: Sequence[TreeHeader], key: str) -> dict[str, float] | None:
    """Measured error of a column of latent mode, over all segments; None where one of them has bounds."""
    parts = [
        (header.measured().get(header.schema.same_as.get(key, key)), sum(header.rows[header.table_of()[key]]))
        for header in headers
    ]
    measured = [(error, rows) for error, rows in parts if error is not None]
    return asdict(joint_error(measured)) if measured and len(measured) == len(parts) else None


def _autoencoder(part: _Part, number: int, sections: Mapping[str, int]) -> dict[str, Any]:
    entry = part.header.autoencoders[number]
    n_rows = sum(part.header.rows[entry.table])
    stored = {
        "latent_bytes": part.sizes[page_name(number)],
        "page_bytes": sum(part.sizes[key] for key in entry.columns),
        "decoder_bytes": sections.get(f"section:{entry.section}", 0),
    }
    return {
        "table": part.header.schema.tables[entry.table].name,
        "model": entry.model,
        "latents": entry.n_latent,
        "rows": n_rows,
        "columns": list(entry.columns),
        **stored,
        "nominal_ratio": entry.nominal_ratio,
        "float32_ratio": _ratio(4 * n_rows * len(entry.columns), sum(stored.values())),
    }


def _links(headers: Sequence[TreeHeader]) -> list[dict[str, Any]]:
    """Ways on which rows of one table see another, or earlier rows of their own, with the columns seen."""
    ways: dict[tuple[Any, ...], dict[str, None]] = {}
    for header in headers:
        tables = header.schema.tables
        for entry in header.models:
            for one in entry.context:
                way = (tables[entry.table].name, one.target(tables).name, one.kind, one.index)
                seen = f"{one.column}[{one.item}]" if one.kind == "item" else one.column
                ways.setdefault(way, {})[seen] = None
            if entry.lineage is not None:
                name = tables[entry.table].name
                own = dict.fromkeys((*entry.lineage.mother, *entry.lineage.vector))
                kind = "before" if entry.lineage.index is None else "lineage"
                ways.setdefault((name, name, kind, entry.lineage.index), {}).update(own)
    return [
        {"table": table, "target": target, "kind": kind, "index": index, "columns": list(columns)}
        for (table, target, kind, index), columns in ways.items()
    ]
