"""Which tables get an autoencoder in latent mode, its training, and what is stored of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._optional import need
from .bounds import Plan
from .coding import plain
from .encoding import lengths_of_lists
from .errors import ColumnNotFound, OutputError
from .latent.coder import LatentCoder
from .latent.encoding import AutoencoderInUse, finite_table
from .latent.freezing import freeze
from .latent.settings import LatentSettings
from .learning import MIN_PLAIN_BYTES, MIN_ROWS
from .preparing import Prepared
from .presets import Training
from .scanning import Scan
from .table import Column, Table

if TYPE_CHECKING:
    from .autoencoders import TrainingSettings

__all__ = ("TableAutoencoder", "autoencode", "check_weights", "checked_family")

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A column with more values that are not finite is left to its bound: they would all be exceptions.
MAX_NOT_FINITE = 0.01
# Squares of errors of such values would leave float64.
MAX_SIZE = 1e150
# Rows from which steps and weights are chosen.
FREEZING_ROWS = 8_192
_TRIAL_STEPS = 150


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class TableAutoencoder:
    """An autoencoder of one table, trained and frozen.

    Attributes
    ----------
    table
        Index of the table.
    model
        Name of the kind of autoencoder.
    section
        Its decoder as bytes.
    use
        What encodes clusters.
    n_bytes
        What latents and decoder will take, judged from the sample.
    weight_bits, added
        As in `hepbaler.latent.freezing.Frozen`.
    steps, seconds
        Of training.
    history
        Of training, as plain data.
    """

    table: int
    model: str
    section: bytes
    use: AutoencoderInUse
    n_bytes: float
    weight_bits: int
    added: float
    steps: int
    seconds: float
    history: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the columns that it gives."""
        return self.use.coder.names

    @property
    def n_latent(self) -> int:
        """Latents a row."""
        return self.use.coder.n_latent


def autoencode(
    prepared: Prepared,
    scan: Scan,
    plan: Plan,
    settings: LatentSettings,
    training: Training,
    progress: Callable[[int, int], None],
) -> tuple[list[TableAutoencoder], list[str]]:
    """Train an autoencoder for each table that is worth one.

    Parameters
    ----------
    prepared, scan
        The tree.
    plan
        Columns that one of its rules names keep their bound.
    settings
        Which autoencoder, and how small.
    training
        Time, steps, device, seed.
    progress
        Called with the steps done and all steps.

    Returns
    -------
    autoencoders, notes
        In the order of the tables, and a sentence for each table that has floats and keeps its bounds.
    """
    notes: list[str] = []
    chosen: list[tuple[Table, list[Column]]] = []
    for table in prepared.schema.tables:
        columns = [column for column in _floats(prepared, table) if _fits(prepared, scan, plan, column)]
        if not columns:
            continue
        reason = _too_small(prepared, table, columns, settings)
        if reason is None:
            chosen.append((table, columns))
        else:
            notes.append(_note(prepared, table, reason))
    made: list[TableAutoencoder] = []
    work = [_plain_bytes(prepared, table, columns) for table, columns in chosen]
    for number, (table, columns) in enumerate(chosen):
        share = work[number] / sum(work)
        seconds = training.seconds * training.share * share if training.seconds is not None else None
        with _threads(training.jobs):
            one = _train(prepared, scan, table, columns, settings, training, seconds, progress)
        if one.n_bytes >= work[number]:
            reason = f"latents and decoder would take {one.n_bytes:,.0f} bytes, and the bounds take {work[number]:,.0f}"
            notes.append(_note(prepared, table, reason))
        else:
            made.append(one)
    return made, notes


