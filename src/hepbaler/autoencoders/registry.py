"""The families by name, and a place for one's own.

>>> from hepbaler.autoencoders import names
>>> "swae" in names()
True
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from .._optional import need
from ..errors import InputError, ModelError
from .settings import Recipe

if TYPE_CHECKING:
    import torch

    from .family import Autoencoder

__all__ = ("Family", "build", "config_of", "find_family", "names", "register")

# factory(n_features, n_latent, config, generator)
Factory = Callable[[int, int, Any, "torch.Generator"], "Autoencoder"]

# Modules that hold the families of this package, in the order in which they are named.
_MODULES = ("sparse", "variational", "wasserstein", "adversarial", "baler")
_ENTRY_POINTS = "hepbaler.autoencoders"
_DTYPES = ("float32", "float64")

_families: dict[str, Family] = {}
_loaded: list[str] = []


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Family:
    """How the models of one name are made.

    Attributes
    ----------
    name
        By which it is asked for.
    factory
        Called with n_features, n_latent, the config and a generator for the first weights.
    config
        Defaults: a frozen dataclass of plain values.
    recipe
        How it is trained unless the caller says otherwise.
    """

    name: str
    factory: Factory
    config: Any
    recipe: Recipe


def register(name: str, config: Any, *, recipe: Recipe | None = None) -> Callable[[Factory], Factory]:
    """Make a factory known by a name; a decorator.

    Parameters
    ----------
    name
        Lower case, digits and hyphens.
    config
        Defaults of the family: an instance of a frozen dataclass whose fields are numbers, texts, or tuples of these.
    recipe
        How it is trained by default.

    Raises
    ------
    InputError
        If the name is taken or not well formed, or the config is no dataclass.
    """
    if not name or name != name.lower() or not name.replace("-", "").isalnum():
        msg = f"a model's name has lower case letters, digits and hyphens, unlike {name!r}"
        raise InputError(msg)
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        msg = f"the config of {name!r} should be an instance of a dataclass, not {config!r}"
        raise InputError(msg)

    def keep(factory: Factory) -> Factory:
        _load()
        if name in _families:
            msg = f"there is a model {name!r} already; choose another name"
            raise InputError(msg)
        _families[name] = Family(name, factory, config, recipe or Recipe())
        return factory

    return keep


def names() -> tuple[str, ...]:
    """Names of all families, ours first."""
    _load()
    return tuple(_families)


def find_family(name: str) -> Family:
    """The family of a name.

    Raises
    ------
    ModelError
        If there is none.
    """
    _load()
    if name not in _families:
        msg = f"there is no model {name!r}; there are {', '.join(_families)}"
        raise ModelError(msg)
    return _families[name]


def config_of(name: str, changes: Mapping[str, Any]) -> Any:
    """The config of a family with some fields changed; lists are taken for tuples.

    Raises
    ------
    ModelError
        If there is no such family or field.
    """
    family = find_family(name)
    known = {field.name for field in dataclasses.fields(family.config)}
    if strange := sorted(changes.keys() - known):
        msg = f"model {name!r} has no setting {strange[0]!r}; it has {', '.join(sorted(known))}"
        raise ModelError(msg)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()}
    return dataclasses.replace(family.config, **plain)


def build(
    name: str, *, n_features: int, n_latent: int, seed: int = 0, dtype: str = "float32", **config: Any
) -> Autoencoder:
    """A new, untrained model.

    Parameters
    ----------
    name
        One of `names`.
    n_features, n_latent
        Numbers a row, each at least 1.
    seed
        Of the first weights.
    dtype
        ``"float32"`` or ``"float64"``, for all of it.
    **config
        Fields of the family's config that shall differ from its defaults.

    Raises
    ------
    ModelError
        If there is no such model or setting, or a size makes no sense.
    """
    import torch

    if n_features < 1 or n_latent < 1:
        msg = f"a model needs at least one feature and one latent, not {n_features} and {n_latent}"
        raise ModelError(msg)
    if dtype not in _DTYPES:
        msg = f"models are made of float32 or float64, not {dtype!r}"
        raise ModelError(msg)
    generator = torch.Generator().manual_seed(seed)
    model = find_family(name).factory(n_features, n_latent, config_of(name, config), generator)
    return model.to(getattr(torch, dtype))


def _load() -> None:
    """Import what registers itself: our families, and those that other packages announce."""
    if _loaded:
        return
    need("torch", extra="train")
    # Noted first: each of these modules registers, which asks for the others again.
    _loaded.extend(_MODULES)
    for module in _MODULES:
        import_module(f".{module}", __package__)
    for entry in entry_points(group=_ENTRY_POINTS):
        entry.load()
