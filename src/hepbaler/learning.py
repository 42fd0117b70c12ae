"""Which tables get a model, for how long it is trained, and what is kept of a model that was trained before."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._optional import need
from .bounds import Plan, quantise
from .coding.learned import LearnedCoder
from .elements import Elements, find_elements, fit_elements
from .encoding import Latents, family_of, known_columns, used_columns, value_functions
from .errors import ModelError
from .linking import Links, find_links
from .modelfile import TrainedTable, fits
from .preparing import Prepared
from .presets import PRESETS, Training
from .scanning import Scan
from .sight import sample_context, sample_places
from .table import Table

if TYPE_CHECKING:
    from .training.settings import TrainSettings

__all__ = ("encoder_of", "learn", "reuse")

IntArray = NDArray[np.int64]

# Below this many bytes of plain pages, or rows of sample, no model has ever paid for its weights.
MIN_PLAIN_BYTES = 24_000
MIN_ROWS = 1_500

# Default amount of training, in steps times columns: about 90 s on two cores of 2024, for files whose plain pages take
# this many bytes or more.
WORK = 120_000
WORK_BYTES = 9_000_000
# The part of it that goes by size; the rest goes to where columns seem to tell most about each other.
SHARE_BY_SIZE = 0.2
MIN_STEPS = 150
MAX_STEPS = 3_000

# More than this share of values outside the grid of a given model means that it was trained for something else.
MAX_MISFIT = 0.02


def __dir__() -> tuple[str, ...]:
    return __all__


def learn(
    prepared: Prepared, training: Training, progress: Callable[[int, int], None]
) -> list[tuple[int, TrainedTable]]:
    """Train a model for each table that may pay for one.

    Parameters
    ----------
    prepared
        The tree.
    training
        How.
    progress
        Called with the steps done and all steps, from whatever thread trains.

    Returns
    -------
    list of (int, TrainedTable)
        Index of the table, and its model, each behind those that it needs. Tables that are smaller without a model are
        absent.
    """
    lists = {
        table.index: found for table in prepared.schema.tables if (found := find_elements(prepared, table)) is not None
    }
    tables = [table for table in prepared.schema.tables if _worthwhile(prepared, table, lists.get(table.index))]
    if not tables:
        return []
    torch: Any = need("torch", extra="train")
    jobs = training.jobs or os.cpu_count() or 1
    workers = min(jobs, len(tables))
    # A table a core: matrices this small gain nothing from a second thread on a quiet machine, and on a busy one they wait for it.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _learn(prepared, tables, lists, training, workers, progress)
    finally:
        torch.set_num_threads(threads)


def _learn(
    prepared: Prepared,
    tables: Sequence[Table],
    lists: Mapping[int, Elements],
    training: Training,
    workers: int,
    progress: Callable[[int, int], None],
) -> list[tuple[int, TrainedTable]]:
    preset = PRESETS[training.preset]
    rest = [table for table in tables if table.index not in lists]
    links = find_links(prepared, rest, preset.reach, preset.least_before)
    columns = [lists[table.index].size if table.index in lists else _columns(prepared, table) for table in tables]
    promise = [
        lists[table.index].promise() if table.index in lists else links.promise.get(table.index, 0.0)
        for table in tables
    ]
    settings = _settings(prepared, tables, columns, promise, training, workers)
    steps = _Steps(sum(s.steps for s in settings), progress)
    # Finding parents and hints comes first and takes a while.
    progress(0, sum(s.steps for s in settings))
    # The longest first, so that no core is left with it at the end.
    order = sorted(range(len(tables)), key=lambda i: -settings[i].steps * columns[i])

    def fit_one(i: int) -> TrainedTable | None:
        tell = partial(steps.tell, tables[i].index)
        elements = lists.get(tables[i].index)
        if elements is not None:
            found = fit_elements(prepared, elements, settings[i], tell)
        else:
            found = _fit(prepared, tables[i], links, settings[i], tell)
        tell(settings[i].steps)
        return found

    executor = ThreadPoolExecutor(workers)
    try:
        futures = {i: executor.submit(fit_one, i) for i in order}
        done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        fitted = {i: future.result() for i, future in futures.items()}
    except BaseException as error:
        steps.stop = True
        # Who interrupts does not want to wait until each thread comes to its next step; they end by themselves.
        executor.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    executor.shutdown()
    models = {tables[i].index: model for i, model in fitted.items() if model is not None}
    # What sees only its own column comes first: others may look at it.
    order = [*(index for index in models if index in lists), *links.order]
    return [(index, models[index]) for index in order if index in models]


class _Stopped(Exception):
    """Another thread has failed, or the user has had enough."""


class _Steps:
    """Counts the steps of all tables together."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self.stop = False
        self._total = total
        self._progress = progress
        self._done: dict[int, int] = {}

    def tell(self, table: int, done: int, _n: int = 0, _bits: float = 0.0) -> None:
        if self.stop:
            raise _Stopped
        self._done[table] = done
        self._progress(sum(self._done.values()), self._total)


