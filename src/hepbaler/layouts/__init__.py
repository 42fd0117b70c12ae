"""awkward arrays <-> flat columns.

`layout_of` looks at an array once and says how it is taken apart; `flatten` does it for any later array of the same
branch, and `unflatten` is its exact inverse: same values, same awkward type.

::

    [[1.5, 2.5], [], [3.5]]   --flatten-->   Jet_pt@counts  2 0 1        one row an entry
                                             Jet_pt         1.5 2.5 3.5  one row a jet
"""

from __future__ import annotations

from hepbaler.layouts.buffers import Buffer, form_of
from hepbaler.layouts.flattening import flatten
from hepbaler.layouts.forms import columns_of, layout_of
from hepbaler.layouts.masking import RowMasks, keep_rows
from hepbaler.layouts.slicing import slice_columns
from hepbaler.layouts.unflattening import unflatten

__all__ = (
    "Buffer",
    "RowMasks",
    "columns_of",
    "flatten",
    "form_of",
    "keep_rows",
    "layout_of",
    "slice_columns",
    "unflatten",
)


def __dir__() -> tuple[str, ...]:
    return __all__
