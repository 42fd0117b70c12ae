"""Filesets as coffea has them: every form in, the same form out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import uproot

import hepbaler
from hepbaler import cli
from hepbaler.campaign.filesets import File, counterparts, named_files, read_fileset
from hepbaler.errors import InputError

PLAIN = {"use_model": False, "retries": 0}


def forms(here: Path) -> dict[str, object]:
    return {
        "list": [str(here / "events_0.root"), "events_1.root"],
        "with tree": {"files": ["events_0.root"], "treename": "Events", "metadata": {"xsec": 831.8}},
        "/Primary/Era-v1/NANOAOD": {"files": {"events_1.root": "Events"}, "metadata": {"year": "2018", "is_mc": True}},
        "prepared": {
            "files": {
                "events_0.root": {
                    "object_path": "Events",
                    "steps": [[0, 200], [200, 400]],
                    "num_entries": 400,
                    "uuid": "of the ROOT file",
                    "format": "root",
                    "lfn": "/store/events_0.root",
                }
            },
            "metadata": {},
            "compressed_form": "abc",
            "format": "root",
        },
    }


def test_every_form_comes_back(here):
    Path("in.json").write_text(json.dumps(forms(here)))
    report = hepbaler.compress_many("in.json", "out", **PLAIN)
    assert report.ok
    assert report.fileset == str(here / "out" / "fileset.json")
    out = json.loads(Path("out/fileset.json").read_text())
    url = f"hepbaler://{here}/out"
    assert list(out) == list(forms(here))
    assert out["list"] == [f"{url}/list/events_0.root.hbal", f"{url}/list/events_1.root.hbal"]
    assert out["with tree"] == {
        "files": [f"{url}/with tree/events_0.root.hbal"],
        "treename": "Events",
        "metadata": {"xsec": 831.8},
    }
    assert out["/Primary/Era-v1/NANOAOD"] == {
        "files": {f"{url}/Primary_Era-v1_NANOAOD/events_1.root.hbal": "Events"},
        "metadata": {"year": "2018", "is_mc": True},
    }
    ((path, about),) = out["prepared"]["files"].items()
    assert about.pop("uuid") == str(uproot.open({path: None}).file.uuid)
    assert about == {"object_path": "Events", "steps": [[0, 200], [200, 400]], "num_entries": 400, "format": "root"}
    assert "compressed_form" not in out["prepared"]
    for path, tree in [*out["/Primary/Era-v1/NANOAOD"]["files"].items(), (out["list"][0], "Events")]:
        assert uproot.open({path: tree}).num_entries in (200, 400)


def test_there_and_back(here):
    given = {"a": {"files": {str(here / "events_0.root"): "Events"}, "metadata": {"k": 1}}, "b": ["events_1.root"]}
    hepbaler.compress_many(given, "out", **PLAIN)
    report = hepbaler.decompress_many("out/fileset.json", "back", fileset_out="back.json")
    assert report.ok
    assert json.loads(Path("back.json").read_text()) == {
        "a": {"files": {str(here / "back/a/events_0.root"): "Events"}, "metadata": {"k": 1}},
        "b": [str(here / "back/b/events_1.root")],
    }
    assert hepbaler.verify_many("out/fileset.json", given).ok
    assert hepbaler.evaluate_many("back.json", "out/fileset.json").ok


def test_what_failed_is_left_out(here):
    given = {"a": ["events_0.root", "broken.root"]}
    report = hepbaler.compress_many(given, "out", **PLAIN)
    assert len(report.failures) == 1
    assert json.loads(Path("out/fileset.json").read_text()) == {"a": [f"hepbaler://{here}/out/a/events_0.root.hbal"]}


def test_jobs_write_no_fileset(here):
    hepbaler.compress_many({"a": ["events_0.root", "events_1.root"]}, "out", job=(0, 2), **PLAIN)
    assert not Path("out/fileset.json").exists()


def test_names_that_repeat_keep_what_tells_them_apart(tmp_path):
    paths = [f"{tmp_path}/run/{part}/nano_1.root" for part in ("0000", "0001")]
    assert [file.name for file in read_fileset({"x": paths}).files()] == ["x/0000/nano_1.root", "x/0001/nano_1.root"]
    paths.append("root://host//store/nano_2.root")
    names = [file.name for file in read_fileset({"x": paths}).files()]
    assert len(set(names)) == 3
    assert not any(".." in name or name.startswith("/") for name in names)


@pytest.mark.parametrize("name", ["../../etc", "/", "..", ".", "a/b", "c:\\d"])
def test_results_stay_in_their_directory(name, tmp_path):
    (file,) = read_fileset({name: ["/data/x.root"]}).files()
    assert (tmp_path / file.name).resolve().is_relative_to(tmp_path)
    assert (tmp_path / file.name).resolve().parent != tmp_path.parent


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no fileset"),
        ({}, "no fileset"),
        ({"a": []}, "'a' has no files"),
        ({"a": "x.root"}, "'a' should be a list"),
        ({"a": {"metadata": {}}}, "'a' should be a list"),
        ({"a": [1]}, "'a' should be a list"),
    ],
)
def test_what_is_no_fileset(data, message, tmp_path):
    (tmp_path / "in.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        read_fileset(tmp_path / "in.json")


def test_a_gzipped_fileset(here):
    # as coffea's DataDiscoveryCLI writes it
    Path("in.json.gz").write_bytes(gzip.compress(json.dumps(forms(here)).encode()))
    files, fileset = named_files("in.json.gz")
    assert fileset is not None
    assert len(files) == len(named_files(forms(here))[0])
    Path("in.json.gz").write_bytes(Path("in.json.gz").read_bytes()[:30])
    with pytest.raises(InputError, match=r"in\.json\.gz cannot be read"):
        read_fileset("in.json.gz")


def test_no_json(here, capsys):
    Path("in.json").write_text("{")
    assert cli.main(["compress", "--fileset", "in.json", "--no-model", "-o", "out"]) == 1
    assert "in.json is not JSON" in capsys.readouterr().err
    assert cli.main(["compress", "--fileset", "none.json", "--no-model", "-o", "out"]) == 1
    assert "none.json cannot be read" in capsys.readouterr().err


def test_directories_and_archives_behind_urls(here):
    hepbaler.compress_many("events_?.root", "out/deep", **PLAIN)
    files, fileset = named_files("out", ".hbal")
    assert [file.name for file in files] == [f"deep/events_{i}.root.hbal" for i in range(3)]
    assert fileset is None
    urls = [f"hepbaler://{here}/out/deep/events_0.root", "hepbaler://x.root::file:///tmp/y.root.hbal"]
    assert [file.path for file in named_files(urls)[0]] == [
        str(here / "out/deep/events_0.root.hbal"),
        "file:///tmp/y.root.hbal",
    ]
    with pytest.raises(InputError, match="holds no file"):
        named_files("out", ".dat")


def test_counterparts():
    files = [File("/in/a/x.root", "a/x.root"), File("/in/b/x.root", "b/x.root"), File("/in/y.root", "y.root")]
    others = [
        File("/out/b/x.root.hbal", "b/x.root.hbal"),
        File("/out/deep/y.root.hbal", "deep/y.root.hbal"),
        File("/out/z.root.hbal", "z.root.hbal"),
    ]
    found, single = counterparts(files, others)
    assert found == [None, "/out/b/x.root.hbal", "/out/deep/y.root.hbal"]
    assert single == [others[2]]
