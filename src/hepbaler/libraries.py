"""Arrays in the library that the caller works with: awkward, numpy or pandas; grouped as uproot groups them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._optional import need

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("How", "Library", "as_library", "concatenated")

Library = Literal["ak", "np", "pd"]
How = type[tuple[Any, ...]] | type[list[Any]] | type[dict[str, Any]] | Literal["zip"] | None


def __dir__() -> tuple[str, ...]:
    return __all__


def as_library(arrays: Mapping[str, ak.Array], n: int, library: Library, how: How, index: NDArray[np.int64]) -> Any:
    """Put arrays together.

    Parameters
    ----------
    arrays
        By name, each of length `n`.
    library
        ``"ak"``, ``"np"`` (of objects where jagged) or ``"pd"``.
    how
        ``tuple``, ``list`` or ``dict`` of arrays; ``"zip"``, with awkward only, for records of jagged branches with
        the same lengths; None for what is usual: a record array, a dict, a data frame.
    index
        Number of each entry in its tree, for pandas; shape ``(n,)``.

    Raises
    ------
    ValueError
        If there is no such library or grouping.
    MissingExtra
        If pandas is not installed, or awkward-pandas where a branch is jagged.
    """
    if library not in ("ak", "np", "pd"):
        msg = f'library should be "ak", "np" or "pd", not {library!r}'
        raise ValueError(msg)
    given: Mapping[str, Any] = arrays
    if library == "np":
        given = {name: _to_numpy(array) for name, array in arrays.items()}
    elif library == "pd":
        given = {name: _to_pandas(name, array, index) for name, array in arrays.items()}
    if how is dict or (how is None and library == "np"):
        return dict(given)
    if how is tuple or how is list:
        return how(given.values())
    if how is None and library == "pd":
        return need("pandas", extra="pandas").DataFrame(dict(given), index=index)
    if library == "ak" and how in (None, "zip"):
        return _zipped(arrays, n) if how == "zip" else _record(arrays, n)
    msg = f"how should be tuple, list, dict, None, or with awkward 'zip', not {how!r}"
    raise ValueError(msg)


def concatenated(parts: Sequence[Any]) -> Any:
    """What `as_library` gave for consecutive entries, as one.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not parts:
        msg = "nothing to concatenate"
        raise ValueError(msg)
    first = parts[0]
    if isinstance(first, dict):
        return {name: concatenated([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(concatenated(column) for column in zip(*parts, strict=True))
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    import awkward as ak

    if isinstance(first, ak.Array):
        return ak.concatenate(list(parts))
    return need("pandas", extra="pandas").concat(list(parts), ignore_index=True)


def _record(arrays: Mapping[str, ak.Array], n: int) -> ak.Array:
    import awkward as ak

    return ak.Array(ak.contents.RecordArray([a.layout for a in arrays.values()], list(arrays), length=n))


def _zipped(arrays: Mapping[str, ak.Array], n: int) -> ak.Array:
    """Jagged branches of the same lengths as one list of records, named by how their names begin."""
    import awkward as ak

    groups: list[tuple[Any, dict[str, ak.Array]]] = []
    out: dict[str, ak.Array] = {}
    for name, array in arrays.items():
        layout = array.layout
        if not layout.is_list or layout.is_regular or layout.parameter("__array__") is not None:
            out[name] = array
            continue
        offsets = np.asarray(layout.to_ListOffsetArray64(True).offsets)
        for known, members in groups:
            if np.array_equal(known, offsets):
                members[name] = array
                break
        else:
            groups.append((offsets, {name: array}))
    for number, (_, members) in enumerate(groups):
        common = _common_beginning(list(members))
        short = common.strip("_./")
        if not short or short in out:
            common, short = "", f"jagged{number}"
        parts = {name[len(common) :].strip("_./"): array for name, array in members.items()}
        out[short] = ak.zip(parts, depth_limit=2)
    return _record(out, n)


def _common_beginning(names: list[str]) -> str:
    """As far as the last separator that all names share: ``Jet_`` of ``Jet_pt`` and ``Jet_phi``."""
    cut = min(len(name) for name in names)
    first = names[0]
    while cut and (any(name[:cut] != first[:cut] for name in names) or first[cut - 1] not in "_./"):
        cut -= 1
    return first[:cut]


def _to_pandas(name: str, array: ak.Array, index: NDArray[np.int64]) -> Any:
    pandas = need("pandas", extra="pandas")
    layout = array.layout
    if layout.is_numpy:
        return pandas.Series(np.asarray(layout.data), index=index, name=name)
    if layout.parameter("__array__") in ("string", "bytestring"):
        return pandas.Series(array.to_list(), index=index, name=name)
    awkward_pandas = need("awkward_pandas", extra="pandas")
    return pandas.Series(awkward_pandas.AwkwardExtensionArray(array), index=index, name=name)


def _to_numpy(array: ak.Array) -> NDArray[Any]:
    import awkward as ak

    layout = array.layout
    if layout.is_numpy or (layout.is_regular and layout.purelist_isregular and not layout.is_record):
        return np.asarray(ak.to_numpy(array))
    out = np.empty(len(array), dtype=object)
    for i, item in enumerate(array):
        out[i] = (
            np.asarray(item)
            if isinstance(item, ak.Array) and item.layout.is_numpy
            else (item.to_list() if isinstance(item, ak.Array | ak.Record) else item)
        )
    return out
