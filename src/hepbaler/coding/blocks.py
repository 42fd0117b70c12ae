"""Rows of a cluster in blocks, each coded for itself, so that several processors share the reading of one column.

A column waits for those that it sees, and its symbols for those before them: within a block nothing can be done side by side.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.coding.pages import join_parts, split_parts
from hepbaler.loops import n_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from hepbaler.coding.elements import Coder
    from hepbaler.features.hints import ToValues

    IntArray = NDArray[np.int64]

__all__ = ("LEAST_ROWS", "decode_rows", "encode_rows")

# Fewer rows than this are not worth a block: each costs some ten bytes a column, and the calls take as long as the rows.
LEAST_ROWS = 8192


def __dir__() -> tuple[str, ...]:
    return __all__


def _blocks(coder: Coder, n_rows: int) -> list[slice]:
    n_blocks = max(1, min(coder.blocks, n_rows // LEAST_ROWS))
    borders = [n_rows * number // n_blocks for number in range(n_blocks + 1)]
    return [slice(start, stop) for start, stop in pairwise(borders)]


def encode_rows(
    coder: Coder,
    ints: Mapping[str, IntArray],
    latents: IntArray | None = None,
    *,
    to_values: Mapping[str, ToValues] | None = None,
) -> dict[str, bytes]:
    """Code rows block by block; arguments, errors and pages as those of `LearnedCoder.encode`.

    Where there is more than one block, a page holds one part for each.
    """
    n_rows = next(iter(ints.values())).size
    blocks = _blocks(coder, n_rows)
    if len(blocks) == 1:
        return coder.encode(ints, latents, to_values=to_values)
    made = [
        coder.encode(
            {name: array[rows] for name, array in ints.items()},
            latents if latents is None else latents[rows],
            to_values=to_values,
        )
        for rows in blocks
    ]
    return {name: join_parts([pages[name] for pages in made]) for name in made[0]}


def decode_rows(
    coder: Coder,
    pages: Mapping[str, bytes],
    known: Mapping[str, IntArray],
    n_rows: int,
    wanted: Iterable[str] | None = None,
    *,
    to_values: Mapping[str, ToValues] | None = None,
) -> dict[str, IntArray]:
    """The inverse of `encode_rows`; arguments, errors and result as those of `LearnedCoder.decode`.

    Blocks are decoded side by side where there is more than one processor.
    """
    wanted = coder.names if wanted is None else tuple(wanted)
    blocks = _blocks(coder, n_rows)
    if len(blocks) == 1:
        return coder.decode(pages, known, n_rows, wanted, to_values=to_values)
    parts = {name: split_parts(page, len(blocks)) for name, page in pages.items()}

    def decode(number: int) -> dict[str, IntArray]:
        rows = blocks[number]
        return coder.decode(
            {name: part[number] for name, part in parts.items()},
            {name: array[rows] for name, array in known.items()},
            rows.stop - rows.start,
            wanted,
            to_values=to_values,
        )

    if n_threads() > 1:
        with ThreadPoolExecutor(min(n_threads(), len(blocks))) as executor:
            done = list(executor.map(decode, range(len(blocks))))
    else:
        done = [decode(number) for number in range(len(blocks))]
    return {name: np.concatenate([columns[name] for columns in done]) for name in wanted}
