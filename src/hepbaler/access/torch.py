"""Branches as batches for training networks with torch: entries of archives, or rows of ROOT files.

`EventBatches` reads archives, decodes what it hands out, and gives a dict of tensors. `RootBatches` gives one matrix of
rows, scaled, from ROOT files, and from archives as if they were such files::

    files -> clusters, shuffled -> shared out to workers -> buffer of rows, shuffled -> scaled -> batches
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need

need("torch", extra="train")  # says how to get it, which the next line would not

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import InputError
from ..features.scaling import ColumnScaling, Kind, ScalingPlan
from ..filters import Filter, memory_bytes
from ..manyfiles import Files
from .rows import Cluster, Rows
from .shards import Jagged, Shards, as_batch

__all__ = ("ColumnScaling", "EventBatches", "RootBatches", "ScalingPlan")

FloatArray = NDArray[np.float64]


def __dir__() -> tuple[str, ...]:
    return __all__


class EventBatches(IterableDataset[dict[str, torch.Tensor]]):
    """Batches of entries of archives.

    Give it to ``DataLoader(batches, batch_size=None, num_workers=...)``, or iterate over it. Workers share the clusters
    of all archives among them, so that no entry comes twice; more workers than clusters are idle.

    Parameters
    ----------
    files
        Archives, as for `hepbaler.iterate`: paths, globs, URLs, ``"events.root.hbal:Events"``; also as ``hepbaler://`` has
        them. One or several.
    filter_name
        Branches to take, as in uproot. No other column is decoded, unless a model needs it for these.
    batch_size
        Entries of a batch; the last one of each worker may have fewer.
    jagged
        How lists become tensors. ``"pad"``: shape ``(batch_size, longest, ...)``; a number: cut or filled up to this
        length; ``"flat"``: the values of all entries one after the other. ``batch["NAME@counts"]`` has the number of
        values of each entry, so that ``torch.arange(length) < counts[:, None]`` says where there are any.
    padding
        What lists are filled up with.
    drop_last
        Leave that last batch out.
    shuffle
        Whether clusters, and entries inside a buffer, come in random order.
    buffer_entries
        Entries among which is shuffled; more of them mix better.
    seed
        Of the order. The same seed, epoch and number of workers give the same batches.
    share
        ``(i, n)``: give the i-th of n parts of the clusters, for training on several machines or GPUs.

    Raises
    ------
    InputError
        If there is no such archive, or a branch holds anything but numbers and lists of them.
    ColumnNotFound
        If no branch is chosen, or an archive lacks one.

    Examples
    --------
    >>> batches = EventBatches("ttbar_*.root.hbal", filter_name=["MET_pt", "Jet_pt"], jagged=6)  # doctest: +SKIP
    >>> for batch in batches:  # doctest: +SKIP
    ...     loss = model(batch["MET_pt"], batch["Jet_pt"])  # shapes (n,) and (n, 6)
    """

    def __init__(
        self,
        files: Files,
        *,
        filter_name: Filter = None,
        batch_size: int = 1024,
        jagged: Jagged = "pad",
        padding: float = 0.0,
        drop_last: bool = False,
        shuffle: bool = True,
        buffer_entries: int = 1 << 16,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("buffer_entries", buffer_entries)):
            if value < 1:
                msg = f"{name} should be at least 1, not {value}"
                raise InputError(msg)
        if jagged not in ("flat", "pad") and (not isinstance(jagged, int) or jagged < 1):
            msg = f"jagged should be 'pad', 'flat' or a length of at least 1, not {jagged!r}"
            raise InputError(msg)
        if not 0 <= share[0] < share[1]:
            msg = f"share should be (i, n) with 0 <= i < n, not {share!r}"
            raise InputError(msg)
        self._shards = Shards.find(files, filter_name)
        self._batch_size = batch_size
        self._jagged: Jagged = jagged
        self._padding = padding
        self._drop_last = drop_last
        self._shuffle = shuffle
        self._buffer_entries = buffer_entries
        self._seed = seed
        self._share = share
        self._epoch = 0

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the branches in a batch."""
        return self._shards.branches

    @property
    def num_entries(self) -> int:
        """Entries of all archives."""
        return self._shards.num_entries

    @property
    def n_clusters(self) -> int:
        """Number of clusters in all archives: what workers share."""
        return len(self._shards.shards)

    def set_epoch(self, epoch: int) -> None:
        """Choose another order for the next iteration, as torch's ``DistributedSampler`` does it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = get_worker_info()
        number, n_workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        order = np.arange(self.n_clusters)
        rng = None
        if self._shuffle:
            # All workers must agree on this order to share it out.
            order = np.random.default_rng([self._seed, self._epoch]).permutation(order)
            rng = np.random.default_rng([self._seed, self._epoch, *self._share, number + 1])
        mine = order[self._share[0] :: self._share[1]][number::n_workers]
        for entries in self._shards.batches(self._batch_size, mine, rng, self._buffer_entries):
            if len(entries) == self._batch_size or not self._drop_last:
                batch = as_batch(entries, self._jagged, self._padding)
                # copied, since two branches may share memory
                yield {name: torch.tensor(values) for name, values in batch.items()}

    def __repr__(self) -> str:
        return f"<EventBatches of {self.num_entries} entries in {self.n_clusters} clusters: {', '.join(self.branches)}>"


class RootBatches(IterableDataset[torch.Tensor]):
    """Batches of rows of some branches.

    A row is an entry where the branches are flat (``MET_pt``), and a list element where they are jagged (one jet for
    ``Jet_pt, Jet_eta``). Branches of both kinds have no rows in common. Fixed-size arrays are several features.

    Give it to ``DataLoader(batches, batch_size=None, num_workers=...)``, or iterate over it. Workers share the clusters
    among them, so that more workers than clusters are idle: a smaller `step_size` gives more.

    Parameters
    ----------
    paths
        ROOT files, globs, ``file.root:tree``; archives by their paths or as ``hepbaler://`` has them. One or several.
    filter_name
        Branches to take, as in uproot: a glob, ``"/regular expression/i"``, a list, or a function of the name.
    step_size
        Memory that a cluster takes over all branches of the tree, e.g. ``"100 MB"``.
    batch_rows
        Rows of a batch; the last one of each worker may have fewer.
    drop_last
        Leave that last one out.
    shuffle
        Whether clusters, and rows inside a buffer, come in random order.
    buffer_rows
        Rows among which is shuffled; more of them mix better.
    seed
        Of the order. The same seed, epoch and number of workers give the same batches.
    scaling
        A plan as `fit_scaling` returns it; None for the numbers in the file.
    missing
        What a network sees for NaN and infinities, after scaling. None leaves them.
    dtype
        Of the batches. Integers above 2^24 do not fit into float32.

    Raises
    ------
    InputError
        If a file cannot be read, or the branches have no rows in common.
    ColumnNotFound
        If no branch is chosen, a file lacks one, or the scaling does.

    Examples
    --------
    >>> jets = RootBatches("ttbar_*.root", filter_name=["Jet_pt", "Jet_eta", "Jet_mass"])  # doctest: +SKIP
    >>> jets = jets.with_scaling(jets.fit_scaling({"Jet_pt": "log", "Jet_eta": "standard", "Jet_mass": "log"}))
    ... # doctest: +SKIP
    >>> for x in jets:  # doctest: +SKIP
    ...     loss = model(x)  # x has shape (n_rows, 3)
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        filter_name: Filter,
        step_size: str = "100 MB",
        batch_rows: int = 1024,
        drop_last: bool = False,
        shuffle: bool = True,
        buffer_rows: int = 1 << 18,
        seed: int = 0,
        scaling: ScalingPlan | None = None,
        missing: float | None = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        for name, value in (("batch_rows", batch_rows), ("buffer_rows", buffer_rows)):
            if value < 1:
                msg = f"{name} should be at least 1, not {value}"
                raise InputError(msg)
        if not dtype.is_floating_point:
            msg = f"batches are floating-point numbers; {dtype} is not such a type"
            raise InputError(msg)
        self._rows = Rows.find(paths, filter_name=filter_name, step_bytes=memory_bytes(step_size))
        self._batch_rows = batch_rows
        self._drop_last = drop_last
        self._shuffle = shuffle
        self._buffer_rows = buffer_rows
        self._seed = seed
        self._missing = missing
        self._dtype = dtype
        self._epoch = 0
        self._scaling = self._checked(scaling)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, in the order in which a batch holds them."""
        return self._rows.names

    @property
    def scaling(self) -> ScalingPlan | None:
        """The scaling in use."""
        return self._scaling

    @property
    def n_clusters(self) -> int:
        """Number of clusters in all files: what workers share."""
        return len(self._rows.clusters)

    def set_epoch(self, epoch: int) -> None:
        """Choose another order for the next iteration, as torch's ``DistributedSampler`` does it."""
        self._epoch = epoch

    def with_scaling(self, scaling: ScalingPlan | None) -> RootBatches:
        """The same batches, scaled.

        Raises
        ------
        ColumnNotFound
            If the plan lacks one of `columns`.
        """
        # copy.copy would go through torch's pickling hooks; the attributes are all immutable or shared on purpose.
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._scaling = other._checked(scaling)
        return other

    def sample(self, n_rows: int = 200_000) -> dict[str, NDArray[Any]]:
        """Rows drawn over all files, unscaled: at most `n_rows`, from as many clusters as it takes.

        Returns
        -------
        dict
            Values of each column in its own dtype, shape ``(n_rows,)``.
        """
        rng = np.random.default_rng(self._seed)
        order = rng.permutation(len(self._rows.clusters))
        # A few rows of many clusters tell more than all of one; but files are large, and each cluster costs a read.
        most = max(-(-n_rows // max(min(len(order), 16), 1)), 1)
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in self.columns}
        have = 0
        with self._rows.reader() as reader:
            for i in order:
                if have >= n_rows:
                    break
                rows = reader.read(self._rows.clusters[i])
                n = len(next(iter(rows.values())))
                chosen = np.sort(rng.permutation(n)[: min(most, n_rows - have)])
                have += len(chosen)
                for name, values in rows.items():
                    parts[name].append(values[chosen])
        return {name: np.concatenate(values) if values else np.empty(0) for name, values in parts.items()}

    def fit_scaling(self, kinds: Kind | Mapping[str, Kind] = "standard", *, n_rows: int = 200_000) -> ScalingPlan:
        """Fit a scaling to a sample of the rows; see `hepbaler.features.scaling` for the kinds.

        Raises
        ------
        InputError
            If a kind is unknown, or a column cannot be scaled.
        ColumnNotFound
            If `kinds` and `columns` do not agree.
        """
        return ScalingPlan.fit(self.sample(n_rows), kinds)

    def __iter__(self) -> Iterator[torch.Tensor]:
        worker = get_worker_info()
        number, n_workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        order: Sequence[int] | NDArray[np.intp] = range(len(self._rows.clusters))
        if self._shuffle:
            # All workers must agree on this order to share it out.
            order = np.random.default_rng([self._seed, self._epoch]).permutation(len(order))
        mine = [self._rows.clusters[i] for i in order[number::n_workers]]
        rng = np.random.default_rng([self._seed, self._epoch, number + 1])
        for rows in self._batches(mine, rng):
            yield torch.from_numpy(rows).to(self._dtype)

    def _batches(self, clusters: Sequence[Cluster], rng: np.random.Generator) -> Iterator[FloatArray]:
        """Batches of shape ``(n_rows, n_features)``."""
        buffer = np.empty((0, len(self.columns)))
        n = self._batch_rows
        with self._rows.reader() as reader:
            for cluster in clusters:
                buffer = np.concatenate([buffer, self._matrix(reader.read(cluster))])
                if self._shuffle:
                    rng.shuffle(buffer)
                # Without shuffling there is no reason to hold back more than a batch.
                keep = self._buffer_rows if self._shuffle else 0
                n_out = max(len(buffer) - keep, 0) // n * n
                for first in range(0, n_out, n):
                    yield buffer[first : first + n]
                buffer = buffer[n_out:]
        for first in range(0, len(buffer), n):
            if first + n <= len(buffer) or not self._drop_last:
                yield buffer[first : first + n]

    def _matrix(self, rows: Mapping[str, NDArray[Any]]) -> FloatArray:
        scaled = self._scaling.apply(rows) if self._scaling is not None else rows
        matrix = np.stack([np.asarray(scaled[name], np.float64) for name in self.columns], axis=1)
        if self._missing is not None:
            matrix[~np.isfinite(matrix)] = self._missing
        return matrix

    def _checked(self, scaling: ScalingPlan | None) -> ScalingPlan | None:
        if scaling is not None:
            scaling.apply({name: np.empty(0) for name in self.columns})
        return scaling

    def __repr__(self) -> str:
        return f"<RootBatches of {self._rows.tree!r}: {', '.join(self.columns)} in {self.n_clusters} clusters>"
