"""Fits find what is there and refuse what is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import integrate

from hepbaler.analysis import FitSettings, MassFitter
from hepbaler.analysis.filling import Spectrum
from hepbaler.analysis.shapes import MODELS, background_basis, find_model
from hepbaler.errors import InputError

SHAPES = {
    "crystal-ball": (172.0, 4.0, 1.1, 1.7),
    "voigt": (172.0, 4.0),
    "gauss-line": (172.0, 4.0),
}


def masses_of(settings, counts, seed=1):
    """Masses of which so many lie in each bin, anywhere in it."""
    counts = np.asarray(counts).astype(int)
    width = settings.edges[1] - settings.edges[0]
    return np.repeat(settings.edges[:-1], counts) + np.random.default_rng(seed).uniform(0, width, counts.sum())


def spectrum(model, n_signal=20_000, n_background=20_000, seed=1, mass=171.0, width=5.0, n_bins=125):
    """A toy of the model itself: Poisson counts of what it expects."""
    settings = FitSettings(model=model, n_bins=n_bins)
    fine = FitSettings(model=model, n_bins=500)
    shape = (mass, width, *SHAPES[model][2:])
    peak = n_signal * find_model(model).fractions(fine.edges, *shape)
    flat = n_background / 500 * np.linspace(1.4, 0.6, 500)
    counts = np.random.default_rng(seed).poisson(peak + flat)
    return settings, Spectrum(masses_of(fine, counts, seed), settings)


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
    settings, toy = spectrum(model)
    fit = MassFitter(settings).fit(toy)
    assert fit.ok, fit.refused
    assert abs(fit.mass - 171.0) < 4 * fit.mass_error < 2.0
    assert abs(fit.width - 5.0) < 4 * fit.width_error < 4.0
    assert fit.expected.sum() == pytest.approx(len(toy.inside), rel=0.01)
    assert fit.significance > 50
    json.dumps(fit.to_dict(), allow_nan=False)


@pytest.mark.parametrize("model", ["voigt", "gauss-line"])
def test_errors_and_p_values_are_those_of_repeated_experiments(model):
    fits = []
    for seed in range(25):
        settings, toy = spectrum(model, 4000, 4000, seed, n_bins=50)
        fits.append(MassFitter(settings).fit(toy))
    assert all(fit.ok for fit in fits)
    for name, truth in (("mass", 171.0), ("width", 5.0)):
        pulls = np.array([(getattr(fit, name) - truth) / getattr(fit, f"{name}_error") for fit in fits])
        assert abs(pulls.mean()) < 0.8
        assert 0.6 < pulls.std() < 1.5
    assert 0.3 < np.mean([fit.p_value for fit in fits]) < 0.7


@pytest.mark.parametrize("n_bins", [40, 125])
def test_a_fit_does_not_depend_on_the_bins(n_bins):
    fine = FitSettings(model="voigt", n_bins=500)
    masses = masses_of(
        fine, np.random.default_rng(5).poisson(4000 * find_model("voigt").fractions(fine.edges, 171.0, 5.0) + 8.0)
    )
    reference = MassFitter(fine).fit(Spectrum(masses, fine))
    settings = FitSettings(model="voigt", n_bins=n_bins)
    fit = MassFitter(settings).fit(Spectrum(masses, settings))
    assert fit.mass == pytest.approx(reference.mass, abs=0.03 * reference.mass_error)
    assert fit.width == pytest.approx(reference.width, abs=0.03 * reference.width_error)
    assert fit.mass_error == pytest.approx(reference.mass_error, rel=0.02)


def test_the_likelihood_has_its_minimum_where_minuit_says():
    # The same sum over masses, written out: what points and shares stand for.
    settings, toy = spectrum("gauss-line", 4000, 4000)
    fitter = MassFitter(settings)
    fit = fitter.fit(toy)

    def cost(**changed):
        values = np.array(list((fit.values | changed).values()))
        expected, _ = fitter.expected(values)
        return float(np.sum(settings.weights * (expected - toy.points() * np.log(expected))))

    for name in ("mass", "width"):
        for step in (-0.3, 0.3):
            assert cost(**{name: fit.values[name] + step * getattr(fit, f"{name}_error")}) > cost()


def test_masses_at_the_ends_of_the_window_count_less():
    weights = FitSettings(n_bins=50).weights
    assert weights[0] < 1e-3
    assert weights.tolist() == weights[::-1].tolist()
    assert (weights[5 * 16 : -5 * 16] == 1.0).all()
    assert (np.diff(weights[: 5 * 16]) > 0).all()


def refusals(counts, **options):
    settings = FitSettings(n_bins=len(counts), **options)
    fit = MassFitter(settings).fit(Spectrum(masses_of(settings, counts), settings))
    assert not fit.ok
    json.dumps(fit.to_dict(), allow_nan=False)
    return " | ".join(fit.refused)


def test_an_empty_spectrum_is_refused():
    assert "only 0 entries between 100 and 225 GeV; 200 are needed" in refusals(np.zeros(100))


@pytest.mark.parametrize("model", MODELS)
def test_a_flat_spectrum_is_refused(model):
    counts = np.random.default_rng(3).poisson(100.0, 100)
    assert "no peak" in refusals(counts, model=model)


def test_a_peak_outside_the_limits_of_width_is_refused():
    _, toy = spectrum("voigt", 40_000, 2000, width=15.0, n_bins=100)
    settings = FitSettings(model="voigt", n_bins=100, width=(5.0, 0.5, 8.0), min_p_value=0.0)
    assert "width = " in " | ".join(MassFitter(settings).fit(toy).refused)


def test_a_model_that_does_not_describe_the_spectrum_is_refused_unless_one_wants_it():
    centres = np.linspace(100.0, 225.0, 100)
    one_and_a_half = 1000 * np.exp(-(((centres - 172) / 4) ** 2)) + 300 * np.exp(-(((centres - 160) / 3) ** 2)) + 100
    counts = np.round(one_and_a_half)
    assert "does not describe the spectrum: p = " in refusals(counts, model="voigt")
    settings = FitSettings(model="voigt", n_bins=100, min_p_value=0.0)
    fit = MassFitter(settings).fit(Spectrum(masses_of(settings, counts), settings))
    assert fit.ok, fit.refused
    assert fit.p_value < 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 200.0, "high": 100.0}, "should go upwards, not from 200.0 to 100.0"),
        ({"high": float("nan")}, "should go upwards"),
        ({"n_bins": 5}, "at least 20 bins, not 5"),
        ({"min_p_value": 2.0}, "between 0 and 1, which 2.0 does not"),
        ({"model": "triangle"}, "unknown model 'triangle'.*crystal-ball, voigt, gauss-line"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        FitSettings(**options)
