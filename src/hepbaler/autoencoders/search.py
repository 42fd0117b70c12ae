"""Search for the settings of a family with Optuna (T. Akiba et al., arXiv:1907.10902).

Two questions may be asked. With a number of latents given: which settings make the smallest error? Without: which make the
fewest bits a row, latents and what they miss together (`bits_of`)? Then the number of latents is searched too.

A study lives in a file, and goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._optional import need
from ..errors import InputError, ModelError
from .batches import split_events
from .registry import find_family
from .settings import TrainingSettings
from .trained import TrainedAutoencoder, plain_config
from .training import train

if TYPE_CHECKING:
    import optuna

__all__ = ("SearchResult", "Trial", "bits_of", "search")

FloatArray = NDArray[np.float64]

_WIDTHS = (32, 64, 128, 256)
_BATCHES = (256, 512, 1024, 2048)
_LEARNING_RATES = (3e-4, 1e-2)
_MOST_DROPOUT = 0.3
# Weights of penalties are searched within this factor around the family's default.
_PENALTY_FACTOR = 30.0
_PENALTIES = ("sparsity", "weight", "beta")
# What features are rounded to where bits are counted, in units of their standard deviations.
_PRECISION = 2.0**-8
# Fewer explain nothing.
_LEAST_TRIALS = 5


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes
    ----------
    number
        From 0.
    value
        Error or bits; None if the training failed.
    chosen
        What was tried, by name.
    """

    number: int
    value: float | None
    chosen: Mapping[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What a search has found so far.

    Attributes
    ----------
    model, objective
        The family, and ``error`` or ``bits``.
    trials
        All of them, those of earlier runs included.
    importances
        How much of the spread of the results each setting explains; empty with too few trials.
    best
        The trial with the least value.
    n_latent, config, training
        Of the best trial: latents, the family's settings and `TrainingSettings`, as plain data.
    """

    model: str
    objective: str
    trials: tuple[Trial, ...]
    importances: Mapping[str, float]
    best: Trial
    n_latent: int
    config: Mapping[str, Any]
    training: Mapping[str, Any]


def search(
    values: NDArray[Any],
    names: Sequence[str],
    *,
    model: str,
    storage: str | os.PathLike[str],
    trials: int,
    counts: NDArray[Any] | None = None,
    n_latent: int | None = None,
    settings: TrainingSettings | None = None,
    weights: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SearchResult:
    """Train with other settings until there are so many trials.

    Parameters
    ----------
    values, names, counts, model, weights
        As for `train`.
    storage
        SQLite file of the study; one that exists goes on.
    trials
        Trials in all, those in the file included.
    n_latent
        Latents a row, for the least error; None for the fewest bits.
    settings
        Of every training, but for what is searched; None takes the family's recipe.
    progress
        Called with steps done and steps in all, of all trials.

    Raises
    ------
    ModelError
        If the file holds a study of something else, or no training succeeded.
    MissingExtra
        Without Optuna.
    """
    need("optuna", extra="tune")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if trials < 1:
        msg = f"a search needs at least one trial, not {trials}"
        raise InputError(msg)
    family = find_family(model)
    base = settings or family.recipe.settings
    objective = "bits" if n_latent is None else "error"
    study = optuna.create_study(
        storage=f"sqlite:///{os.path.abspath(storage)}",  # noqa: PTH100 - a path for a URL
        study_name="hepbaler",
        load_if_exists=True,
        direction="minimize",
    )
    what = {
        "model": model,
        "n_latent": n_latent,
        "names": list(names),
        "rows": len(values),
        "weights": dict(weights or {}),
        "settings": base.to_dict(),
    }
    kept = study.user_attrs.get("what")
    if kept is not None and kept != json.loads(json.dumps(what)):
        different = ", ".join(key for key in what if kept.get(key) != json.loads(json.dumps(what[key])))
        msg = f"{os.fspath(storage)} holds a search with other {different}; take another place, or the same settings"
        raise ModelError(msg)
    study.set_user_attr("what", what)
    done = len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=base.seed + done)

    def one(trial: optuna.Trial) -> float:
        chosen = _suggest(trial, model, n_latent, len(names), base)
        trained = train(
            values,
            names,
            model=model,
            n_latent=chosen.n_latent,
            counts=counts,
            config=chosen.config,
            settings=chosen.settings,
            weights=weights,
            progress=lambda step, total, _: progress(trial.number * total + step, trials * total) if progress else None,
        )
        trial.set_user_attr("n_latent", chosen.n_latent)
        trial.set_user_attr("config", plain_config(chosen.full))
        trial.set_user_attr("training", chosen.settings.to_dict())
        if objective == "error":
            return min(check.validation["error"] for check in trained.history.checks)
        return bits_of(trained, *_held_rows(values, counts, chosen.settings))

    # A training that runs away is a result: these settings are no good.
    study.optimize(one, n_trials=max(trials - done, 0), catch=(ModelError,))
    return _result(study, model, objective)


def bits_of(trained: TrainedAutoencoder, values: FloatArray, counts: NDArray[np.int64]) -> float:
    """Bits a row for features to 2^-8 of their spread: rounded latents, and what they miss, each at its entropy.

    Parameters
    ----------
    trained
        A trained autoencoder.
    values, counts
        Rows that it has not seen, and the rows of each event.
    """
    features = trained.plan.apply(values)
    latents = trained.encode(values, counts)
    missed = trained.chain().apply(latents, counts) - features
    # Rounding of the latents by as much as the network errs anyway costs little and saves much.
    step = np.maximum(trained.latent_spread * np.sqrt((missed**2).mean()), 1e-6)
    rounded = np.rint((latents - trained.latent_mean) / step)
    missed = trained.chain().apply(rounded * step + trained.latent_mean, counts) - features
    parts = [rounded[:, i] for i in range(rounded.shape[1])]
    parts += [np.rint(missed[:, i] / _PRECISION) for i in range(missed.shape[1])]
    return sum(_entropy(part) for part in parts)


@dataclass(frozen=True)
class _Chosen:
    n_latent: int
    config: dict[str, Any]
    full: Any
    settings: TrainingSettings


def _suggest(trial: optuna.Trial, model: str, n_latent: int | None, n_columns: int, base: TrainingSettings) -> _Chosen:
    default = find_family(model).config
    known = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
    config: dict[str, Any] = {}
    if "widths" in known:
        first = trial.suggest_categorical("width", _WIDTHS)
        depth = trial.suggest_int("depth", 1, 3)
        config["widths"] = tuple(max(first >> k, 8) for k in range(depth))
    for name in _PENALTIES:
        if known.get(name):
            config[name] = trial.suggest_float(
                name, known[name] / _PENALTY_FACTOR, known[name] * _PENALTY_FACTOR, log=True
            )
    if known.get("dropout"):
        config["dropout"] = (trial.suggest_float("dropout", 0.0, _MOST_DROPOUT),)
    if n_latent is None:
        n_latent = trial.suggest_int("n_latent", 1, n_columns)
    settings = replace(
        base,
        learning_rate=trial.suggest_float("learning_rate", *_LEARNING_RATES, log=True),
        batch_rows=trial.suggest_categorical("batch_rows", _BATCHES),
    )
    return _Chosen(n_latent, config, dataclasses.replace(default, **config), settings)


def _held_rows(
    values: NDArray[Any], counts: NDArray[Any] | None, settings: TrainingSettings
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Rows of the events that `train` kept for validation, and the rows of each."""
    lengths = np.ones(len(values), np.int64) if counts is None else np.asarray(counts, np.int64)
    _, held = split_events(lengths, held_out=settings.held_out, max_rows=settings.max_rows, seed=settings.seed)
    chosen = np.zeros(len(lengths), np.bool_)
    chosen[held] = True
    return np.asarray(values, np.float64)[np.repeat(chosen, lengths)], lengths[held]


def _entropy(integers: FloatArray) -> float:
    """Entropy of whole numbers, in bits a number."""
    _, times = np.unique(integers, return_counts=True)
    shares = times / len(integers)
    return float(-(shares * np.log2(shares)).sum())


def _result(study: optuna.Study, model: str, objective: str) -> SearchResult:

    trials = tuple(Trial(t.number, t.value, dict(t.params)) for t in study.trials if t.state.is_finished())
    if not any(trial.value is not None for trial in trials):
        msg = f"none of {len(trials)} trainings of {model!r} stayed finite; give other settings"
        raise ModelError(msg)
    best = study.best_trial
    return SearchResult(
        model,
        objective,
        trials,
        _importances(study),
        Trial(best.number, best.value, dict(best.params)),
        best.user_attrs["n_latent"],
        best.user_attrs["config"],
        best.user_attrs["training"],
    )


def _importances(study: optuna.Study) -> dict[str, float]:
    """PED-ANOVA (S. Watanabe et al., arXiv:2304.10255): how unlike all trials the best ones are in each setting."""
    import optuna

    if len({trial.value for trial in study.trials} - {None}) < _LEAST_TRIALS:
        return {}
    with warnings.catch_warnings():
        # Optuna may still change its interface; what it does is published.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
