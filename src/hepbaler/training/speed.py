"""How fast this machine trains: from seconds to a number of steps, before training starts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from hepbaler.models.columns import ColumnNets, Rounding
from hepbaler.training.loop import Batches, Sheet, train

if TYPE_CHECKING:
    from hepbaler.training.settings import TrainSettings

__all__ = ("steps_per_second",)


def __dir__() -> tuple[str, ...]:
    return __all__


_WARM_STEPS = 3
_TIMED_STEPS = 12
_ROWS = 8192


def steps_per_second(n_columns: int, settings: TrainSettings) -> float:
    """Steps a second that training a table of `n_columns` columns takes on this machine now, by trying some.

    The number is for planning only: what is written must depend on the number of steps that was chosen, never on time.

    Parameters
    ----------
    n_columns
        Columns that will be coded.
    settings
        Batch size, width, parents and latents count.
    """
    generator = torch.Generator().manual_seed(0)
    n_parents = min(settings.max_parents, max(n_columns - 1, 1))
    nets = ColumnNets(n_columns, n_parents + settings.n_latent + 1, settings.width, generator=generator)
    device = settings.device

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    sheet = Sheet(
        features=random(n_columns + settings.n_latent + 1, _ROWS) * 4 - 2,
        centre=random(n_columns, _ROWS) * 0.98 + 0.01,
        width=torch.full((n_columns, _ROWS), 1e-3, device=device),
        hint=random(n_columns, _ROWS),
        # Latents are stood in for by as many more parents; their encoder is one small network for all columns.
        parents=torch.arange(n_parents + settings.n_latent, device=device).expand(n_columns, -1)
        % (n_columns + settings.n_latent),
        has_hint=torch.ones(n_columns, 1, device=device),
    )
    uniform = torch.full((n_columns, 1), -5.0, device=device, requires_grad=True)
    nets = nets.to(device)

    def run(steps: int) -> None:
        train(
            nets,
            None,
            uniform,
            sheet,
            Batches(torch.arange(_ROWS, device=device), settings.batch_rows, generator),
            steps=steps,
            rounded_from=int(steps * (1 - settings.rounded_share)),
            learning_rate=settings.learning_rate,
            rounding=Rounding(),
        )

    run(_WARM_STEPS)
    start = time.perf_counter()
    run(_TIMED_STEPS)
    return _TIMED_STEPS / max(time.perf_counter() - start, 1e-6)
