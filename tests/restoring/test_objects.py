from __future__ import annotations

import io
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.errors import InputError
from hepbaler.restoring import RootWriter


class _Kept(io.BytesIO):
    def close(self) -> None:
        """uproot closes what it has written; the bytes are wanted."""


@pytest.fixture
def mini_root() -> bytes:
    sink = _Kept()
    with uproot.recreate(sink) as file:
        file["counts"] = np.histogram([1.0, 2.0, 2.5], bins=4, range=(0, 4))
        file["folder/deep/text"] = "a string"
        file["top"] = "another"
        file.mkdir("folder/empty")
        file.mktree("folder/tree", {"x": np.dtype("int32")})
    return sink.getvalue()


def test_objects_and_directories_come_back(mini_root: bytes, tmp_path: Path, branch) -> None:
    target = tmp_path / "back.root"
    with RootWriter(target) as writer:
        writer.write_tree("folder/events", "", [branch("x", [1])], [{"x": ak.Array([1])}], 1)
        report = writer.write_objects(mini_root)
    with uproot.open(target) as file:
        values, edges = file["counts"].to_numpy()
        assert values.tolist() == [0, 1, 2, 0]
        assert edges.tolist() == [0, 1, 2, 3, 4]
        assert file["folder/deep/text"] == "a string"
        assert file["top"] == "another"
        assert file["folder/empty"].keys() == []
        assert file["folder/events/x"].array().to_list() == [1]
        keys = {"counts", "top", "folder", "folder/deep", "folder/deep/text", "folder/empty", "folder/events"}
        assert set(file.keys(cycle=False)) == keys
    assert {path for path, _ in report.copied} == keys - {"folder/events"}
    assert report.missing == (("folder/tree", "TTree", "trees are written from arrays, not copied"),)


def test_trees_can_follow_the_objects(mini_root: bytes, tmp_path: Path, branch) -> None:
    with RootWriter(tmp_path / "back.root") as writer:
        writer.write_objects(mini_root)
        writer.write_tree("folder/deep/events", "", [branch("x", [1])], [{"x": ak.Array([1])}], 1)
    with uproot.open(tmp_path / "back.root") as file:
        assert file["folder/deep/events/x"].array().to_list() == [1]
        assert file["folder/deep/text"] == "a string"


def test_objects_behind_two_gigabytes_are_refused(mini_root: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hepbaler.restoring.objects._LAST_SHORT_KEY", 100)
    with RootWriter(tmp_path / "back.root") as writer:
        report = writer.write_objects(mini_root)
    refused = {path for path, _, reason in report.missing if "write them before the trees" in reason}
    assert refused == {"counts", "top", "folder/deep/text"}
    assert dict(report.copied).keys() == {"folder", "folder/deep", "folder/empty"}


@pytest.mark.parametrize("content", [b"", b"not a ROOT file", bytes(200)])
def test_other_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a ROOT file"), RootWriter(tmp_path / "back.root") as writer:
        writer.write_objects(content)
    assert list(tmp_path.iterdir()) == []


def test_cut_files_are_refused_or_copied_in_part(mini_root: bytes, tmp_path: Path) -> None:
    for size in range(4, len(mini_root), 1501):
        try:
            with RootWriter(tmp_path / "back.root") as writer:
                writer.write_objects(mini_root[:size])
        except InputError:
            assert not (tmp_path / "back.root").exists()
        else:
            with uproot.open(tmp_path / "back.root") as file:
                file.keys()
            (tmp_path / "back.root").unlink()
