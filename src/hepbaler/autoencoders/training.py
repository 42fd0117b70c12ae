"""Train an autoencoder on the rows of a table.

::

    columns -> plan -> features -> events split -> batches -> losses -> Adam ----+
                                        |                                        | every `check_every` steps
                                        +-> validation: best weights kept, early stopping, history, checkpoint
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, ModelError
from ..training.device import find_device
from .batches import Rounds, Sheet, split_events
from .checkpoints import Checkpoint
from .family import Autoencoder, Objective
from .history import Check, History
from .plan import FeaturePlan
from .registry import build, config_of, find_family
from .settings import TrainingSettings
from .trained import TrainedAutoencoder, encode_features, plain_config

if TYPE_CHECKING:
    import os

    from ..features.scaling import Kind

__all__ = ("Progress", "train")

FloatArray = NDArray[np.float64]
# Called with steps done, steps in all, and parts of the loss by name.
Progress = Callable[[int, int, Mapping[str, float]], None]

_TELL_EVERY = 50
_BLOCK_ROWS = 16_384
# Rows from which the first weights and the spread of the latents are found.
_SAMPLE_ROWS = 100_000


def __dir__() -> tuple[str, ...]:
    return __all__


def train(
    values: NDArray[Any],
    names: Sequence[str],
    *,
    model: str,
    n_latent: int,
    counts: NDArray[Any] | None = None,
    config: Mapping[str, Any] | None = None,
    settings: TrainingSettings | None = None,
    weights: Mapping[str, float] | None = None,
    scaling: Kind | Mapping[str, Kind] | None = None,
    relations: bool | None = None,
    plan: FeaturePlan | None = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume_from: str | os.PathLike[str] | None = None,
) -> TrainedAutoencoder:
    """Fit a plan, and train a model of some family.

    Parameters
    ----------
    values
        Columns, shape ``(n_rows, n_columns)``. Numbers that are not finite count as typical ones.
    names
        Names of the columns.
    model
        Name of a family, see `hepbaler.autoencoders.names`.
    n_latent
        Latents a row.
    counts
        Rows of each event, in order; None where each row is an event.
    config
        Settings of the family that shall differ from its defaults.
    settings
        Of training; None takes the family's recipe.
    weights
        How much columns count in the loss, by glob: ``{"Jet_mass": 10}``; 1 for the others.
    scaling, relations
        As for `FeaturePlan.fit`; None takes the family's recipe.
    plan
        A plan fitted before, in place of a new one.
    progress
        Called every 50 steps with steps done, steps in all, and the parts of the loss by name.
    checkpoint
        File that is written at each validation.
    resume_from
        Such a file of a training of the same data and settings: it goes on there, to the same result.

    Raises
    ------
    InputError
        If shapes do not fit, or there is nothing to train on.
    ModelError
        If there is no such family or setting, or the checkpoint belongs to another training.
    """
    started = time.perf_counter()
    family = find_family(model)
    chosen = settings or family.recipe.settings
    full = config_of(model, config or {})
    table, lengths = _checked(values, names, counts)
    training_events, held_events = split_events(
        lengths, held_out=chosen.held_out, max_rows=chosen.max_rows, seed=chosen.seed
    )
    rows = _rows_of_events(lengths, training_events)
    if plan is None:
        plan = FeaturePlan.fit(
            names,
            table[rows],
            scaling=family.recipe.scaling if scaling is None else scaling,
            relations=family.recipe.relations if relations is None else relations,
        )
    if plan.names != tuple(names):
        msg = f"the plan is for the columns {', '.join(plan.names)}, not for {', '.join(names)}"
        raise InputError(msg)
    if plan.n_features == 0:
        msg = f"all of the {len(names)} columns are constant: there is nothing to train on"
        raise InputError(msg)
    device, dtype = _device_of(chosen), getattr(torch, chosen.dtype)
    network = build(
        model,
        n_features=plan.n_features,
        n_latent=n_latent,
        seed=chosen.seed,
        dtype=chosen.dtype,
        **plain_config(full),
    )
    feature_weights = plan.feature_weights(weights or {})
    features = plan.apply(table[rows])
    network.start_from(features[:_SAMPLE_ROWS], feature_weights)
    network.to(device)
    sheet = Sheet(torch.from_numpy(features).to(device, dtype), lengths[training_events])
    held = plan.apply(table[_rows_of_events(lengths, held_events)])
    held_sheet = Sheet(torch.from_numpy(held).to(device, dtype), lengths[held_events])
    objective = Objective(torch.from_numpy(feature_weights).to(device, dtype))
    what = {
        "model": model,
        "config": plain_config(full),
        "n_latent": n_latent,
        "settings": chosen.to_dict(),
        "plan": plan.to_dict(),
        "weights": feature_weights.tolist(),
        "rows": len(table),
    }
    loop = _Loop(network, sheet, held_sheet, objective, chosen)
    if resume_from is not None:
        loop.restore(Checkpoint.load(resume_from, what))
    history = loop.run(started, progress, None if checkpoint is None else (checkpoint, what))
    network.eval()
    latents = encode_features(network, *_leading_events(features, lengths[training_events]))
    return TrainedAutoencoder(
        model, plain_config(full), network, plan, chosen, history, latents.mean(axis=0), latents.std(axis=0)
    )


def _device_of(settings: TrainingSettings) -> str:
    """Where to train: a device that has numbers of this kind."""
    device = find_device(settings.device)
    if device != "mps" or settings.dtype != "float64":
        return device
    if settings.device == "auto":
        return "cpu"
    msg = "mps has no float64; take float32, or --device cpu"
    raise InputError(msg)


class _Loop:
    """The state of a training, and its steps."""

    def __init__(
        self, model: Autoencoder, sheet: Sheet, held: Sheet, objective: Objective, settings: TrainingSettings
    ) -> None:
        self.model, self.settings, self._objective = model, settings, objective
        self._rounds = Rounds(sheet, settings.batch_rows, neighbours=model.window > 1, seed=settings.seed)
        self._held = held.blocks(_BLOCK_ROWS)
        self._noise = torch.Generator(device=sheet.features.device).manual_seed(settings.seed + 1)
        critics = list(model.critic_parameters())
        own = [p for p in model.parameters() if not any(p is critic for critic in critics)]
        self._optimisers = [torch.optim.Adam(own, lr=settings.learning_rate)]
        if critics:
            self._optimisers.append(torch.optim.Adam(critics, lr=settings.learning_rate, betas=(0.5, 0.999)))
        self.step, self.history = 0, History()
        self._best = copy.deepcopy(model.state_dict())
        self._best_error = float("inf")

    def run(
        self, started: float, progress: Progress | None, keep: tuple[str | os.PathLike[str], dict[str, Any]] | None
    ) -> History:
        """Go on to the end; the model has the best weights then."""
        before = self.history.seconds
        steps, every = self.settings.steps, self.settings.check_every
        sums: dict[str, Tensor] = {}
        since = 0
        while self.step < steps and not self._is_enough():
            parts = self._one_step()
            since += 1
            for name, part in parts.items():
                sums[name] = sums.get(name, 0.0) + part
            done = self.step == steps
            if progress is not None and (self.step % _TELL_EVERY == 0 or done):
                progress(self.step, steps, {name: float(part) for name, part in parts.items()})
            if self.step % every == 0 or done:
                self._check({name: float(total) / since for name, total in sums.items()})
                sums, since = {}, 0
                self.history = replace(self.history, seconds=before + time.perf_counter() - started)
                if keep is not None:
                    self._checkpoint(keep[1]).save(keep[0])
        self.model.load_state_dict(self._best)
        return replace(self.history, stopped_early=self.step < steps, seconds=before + time.perf_counter() - started)

    def _one_step(self) -> dict[str, Tensor]:
        self.model.train()
        batch = self._rounds.draw()
        rate = self.settings.rate_at(self.step)
        if len(self._optimisers) > 1:
            self._descend(1, self.model.critic_losses(batch, self._noise), rate)
        parts = self.model.losses(batch, self._objective, self._noise)
        self._descend(0, parts, rate)
        self.step += 1
        return {name: part.detach() for name, part in parts.items()}

    def _descend(self, which: int, parts: dict[str, Tensor], rate: float) -> None:
        optimiser = self._optimisers[which]
        for group in optimiser.param_groups:
            group["lr"] = rate
        for other in self._optimisers:
            other.zero_grad(set_to_none=True)
        parts["total"].backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], self.settings.clip)
        optimiser.step()

    def _check(self, training: dict[str, float]) -> None:
        validation = self._validate()
        if not np.isfinite(validation["error"]):
            msg = f"training left the finite numbers at step {self.step}; take a smaller learning rate than {self.settings.learning_rate}"
            raise ModelError(msg)
        check = Check(self.step, self.settings.rate_at(self.step - 1), training, validation)
        self.history = replace(self.history, checks=(*self.history.checks, check))
        if validation["error"] < self._best_error:
            self._best_error = validation["error"]
            self._best = copy.deepcopy(self.model.state_dict())
            self.history = replace(self.history, best_step=self.step)

    def _validate(self) -> dict[str, float]:
        self.model.eval()
        sums: dict[str, float] = {}
        n_rows = 0
        with torch.no_grad():
            for batch in self._held:
                n = len(batch.features)
                n_rows += n
                for name, part in self.model.losses(batch, self._objective, None).items():
                    sums[name] = sums.get(name, 0.0) + float(part) * n
        return {name: total / n_rows for name, total in sums.items()}

    def _is_enough(self) -> bool:
        patience = self.settings.patience
        if not patience or not self.history.checks:
            return False
        return self.step - self.history.best_step >= patience * self.settings.check_every

    def _checkpoint(self, what: dict[str, Any]) -> Checkpoint:
        return Checkpoint(
            what=what,
            step=self.step,
            place=(self._rounds.round, self._rounds.batch),
            history=self.history,
            best_error=self._best_error,
            model=self.model.state_dict(),
            best=self._best,
            optimisers=[optimiser.state_dict() for optimiser in self._optimisers],
            noise=self._noise.get_state(),
        )

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of the same training."""
        self.step, self.history, self._best_error = saved.step, saved.history, saved.best_error
        self.model.load_state_dict(saved.model)
        self._best = saved.best
        for optimiser, state in zip(self._optimisers, saved.optimisers, strict=True):
            optimiser.load_state_dict(state)
        self._noise.set_state(saved.noise)
        self._rounds.go_to(*saved.place)


def _checked(
    values: NDArray[Any], names: Sequence[str], counts: NDArray[Any] | None
) -> tuple[FloatArray, NDArray[np.int64]]:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        msg = f"{len(names)} columns need values of shape (n_rows, {len(names)}), not {table.shape}"
        raise InputError(msg)
    lengths = np.ones(len(table), np.int64) if counts is None else np.asarray(counts, np.int64)
    if lengths.ndim != 1 or np.any(lengths < 0) or int(lengths.sum()) != len(table):
        msg = f"counts of {lengths.shape} events add up to {lengths.sum()} rows, not to {len(table)}"
        raise InputError(msg)
    return table, lengths


def _rows_of_events(lengths: NDArray[np.int64], events: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask of the rows of some events, shape (n_rows,)."""
    chosen = np.zeros(len(lengths), np.bool_)
    chosen[events] = True
    return np.repeat(chosen, lengths)


def _leading_events(features: FloatArray, lengths: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Whole events with about `_SAMPLE_ROWS` rows."""
    n = max(int(np.searchsorted(np.cumsum(lengths), _SAMPLE_ROWS, side="right")), 1)
    return features[: int(lengths[:n].sum())], lengths[:n]
