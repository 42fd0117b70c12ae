"""Compress ROOT files with autoencoders, with a verified bound on every value.

>>> import hepbaler
>>> hepbaler.compress("events.root")  # doctest: +SKIP
>>> with hepbaler.open("events.root.hbal") as archive:  # doctest: +SKIP
...     jets = archive["Events"].arrays(filter_name="Jet_*", entry_stop=1000)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, torch
    from .access.dask import dask
    from .access.nanoevents import nanoevents
    from .archive import Archive, open
    from .bounds import Bound, Plan, Rule
    from .campaign.many import compress_many, decompress_many, evaluate_many, verify_many
    from .decompressing import decompress
    from .judging import evaluate
    from .latent.settings import LatentSettings
    from .manyfiles import concatenate, iterate, num_entries
    from .merging import merge
    from .pipeline import compress
    from .planning import make_plan
    from .pretraining import train
    from .skimming.running import skim
    from .topmass import analyse
    from .verifying import verify
    from .version import __version__

__all__ = (
    "Archive",
    "Bound",
    "LatentSettings",
    "Plan",
    "Rule",
    "__version__",
    "analyse",
    "compress",
    "compress_many",
    "concatenate",
    "dask",
    "decompress",
    "decompress_many",
    "errors",
    "evaluate",
    "evaluate_many",
    "iterate",
    "make_plan",
    "merge",
    "nanoevents",
    "num_entries",
    "open",
    "skim",
    "torch",
    "train",
    "verify",
    "verify_many",
)

# Where each name lives. They are imported when they are first asked for: what only reads needs neither uproot nor torch.
_HOMES = {
    "Archive": "archive",
    "Bound": "bounds",
    "LatentSettings": "latent.settings",
    "Plan": "bounds",
    "Rule": "bounds",
    "__version__": "version",
    "analyse": "topmass",
    "compress": "pipeline",
    "compress_many": "campaign.many",
    "concatenate": "manyfiles",
    "dask": "access.dask",
    "decompress": "decompressing",
    "decompress_many": "campaign.many",
    "errors": "",
    "evaluate": "judging",
    "evaluate_many": "campaign.many",
    "iterate": "manyfiles",
    "make_plan": "planning",
    "merge": "merging",
    "nanoevents": "access.nanoevents",
    "num_entries": "manyfiles",
    "open": "archive",
    "skim": "skimming",
    "torch": "",
    "train": "pretraining",
    "verify": "verifying",
    "verify_many": "campaign.many",
}


def __dir__() -> tuple[str, ...]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = _HOMES[name]
    if name in ("errors", "torch"):
        return import_module(f".{name}", __name__)
    return getattr(import_module(f".{home}", __name__), name)
