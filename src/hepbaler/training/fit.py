"""From a sample of integers to a learned coder: what to code, with what, and whether it pays.

::

    sample --> ranks, hints, parents (prepare) --> training (loop) --> integer networks (freeze)
                                                                            |
    held-out rows, coded for real --> columns that pay for their weights --> LearnedCoder, or none
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from hepbaler.coding.encoder import LatentEncoder
from hepbaler.coding.learned import LATENT_TOP, LATENTS, LearnedCoder, LearnedColumn
from hepbaler.coding.learned_bytes import coder_to_bytes
from hepbaler.errors import ModelError
from hepbaler.features.ranks import MASS_BITS
from hepbaler.models.columns import ColumnNets, Rounding
from hepbaler.models.encoder import Encoder
from hepbaler.training.freeze import freeze_net
from hepbaler.training.loop import Batches, first_levels, measure, train
from hepbaler.training.prepare import Prepared, build_sheet, prepare
from hepbaler.training.prune import prune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from hepbaler.features.hints import ToValues
    from hepbaler.training.loop import Sheet
    from hepbaler.training.settings import TrainSettings

    IntArray = NDArray[np.int64]

__all__ = ("FitResult", "fit")


def __dir__() -> tuple[str, ...]:
    return __all__


_RACE_SHARE, _RACE_STEPS = 0.08, 150
# Latents cost a page that every column needs: they must win by a margin, not by the noise of a short race.
_RACE_MARGIN = 0.995
_FIRST_UNIFORM = -5.0
_MOST_HELD_OUT = 32768
# Rows by which the best weights are chosen.
_JUDGED = 8192
# Two processors share the reading of a column; more find other columns and clusters. Each block adds some ten bytes a page.
_BLOCKS = 2


@dataclass(frozen=True, eq=False)
class FitResult:
    """What training made.

    Attributes
    ----------
    coder
        None where no column pays for its share of the model.
    encoder
        None where the coder has no latents.
    bits
        Bits a value of each column that training tried, measured on held-out rows with the integer decoder;
        ``"@latents"`` is the price of a row's latents.
    history
        (step, bits a row) of the training rows.
    tried, steps, n_train, n_held_out
        What was done.
    """

    coder: LearnedCoder | None
    encoder: LatentEncoder | None
    bits: Mapping[str, float]
    history: tuple[tuple[int, float], ...]
    tried: tuple[str, ...]
    steps: int
    n_train: int
    n_held_out: int


@dataclass(frozen=True, eq=False)
class _Trained:
    nets: ColumnNets
    encoder: Encoder | None
    uniform: torch.Tensor
    history: list[tuple[int, float]]


def fit(
    sample: Mapping[str, IntArray],
    *,
    known: Mapping[str, IntArray],
    plain_bits: Mapping[str, float],
    n_rows_total: int,
    settings: TrainSettings,
    to_values: Mapping[str, ToValues] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> FitResult:
    """Train a coder for the columns of a table.

    Parameters
    ----------
    sample
        Integers of each column, shape (n_rows,), drawn over the whole file.
    known
        Columns that the reader has anyway (``"@index"``, ...), same rows. They are seen and not coded.
    plain_bits
        Bits a value that the plain coder needs, by column.
    n_rows_total
        Rows of the table in the whole file: what the model's bytes are weighed against.
    to_values
        By column, from integers to the values they stand for; ascending, and the same bits on every machine. Columns
        without it take no part in hints.
    progress
        Called with (steps done, steps in all, bits a row).

    Raises
    ------
    ModelError
        If columns differ in length.
    """
    lengths = {array.shape for array in (*sample.values(), *known.values())}
    if len(lengths) > 1:
        msg = f"columns of one table have the same length; the sample's have {sorted(lengths)}"
        raise ModelError(msg)
    n_rows = next(iter(lengths))[0] if lengths else 0
    prepared = prepare(
        sample,
        known=known,
        plain_bits=plain_bits,
        n_rows_total=n_rows_total,
        settings=settings,
        to_values=to_values or {},
    )
    n_held = int(n_rows * settings.held_out)
    if not prepared.names or n_held < 2 or n_rows - n_held < 2:
        return FitResult(None, None, {}, (), (), 0, n_rows - n_held, n_held)
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(settings.seed)).to(settings.device)
    held, rows = order[:n_held][:_MOST_HELD_OUT], order[n_held:]
    sheet = build_sheet(prepared, settings)
    trained = _train(prepared, sheet, rows, held, settings, progress)
    coder = _freeze(prepared, sheet, trained)
    encoder = _encoder(trained)
    held_rows = np.sort(held.cpu().numpy())
    ints = {name: array[held_rows] for name, array in (dict(known) | dict(sample)).items()}
    bits = _coded_bits(coder, encoder, ints, to_values or {})
    kept = prune(coder, bits, plain_bits, n_rows_total, settings.least_saving)
    if kept is not None and encoder is not None:
        encoder = _for_slots(encoder, coder, kept)
    if kept is None or kept.n_latent == 0:
        encoder = None
    return FitResult(
        kept, encoder, bits, tuple(trained.history), coder.names, settings.steps, int(rows.numel()), int(held.numel())
    )


def _train(
    prepared: Prepared,
    sheet: Sheet,
    rows: torch.Tensor,
    held: torch.Tensor,
    settings: TrainSettings,
    progress: Callable[[int, int, float], None] | None,
) -> _Trained:
    """Train with or without latents: where latents may be had, a short race on held-out bits decides."""

    def run(n_latent: int, steps: int, report: Callable[[int, int, float], None] | None) -> _Trained:
        generator = torch.Generator().manual_seed(settings.seed + 1)
        n_columns, n_parents = sheet.parents.shape
        nets = ColumnNets(n_columns, n_parents + n_latent + 1, prepared.width, generator=generator).to(settings.device)
        nets.start_at(first_levels(sheet), sheet.has_hint[:, 0])
        encoder = None
        if n_latent:
            encoder = Encoder(len(prepared.slots), n_latent, 64, generator=generator).to(settings.device)
        uniform = torch.full((n_columns, 1), _FIRST_UNIFORM, device=settings.device, requires_grad=True)
        history = train(
            nets,
            encoder,
            uniform,
            sheet,
            Batches(rows, settings.batch_rows, generator),
            steps=steps,
            rounded_from=int(steps * (1 - settings.rounded_share)),
            learning_rate=settings.learning_rate,
            rounding=rounding,
            held=held[:_JUDGED],
            progress=report,
        )
        return _Trained(nets, encoder, uniform, history)

    def racing(_step: int, _steps: int, bits: float) -> None:
        # Steps of the race are none of those that were asked for, but whoever is told may stop it.
        if progress is not None:
            progress(0, settings.steps, bits)

    rounding = Rounding(weight_bits=prepared.weight_bits)
    n_latent = settings.n_latent
    if n_latent:
        short = min(settings.steps, max(_RACE_STEPS, int(settings.steps * _RACE_SHARE)))
        totals = []
        for count in (0, n_latent):
            racer = run(count, short, racing)
            bits, latent_bits = measure(racer.nets, racer.encoder, racer.uniform, sheet, held, rounding=rounding)
            totals.append(float(bits.sum()) + latent_bits)
        n_latent = n_latent if totals[1] < totals[0] * _RACE_MARGIN else 0
    return run(n_latent, settings.steps, progress)


def _freeze(prepared: Prepared, sheet: Sheet, trained: _Trained) -> LearnedCoder:
    """The coder with every column that was trained."""
    n_parents = sheet.parents.shape[1]
    n_latent = 0 if trained.encoder is None else int(trained.encoder.middle.numel())
    columns = []
    for number, name in enumerate(prepared.names):
        parents, hint = prepared.parents[number], prepared.hints[number]
        used = [*range(len(parents)), *range(n_parents, n_parents + n_latent)]
        if hint is not None:
            used.append(n_parents + n_latent)
        share = float(torch.sigmoid(trained.uniform.detach()[number, 0]))
        columns.append(
            LearnedColumn(
                name=name,
                ranks=prepared.ranks[len(prepared.inputs) + number],
                parents=parents,
                uniform=int(np.clip(round(-np.log2(max(share, 1e-6))), 1, 16)),
                net=freeze_net(trained.nets, number, used, Rounding(weight_bits=prepared.weight_bits)),
                hint=hint,
            )
        )
    latent_mass = np.zeros((0, 2 * LATENT_TOP + 1), np.int64)
    if trained.encoder is not None:
        with torch.no_grad():
            latents = trained.encoder(sheet.features[:-1].T).long().cpu().numpy()
        latent_mass = np.stack([_latent_table(column) for column in latents.T])
    inputs = tuple(prepared.inputs)
    return LearnedCoder(inputs, tuple(prepared.ranks[: len(inputs)]), tuple(columns), latent_mass, _BLOCKS)


def _latent_table(latents: IntArray) -> IntArray:
    """Parts of 65536 of each latent value, each at least 1."""
    counts = np.bincount(latents + LATENT_TOP, minlength=2 * LATENT_TOP + 1)
    mass = counts * ((1 << MASS_BITS) - counts.size) // max(int(counts.sum()), 1) + 1
    mass[int(np.argmax(mass))] += (1 << MASS_BITS) - int(mass.sum())
    return mass.astype(np.int64)


def _encoder(trained: _Trained) -> LatentEncoder | None:
    if trained.encoder is None:
        return None
    weights = tuple(weight.detach().cpu().numpy().astype(np.float32) for weight in trained.encoder.weights)
    biases = tuple(bias.detach().cpu().numpy().astype(np.float32) for bias in trained.encoder.biases)
    return LatentEncoder(weights, biases)


def _for_slots(encoder: LatentEncoder, before: LearnedCoder, after: LearnedCoder) -> LatentEncoder:
    """The encoder with its inputs in the order of a coder whose slots were pruned; slots that are gone count as 0."""
    names = [*before.inputs, *before.names]
    rows = [names.index(name) for name in (*after.inputs, *after.names)]
    return replace(encoder, weights=(encoder.weights[0][rows], *encoder.weights[1:]))


def _coded_bits(
    coder: LearnedCoder, encoder: LatentEncoder | None, ints: Mapping[str, IntArray], to_values: Mapping[str, ToValues]
) -> dict[str, float]:
    """Bits a row of each page, coded for real; the end of a stream (8 bytes) is not counted, real pages are long."""
    latents = encoder.latents(coder, ints) if encoder is not None else None
    pages = coder.encode(ints, latents, to_values=to_values)
    n_rows = max(next(iter(ints.values())).size, 1)
    bits = {name: max(len(page) - 8, 0) * 8 / n_rows for name, page in pages.items()}
    return bits if coder.n_latent else {LATENTS: 0.0, **bits}


def model_bytes(coder: LearnedCoder | None) -> int:
    """Size of a coder in the file."""
    return len(coder_to_bytes(coder)) if coder is not None else 0
