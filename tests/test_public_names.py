"""The public face, name by name: a name that leaks or is lost shows here."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import hepbaler

NAMES = [
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
]
# Names that ask for a package of an extra as soon as they are looked up.
NEED_PACKAGES = {"dask": "dask_awkward", "nanoevents": "coffea", "torch": "torch"}
NEED_AN_EXTRA = (
    "hepbaler.torch",
    "hepbaler.access.torch",
    "hepbaler.models",
    "hepbaler.training",
    "hepbaler.autoencoders",
    "hepbaler.testing",
)
MODULES = [
    module.name
    for module in pkgutil.walk_packages(hepbaler.__path__, "hepbaler.", onerror=lambda _: None)
    if not module.name.endswith("__main__")
]


def test_names_of_the_package():
    assert dir(hepbaler) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEED_PACKAGES])
def test_every_name_is_there(name):
    assert getattr(hepbaler, name) is not None


def test_unknown_names_are_unknown():
    with pytest.raises(AttributeError, match="has no attribute 'compres'"):
        hepbaler.compres  # noqa: B018 - reading it is the point


@pytest.mark.parametrize("name", MODULES)
def test_modules_hold_what_they_list(name):
    if (short := name.rpartition(".")[2]) in NEED_PACKAGES:
        pytest.importorskip(NEED_PACKAGES[short])
    if name.startswith(NEED_AN_EXTRA):
        pytest.importorskip("torch")
        pytest.importorskip("hypothesis")
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", ())
    assert [public for public in listed if not hasattr(module, public)] == []
    if "__dir__" in vars(module):
        assert sorted(dir(module)) == sorted(listed)
