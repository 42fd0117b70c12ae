from __future__ import annotations

import numpy as np
import pytest

from hepbaler.coding.learned import LATENTS
from hepbaler.coding.learned_bytes import coder_to_bytes
from hepbaler.errors import ModelError
from hepbaler.features.hints import HintScale, Term
from hepbaler.features.ranks import fit_ranks
from hepbaler.training.fit import fit
from hepbaler.training.hints import fit_hint, possible_terms
from hepbaler.training.settings import TrainSettings
from hepbaler.training.speed import steps_per_second
from hepbaler.training.structure import choose_parents, mutual_information, related


def _sums(n_rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = np.exp(rng.normal(6, 1, n_rows)).round().astype(np.int64)
    second = np.exp(rng.normal(6, 1, n_rows)).round().astype(np.int64)
    return {"first": first, "sum": first + second, "second": second, "noise": rng.integers(0, 1000, n_rows)}


def _entropy(values: np.ndarray) -> float:
    share = np.unique(values, return_counts=True)[1] / values.size
    return float(-(share * np.log2(share)).sum())


def _values(q: np.ndarray) -> np.ndarray:
    return q * 0.5


@pytest.fixture(scope="module")
def sums() -> tuple:
    ints = _sums(6000)
    plain_bits = {name: _entropy(values) for name, values in ints.items()}
    settings = TrainSettings(steps=120, batch_rows=512, n_latent=0)
    result = fit(
        ints,
        known={},
        plain_bits=plain_bits,
        n_rows_total=200_000,
        settings=settings,
        to_values=dict.fromkeys(ints, _values),
    )
    return ints, plain_bits, settings, result


def test_a_sum_costs_next_to_nothing_and_noise_is_left_alone(sums: tuple) -> None:
    _, plain_bits, _, result = sums
    assert result.coder is not None
    relation = next(column for column in result.coder.columns if column.hint)
    assert result.bits[relation.name] < 0.35 * plain_bits[relation.name]
    assert "noise" not in result.coder.names
    assert result.bits[LATENTS] == 0.0
    fresh = _sums(3000, seed=5)
    to_values = dict.fromkeys(fresh, _values)
    pages = result.coder.encode(fresh, to_values=to_values)
    back = result.coder.decode(pages, fresh, 3000, to_values=to_values)
    assert all(np.array_equal(back[name], fresh[name]) for name in result.coder.names)
    coded = sum(len(pages[name]) * 8 / 3000 for name in result.coder.names)
    assert coded < sum(plain_bits[name] for name in result.coder.names) - 3


def test_the_same_seed_gives_the_same_bytes(sums: tuple) -> None:
    ints, plain_bits, settings, result = sums
    again = fit(
        ints,
        known={},
        plain_bits=plain_bits,
        n_rows_total=200_000,
        settings=settings,
        to_values=dict.fromkeys(ints, _values),
    )
    assert again.coder is not None
    assert coder_to_bytes(again.coder) == coder_to_bytes(result.coder)


def test_nothing_is_learned_where_nothing_pays() -> None:
    rng = np.random.default_rng(0)
    ints = {"x": rng.integers(0, 1000, 3000), "y": rng.integers(0, 1000, 3000)}
    settings = TrainSettings(steps=40, n_latent=0)
    bits = dict.fromkeys(ints, 9.97)
    assert fit(ints, known={}, plain_bits=bits, n_rows_total=3000, settings=settings).coder is None
    for n_rows in (0, 1, 5):
        few = {name: values[:n_rows] for name, values in ints.items()}
        assert fit(few, known={}, plain_bits=bits, n_rows_total=n_rows, settings=settings).coder is None
    constant = {"c": np.full(100, 7)}
    assert fit(constant, known={}, plain_bits={"c": 0.0}, n_rows_total=100, settings=settings).tried == ()


def test_latents_carry_what_columns_share_when_columns_cannot_see_each_other() -> None:
    rng = np.random.default_rng(0)
    n_rows = 6000
    hidden = rng.normal(0, 1, n_rows)
    ints = {
        f"c{i}": (hidden * 400 + rng.normal(0, 8, n_rows)).round().astype(np.int64) * (1 if i % 2 else -1)
        for i in range(6)
    }
    bits = {name: _entropy(values) for name, values in ints.items()}
    result = fit(
        ints,
        known={},
        plain_bits=bits,
        n_rows_total=300_000,
        settings=TrainSettings(steps=600, batch_rows=512, n_latent=2, max_parents=0, hints=False, width=16),
    )
    assert result.coder is not None
    assert result.encoder is not None
    assert result.coder.n_latent == 2
    latents = result.encoder.latents(result.coder, ints)
    pages = result.coder.encode(ints, latents)
    back = result.coder.decode(pages, {name: ints[name] for name in result.coder.inputs}, n_rows)
    assert all(np.array_equal(back[name], ints[name]) for name in result.coder.names)
    # Both sides counted: the latents, and what they leave.
    coded = sum(len(page) for page in pages.values()) * 8 / n_rows
    assert coded < 0.9 * sum(bits[name] for name in result.coder.names)


def test_hints_find_the_energy_of_a_four_vector() -> None:
    rng = np.random.default_rng(1)
    n_rows = 4000
    pt, eta, mass = rng.exponential(50, n_rows) + 20, rng.normal(0, 1.2, n_rows), rng.exponential(10, n_rows)
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
    q = np.round(energy * 8).astype(np.int64)
    ranks = fit_ranks(q)
    scale = HintScale.of(ranks, lambda n: n / 8)
    assert scale is not None
    values = {0: pt, 1: eta, 2: mass}
    terms = possible_terms(["Jet_pt", "Jet_eta", "Jet_mass", "Jet_energy"], values, [0, 1, 2])
    assert Term("energy", (0, 1, 2)) in terms
    hint = fit_hint(q / 8, ranks, q, scale, terms, values)
    assert hint is not None
    assert hint.terms == (Term("energy", (0, 1, 2)),)
    assert hint.weights == (1.0,)
    assert fit_hint(rng.permutation(q) / 8, ranks, rng.permutation(q), scale, terms, values) is None


def test_structure_prefers_what_tells_most() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(0, 100, 5000)
    columns = [
        base.round(),
        (base + rng.normal(0, 10, 5000)).round(),
        rng.normal(0, 100, 5000).round(),
        (base + rng.normal(0, 50, 5000)).round(),
    ]
    ranks = [fit_ranks(c.astype(np.int64)).ranks(c.astype(np.int64)) for c in columns]
    shared = mutual_information(ranks)
    assert np.allclose(shared, shared.T, atol=1e-9)
    assert shared[0, 1] > 1.5
    assert shared[0, 2] < 0.02
    assert choose_parents(3, [0, 1, 2], shared, most=1) == (0,)
    assert choose_parents(3, [0, 1, 2], shared, most=2, least_bits=0.01) == (0, 1)
    assert related(3, [0, 1, 2], shared, most=2) == [0, 1]


def test_settings_and_columns_are_checked() -> None:
    with pytest.raises(ModelError, match="steps of at least 1"):
        TrainSettings(steps=0)
    with pytest.raises(ModelError, match="held_out"):
        TrainSettings(held_out=1.5)
    with pytest.raises(ModelError, match="same length"):
        fit(
            {"a": np.zeros(3, np.int64), "b": np.zeros(4, np.int64)},
            known={},
            plain_bits={"a": 1.0, "b": 1.0},
            n_rows_total=3,
            settings=TrainSettings(steps=1),
        )


def test_speed_is_a_positive_number() -> None:
    assert steps_per_second(3, TrainSettings(batch_rows=64, width=8)) > 0


def test_wild_columns_do_not_disturb() -> None:
    rng = np.random.default_rng(4)
    n_rows = 1500
    base = rng.normal(0, 500, n_rows).round().astype(np.int64)
    ints = {
        "base": base,
        "like": base + rng.integers(-3, 4, n_rows),
        "wide": rng.integers(-(2**63), 2**63 - 1, n_rows),
        "edges": rng.choice(np.array([-(2**63), 0, 2**63 - 1]), n_rows),
        "bits": rng.integers(0, 2**53, n_rows),
        "rare": (rng.random(n_rows) < 0.002).astype(np.int64),
        "constant": np.full(n_rows, 2**40),
        "Jet_pt": rng.integers(0, 3000, n_rows),
        "Jet_eta": rng.integers(-500, 500, n_rows),
    }

    def extreme(q: np.ndarray) -> np.ndarray:
        return np.ldexp(1.0 + (q % 1024) / 1024.0, np.clip(q // 1024, -1000, 1000))

    to_values = {
        "base": lambda q: q * 1e-300,
        "like": lambda q: q * 1e290,
        "wide": lambda q: q.view(np.float64),
        "edges": lambda q: q * np.inf,
        "bits": lambda q: q * 1e80,
        "Jet_pt": extreme,
        "Jet_eta": lambda q: np.where(q == 3, np.nan, q * 1.0),
    }
    bits = {name: 64.0 if name in ("wide", "bits") else _entropy(values) for name, values in ints.items()}
    with np.errstate(invalid="ignore", over="ignore"):
        result = fit(
            ints,
            known={"@index": np.arange(n_rows) % 5},
            plain_bits=bits,
            n_rows_total=100_000,
            settings=TrainSettings(steps=60, batch_rows=256, n_latent=0),
            to_values=to_values,
        )
    assert result.coder is not None
    assert {"base", "like"} & set(result.coder.names)
    shuffled = {name: rng.permutation(values) for name, values in ints.items()} | {"@index": np.arange(n_rows) % 5}
    pages = result.coder.encode(shuffled, to_values=to_values)
    known = {name: shuffled[name] for name in result.coder.inputs}
    back = result.coder.decode(pages, known, n_rows, to_values=to_values)
    assert all(np.array_equal(back[name], shuffled[name]) for name in result.coder.names)
