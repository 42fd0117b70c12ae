"""The training loop: bits of every column, latents included, by Adam, in a given number of steps.

The loss is what the coder will pay. A value's bits are those of its own interval in rank space under a logistic
distribution, restricted to the column and mixed with a small share of the column's histogram; see
`hepbaler.coding.tables` for the same in integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from hepbaler.training.keeping import BestWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hepbaler.models.columns import ColumnNets, Rounding
    from hepbaler.models.encoder import Encoder

__all__ = ("Batches", "Sheet", "column_bits", "first_levels", "measure", "train", "value_bits")


def __dir__() -> tuple[str, ...]:
    return __all__


_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, eq=False)
class Sheet:
    """The sample as tensors.

    Attributes
    ----------
    features
        What networks see of each slot, and a last row of zeros, shape (n_slots + 1, n_rows); 1.0 is 2^10.
    centre, width
        Each coded value's interval in rank space (0 to 1), shape (n_columns, n_rows).
    hint
        Rank that the linear hint gives, shape (n_columns, n_rows); 0.5 where a column has none.
    parents
        Which feature each network input is, shape (n_columns, n_parents), padded with n_slots.
    has_hint
        1 where a column has a hint, shape (n_columns, 1).
    """

    features: Tensor
    centre: Tensor
    width: Tensor
    hint: Tensor
    parents: Tensor
    has_hint: Tensor

    @property
    def n_rows(self) -> int:
        """Rows of the sample."""
        return int(self.features.shape[1])


@dataclass(frozen=True)
class Batches:
    """Random batches of rows: each epoch in another order, drawn from `generator`."""

    rows: Tensor
    batch_rows: int
    generator: torch.Generator

    def __iter__(self) -> Iterator[Tensor]:
        """Endless; each item is an index tensor."""
        size = min(self.batch_rows, self.rows.numel())
        while True:
            # Drawn on the CPU, so that the order does not depend on the device.
            order = self.rows[torch.randperm(self.rows.numel(), generator=self.generator).to(self.rows.device)]
            for start in range(0, order.numel() - size + 1, size):
                yield order[start : start + size]


def _clip_by_column(parameters: list[nn.Parameter], largest: float) -> None:
    """Limit each column's gradient on its own: a narrow column's jump must not slow the others down."""
    squared = torch.stack([p.grad.square().sum(dim=(1, 2)) for p in parameters if p.grad is not None]).sum(dim=0)
    scale = (largest / squared.sqrt().clamp(min=1e-12)).clamp(max=1.0)[:, None, None]
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(scale)


def first_levels(sheet: Sheet) -> Tensor:
    """Levels to begin with, shape (n_columns,): the spread about the hint, or a wide one."""
    away = (sheet.hint - sheet.centre).abs() + 0.5 * sheet.width
    # The mean logarithm is what bits are made of, and a few rows far away do not spoil it.
    level = -2.0 * torch.log2(away).mean(dim=1) - 1.0
    return torch.where(sheet.has_hint[:, 0] > 0, level.clamp(2.0, 28.0), 3.0)


def value_bits(location: Tensor, level: Tensor, log_uniform: Tensor, centre: Tensor, width: Tensor) -> Tensor:
    """Bits of values under the decoder's output, all shapes (n_columns, n_rows).

    With sigma the logistic function, sigma(a) - sigma(b) = (1 - exp(b - a)) sigma(a) sigma(-b), which keeps its
    precision for narrow intervals.
    """
    inverse = torch.exp2(level * 0.5)

    def log_mass(middle: Tensor | float, wide: Tensor | float) -> Tensor:
        x, half = (middle - location) * inverse, 0.5 * wide * inverse
        return logsigmoid(x + half) + logsigmoid(half - x) + torch.log(-torch.expm1(-2.0 * half))

    logistic = log_mass(centre, width) - log_mass(0.5, 1.0)
    mixed = torch.logaddexp(torch.log1p(-torch.exp(log_uniform)) + logistic, log_uniform + torch.log(width))
    return mixed * (-1.0 / math.log(2.0))


def column_bits(
    nets: ColumnNets,
    encoder: Encoder | None,
    uniform: Tensor,
    sheet: Sheet,
    rows: Tensor,
    *,
    rounding: Rounding,
    rounded: bool,
) -> tuple[Tensor, Tensor]:
    """Bits of some rows: of each column's values, shape (n_columns, n_rows), and of the latents, shape (n_rows,)."""
    seen = sheet.features[:, rows]
    n_columns, n_parents = sheet.parents.shape
    parts = [seen.index_select(0, sheet.parents.reshape(-1)).reshape(n_columns, n_parents, rows.numel())]
    hint = sheet.hint[:, rows]
    latent_bits = torch.zeros(rows.numel(), device=rows.device)
    if encoder is not None:
        latents = encoder(seen[:-1].T)
        latent_bits = encoder.bits(latents)
        parts.append((latents.T * 0.25).expand(n_columns, -1, -1))
    parts.append(((hint - 0.5) * 4.0 * sheet.has_hint)[:, None])
    location, level, gate = nets(torch.cat(parts, dim=1), rounding=rounding, rounded=rounded)
    gate = gate * sheet.has_hint
    location = location + gate * (hint - location)
    log_uniform = logsigmoid(uniform)
    bits = value_bits(location, level, log_uniform, sheet.centre[:, rows], sheet.width[:, rows])
    return bits, latent_bits


