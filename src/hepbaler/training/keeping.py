"""The best weights of a training, column by column.

Some relations between columns are very sharp (a mass that follows from a four-vector, a correction from momentum and direction), and
the last steps throw their networks about: two trainings that differ in nothing but a few steps end half a per cent apart. So a
running mean of the weights is kept (B. Polyak, A. Juditsky, SIAM J. Control Optim. 30 (1992) 838), and what codes rows that are not
trained on in the fewest bits is taken: the mean or the weights themselves, early or late, for each column its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

__all__ = ("BestWeights",)


def __dir__() -> tuple[str, ...]:
    return __all__


# Steps over which the mean runs, and after which weights are judged, as parts of all steps.
_HORIZON, _EVERY = 0.03, 0.1


class BestWeights:
    """Watches a training from some step on, and puts the best weights back at its end.

    Parameters
    ----------
    weights
        Trained in place; the first axis of each is the column, unless all are judged together.
    judge
        Bits of each column with the weights as they are, shape (n_columns,), or of all together, shape (1,), on rows that are
        not trained on.
    steps
        Of the whole training.
    """

    def __init__(self, weights: Sequence[Tensor], judge: Callable[[], Tensor], steps: int) -> None:
        self._weights = list(weights)
        self._judge = judge
        self._horizon = max(_HORIZON * steps, 1.0)
        self._every = max(int(_EVERY * steps), 1)
        self._seen = 0
        self._mean = self._copy()
        self._best = self._copy()
        self._bits: Tensor | None = None

    @torch.no_grad()
    def step(self) -> None:
        """To be called after each step."""
        self._seen += 1
        share = 1.0 / min(self._seen, self._horizon)
        for mean, weight in zip(self._mean, self._weights, strict=True):
            mean.lerp_(weight, share)
        if self._seen % self._every == 0:
            self._offer()

    @torch.no_grad()
    def finish(self) -> None:
        """Put the best weights in place."""
        self._offer()
        for weight, best in zip(self._weights, self._best, strict=True):
            weight.copy_(best)

    def _copy(self) -> list[Tensor]:
        return [weight.detach().clone() for weight in self._weights]

    def _offer(self) -> None:
        """Keep of the weights and of their mean what is better than before."""
        now = self._copy()
        for candidate in (now, self._mean):
            for weight, value in zip(self._weights, candidate, strict=True):
                weight.copy_(value)
            bits = self._judge()
            if self._bits is None:
                self._bits = torch.full_like(bits, torch.inf)
            better = bits < self._bits
            self._bits = torch.where(better, bits, self._bits)
            for best, value in zip(self._best, candidate, strict=True):
                chosen = better.to(value.device).reshape(-1, *[1] * (value.dim() - 1))
                best.copy_(torch.where(chosen, value, best))
        for weight, value in zip(self._weights, now, strict=True):
            weight.copy_(value)
