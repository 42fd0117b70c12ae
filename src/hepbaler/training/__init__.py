"""Training (torch): from a sample of integers to a learned coder that reads without torch.

- `fit`: the way in; returns the coder, the encoder, and what was measured.
- `structure`: which column sees which, in which order, found from the sample.
- `hints`: robust linear relations between the columns' values.
- `order`: sums after their parts.
- `loop`: the training itself; `freeze`: float networks to integer networks; `prune`: which columns pay.
- `speed`: from seconds to steps.
"""

from __future__ import annotations

__all__: tuple[str, ...] = ()


def __dir__() -> tuple[str, ...]:
    return __all__
