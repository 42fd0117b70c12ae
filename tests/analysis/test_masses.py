"""Shifts of a known size come back, with an error that is a paired one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from hepbaler.analysis import Candidates, FitSettings, compare_masses
from hepbaler.analysis.filling import fill_bins
from hepbaler.analysis.massplot import draw_masses
from hepbaler.analysis.style import save_figure
from hepbaler.errors import OutputError

SETTINGS = FitSettings(model="gauss-line", n_bins=50, around_peak=False)


def toy(n_events=8000, seed=2):
    """Two candidates an event, half of them tops."""
    rng = np.random.default_rng(seed)
    mass = np.where(
        rng.random(2 * n_events) < 0.5, rng.normal(172.0, 5.0, 2 * n_events), rng.uniform(90, 235, 2 * n_events)
    )
    return Candidates(np.repeat(np.arange(n_events), 2), np.tile([0, 1], n_events), mass)


def moved(candidates, mass):
    return Candidates(candidates.event, candidates.slot, mass)


def test_a_shift_of_one_gev_gives_one_gev_back():
    before = toy()
    result = compare_masses(before, moved(before, before.mass + 1.0), SETTINGS, replicas=25)
    assert result.ok
    assert abs(result.shift.mass - 1.0) < 0.005 > result.shift.mass_error
    assert abs(result.shift.width) < 0.001
    assert abs(result.shift.free.mass - 1.0) < 5 * result.shift.free.mass_error < 0.25
    assert abs(result.shift.free.width) < 5 * result.shift.free.width_error
    assert result.peak.bias == pytest.approx(1.0)
    assert result.peak.rms == pytest.approx(1.0)
    assert result.peak.lost == 0
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("model", ["crystal-ball", "gauss-line"])
def test_a_peak_widened_by_a_known_per_mille_gives_it_back(model):
    rng = np.random.default_rng(6)
    top, other = rng.normal(172.0, 5.0, 20_000), rng.uniform(90.0, 235.0, 20_000)
    event = np.arange(40_000)
    before, after = (
        Candidates(event, 0 * event, np.concatenate([172.0 + stretch * (top - 172.0), other]))
        for stretch in (1.0, 1.004)
    )
    settings = FitSettings(model=model, n_bins=50, around_peak=False)
    shift = compare_masses(before, after, settings, replicas=25).shift
    assert abs(shift.free.width - 0.02) < 3 * shift.free.width_error < 0.01
    assert abs(shift.held.width - 0.02) < 3 * shift.held.width_error < 0.003
    assert abs(shift.free.mass) < 3 * shift.free.mass_error
    assert abs(shift.held.mass) < 3 * shift.held.mass_error
    # Nothing but the width changed, so that the better known of the two is quoted.
    assert shift.rest_held
    assert (shift.quoted, shift.width) == (shift.held, shift.held.width)
    assert shift.ways == {"shift": shift.held, "all free": shift.free}


def test_where_the_background_changed_too_the_free_fits_are_quoted():
    rng = np.random.default_rng(8)
    top, flat = rng.normal(172.0, 5.0, 20_000), rng.random(20_000)
    event = np.arange(40_000)
    before, after = (
        Candidates(event, 0 * event, np.concatenate([top, 90.0 + 145.0 * flat**power])) for power in (1.0, 1.6)
    )
    settings = FitSettings(model="gauss-line", n_bins=50, around_peak=False, low=150.0, high=195.0, min_p_value=0.0)
    shift = compare_masses(before, after, settings, replicas=25).shift
    assert shift.agreement < 0.01
    assert not shift.rest_held
    assert shift.quoted == shift.free
    assert shift.ways == {"shift": shift.free, "rest held": shift.held}
    told = shift.to_dict()
    assert (told["mass"], told["rest_held"], told["held"]["mass"]) == (shift.free.mass, False, shift.held.mass)


def test_few_replicas_do_not_tell_whether_the_rest_changed():
    before = toy(3000)
    shift = compare_masses(before, moved(before, before.mass + 0.01), SETTINGS, replicas=5).shift
    assert not shift.rest_held
    assert shift.quoted == shift.free
    assert shift.to_dict()["agreement"] is None


def test_a_peak_that_moves_as_a_whole_takes_its_window_along():
    # A line is wrong for what lies under this peak, so that the place of the window matters.
    rng = np.random.default_rng(4)
    mass = np.where(rng.random(40_000) < 0.5, rng.normal(172.0, 5.0, 40_000), 225 - rng.exponential(45.0, 40_000))
    before = Candidates(np.arange(40_000), np.zeros(40_000, np.int64), mass)
    result = compare_masses(before, moved(before, mass + 1.0), FitSettings(model="gauss-line"), replicas=3)
    assert result.ok, (result.before.refused, result.after.refused)
    assert result.settings.low < 165
    assert result.settings.high > 180
    assert result.settings.high - result.settings.low == pytest.approx(6 * result.before.width, rel=0.02)
    assert result.moved == pytest.approx(1.0, abs=1e-3)
    assert result.shift.mass == pytest.approx(1.0, abs=1e-3)
    assert abs(result.shift.width) < 1e-3
    assert result.after.mass - result.before.mass == pytest.approx(result.shift.mass)


def test_a_window_that_is_asked_for_stays():
    settings = FitSettings(model="gauss-line", low=120.0, high=220.0, n_bins=50, around_peak=False)
    before = toy()
    result = compare_masses(before, moved(before, before.mass + 1.0), settings, replicas=3)
    assert result.ok
    assert (result.settings, result.moved) == (settings, 0.0)


def test_no_peak_no_window():
    flat = Candidates(np.arange(5000), np.zeros(5000, np.int64), np.random.default_rng(1).uniform(90.0, 235.0, 5000))
    result = compare_masses(flat, flat, FitSettings(model="gauss-line"), replicas=2)
    assert not result.ok
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_paired_error_is_smaller_and_right():
    before = toy()
    settings = FitSettings(model="gauss-line", n_bins=50, around_peak=False)
    shifts, errors = [], []
    for seed in range(8):
        smeared = before.mass * np.random.default_rng(seed).normal(1.0, 0.003, len(before.mass))
        result = compare_masses(before, moved(before, smeared), settings, replicas=25, seed=seed)
        shifts.append(result.shift.mass)
        errors.append(result.shift.mass_error)
        assert result.shift.mass_error < 0.5 * result.shift.mass_error_independent
    # Smearings of the same events differ by what the bootstrap says.
    assert 0.4 < np.std(shifts) / np.mean(errors) < 2.0


def test_the_same_file_has_no_shift_at_all():
    before = toy(3000)
    result = compare_masses(before, before, SETTINGS, replicas=5)
    assert (result.shift.mass, result.shift.mass_error, result.shift.width_error) == (0.0, 0.0, 0.0)
    assert result.shift.held == result.shift.free


def test_a_broken_spectrum_refuses_the_shift():
    before = toy(2000)
    result = compare_masses(before, moved(before, np.full(4000, 50.0)), SETTINGS, replicas=5)
    assert not result.ok
    assert result.before.ok
    assert result.shift_refused == "the fit after is refused"
    assert "only 0 entries" in result.after.refused[0]
    json.dumps(result.to_dict(), allow_nan=False)


def test_partners_are_found_by_event_and_slot():
    before = toy(3000)
    keep = np.random.default_rng(5).permutation(len(before.mass))[:5000]
    after = Candidates(before.event[keep], before.slot[keep], before.mass[keep] + 0.25)
    result = compare_masses(before, after, SETTINGS, replicas=5)
    assert result.peak.bias == pytest.approx(0.25)
    assert 0 < result.peak.lost < 0.25 * result.peak.candidates


def test_rounding_does_not_beat_with_bins_and_window():
    rng = np.random.default_rng(1)
    mass = np.concatenate([rng.normal(172.0, 4.0, 40_000), rng.uniform(100.0, 225.0, 40_000)])
    before = Candidates(np.arange(80_000), np.zeros(80_000, np.int64), mass)
    # The ends of the window lie on points of the grid, on which half a cell would go in or out.
    rounded = moved(before, np.round(mass * 8) / 8)
    for model in ("crystal-ball", "gauss-line"):
        result = compare_masses(before, rounded, FitSettings(model=model, n_bins=199), replicas=5)
        assert abs(result.shift.free.mass) < 0.003
        assert abs(result.shift.free.width) < 0.003 * result.before.width
        assert abs(result.shift.held.width) < 0.001 * result.before.width
        assert (result.before_step, result.after_step) == (0.0, 0.125)
        # Bins hold four points of the grid or five, and still the fit is judged well.
        assert result.after.p_value > 0.01


def test_masses_further_apart_than_the_peak_is_wide_are_refused():
    before = toy()
    result = compare_masses(before, moved(before, np.round(before.mass / 12) * 12), SETTINGS, replicas=2)
    assert result.before.ok
    assert not result.after.ok
    assert result.after_step == pytest.approx(12.0)
    assert "the masses lie 12 GeV apart, further than the peak is wide (" in result.after.refused[0]


@given(st.integers(0, 10_000), st.floats(0.02, 2.0), st.booleans())
@effort(max_examples=30, deadline=None)
def test_filling_keeps_every_entry(seed, step, on_grid):
    rng = np.random.default_rng(seed)
    mass = rng.uniform(100.0, 200.0, 1000)
    if on_grid:
        mass = np.clip(np.round(mass / step) * step, 100.0, np.nextafter(200.0, 0.0))
    counts, _ = fill_bins(mass, np.linspace(90.0, 210.0, 61))
    assert counts.sum() == pytest.approx(1000.0)
    assert counts.min() >= -1e-9
    # No entry may end further away from where it was than its rounding.
    centres = np.linspace(91.0, 209.0, 60)
    assert np.average(centres, weights=counts) == pytest.approx(mass.mean(), abs=1.0 + step / 2)


def test_cells_lie_side_by_side_and_reach_into_the_window():
    # A flat spectrum on a coarse grid of growing steps is flat again, also at the edges of the window.
    grid = 80.0 * 1.06 ** np.arange(20)
    mass = np.repeat(grid, np.round(100 * grid).astype(int))
    counts, _ = fill_bins(mass, np.linspace(100.0, 200.0, 51))
    assert counts.std() < 0.002 * counts.mean()


def test_what_lies_outside_is_left_out():
    mass = np.random.default_rng(1).uniform(0.0, 300.0, 5000)
    edges = np.linspace(100.0, 200.0, 51)
    assert fill_bins(mass, edges)[0].tolist() == np.histogram(mass, edges)[0].tolist()


def test_filling_of_nothing():
    assert fill_bins(np.empty(0), np.linspace(0.0, 1.0, 5))[0].tolist() == [0.0] * 4


@pytest.mark.parametrize("broken", [False, True])
def test_the_figure_is_drawn(tmp_path, broken):
    before = toy(2000)
    result = compare_masses(
        before, moved(before, np.full(4000, 50.0) if broken else before.mass + 1), SETTINGS, replicas=3
    )
    figure = draw_masses(result, "mass [GeV]")
    save_figure(figure, tmp_path / "mass.png")
    assert (tmp_path / "mass.png").read_bytes().startswith(b"\x89PNG")
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert ("refused" in words) is broken
    with pytest.raises(OutputError, match="'tiffany' is no format of figures"):
        save_figure(figure, tmp_path / "mass.tiffany")
