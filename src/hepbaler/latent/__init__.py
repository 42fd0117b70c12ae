"""Latent mode, as far as a reader needs it: a frozen decoder whose output is the same, bit by bit, on every machine.

- `ExactNetwork`: the decoder, whose sums are exact in any order.
- `LatentCoder`: network and inverse plan of a table, pages in, columns out.
- `AutoencoderEntry`: what the header says about it, with the errors that were measured.
"""

from __future__ import annotations

from .coder import LatentCoder
from .entry import AutoencoderEntry, ColumnError
from .network import ExactLayer, ExactNetwork

__all__ = ("AutoencoderEntry", "ColumnError", "ExactLayer", "ExactNetwork", "LatentCoder")


def __dir__() -> tuple[str, ...]:
    return __all__
