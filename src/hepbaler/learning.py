"""Which tables get a model, for how long it is trained, and what is kept of a model that was trained before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._optional import need
from .bounds import Plan, quantise
from .encoding import Latents, known_columns, value_functions
from .errors import ModelError
from .modelfile import TrainedTable, fits
from .preparing import Prepared
from .scanning import Scan
from .table import Table

if TYPE_CHECKING:
    from .training.settings import TrainSettings

__all__ = ("Training", "encoder_of", "learn", "reuse")

IntArray = NDArray[np.int64]

# Below this many bytes of plain pages, or rows of sample, no model has ever paid for its weights.
MIN_PLAIN_BYTES = 24_000
MIN_ROWS = 1_500

# More than this share of values outside the grid of a given model means that it was trained for something else.
MAX_MISFIT = 0.02


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes
    ----------
    steps
        Steps that the largest table may take; None for a number that follows from the size of the sample.
    seconds
        Time from which the number of steps is derived before training starts; None if `steps` decides.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``.
    seed
        Of sampling, initial weights and batches.
    jobs
        Threads.
    """

    steps: int | None = None
    seconds: float | None = None
    device: str = "auto"
    seed: int = 0
    jobs: int | None = None


def learn(
    prepared: Prepared, training: Training, progress: Callable[[int, int], None]
) -> list[tuple[int, TrainedTable]]:
    """Train a model for each table that may pay for one.

    Returns
    -------
    list of (int, TrainedTable)
        Index of the table, and its model. Tables that are smaller without a model are absent.
    """
    tables = [table for table in prepared.schema.tables if _worthwhile(prepared, table)]
    if not tables:
        return []
    need("torch", extra="train")
    from .training.fit import fit

    settings = _settings(prepared, tables, training)
    total = sum(s.steps for s in settings)
    out, done = [], 0
    for table, setting in zip(tables, settings, strict=True):
        sample = {key: prepared.sample[key] for key in table.columns if key in prepared.sample}
        counts = prepared.sample_counts.get(table.index)
        known = known_columns(counts, ("@index", "@counts")) if counts is not None else {}
        result = fit(
            sample,
            known=known,
            plain_bits={key: prepared.plain_bits[key] for key in sample},
            n_rows_total=prepared.rows[table.index],
            settings=setting,
            to_values=value_functions(sample, prepared.choices),
            progress=partial(_step, progress, done, total),
        )
        done += setting.steps
        progress(done, total)
        if result.coder is not None:
            used = [k for k in (*result.coder.names, *result.coder.inputs) if not k.startswith("@")]
            dtypes = {column.key: column.dtype for column in prepared.schema.columns}
            model = TrainedTable(
                tree=prepared.schema.path,
                table=table.name,
                dtypes={key: dtypes[key] for key in used},
                choices={key: prepared.choices[key] for key in used if key in prepared.choices},
                coder=result.coder,
                encoder=result.encoder,
                steps=setting.steps,
            )
            out.append((table.index, model))
    return out


def reuse(models: Sequence[TrainedTable], prepared: Prepared, scan: Scan, plan: Plan) -> list[tuple[int, TrainedTable]]:
    """Place models that were trained before.

    Raises
    ------
    ModelError
        If the columns do not fit: names, types, bounds, or grids.
    """
    out = []
    column_of = {column.key: column for column in prepared.schema.columns}
    for model in models:
        index = fits(model, prepared.schema)
        asked = {
            key: plan.bound_for(column_of[key].branch, column_of[key].dtype, column_of[key].role, tree=model.tree)
            for key in model.choices
        }
        other = [
            f"{key} ({asked[key]}, not {model.choices[key].bound})"
            for key in asked
            if asked[key] != model.choices[key].bound
        ]
        if other:
            msg = f"the model of table {model.table!r} was trained for other bounds: {', '.join(other[:8])}"
            raise ModelError(msg)
        misfits = [
            key
            for key in model.choices
            if key in prepared.sample and _misfit(scan.sample[key], model.choices[key]) > MAX_MISFIT
        ]
        if misfits:
            msg = f"the grids of the model of table {model.table!r} do not hold the values of {', '.join(misfits[:8])}; train a new one"
            raise ModelError(msg)
        out.append((index, model))
    return out


def encoder_of(model: TrainedTable) -> Latents:
    """A function from integers to the latents of a model."""
    encoder = model.encoder

    def latents(integers: Mapping[str, IntArray]) -> IntArray | None:
        return None if encoder is None else encoder.latents(model.coder, integers)

    return latents


def _worthwhile(prepared: Prepared, table: Table) -> bool:
    stored = [key for key in table.columns if key in prepared.sample]
    rows = prepared.rows[table.index]
    plain_bytes = sum(prepared.plain_bits[key] for key in stored) * rows / 8
    in_sample = max((len(prepared.sample[key]) for key in stored), default=0)
    text = any(column.role == "text" for column in prepared.schema.columns if column.key in stored)
    return len(stored) >= 2 and plain_bytes >= MIN_PLAIN_BYTES and in_sample >= MIN_ROWS and not text


def _step(progress: Callable[[int, int], None], done: int, total: int, step: int, _n: int, _bits: float) -> None:
    progress(done + step, total)


def _settings(prepared: Prepared, tables: Sequence[Table], training: Training) -> list[TrainSettings]:
    """Settings of each table: the more plain bytes it has, the more steps it gets."""
    from .training.settings import TrainSettings

    return [TrainSettings(steps=training.steps or 1000, seed=training.seed, device="cpu") for _ in tables]


def _misfit(values: NDArray[Any], choice: Any) -> float:
    return len(quantise(values, choice).positions) / max(len(values), 1)
