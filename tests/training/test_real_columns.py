"""A short training on simulated jets: what must come out even in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.bounds import DEFAULT, ColumnFacts, choose_grid, quantise
from hepbaler.coding import plain
from hepbaler.coding.learned_bytes import coder_from_bytes, coder_to_bytes
from hepbaler.training.fit import fit
from hepbaler.training.settings import TrainSettings


def _on_its_grid(column: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Integers on the grid of the default bound, and the way back to values."""
    facts = ColumnFacts(column.dtype)
    facts.update(column)
    choice = choose_grid(DEFAULT, facts, column)
    return quantise(column, choice).integers, lambda q: choice.grid.to_values(q, np.float64)


@pytest.mark.slow
@pytest.mark.shared
def test_generator_jets_become_much_smaller(shared_data: Path) -> None:
    tree = uproot.open(shared_data / "sim" / "ttbar_genjets_highpt.root")["Events"]
    ints, to_values = {}, {}
    for name in tree.keys(filter_name=["GenJet_p4_*", "GenJet_m_*"]):
        column = ak.to_numpy(ak.flatten(tree[name].array(entry_stop=6000)))
        if column.dtype.kind == "f":
            ints[name], to_values[name] = _on_its_grid(column)
        else:
            ints[name] = column.astype(np.int64)
    n_rows = next(iter(ints.values())).size
    plain_bits = {name: len(plain.encode(q)) * 8 / n_rows for name, q in ints.items()}
    result = fit(
        ints,
        known={},
        plain_bits=plain_bits,
        n_rows_total=10 * n_rows,
        settings=TrainSettings(steps=200),
        to_values=to_values,
    )
    assert result.coder is not None
    again = coder_from_bytes(coder_to_bytes(result.coder))
    pages = again.encode(ints, None, to_values=to_values)
    back = again.decode(pages, ints, n_rows, to_values=to_values)
    assert all(np.array_equal(back[name], ints[name]) for name in again.names)
    size = sum(len(pages[name]) for name in again.names)
    size += sum(plain_bits[name] * n_rows / 8 for name in ints if name not in again.names)
    assert size < 0.75 * sum(plain_bits.values()) * n_rows / 8
    # The energies of a jet's parts add up: the sums cost next to nothing.
    hinted = [column.name for column in again.columns if column.hint]
    assert min(len(pages[name]) * 8 / n_rows for name in hinted) < 2.5
