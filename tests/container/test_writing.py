"""Writing is all or nothing: whatever goes wrong, no temporary file stays and an old target is untouched."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hepbaler.container import ContainerReader, ContainerWriter, check_target, writer
from hepbaler.errors import OutputError

OLD = b"what was here before"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "events.root.hbal"
    path.write_bytes(OLD)
    return path


def write_something(path: Path) -> None:
    with ContainerWriter(path, overwrite=True) as out:
        out.add_section("model/0", b"m" * 10)
        out.add_cluster(0, [b"p" * 3_000_000])
        out.finish({})


def assert_untouched(target: Path) -> None:
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == OLD


def test_refuses_to_overwrite(target):
    with pytest.raises(OutputError, match=r"events\.root\.hbal exists; use -f/--force"):
        ContainerWriter(target, overwrite=False)
    assert_untouched(target)


def test_overwrites_when_asked(target):
    write_something(target)
    assert ContainerReader(target).section("model/0") == b"m" * 10
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_target_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "x.hbal"

    def somebody_else_is_faster() -> None:
        with ContainerWriter(path, overwrite=False) as out:
            path.write_bytes(OLD)
            out.finish({})

    with pytest.raises(OutputError, match="exists"):
        somebody_else_is_faster()
    assert_untouched(path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, MemoryError, GeneratorExit])
def test_exception_in_the_block(target, error):
    def fail_half_way() -> None:
        with ContainerWriter(target, overwrite=True) as out:
            out.add_cluster(0, [b"p" * 3_000_000])
            assert len(list(target.parent.iterdir())) == 2
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert_untouched(target)


def test_left_without_finish(target):
    with pytest.raises(OutputError, match="left without finish"), ContainerWriter(target, overwrite=True) as out:
        out.add_section("a", b"")
    assert_untouched(target)


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the quota is used up"), (errno.EIO, os.strerror(errno.EIO))],
)
@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_failing_disk(target, monkeypatch, call, code, message):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writer.os, call, fail)
    with pytest.raises(OutputError, match=rf"events\.root\.hbal cannot be written: {message}") as caught:
        write_something(target)
    monkeypatch.undo()
    assert caught.value.errno == code
    assert_untouched(target)


def test_failing_rename(target, monkeypatch):
    def fail(*arguments):
        raise PermissionError(errno.EPERM, "not today")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="not today"):
        write_something(target)
    monkeypatch.undo()
    assert_untouched(target)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_interrupt_while_writing(target, monkeypatch, call):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer.os, call, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_something(target)
    monkeypatch.undo()
    assert_untouched(target)


def test_partial_writes_are_continued(target, monkeypatch):
    write = os.write
    monkeypatch.setattr(writer.os, "write", lambda fd, data: write(fd, data[:100_001]))
    write_something(target)
    monkeypatch.undo()
    assert ContainerReader(target).pages(0, [(0, 0)]) == [b"p" * 3_000_000]


def test_disk_that_filled_up_once_is_not_written_again(target, monkeypatch):
    write = os.write
    failed = []

    def once(fd, data):
        if not failed:
            failed.append(write(fd, data[:1000]))
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data)

    def go_on_after_the_failure() -> None:
        with ContainerWriter(target, overwrite=True) as out:
            with pytest.raises(OutputError, match="disk is full"):
                out.add_cluster(0, [b"p" * 3_000_000])
            out.finish({})

    monkeypatch.setattr(writer.os, "write", once)
    with pytest.raises(OutputError, match="not open"):
        go_on_after_the_failure()
    monkeypatch.undo()
    assert_untouched(target)


def test_directory_that_cannot_be_synced_is_no_failure(target, monkeypatch):
    fsync = os.fsync

    def only_files(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not supported")
        fsync(fd)

    monkeypatch.setattr(writer.os, "fsync", only_files)
    write_something(target)
    assert ContainerReader(target).section_names == ("model/0",)


def test_file_and_directory_are_synced(target, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(writer.os, "fsync", lambda fd: synced.append(stat.S_IFMT(os.fstat(fd).st_mode)) or fsync(fd))
    write_something(target)
    assert synced == [stat.S_IFREG, stat.S_IFDIR]


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"directory .*nowhere does not exist; make it first"):
        check_target(tmp_path / "nowhere" / "x.hbal", overwrite=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="not a regular file"):
        check_target(tmp_path / "folder", overwrite=True)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="does not exist"):
        check_target(tmp_path / "file" / "x.hbal", overwrite=True)
    with pytest.raises(OutputError, match="not a regular file"):
        check_target("/dev/null", overwrite=True)
    with pytest.raises(OutputError, match="local paths"):
        check_target("s3://bucket/x.hbal", overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(tmp_path / ("x" * 300), overwrite=False)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(str(tmp_path / "a\0b"), overwrite=False)


def test_directory_that_is_not_writable(tmp_path, monkeypatch):
    # Access is denied by hand: root, who runs many CI machines, is never denied.
    monkeypatch.setattr(writer.os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match=r"the directory .* is not writable"):
        check_target(tmp_path / "x.hbal", overwrite=False)


def test_symbolic_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "x.hbal"
    real = tmp_path / "disk" / "real.hbal"
    real.write_bytes(OLD)
    link.symlink_to(real)
    write_something(link)
    assert link.is_symlink()
    assert ContainerReader(real).section_names == ("model/0",)


def test_new_file_obeys_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_something(tmp_path / "x.hbal")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.hbal").stat().st_mode) == 0o640


def test_writer_is_used_in_a_block_and_once(tmp_path):
    out = ContainerWriter(tmp_path / "x.hbal", overwrite=False)
    with pytest.raises(OutputError, match="use the writer in a `with` block"):
        out.add_section("a", b"")
    with out:
        out.finish({})
        with pytest.raises(OutputError, match="not open for writing"):
            out.finish({})
    with pytest.raises(OutputError, match="already"):
        out.__enter__()
    assert ContainerReader(tmp_path / "x.hbal").trees == ()


def test_terminated_by_a_signal(target):
    script = textwrap.dedent(
        """
        import signal, sys, time
        from hepbaler.container import ContainerWriter

        def stop(number, frame):
            raise SystemExit(143)

        signal.signal(signal.SIGTERM, stop)
        with ContainerWriter(sys.argv[1], overwrite=True) as out:
            out.add_cluster(0, [b"p" * 3_000_000])
            sys.stdout.write("ready\\n")
            sys.stdout.flush()
            time.sleep(60)
            out.finish({})
        """
    )
    source = str(Path(writer.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert_untouched(target)
