"""An archive in latent mode through every door: the same values, ranges, errors, and what stays exact."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler
from hepbaler.errors import CorruptFile, InputError, ModelError

LATENT = ["pt", "eta", "area", "emFraction", "hadFraction", "rawPt", "detEta", "mass", "uncertainty"]


@pytest.fixture(scope="module")
def before(jets_file):
    with uproot.open(jets_file) as file:
        return file["Events"].arrays()


@pytest.fixture(scope="module")
def after(latent_archive):
    with hepbaler.open(latent_archive[0]) as archive:
        return archive["Events"].arrays()


def test_what_is_no_float_or_has_a_bound_keeps_its_promise(before, after):
    for name in ("event", "nJet", "Jet_nTracks", "Jet_flavour", "Jet_weight"):
        assert ak.array_equal(before[name], after[name], dtype_exact=True), name
    btag, read = ak.to_numpy(ak.flatten(before["Jet_btag"])), ak.to_numpy(ak.flatten(after["Jet_btag"]))
    assert np.all(np.abs(read - btag) <= 2.0**-8 * np.maximum(btag, np.median(btag)))
    assert np.any(read != btag)


def test_errors_are_those_that_the_report_tells(latent_archive, before, after):
    (one,) = latent_archive[1].autoencoders
    assert [f"Jet_{name}" for name in LATENT] == list(one.errors)
    assert (one.model, one.table, one.n_latent) == ("sae", "Jet", 6)
    assert one.nominal_ratio == 1.5
    for name, told in one.errors.items():
        truth = ak.to_numpy(ak.flatten(before[name])).astype(np.float64)
        finite = np.isfinite(truth)
        errors = ak.to_numpy(ak.flatten(after[name]))[finite] - truth[finite]
        assert told.largest == np.abs(errors).max() > 0
        assert told.rms == pytest.approx(np.sqrt(np.mean(errors**2)))
        assert told.bias == pytest.approx(errors.mean(), abs=1e-9 * told.rms)
        # It has learned something: the error is well below the spread.
        assert told.rms < 0.6 * np.std(truth[np.isfinite(truth)]), name


def test_nan_and_infinities_are_exact(before, after):
    one, other = (ak.to_numpy(ak.flatten(events["Jet_mass"])) for events in (before, after))
    odd = ~np.isfinite(one)
    assert np.count_nonzero(odd) == 3
    assert one[odd].tobytes() == other[odd].tobytes()
    assert np.all(np.isfinite(other[~odd]))


def test_a_range_of_entries_is_a_slice_of_all(latent_archive, after):
    with hepbaler.open(latent_archive[0]) as archive:
        tree = archive["Events"]
        assert tree.header.n_clusters > 2
        some = tree.arrays(["Jet_mass", "Jet_pt"], entry_start=333, entry_stop=1501)
    assert ak.array_equal(some, after[["Jet_mass", "Jet_pt"]][333:1501], equal_nan=True)


def test_the_archive_reads_as_a_root_file(jets_file, latent_archive, after):
    with uproot.open(f"hepbaler://{jets_file.name}::{latent_archive[0]}") as file:
        virtual = file["Events"].arrays(["Jet_mass", "Jet_area", "Jet_nTracks"])
    assert ak.array_equal(virtual, after[["Jet_mass", "Jet_area", "Jet_nTracks"]], equal_nan=True)


def test_it_decompresses(latent_archive, after, tmp_path):
    hepbaler.decompress(latent_archive[0], tmp_path / "back.root")
    with uproot.open(tmp_path / "back.root") as file:
        back = file["Events"].arrays(["Jet_mass", "MET_pt"])
    assert ak.array_equal(back, after[["Jet_mass", "MET_pt"]], equal_nan=True)


def test_it_verifies_against_its_original_and_no_other(jets_file, latent_archive, nano_file):
    assert hepbaler.verify(latent_archive[0]).ok
    report = hepbaler.verify(latent_archive[0], jets_file)
    assert report.ok
    mass = next(check for check in report.columns if check.column == "Jet_mass")
    assert mass.largest_share == 1.0
    assert mass.bound.startswith("measured ")


def test_a_wrong_promise_is_seen(jets_file, latent_archive, monkeypatch):
    from dataclasses import replace

    from hepbaler.header import TreeHeader

    real = TreeHeader.measured

    def smaller(self):
        return {key: replace(error, largest=error.largest * 0.9) for key, error in real(self).items()}

    monkeypatch.setattr(TreeHeader, "measured", smaller)
    report = hepbaler.verify(latent_archive[0], jets_file)
    assert not report.ok
    assert {check.column for check in report.columns if check.violations} == {f"Jet_{name}" for name in LATENT}


def test_info_has_ratios_and_errors(latent_archive, jets_file):
    target, report = latent_archive
    with hepbaler.open(target) as archive:
        info = archive.info()
    (one,) = report.autoencoders
    assert info["ratio"]["nominal"] == one.nominal_ratio
    assert info["ratio"]["float32"] == one.true_ratio
    assert info["ratio"]["source"] == jets_file.stat().st_size / target.stat().st_size
    assert info["settings"]["latent"]["model"] == "sae"
    assert sum(info["bytes_by_part"].values()) == target.stat().st_size
    columns = {column["column"]: column for column in info["trees"][0]["columns"]}
    mass = columns["Jet_mass"]
    assert (mass["coder"], mass["bound"], mass["exact"]) == ("latent", None, False)
    assert mass["error"] == vars(one.errors["Jet_mass"])
    assert columns["Jet_btag"]["bound"] == "bits=7"
    assert columns["Jet_btag"]["error"] is None


def test_small_tables_keep_their_bounds_and_say_so(latent_archive, before, after):
    (note,) = latent_archive[1].notes
    assert note.startswith("table 'Events' of tree 'Events' keeps its bounds")
    assert np.all(np.abs(after["MET_pt"] - before["MET_pt"]) <= 2.0**-11 * np.maximum(before["MET_pt"], 40))


def test_seed_and_steps_give_the_same_bytes(jets_file, tmp_path):
    for name in ("one", "two"):
        hepbaler.compress(
            jets_file,
            tmp_path / name,
            latent=hepbaler.LatentSettings(model="sae", latents=6, config={"widths": [16]}, rounding=0.5),
            train_steps=20,
            seed=3,
        )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_merged_archives_keep_their_decoders(latent_archive, jets_file, tmp_path, after):
    other = tmp_path / "bounded.hbal"
    hepbaler.compress(
        jets_file,
        other,
        use_model=False,
        plan=hepbaler.Plan((hepbaler.Rule("Jet_btag", hepbaler.Bound.parse("bits=7")),)),
    )
    hepbaler.merge(tmp_path / "all.hbal", [latent_archive[0], other, latent_archive[0]])
    with hepbaler.open(tmp_path / "all.hbal") as archive:
        merged = archive["Events"].arrays(["Jet_mass"])
        mass = next(c for c in archive.info()["trees"][0]["columns"] if c["column"] == "Jet_mass")
    n = len(after)
    for part in (merged[:n], merged[2 * n :]):
        assert ak.array_equal(part, after[["Jet_mass"]], equal_nan=True)
    assert (mass["bound"], mass["error"], mass["coder"]) == (None, None, "latent, plain")


def test_a_skim_goes_to_a_root_file(latent_archive, tmp_path, after):
    with pytest.raises(InputError, match="skim it to a ROOT file"):
        hepbaler.skim(latent_archive[0], tmp_path / "some.hbal", cut="MET_pt > 50")
    hepbaler.skim(latent_archive[0], tmp_path / "some.root", cut="MET_pt > 50")
    with uproot.open(tmp_path / "some.root") as file:
        some = file["Events"].arrays(["Jet_mass"])
    assert ak.array_equal(some, after[after["MET_pt"] > 50][["Jet_mass"]], equal_nan=True)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"model": "swea"}, ModelError, "no model 'swea'"),
        ({"weights": {"Jt_*": 2.0}}, KeyError, "no branch is called 'Jt_\\*'"),
        ({"config": {"widht": 3}}, ModelError, "no setting 'widht'"),
        ({"training": {"stesp": 3}}, ModelError, "no setting 'stesp'"),
    ],
)
def test_settings_are_refused_before_anything_is_read(jets_file, tmp_path, settings, error, match):
    with pytest.raises(error, match=match):
        hepbaler.compress(jets_file, tmp_path / "x", latent=hepbaler.LatentSettings(**settings))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"ratio": 1.0}, {"ratio": float("nan")}, {"latents": 0}, {"rounding": 0.0}])
def test_numbers_that_make_no_sense_are_refused(settings):
    with pytest.raises(InputError):
        hepbaler.LatentSettings(**settings)


def test_a_damaged_decoder_is_refused(latent_archive):
    from hepbaler.latent import LatentCoder

    with hepbaler.open(latent_archive[0]) as archive:
        section = archive.reader.section("autoencoder/0")
    coder = LatentCoder.from_bytes(section)
    assert coder.to_bytes() == section
    for damaged in (b"", b"HBLC" + section[4:], section[:-1], section + b"\0", section[:5] + b"\0" + section[6:]):
        with pytest.raises(CorruptFile):
            LatentCoder.from_bytes(damaged)
