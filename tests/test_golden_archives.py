"""Archives of the past are read for ever, and to the same bits on every machine."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import hepbaler
from hepbaler.coding.blocks import LEAST_ROWS

FOLDER = Path(__file__).parent / "golden" / "v1"
DIGESTS = json.loads((FOLDER / "digests.json").read_text())
pytestmark = pytest.mark.usefixtures("either_loops")


@pytest.fixture(scope="module")
def digests():
    spec = importlib.util.spec_from_file_location("make_archives", FOLDER / "make_archives.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.digests


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_every_bit_is_as_it_was(name, digests):
    assert digests(FOLDER / name) == DIGESTS[name]


def test_one_of_them_has_a_model_that_looks_at_other_tables():
    with hepbaler.open(FOLDER / "archive_learned.hbal") as archive:
        models = archive["Events"].header.models
    assert any(model.context for model in models)


def test_one_of_them_has_rows_that_see_the_row_before():
    with hepbaler.open(FOLDER / "archive_before.hbal") as archive:
        (model,) = archive["Events"].header.models
    assert model.lineage is not None
    assert model.lineage.index is None


def test_one_of_them_has_rows_in_blocks():
    with hepbaler.open(FOLDER / "archive_blocks.hbal") as archive:
        (model,) = archive["Events"].header.models
        assert archive.reader.section(model.section)[4] == 2
        assert max(archive["Events"].header.rows[model.table]) >= 2 * LEAST_ROWS


def test_one_of_them_has_places_in_lists_for_columns():
    with hepbaler.open(FOLDER / "archive_elements.hbal") as archive:
        (model,) = archive["Events"].header.models
        assert archive.reader.section(model.section)[4] == 3


def test_two_of_them_are_in_latent_mode():
    kinds = {}
    for name in ("archive_latent.hbal", "archive_latent_lists.hbal"):
        with hepbaler.open(FOLDER / name) as archive:
            coded = [c for tree in archive.info()["trees"] for c in tree["columns"] if c["coder"] == "latent"]
            kinds[name] = archive.info()["settings"]["latent"]["model"]
        assert len(coded) >= 11
        assert all(column["error"]["largest"] >= column["error"]["rms"] > 0 for column in coded)
    assert kinds == {"archive_latent.hbal": "sae", "archive_latent_lists.hbal": "conv-aae"}
