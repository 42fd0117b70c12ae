from __future__ import annotations

import pytest

from hepbaler.errors import InputError
from hepbaler.filters import chooser, memory_bytes

NAMES = ["Jet_pt", "Jet_eta", "nJet", "MET_pt", "fMatrix[4]", "evt/fBits"]


@pytest.mark.parametrize(
    ("filter_name", "chosen"),
    [
        (None, NAMES),
        ("Jet_*", ["Jet_pt", "Jet_eta"]),
        ("jet_*", []),
        ("/jet_.*/i", ["Jet_pt", "Jet_eta"]),
        ("/.*_pt/", ["Jet_pt", "MET_pt"]),
        (["nJet", "MET_*"], ["nJet", "MET_pt"]),
        ([], []),
        (lambda name: name.endswith("t"), ["Jet_pt", "nJet", "MET_pt"]),
        ("fMatrix[4]", ["fMatrix[4]"]),
        ("evt/*", ["evt/fBits"]),
    ],
)
def test_chooser(filter_name, chosen):
    means = chooser(filter_name)
    assert [name for name in NAMES if means(name)] == chosen


def test_broken_regular_expression():
    with pytest.raises(InputError, match="no regular expression"):
        chooser("/Jet_(/")


@pytest.mark.parametrize(
    ("text", "n"), [("100 MB", 10**8), ("1.5GiB", 3 * 2**29), ("7 B", 7), ("2e3 kB", 2_000_000), (" 10 mb ", 10**7)]
)
def test_memory_bytes(text, n):
    assert memory_bytes(text) == n


@pytest.mark.parametrize("text", ["", "100", "MB", "-1 MB", "1..2 MB", "10 MBit", "nan MB"])
def test_what_is_no_size(text):
    with pytest.raises(InputError, match="should look like '100 MB'"):
        memory_bytes(text)
