"""What was done to a column is found, and what was not is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from hepbaler.analysis import ColumnTally, Cut, CutCounts, correlate, figures_of
from hepbaler.analysis.columnplot import draw_column, draw_correlations
from hepbaler.analysis.distances import combing_bins, ks_distance, levy_excess, wasserstein
from hepbaler.analysis.page import figure_block, page, table_block
from hepbaler.analysis.style import png_bytes
from hepbaler.errors import InputError

N = 20_000
PT = np.random.default_rng(1).exponential(40.0, N).astype(np.float32) + 20


def tally_of(before, after, allowed=None, pieces=4, rows=100_000):
    tally = ColumnTally(rows)
    for part in np.array_split(np.arange(len(before)), pieces):
        tally.add(before[part], after[part], None if allowed is None else allowed[part])
    return tally


def judged(before, after, *, integer=False, allowed=None):
    figures = figures_of(tally_of(before, after, allowed), "Events", "Jet_pt", None, integer=integer)
    json.dumps(figures.to_dict(), allow_nan=False)
    return figures


def test_nothing_is_wrong_with_the_same_column():
    figures = judged(PT, PT.copy(), allowed=np.zeros(N))
    assert figures.remarks == ()
    assert (figures.score, figures.changed, figures.largest_error, figures.ks) == (0, 0, 0, 0)
    assert figures.correlation == 1.0


def test_fine_rounding_is_not_suspicious():
    figures = judged(PT, (np.round(PT * 128) / 128).astype(np.float32))
    assert figures.remarks == ()
    assert figures.score < 0.5
    assert 0.001 < figures.rms < 0.01


def test_a_bias_is_found():
    figures = judged(PT, PT + np.float32(2.0))
    assert figures.bias == pytest.approx(2.0, rel=1e-5)
    assert "bias of" in figures.remarks[0]
    assert figures.wasserstein == pytest.approx(2.0, rel=1e-3)


def test_a_comb_is_found():
    figures = judged(PT, np.round(PT).astype(np.float32))
    assert figures.combing_bins is not None
    assert figures.combing_bins <= 128
    assert any("a comb in" in remark for remark in figures.remarks)


def test_a_smooth_change_is_no_comb():
    rng = np.random.default_rng(4)
    assert combing_bins(PT.astype(float), (PT * rng.normal(1.0, 0.02, N)).astype(float)) is None


def test_values_of_another_event_are_found():
    # Every distribution stays as it was; only pairs tell.
    figures = judged(PT, np.random.default_rng(2).permutation(PT))
    assert figures.ks == 0.0
    assert abs(figures.correlation) < 0.1
    assert any("of the spread" in remark for remark in figures.remarks)


def test_nan_is_found():
    after = PT.copy()
    after[7] = np.nan
    figures = judged(PT, after)
    assert figures.nonfinite == 1
    assert figures.score > 1000
    both = PT.copy()
    both[7] = np.nan
    assert judged(both, both.copy()).nonfinite == 0


def test_an_integer_that_changed_is_found():
    ids = np.arange(N) % 7
    other = ids.copy()
    other[5] += 1
    assert judged(ids, other, integer=True).remarks[0] == "1 integers changed"


def test_a_broken_bound_is_found():
    after = PT.copy()
    after[3] += 1.0
    figures = judged(PT, after, allowed=np.full(N, 0.5))
    assert figures.outside == 1
    assert figures.largest_share == pytest.approx(2.0, rel=1e-4)
    kept = judged(PT, after, allowed=np.full(N, 1.5))
    assert kept.outside == 0
    exact = judged(PT, after, allowed=np.zeros(N))
    assert exact.outside == 1


def test_other_lengths_are_found():
    tally = ColumnTally(100)
    tally.add(PT, PT[:-1])
    figures = figures_of(tally, "Events", "Jet_pt", None, integer=False)
    assert figures.remarks[0] == f"{N - 1} values where there were {N}"
    json.dumps(figures.to_dict(), allow_nan=False)


def test_a_spike_that_moves_by_nothing_one_could_see_is_no_other_distribution():
    before = np.where(np.arange(N) % 2 == 0, np.float32(0.33), PT)
    figures = judged(before, np.where(before == np.float32(0.33), np.float32(0.3301), before))
    assert figures.ks > 0.4
    assert "another distribution" not in figures.remarks


def test_a_constant_that_is_rounded_is_not_suspicious():
    mass = np.full(N, 0.10565837, np.float32)
    mass[::2] = np.nextafter(mass[0], np.float32(1))
    assert judged(mass, np.full(N, 0.10569, np.float32)).remarks == ()
    assert judged(mass, np.full(N, 0.2, np.float32)).remarks != ()


@given(
    npst.arrays(np.float64, st.integers(3, 60), elements=st.floats(-1e3, 1e3)),
    npst.arrays(np.float64, 60, elements=st.floats(-5, 5)),
)
@settings(max_examples=60, deadline=None)
def test_distances_are_those_of_scipy(before, moves):
    after = before + moves[: len(before)]
    assert ks_distance(before, after) == pytest.approx(stats.ks_2samp(before, after, method="asymp").statistic)
    assert wasserstein(before, after) == pytest.approx(stats.wasserstein_distance(before, after), abs=1e-9)
    assert levy_excess(before, after, 0.0) == pytest.approx(ks_distance(before, after))
    assert levy_excess(before, after, 5.001) == 0.0


def test_a_sample_is_of_the_same_rows_in_all_columns_and_of_all_parts():
    rows = np.arange(N, dtype=np.float64)
    one, other = tally_of(rows, rows, rows=500, pieces=9), tally_of(2 * rows, rows + 1, rows=500, pieces=9)
    sample = one.sample[0]
    assert len(np.unique(sample)) == 500
    assert (other.sample[0] == 2 * sample).all()
    assert (other.sample[1] == sample + 1).all()
    assert one.signature == other.signature != tally_of(rows, rows, pieces=8).signature
    # Each ninth of the file has its share.
    assert np.histogram(sample, 9, (0, N))[0].min() > 30


@given(st.integers(1, 3000), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_sums_do_not_depend_on_the_pieces(n, pieces, seed):
    rng = np.random.default_rng(seed)
    before = rng.normal(0.0, 1.0, n)
    after = before + rng.normal(0.0, 0.1, n)
    allowed = np.full(n, 0.1)
    sums = tally_of(before, after, allowed, pieces).sums()
    errors = after - before
    assert sums.values == n
    assert sums.outside == np.count_nonzero(np.abs(errors) > 0.1)
    assert sums.largest_error == np.abs(errors).max()
    assert sums.bias == pytest.approx(errors.mean(), abs=1e-12)
    assert sums.rms == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(3)
    x = rng.normal(size=500)
    before = {"Jet_a": x, "Jet_b": x + rng.normal(size=500), "Jet_c": np.ones(500)}
    after = before | {"Jet_b": rng.normal(size=500)}
    found = correlate(before, after)
    assert found.columns == ("Jet_a", "Jet_b")
    assert found.before[0, 1] == pytest.approx(np.corrcoef(x, before["Jet_b"])[0, 1])
    assert set(found.largest()[:2]) == {"Jet_a", "Jet_b"}
    assert correlate({"Jet_a": x}, {"Jet_a": x}) is None
    assert png_bytes(draw_correlations("Jet", found)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "passing"),
    [("x>1", [0, 0, 1]), ("x >= 1", [0, 1, 1]), ("abs(x)<2", [0, 1, 0]), ("x==-2", [1, 0, 0]), ("x!=1", [1, 0, 1])],
)
def test_cuts(text, passing):
    assert Cut.parse(text).passing(np.array([-2.0, 1.0, 3.0])).tolist() == [bool(p) for p in passing]


@pytest.mark.parametrize("text", ["x", "x>", "x>y", ">3", ""])
def test_cuts_that_cannot_be_read(text):
    with pytest.raises(InputError, match="cannot read the cut"):
        Cut.parse(text)


def test_objects_that_cross_a_cut_are_counted():
    counts = CutCounts("x>1").add(np.array([True, True, False, False]), np.array([True, False, True, True]))
    assert (counts.before, counts.after, counts.gained, counts.lost) == (2, 3, 2, 1)


@pytest.mark.parametrize(
    "before",
    [PT, np.arange(200) % 3, np.zeros(50), np.array([1.0, np.inf, np.nan]), np.array([5.0]), np.empty(0)],
    ids=["pt", "ids", "zeros", "infinite", "one", "none"],
)
def test_every_kind_of_column_can_be_drawn(before):
    after = before + before.dtype.type(1)
    tally = tally_of(before, after, pieces=1)
    figures = figures_of(tally, "Events", "Jet_$pt", "bits=10", integer=before.dtype.kind == "i")
    assert png_bytes(draw_column(figures, tally), dpi=20).startswith(b"\x89PNG")


def test_a_page_is_one_file_and_escapes_what_it_is_told():
    text = page("a < b", [table_block(("x",), [("<script>",)], [True]), figure_block(b"\x89PNG", "it's")])
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "data:image/png;base64,iVBORw==" in text
    assert "http" not in text
