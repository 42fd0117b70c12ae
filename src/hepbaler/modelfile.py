"""A model trained before: decoders, encoders and the grids that they were trained on, in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bounds import Choice
from .coding.elements import Coder
from .coding.encoder import LatentEncoder
from .coding.learned_bytes import coder_from_bytes, coder_to_bytes
from .container import ContainerReader, ContainerWriter
from .context import CONTEXT_KINDS, MAX_ITEM, ContextInput
from .encoding import used_columns
from .errors import CorruptFile, ModelError
from .lineage import Lineage
from .nearest import Nearest
from .table import TreeSchema

__all__ = ("MODEL_KIND", "TrainedTable", "fits", "load_models", "save_models")

MODEL_KIND = "model"


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TrainedTable:
    """A learned coder with everything that coding another file by it needs.

    Attributes
    ----------
    tree, table
        Path of the tree and name of the table that it was trained on.
    dtypes
        Type of each column that it codes or sees, of its own table or another.
    choices
        Bound and grid of those that are floats.
    context
        Inputs from other tables.
    coder
        Decoder and tables.
    encoder
        What makes the latents; None if there are none.
    steps
        Training steps taken.
    lineage
        How rows descend from each other, if the coder looks at earlier rows.
    nearest
        By what the nearest rows of other tables are found.
    """

    tree: str
    table: str
    dtypes: Mapping[str, str]
    choices: Mapping[str, Choice]
    context: tuple[ContextInput, ...]
    coder: Coder
    encoder: LatentEncoder | None
    steps: int
    lineage: Lineage | None = None
    nearest: tuple[Nearest, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it codes or sees, of its own table or another, without those that follow from the counts."""
        return used_columns(self.coder, self.context, self.lineage, self.nearest)

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Those of its own table."""
        return used_columns(self.coder, (), self.lineage)


def save_models(
    path: str | os.PathLike[str], models: Sequence[TrainedTable], *, meta: Mapping[str, Any], overwrite: bool
) -> int:
    """Write a model file; returns its size in bytes."""
    with ContainerWriter(path, overwrite=overwrite) as writer:
        entries = []
        for i, model in enumerate(models):
            writer.add_section(f"model/{i}", coder_to_bytes(model.coder))
            if model.encoder is not None:
                writer.add_section(f"encoder/{i}", model.encoder.to_bytes())
            entries.append(
                {
                    "tree": model.tree,
                    "table": model.table,
                    "steps": model.steps,
                    "dtypes": dict(model.dtypes),
                    "choices": {key: choice.to_dict() for key, choice in model.choices.items()},
                    "context": [[one.kind, one.column, one.index, one.item] for one in model.context],
                    "encoder": model.encoder is not None,
                    "lineage": _lineage_to_dict(model.lineage),
                    "nearest": [[*one.own, *one.other] for one in model.nearest],
                }
            )
        writer.finish({**meta, "kind": MODEL_KIND, "models": entries})
    return Path(path).stat().st_size


def load_models(path: str | os.PathLike[str]) -> tuple[TrainedTable, ...]:
    """Read a model file.

    Raises
    ------
    ModelError
        If the file is something else.
    FormatError
        If it is damaged.
    """
    with ContainerReader(path) as reader:
        if reader.meta.get("kind") != MODEL_KIND:
            msg = f"{path} holds a {reader.meta.get('kind')!r}, not a model; 'hepbaler train' makes one"
            raise ModelError(msg)
        models = []
        try:
            for i, entry in enumerate(reader.meta["models"]):
                models.append(
                    TrainedTable(
                        str(entry["tree"]),
                        str(entry["table"]),
                        {str(key): str(dtype) for key, dtype in entry["dtypes"].items()},
                        {str(key): Choice.from_dict(value) for key, value in entry["choices"].items()},
                        tuple(_context(one) for one in entry.get("context", [])),
                        coder_from_bytes(reader.section(f"model/{i}")),
                        LatentEncoder.from_bytes(reader.section(f"encoder/{i}")) if entry["encoder"] else None,
                        int(entry["steps"]),
                        _lineage(entry.get("lineage")),
                        tuple(_nearest(one) for one in entry.get("nearest", [])),
                    )
                )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{path}: a model cannot be read: {error}"
            raise CorruptFile(msg, section="meta") from error
    return tuple(models)


def _lineage_to_dict(lineage: Lineage | None) -> dict[str, Any] | None:
    if lineage is None:
        return None
    return {"index": lineage.index, "mother": list(lineage.mother), "vector": list(lineage.vector)}


def _lineage(data: Any) -> Lineage | None:
    if data is None:
        return None
    mother, vector = (tuple(str(key) for key in data[name]) for name in ("mother", "vector"))
    if len(vector) not in (0, 4):
        msg = f"a four-vector of {len(vector)} columns"
        raise ValueError(msg)
    index = data["index"]
    return Lineage(None if index is None else str(index), mother, vector)


def _nearest(data: Any) -> Nearest:
    a, b, c, d, e, f = (str(key) for key in data)
    return Nearest((a, b, c), (d, e, f))


def _context(data: Any) -> ContextInput:
    kind, column, index, item = data
    if kind not in CONTEXT_KINDS or not 0 <= int(item) <= MAX_ITEM:
        msg = f"context of unknown kind {kind!r:.40}"
        raise ValueError(msg)
    return ContextInput(kind, str(column), None if index is None else str(index), int(item))


def fits(model: TrainedTable, schema: TreeSchema) -> int:
    """Index of the table of `schema` that has all columns of `model`.

    Raises
    ------
    ModelError
        Naming the columns that are missing, have another type, or belong to several tables.
    """
    dtypes = {column.key: column.dtype for column in schema.columns}
    missing = [key for key in model.columns if key not in dtypes]
    if missing:
        msg = f"the model of table {model.table!r} does not fit tree {schema.path!r}: no column {_some(missing)}; train a new one, or compress without --model"
        raise ModelError(msg)
    other = [
        f"{key} ({dtypes[key]}, not {model.dtypes[key]})" for key in model.columns if dtypes[key] != model.dtypes[key]
    ]
    if other:
        msg = f"the model of table {model.table!r} does not fit tree {schema.path!r}: other types of {_some(other)}"
        raise ModelError(msg)
    homes = {table.index for table in schema.tables if set(table.columns) & set(model.own_columns)}
    if len(homes) != 1:
        msg = f"the model of table {model.table!r} does not fit tree {schema.path!r}: its columns have differing counts in this file"
        raise ModelError(msg)
    home = homes.pop()
    strange = [one.column for one in model.context if not one.fits(schema.tables, home)]
    if model.lineage is not None and schema.tables[home].kind != "list":
        strange += model.lineage.needs()
    if strange:
        msg = f"the model of table {model.table!r} does not fit tree {schema.path!r}: its rows cannot look at {_some(strange)} in this file"
        raise ModelError(msg)
    return home


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