def train(
    nets: ColumnNets,
    encoder: Encoder | None,
    uniform: Tensor,
    sheet: Sheet,
    batches: Batches,
    *,
    steps: int,
    rounded_from: int,
    learning_rate: float,
    rounding: Rounding,
    held: Tensor | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> list[tuple[int, float]]:
    """Train in place; returns (step, bits a row) every 50 steps.

    Parameters
    ----------
    uniform
        Logit of the histogram's share, shape (n_columns, 1), trained along.
    rounded_from
        Step from which weights and activations are rounded.
    held
        Rows that are not trained on: of the weights from `rounded_from` on, each column gets those that code them best, or
        all columns together where they share an encoder. None leaves the last ones.
    progress
        Called with (steps done, steps in all, bits a row).
    """
    parameters = [*nets.parameters(), uniform, *(encoder.parameters() if encoder else ())]
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.98), fused=True)
    warm = max(1, min(100, steps // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(1.0, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))),
    )
    history: list[tuple[int, float]] = []
    best: BestWeights | None = None
    drawn = iter(batches)
    for step in range(steps):
        bits, latent_bits = column_bits(
            nets, encoder, uniform, sheet, next(drawn), rounding=rounding, rounded=step >= rounded_from
        )
        loss = bits.mean(dim=1).sum() + latent_bits.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        _clip_by_column(list(nets.parameters()), _LARGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        if held is not None and step == rounded_from:
            best = BestWeights(parameters, partial(_judged, nets, encoder, uniform, sheet, held, rounding), steps)
        if best is not None:
            best.step()
        if step % 50 == 49 or step == steps - 1:
            history.append((step + 1, float(loss.detach())))
            if progress is not None:
                progress(step + 1, steps, history[-1][1])
    if best is not None:
        best.finish()
    return history


def _judged(
    nets: ColumnNets, encoder: Encoder | None, uniform: Tensor, sheet: Sheet, rows: Tensor, rounding: Rounding
) -> Tensor:
    """Bits of each column, or one number for all where they share an encoder."""
    bits, latent_bits = measure(nets, encoder, uniform, sheet, rows, rounding=rounding)
    return bits if encoder is None else (bits.sum() + latent_bits).reshape(1)


def measure(
    nets: ColumnNets, encoder: Encoder | None, uniform: Tensor, sheet: Sheet, rows: Tensor, *, rounding: Rounding
) -> tuple[Tensor, float]:
    """Mean bits of each column, shape (n_columns,), and of the latents, over some rows, as the integer decoder sees it."""
    # Summed on the CPU: not every device has float64.
    total = torch.zeros(sheet.centre.shape[0], dtype=torch.float64)
    latent_total = 0.0
    with torch.no_grad():
        for part in torch.split(rows, 8192):
            bits, latent_bits = column_bits(nets, encoder, uniform, sheet, part, rounding=rounding, rounded=True)
            total += bits.sum(dim=1).cpu().double()
            latent_total += float(latent_bits.sum())
    return total / max(rows.numel(), 1), latent_total / max(rows.numel(), 1)
