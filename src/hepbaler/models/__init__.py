"""The networks (torch): what is trained, on the writer's side only. They know tensors, and no file or column.

- `columns`: one small decoder network a column, all of them evaluated together.
- `encoder`: the encoder, rows to a few small integers (latents), and what those cost.
"""

from __future__ import annotations

__all__: tuple[str, ...] = ()


def __dir__() -> tuple[str, ...]:
    return __all__
