"""What the user writes for an input."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepbaler.errors import InputError
from hepbaler.reading import expand_inputs, open_source
from hepbaler.reading.inputs import split_input


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("events.root", ("events.root", None)),
        ("events.root:Events", ("events.root", "Events")),
        ("events.root:dir/tree;2", ("events.root", "dir/tree;2")),
        ("events.root:/dir/tree/", ("events.root", "dir/tree")),
        ("events.root.1:Events", ("events.root.1", "Events")),
        ("a:b/events.root", ("a:b/events.root", None)),
        ("root://host:1094//store/events.root", ("root://host:1094//store/events.root", None)),
        ("root://host:1094//store/events.root:Events", ("root://host:1094//store/events.root", "Events")),
        (
            "hepbaler://ev.root:Events::file:///p/ev.root.hbal",
            ("hepbaler://ev.root:Events::file:///p/ev.root.hbal", None),
        ),
    ],
)
def test_a_tree_may_follow_the_file(path: str, expected: tuple[str, str | None]) -> None:
    assert split_input(path) == expected


def test_a_file_that_is_there_is_never_split(tmp_path: Path) -> None:
    odd = tmp_path / "odd.root:name"
    odd.touch()
    (tmp_path / "data").touch()
    assert split_input(str(odd)) == (str(odd), None)
    assert split_input(f"{tmp_path}/data:Events") == (f"{tmp_path}/data", "Events")


def test_globs_are_sorted_and_each_file_comes_once(tmp_path: Path) -> None:
    for name in ("b.root", "a.root", "sub/c.root", "[x].root"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    at = f"{tmp_path}/"
    assert expand_inputs([f"{at}?.root"]) == [f"{at}a.root", f"{at}b.root"]
    assert expand_inputs([f"{at}b.root", f"{at}?.root"]) == [f"{at}b.root", f"{at}a.root"]
    assert expand_inputs([f"{at}**/*.root"])[-1] == f"{at}sub/c.root"
    assert expand_inputs([f"{at}?.root:Events"]) == [f"{at}a.root:Events", f"{at}b.root:Events"]
    assert expand_inputs([f"{at}[x].root"]) == [f"{at}[x].root"]
    assert expand_inputs(["https://host/*.root", "plain.root:t"]) == ["https://host/*.root", "plain.root:t"]


@pytest.mark.parametrize("pattern", ["none*.root", "none*.root:Events"])
def test_a_glob_that_matches_nothing_is_told(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(InputError, match=r"no file matches '.*none\*\.root"):
        expand_inputs([f"{tmp_path}/{pattern}"])


def test_a_missing_file_names_those_beside_it(nano_file: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*nnao\.root; .* holds .*\.root"):
        open_source(nano_file.with_name("nnao.root"))
    with pytest.raises(InputError, match="there is no directory"):
        open_source(nano_file.parent / "nowhere" / "nano.root")


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a file; for all ROOT files in a directory write '.*/\*\.root'"):
        open_source(tmp_path)


def test_what_is_no_root_file_is_told(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"not a ROOT file: it should begin with b'root', found the first bytes b'run,even'"
    ):
        open_source(text_file)
    empty = tmp_path / "empty.root"
    empty.touch()
    with pytest.raises(InputError, match="is not a ROOT file: .* it is empty"):
        open_source(empty)


def test_a_truncated_file_is_told(truncated_file: Path, nano_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is truncated: it says that it has \d+ bytes and has \d+"):
        open_source(truncated_file)
    stub = tmp_path / "stub.root"
    stub.write_bytes(nano_file.read_bytes()[:10])
    with pytest.raises(InputError, match="is truncated: it ends after 10 bytes, inside its own header"):
        open_source(stub)


def test_a_file_with_a_broken_directory_is_told(nano_file: Path, tmp_path: Path) -> None:
    content = bytearray(nano_file.read_bytes())
    content[64:400] = bytes(336)
    broken = tmp_path / "broken.root"
    broken.write_bytes(content)
    with pytest.raises(InputError, match="broken.root"):
        open_source(broken)
