"""What the verbs say, for reports that small files do not give."""

from __future__ import annotations

from functools import partial

import click
import pytest

from hepbaler.cli.options import Session
from hepbaler.cli.summary import print_compressed, print_restored, print_trained, print_verified
from hepbaler.cli.tables import bytes_text, plural, ratio_text, seconds_text
from hepbaler.decompressing import RestoreReport
from hepbaler.reports import CompressReport, TableReport, TrainReport
from hepbaler.restoring import Difference, ObjectsReport, TreeReport
from hepbaler.verifying import ColumnCheck, VerifyReport


@pytest.fixture
def say(capsys):
    """What a function prints on stdout and stderr, at a verbosity."""

    def said(function, report, **session):
        with click.Context(click.Command("test"), obj=Session(**session)):
            function(report)
        return capsys.readouterr()

    return said


def table(name, archive_bytes, learned=3):
    return TableReport("Events", name, 1000, 5, 5, learned, 100_000, 20_000, archive_bytes)


def compress_report(n_tables, **changes):
    values = {
        "source": "events.root",
        "target": "events.root.hbal",
        "source_bytes": 3_000_000,
        "raw_bytes": 6_000_000,
        "archive_bytes": 1_000_000,
        "trees": 1,
        "branches": 112,
        "entries": 3000,
        "values": 1_318_261,
        "exceptions": 0,
        "tables": tuple(table(f"Table{i}", 1000 * (i + 1)) for i in range(n_tables)),
        "bytes_by_part": {},
        "seconds": {"scan": 1.0, "train": 64.0, "write": 2.5},
        "train_steps": {},
        "notes": (),
        "left_out": (),
    }
    return CompressReport(**(values | changes))


def test_compress_shows_the_largest_tables_and_the_sum_of_all(say):
    out = say(print_compressed, compress_report(30)).out
    assert "Table29" in out
    assert "Table3 " not in out
    (rest,) = [line for line in out.splitlines() if "14 more" in line]
    assert "105 kB" in rest
    (total,) = [line for line in out.splitlines() if line.startswith("all ")]
    assert "465 kB" in total
    assert "3 times smaller than the ROOT file, 6 times smaller than its arrays" in out
    assert "1 min 8 s (scan 1.0 s, train 1 min 4 s, write 2.5 s)" in out


def test_compress_names_all_that_is_left_out_before_the_table(say):
    left_out = tuple(f"Events:b{i} (T): why" for i in range(40))
    out = say(print_compressed, compress_report(1, left_out=left_out, notes=("old cycle",), exceptions=5)).out
    assert all(f"left out: {item}" in out for item in left_out)
    assert out.index("b39") < out.index("Table0")
    assert "note: old cycle" in out
    assert "5 of them kept bit for bit" in out


def test_a_part_is_not_compared_with_the_whole_file(say):
    whole = say(print_compressed, compress_report(1)).out
    assert "3 times smaller than the ROOT file" in whole
    for part in (
        say(partial(print_compressed, selected=True), compress_report(1)).out,
        say(print_compressed, compress_report(1, left_out=("Events:x (T): why",))).out,
    ):
        assert "smaller than the ROOT file" not in part
        assert "1 MB, 6 times smaller than the arrays of what is kept" in part


def restore_report():
    differences = (
        *(Difference(f"nJ{i}", "type", "uint32_t", "int32_t", "as uproot does") for i in range(3)),
        *(Difference(f"v{i}", "missing", "vector", "", "a list in a list") for i in range(2)),
    )
    return RestoreReport(
        "events.hbal",
        "events.root",
        1000,
        2000,
        (
            TreeReport("Events", "TTree", 10, ("a", "b"), differences),
            TreeReport("Meta", "TTree", 0, (), (), "it has no branches"),
        ),
        ObjectsReport((("mass", "TH1D"),), (("cut", "TCutG", "uproot cannot"),)),
    )


def test_differences_of_a_kind_are_one_line(say):
    out, err = say(print_restored, restore_report())
    assert out.count("differs:") == 1
    assert "(and 2 others likewise: -v)" in out
    assert "1 tree, 1 other object" in out
    assert "Events: 2 branches are not written: a list in a list\n  v0, v1" in err
    assert "tree Meta is not written: it has no branches" in err
    assert "cut (TCutG) is not written: uproot cannot" in err


def test_every_difference_for_those_who_ask(say):
    assert say(print_restored, restore_report(), verbosity=1).out.count("differs:") == 3


def test_warnings_also_when_quiet(say):
    out, err = say(print_restored, restore_report(), quiet=True)
    assert out == ""
    assert err.count("warning") == 3


def test_train_tells_steps_and_size(say):
    report = TrainReport(
        ("a.root", "b.root"), "x.hbmodel", 30_000, (table("Jet", 9000),), {"train": 61.0}, {"Events:Jet": 750}, ()
    )
    out = say(print_trained, report).out
    assert "2 files -> x.hbmodel" in out
    assert "750" in out
    assert "30 kB in 1 min 1 s" in out


def test_verify_shows_what_is_broken(say):
    checks = (
        ColumnCheck("Events", "Jet_pt", "bits=10", 100, 0, 0.1, 0.99),
        ColumnCheck("Events", "MET_pt", "bits=10", 100, 7, 5.0, 40.0),
    )
    good = say(print_verified, VerifyReport("a.hbal", "a.root", 10, 100, 0, checks[:1], ("Events:x",))).out
    assert "100 values compared, every one within its bound" in good
    assert "Events:x: not in the archive" in good
    bad = say(print_verified, VerifyReport("a.hbal", "a.root", 10, 200, 7, checks)).out
    assert "7 OUTSIDE their bounds" in bad
    assert "MET_pt" in bad
    assert "Jet_pt" not in bad


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (31_324_882, "31.3 MB"),
        (999_600, "1 MB"),
        (2.5e9, "2.5 GB"),
        (7e15, "7000 TB"),
    ],
)
def test_bytes_text(n, text):
    assert bytes_text(n) == text


def test_small_words():
    assert [seconds_text(t) for t in (0.04, 59.9, 60.0, 125.4)] == ["0.0 s", "59.9 s", "1 min 0 s", "2 min 5 s"]
    assert [plural(n, "entry", "entries") for n in (0, 1, 3000)] == ["0 entries", "1 entry", "3,000 entries"]
    assert [ratio_text(10, 3), ratio_text(10, 0), ratio_text(0, 3)] == ["3.33", "-", "-"]
    assert [ratio_text(999.4, 1), ratio_text(2.05e5, 1)] == ["999", "205,000"]