@contextmanager
def _threads(jobs: int | None) -> Iterator[None]:
    """Let torch use so many threads, and leave it as it was."""
    torch: Any = need("torch", extra="train")
    before = torch.get_num_threads()
    torch.set_num_threads(jobs or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checked_family(settings: LatentSettings) -> None:
    """Refuse an autoencoder that there is not, or settings that it does not have, before anything takes time.

    Raises
    ------
    ModelError
        There is no such model, or it has no such setting.
    MissingExtra
        Training needs torch.
    """
    need("torch", extra="train")
    from .autoencoders import TrainingSettings
    from .autoencoders.registry import config_of

    config_of(settings.model, settings.config)
    TrainingSettings.from_dict(settings.training)


def check_weights(settings: LatentSettings, names: Sequence[str]) -> None:
    """Refuse weights for columns that there are not.

    Raises
    ------
    ColumnNotFound
    """
    for glob in settings.weights:
        if not any(fnmatchcase(name, glob) for name in names):
            msg = f"no branch is called {glob!r}, which has a weight"
            raise ColumnNotFound(msg)


def _note(prepared: Prepared, table: Table, reason: str) -> str:
    return f"table {table.name!r} of tree {prepared.schema.path!r} keeps its bounds: {reason}"


def _floats(prepared: Prepared, table: Table) -> list[Column]:
    column_of = {column.key: column for column in prepared.schema.columns}
    columns = [column_of[key] for key in table.columns if key in prepared.sample]
    return [column for column in columns if column.dtype.startswith("float") and column.role == "values"]


def _fits(prepared: Prepared, scan: Scan, plan: Plan, column: Column) -> bool:
    """Whether a column of floats is for an autoencoder."""
    if plan.names(column.branch, tree=prepared.schema.path):
        return False
    # Whole numbers (ids, flags, counts kept as floats) are exact in every mode.
    if prepared.choices[column.key].grid.kind == "fixed":
        return False
    values = scan.sample[column.key].astype(np.float64)
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) * (1 - MAX_NOT_FINITE) or not len(finite):
        return False
    return float(np.abs(finite).max()) < MAX_SIZE and float(finite.min()) < float(finite.max())


def _too_small(prepared: Prepared, table: Table, columns: Sequence[Column], settings: LatentSettings) -> str | None:
    """Why a table is not worth an autoencoder; None if it is."""
    n_latent = settings.n_latent(len(columns))
    if n_latent >= len(columns):
        return f"its {len(columns)} columns of floats are no more than the {n_latent} latents"
    rows = len(prepared.sample[columns[0].key])
    n_bytes = _plain_bytes(prepared, table, columns)
    if rows < MIN_ROWS or n_bytes < MIN_PLAIN_BYTES:
        return f"{rows:,} rows and {n_bytes:,.0f} bytes are too few to pay for a decoder"
    return None


def _plain_bytes(prepared: Prepared, table: Table, columns: Sequence[Column]) -> float:
    return sum(prepared.plain_bits[column.key] for column in columns) * prepared.rows[table.index] / 8


def _lengths(prepared: Prepared, table: Table, n_rows: int) -> IntArray | None:
    return lengths_of_lists(table, n_rows, prepared.sample_counts.get(table.index))


def _train(
    prepared: Prepared,
    scan: Scan,
    table: Table,
    columns: Sequence[Column],
    settings: LatentSettings,
    training: Training,
    seconds: float | None,
    progress: Callable[[int, int], None],
) -> TableAutoencoder:
    from . import autoencoders

    begin = time.perf_counter()
    names = tuple(column.key for column in columns)
    fill = {name: _typical(scan.sample[name]) for name in names}
    rows = finite_table({name: scan.sample[name] for name in names}, fill)
    lengths = lengths_of_lists(table, len(rows), prepared.sample_counts.get(table.index))
    kept = _checkpoint(settings, prepared, table)
    trained = autoencoders.train(
        rows,
        names,
        counts=lengths,
        model=settings.model,
        n_latent=settings.n_latent(len(names)),
        config=settings.config,
        settings=_training_settings(settings, training, seconds, (rows, names, lengths)),
        weights=_weights_of(settings, names),
        progress=lambda done, steps, _: progress(done, steps),
        checkpoint=kept,
        resume_from=kept if kept is not None and kept.exists() else None,
    )
    some, of_some = _leading(rows, lengths, FREEZING_ROWS)
    frozen = freeze(
        trained.chain(), trained.encode(some, of_some), trained.plan.apply(some), of_some, rounding=settings.rounding
    )

    def latents(part: FloatArray, counts: IntArray | None) -> IntArray:
        return frozen.quantise(trained.encode(part, counts))

    coder = LatentCoder(frozen.network, trained.plan)
    section, integers = coder.to_bytes(), latents(rows, lengths)
    return TableAutoencoder(
        table=table.index,
        model=settings.model,
        section=section,
        use=AutoencoderInUse(coder, latents, fill, [plain.promising(column) for column in integers.T]),
        n_bytes=_coded_bytes(integers) * prepared.rows[table.index] / max(len(rows), 1) + len(section),
        weight_bits=frozen.weight_bits,
        added=frozen.added,
        steps=trained.history.checks[-1].step if trained.history.checks else 0,
        seconds=time.perf_counter() - begin,
        history=trained.history.to_dict(),
    )


