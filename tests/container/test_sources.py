"""The same archive from bytes, a path, fsspec's memory, a chain, and an HTTP server."""

from __future__ import annotations

import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.registry import known_implementations

from hepbaler.container import ContainerReader
from hepbaler.container.sources import MissingSource
from hepbaler.errors import FormatError, MissingExtra, TruncatedFile


@pytest.fixture
def clusters():
    rng = np.random.default_rng(5)
    return [[rng.bytes(int(n)) for n in rng.integers(0, 3000, 100)] for _ in range(10)]


@pytest.fixture
def path(write, clusters):
    return write([("model/0", b"weights"), *((0, cluster) for cluster in clusters)])


@pytest.fixture
def in_memory(path):
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/hepbaler/events.root.hbal", path.read_bytes())
    yield "memory://hepbaler/events.root.hbal"
    fs.rm("/hepbaler", recursive=True)


@pytest.fixture
def server():
    """An HTTP server that answers range requests (or not) and writes down what it was asked for."""
    pytest.importorskip("aiohttp")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            if self.path not in self.server.files:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = self.server.files[self.path]
            asked = self.headers.get("Range")
            if asked and self.server.ranges:
                start, stop = asked.removeprefix("bytes=").split("-")
                part = data[int(start) : int(stop) + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}")
                data = part
                self.server.asked.append((int(start), int(stop) + 1))
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            if self.server.ranges:
                self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.files, httpd.asked, httpd.ranges = {}, [], True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def url(server, path):
    server.files["/events.root.hbal"] = path.read_bytes()
    return f"http://127.0.0.1:{server.server_port}/events.root.hbal"


def check(reader: ContainerReader, clusters: list[list[bytes]]) -> None:
    assert reader.section("model/0") == b"weights"
    cells = [(c, s) for c in range(10) for s in range(0, 100, 7)]
    assert reader.pages(0, cells) == [clusters[c][s] for c, s in cells]
    assert sum(n for _, n in reader.check()) == reader.size


def test_bytes_path_and_pathlike(path, clusters):
    for source in (path.read_bytes(), str(path), path, bytearray(path.read_bytes())):
        with ContainerReader(source) as reader:
            check(reader, clusters)


def test_memory(in_memory, clusters):
    reader = ContainerReader(in_memory)
    assert reader.requests == 2
    check(reader, clusters)
    assert reader.name == in_memory


def test_file_url_and_chain(path, clusters, tmp_path):
    check(ContainerReader(path.as_uri()), clusters)
    chained = ContainerReader(f"simplecache::{path.as_uri()}", {"simplecache": {"cache_storage": str(tmp_path / "c")}})
    check(chained, clusters)


def test_http_with_few_requests(server, url, clusters):
    reader = ContainerReader(url)
    assert reader.requests == len(server.asked) == 2
    assert sum(stop - start for start, stop in server.asked) <= 32 + 2**16
    cells = [(c, s) for c in (0, 1, 5) for s in range(40, 60)]
    assert reader.pages(0, cells) == [clusters[c][s] for c, s in cells]
    # What lies between clusters 0 and 1 is read over, what lies between 1 and 5 is too much for that.
    assert reader.requests == len(server.asked) == 4
    check(reader, clusters)
    assert reader.requests == len(server.asked)


def test_http_server_without_ranges(server, url, clusters, tmp_path):
    server.ranges = False
    with pytest.raises(FormatError, match=r"cannot be read in parts.*simplecache::http"):
        ContainerReader(url)
    cached = ContainerReader(f"simplecache::{url}", {"simplecache": {"cache_storage": str(tmp_path / "c")}})
    check(cached, clusters)


def test_http_file_that_is_cut(server, url, path):
    server.files["/events.root.hbal"] = path.read_bytes()[:-1]
    with pytest.raises(TruncatedFile, match=r"http://.*cut"):
        ContainerReader(url)


def test_http_file_that_shrinks_while_it_is_read(server, url, path):
    reader = ContainerReader(url)
    server.files["/events.root.hbal"] = path.read_bytes()[:50]
    with pytest.raises(FormatError):
        reader.pages(0, [(0, slot) for slot in range(100)])


def test_http_server_that_goes_away(server, url):
    reader = ContainerReader(url)
    del server.files["/events.root.hbal"]
    with pytest.raises(FormatError, match="no such file"):
        reader.pages(0, [(0, slot) for slot in range(100)])


@pytest.mark.parametrize("source", ["nowhere.hbal", "memory://nowhere.hbal", "file:///nowhere/x.hbal"])
def test_missing_file(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingSource, match=r"no such file") as caught:
        ContainerReader(source)
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, FormatError)


def test_missing_url(server):
    with pytest.raises(MissingSource, match="no such file"):
        ContainerReader(f"http://127.0.0.1:{server.server_port}/other")


def test_unknown_protocol_and_missing_package():
    with pytest.raises(FormatError, match=r"nonsense://x cannot be read: .*nonsense"):
        ContainerReader("nonsense://x")


def test_protocol_whose_package_is_missing(monkeypatch):
    monkeypatch.setitem(
        known_implementations, "absent", {"class": "absent_package.Fs", "err": "Install absent_package"}
    )
    with pytest.raises(MissingExtra, match="Install absent_package"):
        ContainerReader("absent://x")


def test_what_is_no_file(tmp_path):
    with pytest.raises(FormatError, match="not a regular file"):
        ContainerReader(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        ContainerReader(tmp_path / "pipe")
    with pytest.raises(FormatError, match="cannot be read"):
        ContainerReader("a\0b")


def test_local_file_that_shrinks_while_it_is_read(path):
    reader = ContainerReader(path)
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(TruncatedFile, match="changed while it was read"):
        reader.pages(0, [(0, slot) for slot in range(100)])


def test_closed(path, in_memory):
    for source in (path, in_memory):
        with ContainerReader(source) as reader:
            pass
        reader.close()
        with pytest.raises(FormatError, match="was closed"):
            reader.pages(0, [(0, slot) for slot in range(100)])


def test_failed_opening_leaves_no_file_open(tmp_path):
    bad = tmp_path / "bad.hbal"
    bad.write_bytes(b"root" * 100)
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        with pytest.raises(FormatError):
            ContainerReader(bad)
    after = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    assert after == before


def test_pickle(path, in_memory, url, clusters, tmp_path, monkeypatch):
    monkeypatch.chdir(path.parent)
    for source in (path.name, in_memory, url, path.read_bytes(), bytearray(path.read_bytes())):
        reader = ContainerReader(source)
        data = pickle.dumps(reader)
        monkeypatch.chdir("/")
        check(pickle.loads(data), clusters)
        monkeypatch.chdir(path.parent)
