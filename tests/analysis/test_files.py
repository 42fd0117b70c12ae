"""`evaluate` and `analyse` on files, from the arguments to what is printed and left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepbaler
from hepbaler import cli
from hepbaler.analysis import CHANNELS
from hepbaler.errors import ColumnNotFound, InputError
from hepbaler.judging import evaluate
from hepbaler.topmass import analyse

SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "data"
GENJETS = SAMPLES / "ttbar_genjets_sample.root"


@pytest.fixture
def run(capsys):
    def run_command(*args, code=0):
        assert cli.main([str(arg) for arg in args]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return out if code != 2 else err

    return run_command


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The generator jets within ten bits."""
    target = tmp_path_factory.mktemp("archive") / "genjets.root.hbal"
    hepbaler.compress(GENJETS, target, use_model=False)
    return target


def rewrite(source, target, change):
    """Copy a file of jets after a change of its arrays."""
    with uproot.open(source) as old, uproot.recreate(target) as new:
        tree = old["Events"]
        names = tree.keys(filter_name="GenJet_p4_*")
        jets = {name.removeprefix("GenJet_"): tree[name].array() for name in names}
        change(jets)
        events = {"event": tree["event"].array(library="np"), "GenJet": ak.zip(jets)}
        new.mktree("Events", {"event": "uint64", "GenJet": events["GenJet"].type.content})
        new["Events"].extend(events)
    return target


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    def add_one(jets):
        jets["p4_fM"] = ak.values_astype(jets["p4_fM"] + 1.0, np.float32)

    return rewrite(GENJETS, tmp_path_factory.mktemp("shifted") / "shifted.root", add_one)


def test_every_column_of_an_archive_keeps_its_bound(archive):
    report = evaluate(GENJETS, archive, cuts=["GenJet_p4_fPt>30"])
    assert report.ok
    assert report.missing == ()
    by_name = {column.column: column for column in report.columns}
    assert by_name["event"].bound == "exact"
    assert by_name["event"].changed == 0
    assert by_name["GenJet_p4_fM"].bound == "bits=10"
    assert 0.5 < by_name["GenJet_p4_fM"].largest_share <= 1.0
    assert not [column for column in report.columns if column.outside]
    assert report.cuts[0].before == pytest.approx(report.cuts[0].after, rel=0.01)


@pytest.mark.parametrize("order", ["root, hbal", "hbal, root", "hbal, hbal", "root, root"])
def test_any_mix_of_files(archive, tmp_path, order):
    files = {"root": GENJETS, "hbal": archive}
    before, after = (files[kind] for kind in order.split(", "))
    report = evaluate(before, after, filter_name="GenJet_p4_*")
    assert report.ok
    changed = {column.column for column in report.columns if column.changed}
    assert bool(changed) == (before != after)
    assert {c.bound for c in report.columns if c.column == "GenJet_p4_fM"} == {
        None if order == "root, root" else "bits=10"
    }
    result = analyse(before, after, replicas=3)
    assert result.ok
    # The fits of so few jets are good to 0.3 GeV each.
    assert abs(result.masses.shift.mass) < 0.15


def test_the_shifted_column_comes_first(shifted):
    report = evaluate(GENJETS, shifted, filter_name="GenJet_p4_*")
    assert report.columns[0].column == "GenJet_p4_fM"
    assert report.columns[0].bias == pytest.approx(1.0, abs=1e-4)
    assert [column.column for column in report.suspicious] == ["GenJet_p4_fM"]


@pytest.mark.parametrize("model", ["gauss-line", "crystal-ball"])
def test_one_gev_in_a_file_is_one_gev_in_the_fit(shifted, run, model):
    told = json.loads(run("analyse", GENJETS, shifted, "--model", model, "--replicas", 20, "--json"))
    shift = told["shift"]
    assert abs(shift["mass"] - 1.0) < 4 * shift["mass_error"] < 0.4
    assert shift["mass_error"] < 0.5 * shift["mass_error_independent"]


@pytest.mark.parametrize(
    ("sample", "channel", "options", "mass"),
    [
        ("ttbar_sample.root", "boosted", {}, (164, 174)),
        ("ttbar_resolved_sample.root", "resolved", {}, (160, 174)),
        ("ttbar_resolved_sample.root", "resolved", {"truth": False}, (155, 177)),
    ],
)
def test_every_channel_sees_the_top(sample, channel, options, mass):
    result = analyse(SAMPLES / sample, SAMPLES / sample, channel=channel, replicas=2, **options)
    assert result.ok, result.masses.before.refused
    assert mass[0] < result.masses.before.mass < mass[1]
    assert ("gen_pdg_id" in result.branches) == (channel == "resolved" and options == {})
    json.dumps(result.to_dict(), allow_nan=False)


