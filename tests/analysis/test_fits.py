"""Fits find what is there and refuse what is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import integrate

from hepbaler.analysis import FitSettings, MassFitter
from hepbaler.analysis.shapes import MODELS, background_basis, find_model
from hepbaler.errors import InputError

SHAPES = {
    "crystal-ball": (172.0, 4.0, 1.1, 1.7),
    "voigt": (172.0, 4.0),
    "gauss-line": (172.0, 4.0),
}


def spectrum(model, n_signal=20_000, n_background=20_000, seed=1, mass=171.0, width=5.0, n_bins=125):
    """A toy of the model itself: Poisson counts of what it expects."""
    settings = FitSettings(model=model, n_bins=n_bins)
    shape = (mass, width, *SHAPES[model][2:])
    peak = n_signal * find_model(model).fractions(settings.edges, *shape)
    flat = n_background / n_bins * np.linspace(1.4, 0.6, n_bins)
    return settings, np.random.default_rng(seed).poisson(peak + flat).astype(float)


@pytest.mark.parametrize("name", MODELS)
def test_shares_of_a_shape_are_its_integrals(name):
    edges = np.linspace(150.0, 200.0, 51)
    model = find_model(name)
    shares = model.fractions(edges, *SHAPES[name])
    assert shares.sum() == pytest.approx(1.0)
    # The density is the slope of the cumulative distribution; it has to be smooth and to integrate to the same.
    fine = np.linspace(150.0, 200.0, 50_001)
    density = np.gradient(np.asarray(model.cumulative(fine, *SHAPES[name])), fine)
    assert density.min() >= 0
    whole = integrate.trapezoid(density, fine)
    some = integrate.trapezoid(density[20_000:21_001], fine[20_000:21_001])
    assert shares[20] == pytest.approx(some / whole, rel=1e-3)
    assert np.abs(np.diff(density)).max() < 0.01 * density.max()


def test_crystal_ball_is_a_gaussian_without_tails():
    edges = np.linspace(150.0, 200.0, 51)
    bare = find_model("gauss-line").fractions(edges, 172.0, 3.0)
    assert find_model("crystal-ball").fractions(edges, 172.0, 3.0, 8.0, 8.0) == pytest.approx(bare, abs=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_background_terms_add_up_to_a_flat_one(degree):
    basis = background_basis(np.linspace(100.0, 225.0, 51), degree)
    assert basis.shape == (50, degree + 1)
    assert basis.min() >= 0
    assert basis.sum(axis=0) == pytest.approx(np.ones(degree + 1))
    assert basis.sum(axis=1) == pytest.approx(np.full(50, (degree + 1) / 50))


@pytest.mark.parametrize("model", MODELS)
def test_a_fit_recovers_what_was_put_in(model):
    settings, counts = spectrum(model)
    fit = MassFitter(settings).fit(counts)
    assert fit.ok, fit.refused
    # The scatter around a least-squares curve is mostly that beside the peak, so that its errors are too small.
    sigmas = 8 if model == "gauss-line" else 4
    assert abs(fit.mass - 171.0) < sigmas * fit.mass_error < 2.0
    assert abs(fit.width - 5.0) < sigmas * fit.width_error < 4.0
    assert fit.expected.sum() == pytest.approx(counts.sum(), rel=0.01)
    assert fit.significance > 50
    json.dumps(fit.to_dict(), allow_nan=False)


def test_errors_are_those_of_repeated_experiments():
    fits = []
    for seed in range(25):
        settings, counts = spectrum("voigt", 4000, 4000, seed, n_bins=50)
        fits.append(MassFitter(settings).fit(counts))
    pulls = np.array([(fit.mass - 171.0) / fit.mass_error for fit in fits if fit.ok])
    assert len(pulls) == 25
    assert abs(pulls.mean()) < 0.8
    assert 0.6 < pulls.std() < 1.5


def test_least_squares_errors_are_those_of_the_textbook():
    # Of a linear least-squares problem the errors are known: here the mass, with everything else given by many entries.
    settings, counts = spectrum("gauss-line", 200_000, 200_000)
    fit = MassFitter(settings).fit(counts)
    centres = (settings.edges[:-1] + settings.edges[1:]) / 2
    curve = fit.signal * (1 / (fit.width * np.sqrt(2 * np.pi))) * np.exp(-(((centres - fit.mass) / fit.width) ** 2) / 2)
    slope = curve * (centres - fit.mass) / fit.width**2 * (settings.high - settings.low) / settings.n_bins
    scatter = np.sum((counts - fit.expected) ** 2) / fit.n_dof
    # The line takes part of the slope away, so the true error is a little larger.
    assert 1.0 <= fit.mass_error / np.sqrt(scatter / np.sum(slope**2)) < 1.1


def refusals(counts, **options):
    fit = MassFitter(FitSettings(n_bins=len(counts), **options)).fit(counts)
    assert not fit.ok
    json.dumps(fit.to_dict(), allow_nan=False)
    return " | ".join(fit.refused)


def test_an_empty_spectrum_is_refused():
    assert "only 0 entries between 100 and 225 GeV; 200 are needed" in refusals(np.zeros(100))


@pytest.mark.parametrize("model", MODELS)
def test_a_flat_spectrum_is_refused(model):
    counts = np.random.default_rng(3).poisson(100.0, 100).astype(float)
    assert "no peak" in refusals(counts, model=model)


def test_a_peak_outside_the_limits_of_width_is_refused():
    _, counts = spectrum("voigt", 40_000, 2000, width=15.0, n_bins=100)
    assert "width = " in refusals(counts, model="voigt", width=(5.0, 0.5, 8.0), min_p_value=0.0)


def test_a_model_that_does_not_describe_the_spectrum_is_refused():
    centres = np.linspace(100.0, 225.0, 100)
    two_peaks = 1000 * (np.exp(-(((centres - 150) / 4) ** 2)) + np.exp(-(((centres - 172) / 4) ** 2))) + 100
    assert "does not describe the spectrum" in refusals(np.round(two_peaks), model="voigt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 200.0, "high": 100.0}, "should go upwards, not from 200.0 to 100.0"),
        ({"high": float("nan")}, "should go upwards"),
        ({"n_bins": 5}, "at least 20 bins, not 5"),
        ({"model": "triangle"}, "unknown model 'triangle'.*crystal-ball, voigt, gauss-line"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        FitSettings(**options)
