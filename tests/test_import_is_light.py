"""Importing hepbaler, and reading an archive, must not pull in what they do not need. Each case is a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"awkward", "matplotlib", "numpy", "rich", "torch", "uproot"}


def loaded_by(code: str, *args: str) -> set[str]:
    """Heavy packages that `code` loads."""
    report = "\nimport sys; sys.stderr.write('LOADED ' + ' '.join(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code + report, *args], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stderr.rpartition("LOADED ")[2].split())


def test_import_is_light():
    assert loaded_by("import hepbaler") == set()


def test_names_are_listed_without_loading_them():
    assert loaded_by("import hepbaler; dir(hepbaler); hepbaler.errors.BoundError; hepbaler.__version__") == set()


@pytest.mark.parametrize(
    "verb",
    ["", "compress", "decompress", "info", "verify", "evaluate", "analyse", "study", "plan", "train", "tune", "sample"],
)
def test_help_is_light(verb):
    code = "import sys; from hepbaler.cli import main; main([*sys.argv[1:], '--help'])"
    assert loaded_by(code, *([verb] if verb else [])) == set()


def test_reading_loads_neither_torch_nor_uproot(nano_file, tmp_path):
    import hepbaler

    target = tmp_path / "nano.root.hbal"
    hepbaler.compress(nano_file, target, use_model=False)
    code = (
        "import sys, hepbaler\n"
        "with hepbaler.open(sys.argv[1]) as archive:\n"
        "    archive['Events'].arrays(filter_name='Jet_*'); archive.info()\n"
    )
    assert loaded_by(code, str(target)) == {"awkward", "numpy"}


def test_compressing_plainly_loads_no_torch(nano_file, tmp_path):
    code = "import sys, hepbaler; hepbaler.compress(sys.argv[1], sys.argv[2], use_model=False)"
    assert "torch" not in loaded_by(code, str(nano_file), str(tmp_path / "nano.hbal"))


def test_decoders_of_autoencoders_need_no_torch():
    code = "import hepbaler.autoencoders.chain, hepbaler.autoencoders.curve, hepbaler.autoencoders.plan"
    assert loaded_by(code) == {"numpy"}
