"""An uproot tree seen as branches and layouts, as far as the tests of the writer need it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.layouts import layout_of
from hepbaler.restoring import RootWriter, TreeReport
from hepbaler.table import Branch

Read = tuple[list[Branch], dict[str, ak.Array]]


@pytest.fixture
def branch() -> Callable[..., Branch]:
    """A branch with the layout of an array."""

    def make(name: str, array: Any, typename: str = "", title: str = "", count_branch: str | None = None) -> Branch:
        return Branch(name, typename, title, layout_of(name, ak.Array(array)), count_branch)

    return make


@pytest.fixture
def read() -> Callable[..., Read]:
    """Branches and arrays of an uproot tree, without what uproot cannot read."""

    def all_of(tree: Any, stop: int | None = None) -> Read:
        branches, arrays = [], {}
        for name, one in tree.items():
            is_field = isinstance(tree, uproot.behaviors.RNTuple.HasFields)
            if (is_field and "." in name) or (not is_field and len(one.branches)):
                continue
            try:
                array = one.array(entry_stop=stop)
            except Exception:  # noqa: BLE001, S112  (whatever uproot cannot read is not for the writer)
                continue
            counter = None if is_field or one.count_branch is None else one.count_branch.name
            title = one.description if is_field else one.title
            branches.append(Branch(name, one.typename, title, layout_of(name, array), counter))
            arrays[name] = array
        return branches, arrays

    return all_of


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., tuple[Path, TreeReport]]:
    """Write one tree, cut into clusters of `step` entries."""

    def to_file(branches: list[Branch], arrays: dict[str, Any], step: int = 1 << 30, **options: Any) -> Any:
        target = tmp_path / "back.root"
        same_as = options.pop("same_as", None)
        whole = {name: ak.Array(array) for name, array in arrays.items()}
        n = len(next(iter(whole.values())))
        clusters = ({name: array[at : at + step] for name, array in whole.items()} for at in range(0, n, step))
        with RootWriter(target, **options) as writer:
            report = writer.write_tree("Events", "the events", branches, clusters, n, same_as=same_as)
        return target, report

    return to_file


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    """Whether two arrays hold the same, NaN and the sign of zero included."""

    def equal(one: Any, other: Any) -> bool:
        one, other = ak.to_packed(ak.without_parameters(one)), ak.to_packed(ak.without_parameters(other))
        if not ak.array_equal(one, other, equal_nan=True, dtype_exact=True):
            return False
        flat_one, flat_other = (np.asarray(ak.flatten(array, axis=None)) for array in (one, other))
        return flat_one.dtype.kind != "f" or bool(np.all(np.signbit(flat_one) == np.signbit(flat_other)))

    return equal