def test_evaluate_prints_and_draws(archive, run, tmp_path):
    page, folder = tmp_path / "report.html", tmp_path / "plots"
    out = run("evaluate", GENJETS, archive, "--keep", "GenJet_p4_*", "--cut", "abs(GenJet_p4_fEta)<2.4", "--html", page,
              "-o", folder, "--figures", 1)  # fmt: skip
    assert "every promise is kept" in out
    assert "abs(GenJet_p4_fEta)<2.4" in out
    text = page.read_text()
    assert text.count("data:image/png;base64") == 2
    assert "GenJet_p4_fM" in text
    assert "src='http" not in text
    assert len(list(folder.glob("*.png"))) == 2
    assert (folder / "correlations_Events_GenJet.png").is_file()


def test_json_is_pure(archive, run):
    report = json.loads(run("evaluate", GENJETS, archive, "--keep", "GenJet_p4_*", "--json"))
    assert report["ok"]
    assert {"column", "bias", "rms", "ks", "wasserstein", "largest_error"} <= report["columns"][0].keys()
    assert "Events/GenJet" in report["correlations"]
    masses = json.loads(run("analyse", GENJETS, archive, "--model", "gauss-line", "--replicas", 5, "--json"))
    assert masses["ok"]
    assert masses["shift"]["mass_error"] < 0.1
    assert masses["branches"]["mass"] == "GenJet_p4_fM"


