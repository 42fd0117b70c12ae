"""A column of lists of one length, each place in the list a column of its own: scale weights, PDF weights.

::

    rows of the column      0 1 2 3 4 5 6 7 8  9 10 11 ...      nine weights an event
    columns of the coder    0 1 2 3 4 5 6 7 8                   one row an event
                                               0  1  2 ...

The weights of an event tell much about each other, and a place tells what kind of weight it is. A coder of the whole column
would see neither. Places that no network codes are coded plainly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hepbaler.coding import plain
from hepbaler.coding.blocks import decode_rows, encode_rows
from hepbaler.coding.learned import LearnedCoder
from hepbaler.coding.pages import join_parts, split_parts
from hepbaler.errors import ColumnNotFound, CorruptFile, ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from hepbaler.features.hints import ToValues

    IntArray = NDArray[np.int64]

__all__ = ("MAX_ELEMENTS", "Coder", "ElementsCoder", "elements_of")


def __dir__() -> tuple[str, ...]:
    return __all__


MAX_ELEMENTS = 128


def elements_of(column: IntArray, size: int) -> dict[str, IntArray]:
    """The places of lists of `size` as columns: ``"0"``, ``"1"``, ..., each shape ``(n_rows // size,)``."""
    whole = column[: column.size // size * size].reshape(-1, size)
    return {str(place): np.ascontiguousarray(whole[:, place]) for place in range(size)}


@dataclass(frozen=True, eq=False)
class ElementsCoder:
    """A trained coder of one column, in whose eyes each place in the list is a column.

    It has what `LearnedCoder` has for those who code and decode tables, and sees nothing but its own column.

    Attributes
    ----------
    key
        Of the column.
    size
        Length of the lists, 2 to 128.
    places
        Codes some of the columns ``"0"`` ... ``str(size - 1)``, and may see the others.

    Raises
    ------
    CorruptFile
        If `places` codes or sees anything else, or has latents.
    """

    key: str
    size: int
    places: LearnedCoder

    def __post_init__(self) -> None:
        used = {*self.places.names, *self.places.inputs}
        # The length is checked first: it may come from a hostile file.
        if not 2 <= self.size <= MAX_ELEMENTS or not used <= {str(place) for place in range(self.size)}:
            msg = f"the model of column {self.key!r} codes other places than those of lists of {self.size}"
            raise CorruptFile(msg, section="model", found=self.size)
        if self.places.n_latent:
            msg = f"the model of column {self.key!r} has latents, for which its lists have no page"
            raise CorruptFile(msg, section="model", found=self.places.n_latent)

    @property
    def names(self) -> tuple[str, ...]:
        """Its column."""
        return (self.key,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """None: it sees no other columns."""
        return ()

    @property
    def n_latent(self) -> int:
        """0: it has none."""
        return 0

    @property
    def blocks(self) -> int:
        """1: `places` cuts the lists into its own blocks."""
        return 1

    @property
    def valued(self) -> tuple[str, ...]:
        """Its column, if hints need values."""
        return self.names if self.places.valued else ()

    def needed(
        self,
        wanted: Iterable[str],
        decoded: Collection[str] = (),  # noqa: ARG002  # as of `LearnedCoder`; nothing else helps here
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Pages and inputs to decode some columns; see `LearnedCoder.needed`."""
        other = [name for name in wanted if name != self.key]
        if other:
            msg = f"column {other[0]!r} is not coded by this model, which codes {self.key}"
            raise ColumnNotFound(msg)
        return self.names, ()

    def encode(
        self,
        ints: Mapping[str, IntArray],
        latents: IntArray | None = None,
        *,
        to_values: Mapping[str, ToValues] | None = None,
    ) -> dict[str, bytes]:
        """Code the rows of a cluster; see `LearnedCoder.encode`.

        The page has a part for each place, and one for the rows behind the last whole list if there are any.
        """
        if self.key not in ints or latents is not None:
            msg = f"the model codes column {self.key!r} and nothing else"
            raise ModelError(msg)
        column = np.ascontiguousarray(ints[self.key], np.int64)
        elements = elements_of(column, self.size)
        n_lists = column.size // self.size
        coded: dict[str, bytes] = {}
        if n_lists:
            seen = {name: elements[name] for name in (*self.places.inputs, *self.places.names)}
            coded = encode_rows(self.places, seen, to_values=self._to_values(to_values))
        parts = [coded[name] if name in coded else plain.encode(values) for name, values in elements.items()]
        rest = column[n_lists * self.size :]
        return {self.key: join_parts([*parts, *([plain.encode(rest)] if rest.size else [])])}

    def decode(
        self,
        pages: Mapping[str, bytes],
        known: Mapping[str, IntArray],  # noqa: ARG002  # it has no inputs
        n_rows: int,
        wanted: Iterable[str] | None = None,
        *,
        to_values: Mapping[str, ToValues] | None = None,
    ) -> dict[str, IntArray]:
        """Decode the column; see `LearnedCoder.decode`."""
        self.needed(self.names if wanted is None else wanted)
        if self.key not in pages:
            msg = f"column {self.key} cannot be decoded without its page"
            raise CorruptFile(msg, section="page", expected=[self.key])
        n_lists, n_rest = divmod(n_rows, self.size)
        parts = split_parts(pages[self.key], self.size + (n_rest > 0))
        column = np.empty(n_rows, np.int64)
        table = column[: n_lists * self.size].reshape(n_lists, self.size)
        learned = {name: parts[int(name)] for name in self.places.names} if n_lists else {}
        plainly = {
            str(place): plain.decode(parts[place], n_lists) for place in range(self.size) if str(place) not in learned
        }
        done = plainly
        if learned:
            seen = {name: plainly[name] for name in self.places.inputs}
            done |= decode_rows(self.places, learned, seen, n_lists, to_values=self._to_values(to_values))
        for name, values in done.items():
            table[:, int(name)] = values
        if n_rest:
            column[n_lists * self.size :] = plain.decode(parts[-1], n_rest)
        return {self.key: column}

    def _to_values(self, to_values: Mapping[str, ToValues] | None) -> dict[str, ToValues]:
        function = (to_values or {}).get(self.key)
        return {} if function is None else dict.fromkeys(self.places.valued, function)


Coder = LearnedCoder | ElementsCoder
