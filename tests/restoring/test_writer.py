from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepbaler.errors import CorruptFile, InputError, OutputError
from hepbaler.restoring import RootWriter


def test_file_appears_at_the_end_and_alone(tmp_path: Path, branch) -> None:
    target = tmp_path / "back.root"
    with RootWriter(target) as writer:
        writer.write_tree("Events", "", [branch("x", [1])], [{"x": ak.Array([1])}], 1)
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["back.root"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, CorruptFile, ZeroDivisionError])
def test_nothing_is_left_when_the_clusters_fail(error: Any, tmp_path: Path, branch) -> None:
    target = tmp_path / "back.root"
    target.write_bytes(b"as it was")

    def clusters() -> Iterator[dict[str, Any]]:
        yield {"x": ak.Array([1])}
        message = "in the middle"
        raise error(message)

    with pytest.raises(error, match="in the middle"), RootWriter(target) as writer:
        writer.write_tree("Events", "", [branch("x", [1])], clusters(), 2)
    assert target.read_bytes() == b"as it was"
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk_is_an_output_error(tmp_path: Path, branch) -> None:
    resource = pytest.importorskip("resource")
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = np.random.default_rng(1).random(100_000)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        too_large = pytest.raises(OutputError, match=r"cannot write .*back\.root: File too large")
        with too_large, RootWriter(tmp_path / "back.root") as writer:
            writer.write_tree("Events", "", [branch("x", noise)], [{"x": ak.Array(noise)}], len(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), RootWriter(tmp_path / "nowhere" / "back.root"):
        pass


def test_target_that_is_a_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "back.root").mkdir()
    with pytest.raises(OutputError, match="cannot write"), RootWriter(tmp_path / "back.root"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["back.root"]


def test_unknown_compression_is_found_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown compression"):
        RootWriter(tmp_path / "back.root", compression="best")
    assert list(tmp_path.iterdir()) == []


def test_odd_names_of_files(tmp_path: Path, branch) -> None:
    for name in ("a:b.root", "simplecache::c.root", "d" * 250 + ".root", "e#f?.root"):
        with RootWriter(tmp_path / name) as writer:
            writer.write_tree("Events", "", [branch("x", [1])], [{"x": ak.Array([1])}], 1)
        with uproot.open(io.BytesIO((tmp_path / name).read_bytes())) as file:
            assert file["Events/x"].array().to_list() == [1]


def test_same_name_in_several_directories(tmp_path: Path, branch) -> None:
    paths = ["tree", "one/tree", "one/two/tree", "three/tree"]
    with RootWriter(tmp_path / "back.root") as writer:
        for number, path in enumerate(paths):
            report = writer.write_tree(path, path, [branch("x", [1])], [{"x": ak.Array([number])}], 1)
            assert report.path == path
    with uproot.open(tmp_path / "back.root") as file:
        assert [file[path]["x"].array()[0] for path in paths] == [0, 1, 2, 3]
        assert [file[path].title for path in paths] == paths


@pytest.mark.parametrize("rntuple", [False, True])
def test_wrong_clusters_are_named(rntuple: bool, tmp_path: Path, branch) -> None:
    branches = [branch("x", [1]), branch("y", [1.5])]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"x": ak.Array([1])}, "no array for branch 'y'"),
        ({"x": ak.Array([1, 2]), "y": ak.Array([1.5])}, "differ in length"),
        ({"x": ak.Array([1]), "y": ak.Array([[1.5]])}, "branch 'y'"),
        ({"x": ak.Array([1.5]), "y": ak.Array([1.5])}, "branch 'x'"),
        ({"x": ak.Array([1]), "y": ak.Array([1.5])}, "held 1 entries, but 2 were announced"),
    ]
    for cluster, message in wrong:
        with pytest.raises(OutputError, match=message), RootWriter(tmp_path / "back.root", rntuple=rntuple) as writer:
            writer.write_tree("Events", "", branches, [cluster], 2)
        assert list(tmp_path.iterdir()) == []