def test_analyse_prints_and_draws(archive, run, tmp_path):
    out = run("analyse", GENJETS, archive, "--model", "gauss-line", "--replicas", 5, "-o", tmp_path / "mass.pdf")
    assert "generator jet mass, gauss-line, 1" in out
    assert "rest held" in out or "all free" in out
    assert "errors of the shift are paired" in out
    assert (tmp_path / "mass.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_that_cannot_be_drawn_is_refused_before_the_fits(archive, run, tmp_path, monkeypatch):
    monkeypatch.setattr("hepbaler.topmass.analyse", lambda *_, **__: pytest.fail("worked for nothing"))
    for name in ("mass", "mass.tiffany"):
        run("analyse", GENJETS, archive, "-o", tmp_path / name, code=1)
        assert not (tmp_path / name).exists()


def test_a_refused_fit_is_told_and_fails(run, tmp_path):
    def lose(jets):
        jets["p4_fM"] = ak.zeros_like(jets["p4_fM"])

    broken = rewrite(GENJETS, tmp_path / "broken.root", lose)
    out = run("analyse", GENJETS, broken, "--replicas", 2, "-o", tmp_path / "mass.png", code=1)
    assert "fit after refused: only 0 entries" in out
    assert (tmp_path / "mass.png").is_file()
    assert not json.loads(run("analyse", GENJETS, broken, "--replicas", 2, "--json", code=1))["ok"]


def test_a_broken_archive_column_fails(run, archive, tmp_path):
    def spoil(jets):
        eta = jets["p4_fEta"]
        jets["p4_fEta"] = ak.values_astype(ak.where(ak.local_index(eta, axis=0) == 5, eta + 0.1, eta), np.float32)

    original = rewrite(GENJETS, tmp_path / "spoilt.root", spoil)
    out = run("evaluate", original, archive, "--keep", "GenJet_p4_*", code=1)
    assert "outside the bound" in out
    assert "a promise is broken" in out


def test_lists_of_other_lengths_are_told(tmp_path):
    paths = []
    for name, counts in (("one.root", [1, 2, 0]), ("two.root", [2, 1, 0])):
        paths.append(tmp_path / name)
        with uproot.recreate(paths[-1]) as file:
            file.mktree("t", {"x": "var * float32", "y": "float32"})
            file["t"].extend({"x": ak.unflatten(np.ones(3, np.float32), counts), "y": np.ones(3, np.float32)})
    report = evaluate(*paths)
    assert {"nx", "x@counts"} <= {column.column for column in report.suspicious}


def test_files_that_do_not_belong_together(tmp_path, nano_file, other_nano_file, text_file):
    with pytest.raises(InputError, match="has 400 entries .* and 200 in .*not the same events"):
        evaluate(nano_file, other_nano_file)
    with pytest.raises(InputError, match="have no branch in common that is asked for"):
        evaluate(nano_file, nano_file, filter_name="Muon_*")
    with pytest.raises(InputError, match="'Other'"):
        evaluate(nano_file, nano_file, tree="Other")
    with pytest.raises(ColumnNotFound, match="'Jet_pT'.*nearest: 'Jet_pt'"):
        evaluate(nano_file, nano_file, cuts=["Jet_pT>30"])
    with pytest.raises(InputError):
        evaluate(nano_file, text_file)
    with pytest.raises(InputError, match="there is no file"):
        evaluate(nano_file, tmp_path / "absent.root")
    with pytest.raises(FileNotFoundError):
        evaluate(nano_file, tmp_path / "absent.root.hbal")


def test_branches_that_are_not_there():
    with pytest.raises(
        ColumnNotFound, match="needs a branch for 'mass', and there is no FatJet_msoftdrop; name it with --branch"
    ):
        analyse(GENJETS, GENJETS, channel="boosted")
    with pytest.raises(InputError, match="reads no 'charge'; it reads mass, pt, eta"):
        analyse(GENJETS, GENJETS, branches={"charge": "GenJet_charge"})
    with pytest.raises(ColumnNotFound, match="there is no GenJet_M"):
        analyse(GENJETS, GENJETS, branches={"mass": "GenJet_M"})
    with pytest.raises(InputError, match="unknown channel 'dijet'"):
        analyse(GENJETS, GENJETS, channel="dijet")


def test_a_wrong_role_is_a_usage_error(run):
    assert "'mass' should look like mass=GenJet_p4_fM" in run("analyse", GENJETS, GENJETS, "--branch", "mass", code=2)


def test_a_missing_branch_is_named(tmp_path, nano_file, run):
    shutil.copy(nano_file, tmp_path / "nano.root")
    hepbaler.compress(tmp_path / "nano.root", tmp_path / "all.hbal", use_model=False)
    hepbaler.compress(tmp_path / "nano.root", tmp_path / "some.hbal", use_model=False, drop=["MET_*"])
    report = evaluate(tmp_path / "all.hbal", tmp_path / "some.hbal")
    assert report.missing == ("Events:MET_phi", "Events:MET_pt")


@pytest.mark.shared
@pytest.mark.slow
def test_the_figures_of_the_simulation(shared_data):
    from dataclasses import replace

    path = shared_data / "sim" / "ttbar_genjets_highpt.root"
    fit = replace(CHANNELS["genjet"].fit, model="gauss-line")
    masses = analyse(path, path, fit=fit, replicas=2).masses.before
    default = analyse(path, path, replicas=2).masses.before
    for found in (masses, default):
        assert found.ok, found.refused
        assert found.p_value > 0.01
    # The two see the same peak.
    assert abs(masses.mass - default.mass) < default.mass_error
    assert abs(masses.width - default.width) < 2 * default.width_error


@pytest.mark.shared
@pytest.mark.slow
def test_the_whole_range_is_no_gaussian_on_a_line(shared_data, run):
    path = shared_data / "sim" / "ttbar_genjets_highpt.root"
    options = ["--model", "gauss-line", "--window", 100, 225, "--replicas", 2]
    out = run("analyse", path, path, *options, code=1)
    assert "fit before refused: the model does not describe the spectrum: p = 0 is below 0.0001" in out
    told = json.loads(run("analyse", path, path, *options, "--min-p-value", 0, "--json"))
    assert told["before"]["chi2"] > 10 * told["before"]["n_dof"]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("model", ["crystal-ball", "gauss-line"])
def test_what_ten_bits_do_to_mass_and_width(shared_data, tmp_path, model):
    from dataclasses import replace

    path = shared_data / "sim" / "ttbar_genjets_highpt.root"
    hepbaler.compress(path, tmp_path / "jets.hbal", use_model=False)
    fit = replace(CHANNELS["genjet"].fit, model=model)
    masses = analyse(path, tmp_path / "jets.hbal", fit=fit, replicas=30).masses
    shift, width = masses.shift, masses.before.width
    assert shift.rest_held
    assert abs(shift.free.mass) < 0.01
    assert abs(shift.mass) < 0.01 > 3 * shift.mass_error
    assert abs(shift.width) < 1e-3 * width > shift.width_error


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(("model", "error"), [("gauss-line", 0.01), ("crystal-ball", 0.03)])
def test_one_gev_in_the_simulation(shared_data, tmp_path, run, model, error):
    def add_one(jets):
        jets["p4_fM"] = ak.values_astype(jets["p4_fM"] + 1.0, np.float32)

    path = shared_data / "sim" / "ttbar_genjets_highpt.root"
    moved = rewrite(path, tmp_path / "shifted.root", add_one)
    told = json.loads(run("analyse", path, moved, "--model", model, "--replicas", 25, "--json"))
    assert told["shift"]["mass_error"] < error
    # A peak that takes its window along moves by what is put in, but for the rounding to float32.
    assert abs(told["shift"]["mass"] - 1.0) < max(3 * told["shift"]["mass_error"], 1e-4)
    assert abs(told["shift"]["width"]) < max(3 * told["shift"]["width_error"], 1e-4)