def _typical(values: Array) -> float:
    return float(np.median(values[np.isfinite(values)].astype(np.float64)))


def _leading(rows: FloatArray, lengths: IntArray | None, n_rows: int) -> tuple[FloatArray, IntArray | None]:
    """About the first `n_rows` rows, and whole lists."""
    if lengths is None:
        return rows[:n_rows], None
    ends = np.cumsum(lengths)
    n_lists = min(int(np.searchsorted(ends, n_rows)) + 1, len(ends))
    return rows[: int(ends[n_lists - 1])], lengths[:n_lists]


def _training_settings(
    settings: LatentSettings,
    training: Training,
    seconds: float | None,
    data: tuple[FloatArray, tuple[str, ...], IntArray | None],
) -> TrainingSettings:
    """The family's recipe, and what the user says otherwise."""
    from .autoencoders.registry import find_family

    recipe = find_family(settings.model).recipe.settings.to_dict()
    chosen = recipe | {"seed": training.seed, "device": training.device} | dict(settings.training)
    if training.steps is not None:
        chosen["steps"] = training.steps
    elif seconds is not None:
        chosen["steps"] = max(_TRIAL_STEPS, int(seconds / _seconds_a_step(settings, chosen, data)))
    from .autoencoders import TrainingSettings

    return TrainingSettings.from_dict(chosen)


def _seconds_a_step(
    settings: LatentSettings, chosen: dict[str, Any], data: tuple[FloatArray, tuple[str, ...], IntArray | None]
) -> float:
    """Time of a step, from a short training."""
    from . import autoencoders

    rows, names, lengths = data
    some, of_some = _leading(rows, lengths, FREEZING_ROWS)
    seen: list[float] = []
    autoencoders.train(
        some,
        names,
        counts=of_some,
        model=settings.model,
        n_latent=settings.n_latent(len(names)),
        config=settings.config,
        settings=autoencoders.TrainingSettings.from_dict({**chosen, "steps": _TRIAL_STEPS}),
        progress=lambda *_: seen.append(time.perf_counter()),
    )
    return (seen[-1] - seen[0]) / (_TRIAL_STEPS // len(seen) * (len(seen) - 1))


def _coded_bytes(integers: IntArray) -> int:
    return sum(len(plain.encode(np.ascontiguousarray(column), plain.promising(column))) for column in integers.T)


def _weights_of(settings: LatentSettings, names: Sequence[str]) -> dict[str, float]:
    """Those for columns of this table."""
    return {glob: weight for glob, weight in settings.weights.items() if any(fnmatchcase(name, glob) for name in names)}


def _checkpoint(settings: LatentSettings, prepared: Prepared, table: Table) -> Path | None:
    if settings.checkpoints is None:
        return None
    folder = Path(settings.checkpoints)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"checkpoints cannot be kept in {folder}: {error.strerror or error}"
        raise OutputError(msg) from error
    return folder / f"{prepared.schema.path.replace('/', '_')}.{table.index}.checkpoint"