def _fit(
    prepared: Prepared,
    table: Table,
    links: Links,
    settings: TrainSettings,
    progress: Callable[[int, int, float], None],
) -> TrainedTable | None:
    from .training.fit import fit

    context = links.context.get(table.index, ())
    plainly = {*links.indices(table.index), *prepared.schema.counters}
    stored = [key for key in table.columns if key in prepared.sample]
    sample = {key: prepared.sample[key] for key in stored if key not in plainly}
    counts = prepared.sample_counts.get(table.index)
    lineage = links.lineage.get(table.index)
    known = known_columns(counts, ("@index", "@counts")) if counts is not None else {}
    known |= {key: prepared.sample[key] for key in stored if key in plainly}
    nearest = links.nearest.get(table.index, {})
    places = sample_places(prepared, table, nearest)
    known |= {one.name: sample_context(prepared, table, one, places) for one in context}
    if lineage is not None and counts is not None:
        family = family_of(lineage, counts, prepared.sample.__getitem__, prepared.choices)
        known |= family.all_inputs(prepared.sample.__getitem__)
        # The momentum of a daughter follows from her direction, not the other way round.
        momentum = lineage.vector[:1] if lineage.index is not None else ()
        sample = {key: sample[key] for key in sorted(sample, key=lambda key: key in momentum)}
        # Latents would have to come in generations too, and have not paid.
        settings = replace(settings, n_latent=0)
    result = fit(
        sample,
        known=known,
        plain_bits={key: prepared.plain_bits[key] for key in sample},
        n_rows_total=prepared.rows[table.index],
        settings=settings,
        to_values=value_functions(
            [*sample, *(one.name for one in context), *(lineage.inputs if lineage is not None else ())],
            prepared.choices,
            context,
            lineage,
        ),
        progress=progress,
    )
    if result.coder is None:
        return None
    context = tuple(one for one in context if one.name in result.coder.inputs)
    lineage = lineage.only(result.coder.inputs) if lineage is not None else None
    seen = {one.target(prepared.schema.tables).index for one in context if one.kind == "nearest"}
    near = tuple(one for target, one in nearest.items() if target in seen)
    used = used_columns(result.coder, context, lineage, near)
    dtypes = {column.key: column.dtype for column in prepared.schema.columns}
    return TrainedTable(
        tree=prepared.schema.path,
        table=table.name,
        dtypes={key: dtypes[key] for key in used},
        choices={key: prepared.choices[key] for key in used if key in prepared.choices},
        context=context,
        coder=result.coder,
        encoder=result.encoder,
        steps=settings.steps,
        lineage=lineage,
        nearest=near,
    )


def reuse(models: Sequence[TrainedTable], prepared: Prepared, scan: Scan, plan: Plan) -> list[tuple[int, TrainedTable]]:
    """Place models that were trained before.

    Raises
    ------
    ModelError
        If the columns do not fit: names, types, bounds, or grids.
    """
    out = []
    column_of = {column.key: column for column in prepared.schema.columns}
    for number, model in enumerate(models):
        index = fits(model, prepared.schema)
        asked = {
            key: plan.bound_for(column_of[key].branch, column_of[key].dtype, column_of[key].role, tree=model.tree)
            for key in model.choices
        }
        other = [
            f"{key} (now {asked[key]}, then {model.choices[key].bound})"
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
        late = {key for later in models[number:] for key in later.coder.names}
        circle = [one.column for one in model.context if late.intersection(one.needs(prepared.schema.tables, index))]
        if circle:
            msg = f"the model of table {model.table!r} needs {', '.join(circle[:8])}, which would be decoded after it"
            raise ModelError(msg)
        out.append((index, model))
    return out


def encoder_of(model: TrainedTable) -> Latents:
    """A function from integers to the latents of a model."""
    encoder = model.encoder

    def latents(integers: Mapping[str, IntArray]) -> IntArray | None:
        if encoder is None or not isinstance(model.coder, LearnedCoder):
            return None
        return encoder.latents(model.coder, integers)

    return latents


def _worthwhile(prepared: Prepared, table: Table, lists: Elements | None) -> bool:
    stored = [key for key in table.columns if key in prepared.sample]
    in_sample = max((len(prepared.sample[key]) for key in stored), default=0) // (lists.size if lists else 1)
    several = len(stored) >= 2 or lists is not None
    text = any(column.role == "text" for column in prepared.schema.columns if column.key in stored)
    return several and _plain_bytes(prepared, table) >= MIN_PLAIN_BYTES and in_sample >= MIN_ROWS and not text


def _settings(
    prepared: Prepared,
    tables: Sequence[Table],
    n_columns: Sequence[int],
    promises: Sequence[float],
    training: Training,
    workers: int,
) -> list[TrainSettings]:
    """Settings of each table: work, that is steps times columns, mostly in proportion to what it promises to save."""
    from .training.device import find_device
    from .training.settings import TrainSettings

    preset = PRESETS[training.preset]
    settings = TrainSettings(
        steps=training.steps or 1,
        seed=training.seed,
        device=find_device(training.device),
        width=preset.width,
        least_saving=preset.least_saving,
    )
    if training.steps is not None:
        return [settings] * len(tables)
    sizes = np.array([_plain_bytes(prepared, table) for table in tables])
    columns = np.array(n_columns)
    if training.seconds is None:
        # A file of a tenth of the size is worth a third of the work.
        work = preset.work * WORK * min(1.0, float(np.sqrt(sizes.sum() / WORK_BYTES)))
    else:
        from .training.speed import steps_per_second

        speed = float(np.mean([n * steps_per_second(int(n), settings) for n in columns]))
        work = training.seconds * speed * workers
    work *= training.share
    promise = np.array(promises)
    share = sizes / sizes.sum()
    if promise.sum() > 0:
        share = SHARE_BY_SIZE * share + (1 - SHARE_BY_SIZE) * promise / promise.sum()
    steps = np.clip(work * share / columns, MIN_STEPS, MAX_STEPS * max(preset.work, 1.0))
    return [replace(settings, steps=int(n)) for n in steps]


def _columns(prepared: Prepared, table: Table) -> int:
    return sum(key in prepared.sample for key in table.columns)


def _plain_bytes(prepared: Prepared, table: Table) -> float:
    bits = sum(prepared.plain_bits[key] for key in table.columns if key in prepared.sample)
    return bits * prepared.rows[table.index] / 8


def _misfit(values: NDArray[Any], choice: Any) -> float:
    return len(quantise(values, choice).positions) / max(len(values), 1)
