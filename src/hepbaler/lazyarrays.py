"""Arrays whose columns are decoded when somebody touches them: awkward's virtual arrays.

::

    jets = tree.arrays(filter_name="Jet_*", virtual=True)   nothing is decoded
    ak.num(jets.Jet_pt)                                     the counts of the jets
    jets.Jet_pt > 30                                        the values, and what a model needs for them
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .branches import Accessed, AccessLog
from .entries import EntryReader
from .layouts import Buffer, form_of
from .table import Branch

if TYPE_CHECKING:
    import awkward as ak
    from numpy.typing import NDArray

__all__ = ("lazy_array",)


def __dir__() -> tuple[str, ...]:
    return __all__


def lazy_array(
    branches: Sequence[Branch], reader: EntryReader, start: int, stop: int, access_log: AccessLog | None = None
) -> ak.Array:
    """Branches of an entry range as one record array that holds nothing yet.

    Parameters
    ----------
    branches
        Its fields.
    reader
        What decodes them; it lives as long as the array.
    start, stop
        The entry range.
    access_log
        A list, or whatever knows ``+=``: it gets an `Accessed` for each buffer that is decoded.
    """
    import awkward as ak

    def filled(branch: str, name: str, buffer: Buffer) -> Callable[[], NDArray[Any]]:
        key, made_of = buffer

        def fill() -> NDArray[Any]:
            nonlocal access_log
            if access_log is not None:
                access_log += [Accessed(branch, name)]
            return made_of(reader.columns([key], start, stop)[key])

        return fill

    forms, container = [], {}
    for branch in branches:
        form, buffers = form_of(branch.layout)
        forms.append(form)
        container.update({name: filled(branch.name, name, buffer) for name, buffer in buffers.items()})
    record = ak.forms.RecordForm(forms, [branch.name for branch in branches])
    return ak.from_buffers(record, stop - start, container)
