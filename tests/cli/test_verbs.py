"""Each verb on real files, from the arguments to what it prints and leaves behind."""

from __future__ import annotations

import json
import shutil

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler import cli


@pytest.fixture
def run(capsys):
    """Run a command that should succeed; its stdout."""

    def run_command(*args: object, code: int = 0) -> str:
        assert cli.main([str(arg) for arg in args]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert code or err == ""
        return out if code == 0 else err

    return run_command


@pytest.fixture
def here(tmp_path, monkeypatch, nano_file, other_nano_file):
    """A working directory with two ROOT files."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(nano_file, "nano.root")
    shutil.copy(other_nano_file, "other_nano.root")
    return tmp_path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def largest_error(name, one="nano.root", other="back.root"):
    a, b = (uproot.open(path)["Events"][name].array() for path in (one, other))
    assert len(a) == len(b)
    return float(ak.max(abs(ak.values_astype(a, np.float64) - ak.values_astype(b, np.float64)), axis=None))


def test_there_and_back(here, run):
    out = run("compress", "nano.root", "--no-model", "--bits", "6", "--abs", "*_phi=1e-3", "--exact", "Jet_mass")
    assert "nano.root -> nano.root.hbal" in out
    assert "every one checked against its bound" in out
    run("decompress", "nano.root.hbal", "-o", "back.root")
    assert names_in(here) == ["back.root", "nano.root", "nano.root.hbal", "other_nano.root"]
    with uproot.open("nano.root") as old, uproot.open("back.root") as new:
        assert new["Events"].keys() == old["Events"].keys()
        assert new["Events"].title == old["Events"].title
    for name in ("event", "nJet", "Jet_jetId", "Jet_mass"):
        assert largest_error(name) == 0
    assert 0 < largest_error("MET_phi") <= 1e-3
    assert largest_error("Jet_pt") > 0.01
    checked = json.loads(run("verify", "nano.root.hbal", "nano.root", "--json"))
    assert checked["ok"]
    assert checked["violations"] == 0


def test_info_for_people_and_for_scripts(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    text = run("info", "nano.root.hbal")
    for word in ("nano.root.hbal", "corrections", "Jet_pt", "bits=10", "times smaller than the ROOT file", "format"):
        assert word in text
    data = json.loads(run("info", "nano.root.hbal", "--json"))
    assert data["bytes"] == (here / "nano.root.hbal").stat().st_size == sum(data["bytes_by_part"].values())
    assert data["ratio"]["source"] == pytest.approx((here / "nano.root").stat().st_size / data["bytes"])
    assert {column["branch"] for column in data["trees"][0]["columns"]} == set(
        uproot.open("nano.root")["Events"].keys()
    )


def test_info_of_a_part(here, run):
    run("compress", "nano.root", "--no-model", "-q", "--keep", "Jet_*")
    out = run("info", "nano.root.hbal")
    assert "in part: " in out
    assert "smaller than the ROOT file" not in out


def test_info_lists_all_columns_when_asked(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    brief, full = run("info", "nano.root.hbal"), run("info", "nano.root.hbal", "--columns")
    assert "more: --columns" in brief
    assert "more: --columns" not in full
    assert "HLT_IsoMu24" in full


def test_tables_fit_80_columns(here, run, sample_path, monkeypatch):
    monkeypatch.setattr("hepbaler.cli.tables._PIPE_WIDTH", 80)
    run("compress", sample_path, "--no-model", "-q", "-o", "sample.hbal")
    out = run("info", "sample.hbal") + run("verify", "sample.hbal", sample_path)
    tables = [line for line in out.splitlines() if "  " in line.strip() and ": " not in line and ".hbal" not in line]
    assert len(tables) > 20
    assert max(map(len, tables)) <= 80
    assert "…" not in out


def test_verify_without_the_original(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    assert "every checksum holds, every page decodes" in run("verify", "nano.root.hbal")


def test_verify_finds_what_is_not_the_original(here, run):
    run("compress", "nano.root", "--no-model", "-q", "--keep", "MET_pt")
    with uproot.open("nano.root") as file, uproot.recreate("changed.root") as changed:
        met = file["Events/MET_pt"].array(library="np")
        met[17] *= 1.01
        changed.mktree("Events", {"MET_pt": "float32"})
        changed["Events"].extend({"MET_pt": met})
    assert cli.main(["verify", "nano.root.hbal", "changed.root"]) == 1


def test_a_damaged_archive(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    content = bytearray((here / "nano.root.hbal").read_bytes())
    content[len(content) // 2] ^= 0x10
    (here / "flipped.hbal").write_bytes(content)
    (here / "cut.hbal").write_bytes(content[: len(content) // 3])
    for archive in ("flipped.hbal", "cut.hbal", "nano.root"):
        err = run("verify", archive, code=1)
        assert err.startswith("hepbaler: error: ")
        assert err.count("\n") == 1
        run("decompress", archive, "-o", "new.root", code=1)
    assert "new.root" not in names_in(here)


def test_nothing_is_overwritten_unasked(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    before = (here / "nano.root.hbal").read_bytes()
    assert "exists" in run("compress", "nano.root", "--no-model", "--bits", "4", code=1)
    assert (here / "nano.root.hbal").read_bytes() == before
    run("compress", "nano.root", "--no-model", "--bits", "4", "-f", "-q")
    assert (here / "nano.root.hbal").stat().st_size < len(before)
    assert "exists" in run("decompress", "nano.root.hbal", code=1)
    run("decompress", "nano.root.hbal", "-f", "-q")


def test_several_inputs_go_into_a_directory(here, run):
    run("compress", "*.root", "--no-model", "-q", "-o", "archives")
    assert names_in(here / "archives") == ["nano.root.hbal", "other_nano.root.hbal"]


def test_one_input_into_a_new_directory(here, run):
    run("compress", "nano.root", "--no-model", "-q", "-o", "archives/")
    assert names_in(here / "archives") == ["nano.root.hbal"]


def test_two_inputs_of_one_name(here, run):
    (here / "more").mkdir()
    shutil.copy("other_nano.root", "more/nano.root")
    assert "several inputs are called nano.root" in run("compress", "nano.root", "more/nano.root", "-o", "out", code=1)
    assert "out" not in names_in(here)


def test_one_bad_file_does_not_cost_the_others(here, run, text_file):
    shutil.copy(text_file, "bad.root")
    err = run("compress", "*.root", "--no-model", "-q", code=1)
    assert "bad.root" in err
    assert "1 of 3 files failed" in err
    assert {"nano.root.hbal", "other_nano.root.hbal"} <= set(names_in(here))
    assert "bad.root.hbal" not in names_in(here)


def test_several_inputs_and_one_file(here, run):
    assert "give a directory" in run("compress", "nano.root", "other_nano.root", "-o", "nano.root", code=2)


@pytest.mark.parametrize("fixture", ["text_file", "truncated_file"])
def test_what_is_no_input(fixture, here, run, request):
    path = request.getfixturevalue(fixture)
    err = run("compress", path, "--no-model", "-o", "x.hbal", code=1)
    assert path.name in err
    assert err.count("\n") == 1
    assert "x.hbal" not in names_in(here)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["none.root"], "none.root"),
        (["*.rot"], "*.rot"),
        (["nano.root:Evens"], "Events"),
        (["nano.root", "--keep", "Jet_p"], "Jet_pt"),
        (["nano.root", "--bits", "Jte_*=8"], "Jte_*"),
        (["nano.root", "-o", "nano.root"], "nano.root"),
        (["nano.root", "-o", "nowhere/x.hbal"], "nowhere"),
        (["nano.root", "--model", "none.hbmodel"], "none.hbmodel"),
    ],
)
def test_mistakes_are_named(here, run, args, word):
    before = names_in(here)
    err = run("compress", *args, *([] if "--model" in args else ["--no-model"]), code=1)
    assert word in err
    assert err.count("\n") == 1
    assert names_in(here) == before


def test_plan_can_be_edited_and_followed(here, run):
    text = run("plan", "nano.root", "--bits", "Jet_*=8")
    assert 'Jet_pt = "bits=8"' in text
    assert "plan.toml" in run("plan", "nano.root", "-o", "plan.toml")
    assert "exists" in run("plan", "nano.root", "-o", "plan.toml", code=1)
    plan = here / "plan.toml"
    plan.write_text(plan.read_text().replace('MET_pt = "bits=10"', 'MET_pt = "abs=0.25"'))
    run("compress", "nano.root", "--no-model", "--plan", "plan.toml", "-q")
    columns = json.loads(run("info", "nano.root.hbal", "--json"))["trees"][0]["columns"]
    assert {c["column"]: c["bound"] for c in columns}["MET_pt"] == "abs=0.25"


def test_decompress_says_what_differs(tmp_path, run, odd_values_file):
    run("compress", odd_values_file, "--no-model", "-q", "-o", tmp_path / "odd.hbal")
    out = run("decompress", tmp_path / "odd.hbal", "-o", tmp_path / "odd.root", "--compression", "lzma:6")
    assert "odd.root" in out
    with uproot.open(tmp_path / "odd.root") as new, uproot.open(odd_values_file) as old:
        assert new.file.compression == uproot.LZMA(6)
        assert new["odd"].typenames() == old["odd"].typenames()


def test_unknown_compression(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    assert "brotli" in run("decompress", "nano.root.hbal", "-o", "x.root", "--compression", "brotli:3", code=1)
    assert "x.root" not in names_in(here)


def test_decompress_to_rntuple(here, run):
    run("compress", "nano.root", "--no-model", "-q")
    run("decompress", "nano.root.hbal", "--rntuple", "-o", "back.root")
    assert uproot.open("back.root").classnames() == {"Events;1": "ROOT::RNTuple"}


def test_sample(tmp_path, run, sample_path):
    out = run("sample", tmp_path / "new" / "folder")
    written = tmp_path / "new" / "folder" / "ttbar_sample.root"
    assert str(written) in out
    assert written.read_bytes() == sample_path.read_bytes()
    assert "there already" in run("sample", written.parent)
    written.write_bytes(b"mine")
    assert "exists and differs" in run("sample", written.parent, code=1)
    assert written.read_bytes() == b"mine"
    run("sample", written.parent, "-f", "-q")
    assert written.read_bytes() == sample_path.read_bytes()
    assert names_in(written.parent) == ["ttbar_sample.root"]


def test_quiet_is_quiet(here, run):
    assert run("compress", "nano.root", "--no-model", "-q") == ""
    assert run("verify", "nano.root.hbal", "nano.root", "-q") == ""
    assert run("decompress", "nano.root.hbal", "-o", "back.root", "-q") == ""


@pytest.mark.slow
def test_one_model_for_several_files(tmp_path, run, sample_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    chosen = ["--keep", "Jet_*", "--keep", "GenJet_*"]
    out = run("train", sample_path, *chosen, "--train-steps", 40, "-o", "ttbar.hbmodel")
    assert "ttbar.hbmodel" in out
    assert "exists" in run("train", sample_path, *chosen, "-o", "ttbar.hbmodel", code=1)
    run("compress", sample_path, *chosen, "--model", "ttbar.hbmodel", "-o", "a.hbal")
    coders = {c["coder"] for c in json.loads(run("info", "a.hbal", "--json"))["trees"][0]["columns"]}
    assert "learned" in coders
    assert json.loads(run("verify", "a.hbal", sample_path, "--json"))["ok"]
    # Other bounds are not what the model was trained for.
    err = run("compress", sample_path, *chosen, "--bits", 7, "--model", "ttbar.hbmodel", "-o", "b.hbal", code=1)
    assert "bits=7" in err
    assert not (tmp_path / "b.hbal").exists()


def test_info_shows_what_a_read_decodes(here, run):
    run("compress", "nano.root", "--no-model")
    out = run("info", "nano.root.hbal", "--trace", "MET_pt,Jet_e*", "--entry-stop", "10")
    assert "Events  2 branches, entries 0 to 10" in out
    assert "decoded: 3 of " in out
    data = json.loads(run("info", "nano.root.hbal", "--trace", "MET_pt", "--json"))
    assert [column["column"] for column in data["trees"][0]["columns"]] == ["MET_pt"]
    assert "nano.root.hbal is chosen by ['Tau_*']" in run("info", "nano.root.hbal", "--trace", "Tau_*", code=1)
    assert "give it too" in run("info", "nano.root.hbal", "--entry-start", "3", code=2)


def test_decompress_leaves_nothing_out_unasked(here, run, tmp_path, capsys):
    with uproot.recreate(tmp_path / "n.root") as file:
        file.mkrntuple("ntuple", {"met": np.ones(3), "maybe": ak.Array([[[1, None], []], [], [[3]]])})
    run("compress", tmp_path / "n.root", "-o", "n.hbal", "--no-model")
    err = run("decompress", "n.hbal", "-o", "back.root", "--ttree", code=1)
    assert (
        "1 branches or objects cannot be written to a ROOT file with a TTree; --skip-unwritable leaves them out" in err
    )
    assert err.rstrip().endswith(": maybe")
    assert not (here / "back.root").exists()
    run("decompress", "n.hbal", "-o", "back.root")
    with uproot.open("back.root") as file:
        assert file["ntuple"].arrays().to_list() == uproot.open(tmp_path / "n.root")["ntuple"].arrays().to_list()
    assert cli.main(["decompress", "n.hbal", "-o", "back.root", "-f", "--ttree", "--skip-unwritable"]) == 0
    assert "ntuple: 1 branch is not written" in capsys.readouterr().err
    with uproot.open("back.root") as file:
        assert "maybe" not in file["ntuple"]
