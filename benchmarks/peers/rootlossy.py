"""RNTuple's own lossy columns, written by ROOT: Real32Trunc and Real32Quant, compressed with ZSTD.

uproot reads them but does not write them, so a Python that has ROOT (``--root-python``) does: `write_ntuple`.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from ..rounding import kept_bits
from ..workload import FloatColumn, Workload, flat_columns
from .base import Folder, Made
from .rootfiles import Collections, collections_of, rounded

__all__ = ("LOSSY_NTUPLES", "LossyNtuple")

_NAME = "events.root"
_SCRIPT = Path(__file__).with_name("write_ntuple.py")
_SIGN_AND_EXPONENT = 9
_TRUNCATED = (10, 31)
_MOST_STEPS = 2.0**32
# ROOT computes the steps in floats: a little room keeps the bound.
_ROOM = 0.98


@dataclass(frozen=True)
class LossyNtuple:
    """An RNTuple with truncated mantissas (of rounded values), or with floats as steps between their extremes."""

    name: str
    title: str
    quantised: bool
    bounded: bool = True

    def missing(self, folder: Folder) -> str | None:
        """See `Peer`."""
        if folder.root_python is None:
            return "--root-python names no Python that has ROOT"
        done = subprocess.run([folder.root_python, "-c", "import ROOT"], check=False, capture_output=True)
        return None if done.returncode == 0 else f"{folder.root_python} cannot import ROOT"

    def prepare(self, work: Workload) -> tuple[Workload, Collections]:
        """See `Peer`."""
        return work, collections_of(work, self._stored)

    def _stored(self, column: FloatColumn) -> NDArray[Any]:
        # ROOT cuts mantissas instead of rounding them, so they are rounded before.
        return column.values if self.quantised and _steps(column) is not None else rounded(column)

    def encode(self, ready: tuple[Workload, Collections], folder: Folder) -> Made:
        """See `Peer`. The seconds are those of ROOT's loop."""
        work, tree = ready
        floats = {column.branch: column for column in work.columns}
        path = folder.path / _NAME
        with tempfile.TemporaryDirectory() as name:
            arrays = _Arrays(Path(name))
            flat = [self._field(arrays, branch, array, floats.get(branch)) for branch, array in tree.flat.items()]
            lists = [
                {
                    "name": one,
                    "counts": arrays.save(np.asarray(ak.num(next(iter(members.values())))).astype(np.int64)),
                    "fields": [self._field(arrays, b, ak.flatten(a), floats.get(b)) for b, a in members.items()],
                }
                for one, members in tree.lists.items()
            ]
            task = {"path": str(path), "tree": work.tree, "entries": work.entries, "flat": flat, "lists": lists}
            (arrays.folder / "task.json").write_text(json.dumps(task))
            done = subprocess.run(
                [str(folder.root_python), str(_SCRIPT), name], check=False, capture_output=True, text=True
            )
        if done.returncode:
            msg = f"ROOT could not write the RNTuple:\n{done.stderr}"
            raise RuntimeError(msg)
        seconds = float(done.stdout.splitlines()[-1])
        return Made(path.stat().st_size, complete=not tree.left_out, own_seconds=seconds)

    def _field(self, arrays: _Arrays, name: str, array: ak.Array, column: FloatColumn | None) -> dict[str, Any]:
        values = np.asarray(array)
        field: dict[str, Any] = {"name": name, "dtype": values.dtype.name, "file": arrays.save(values)}
        field["size"] = values.shape[1] if values.ndim == 2 else 0
        if column is None or values.dtype != np.float32 or column.bound.is_exact:
            return field
        steps = _steps(column) if self.quantised else None
        if steps is not None:
            low, high = float(column.values.min()), float(column.values.max())
            return field | {"quantised": [math.ceil(math.log2(steps)), low, high]}
        bits = _SIGN_AND_EXPONENT + kept_bits(column.bound, 4)
        return field | ({"truncated": bits} if _TRUNCATED[0] <= bits <= _TRUNCATED[1] else {})

    def decode(self, ready: tuple[Workload, Collections], folder: Folder) -> Any:
        """See `Peer`."""
        work, tree = ready
        with uproot.open(folder.path / _NAME) as file:
            return file[work.tree].arrays(list(_places(work, tree).values()))

    def columns(self, decoded: Any, work: Workload) -> dict[str, NDArray[Any]]:
        """See `Peer`."""
        tree = collections_of(work, self._stored)
        arrays = {}
        for branch, place in _places(work, tree).items():
            outer, _, inner = place.partition(".")
            arrays[branch] = decoded[outer, inner] if inner else decoded[outer]
        return flat_columns(work, arrays)


def _places(work: Workload, tree: Collections) -> dict[str, str]:
    """Where each float branch is in the RNTuple; rows of collections have members ``f0``, ``f1``, ..."""
    wanted = set(work.float_branches)
    places = {name: name for name in tree.flat if name in wanted}
    for one, members in tree.lists.items():
        places |= {name: f"{one}.f{i}" for i, name in enumerate(members) if name in wanted}
    return places


def _steps(column: FloatColumn) -> float | None:
    """How many equal steps between the extremes keep the bound; None if equal steps cannot."""
    values = column.values.astype(np.float64)
    if column.bound.is_exact or column.values.dtype != np.float32 or not np.isfinite(values).all():
        return None
    least = float(column.bound.allowed(values, column.scale).min(initial=math.inf)) * _ROOM
    spread = float(np.ptp(values))
    if least <= 0.0 or spread == 0.0:
        return None
    steps = spread / (2.0 * least) + 1.0
    return steps if 2.0 < steps <= _MOST_STEPS else None


class _Arrays:
    """Arrays in a folder, for another process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0

    def save(self, values: NDArray[Any]) -> str:
        self._number += 1
        name = f"{self._number}.npy"
        np.save(self.folder / name, np.ascontiguousarray(values))
        return name


LOSSY_NTUPLES = (
    LossyNtuple("rntuple-trunc", "RNTuple Real32Trunc of rounded values + ZSTD 5", quantised=False),
    LossyNtuple("rntuple-quant", "RNTuple Real32Quant + ZSTD 5", quantised=True),
)
