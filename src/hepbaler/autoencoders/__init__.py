"""Autoencoders that bring the columns of a table down to a few latents a row, and back.

- `registry`: the families by name, `register` for one's own.
- `training`: `train`, which gives a `TrainedAutoencoder`; `settings`: what it is told.
- `plan`, `curve`, `relations`: columns to features and back.
- `chain`: a decoder in numpy.
- `networks`, `family` and one file a family: the networks (torch).

`chain`, `plan` and `curve` are on the reading side too: they need numpy only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chain import Affine, Chain
    from .plan import FeaturePlan
    from .registry import build, names, register
    from .settings import TrainingSettings
    from .trained import TrainedAutoencoder
    from .training import train

__all__ = (
    "Affine",
    "Chain",
    "FeaturePlan",
    "TrainedAutoencoder",
    "TrainingSettings",
    "build",
    "names",
    "register",
    "train",
)

# Where each name lives, imported when it is first asked for: reading needs no torch.
_HOMES = {
    "Affine": "chain",
    "Chain": "chain",
    "FeaturePlan": "plan",
    "TrainedAutoencoder": "trained",
    "TrainingSettings": "settings",
    "build": "registry",
    "names": "registry",
    "register": "registry",
    "train": "training",
}


def __dir__() -> tuple[str, ...]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
