"""Archives over root://, from a server of this machine; skipped where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import uproot

import hepbaler

CONFIG = "all.export {folder} r/o\nall.adminpath {admin}\nall.pidpath {admin}\nxrd.port {port}\nxrd.protocol xroot *\n"


def _is_up(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("localhost", port)) == 0


@pytest.fixture(scope="module")
def server():
    """Where files are put, and the URL under which they are found."""
    pytest.importorskip("fsspec_xrootd")
    if shutil.which("xrootd") is None:
        pytest.skip("no xrootd here")
    as_user = []
    if os.geteuid() == 0:
        # the server refuses to be root, and comes with a user of its own
        if "xrootd" not in {user.pw_name for user in pwd.getpwall()}:
            pytest.skip("xrootd would run as root")
        as_user = ["-R", "xrootd"]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as top:
        folder, admin = Path(top) / "files", Path(top) / "admin"
        for one, mode in ((Path(top), 0o755), (folder, 0o755), (admin, 0o777)):
            one.mkdir(exist_ok=True)
            one.chmod(mode)
        config = Path(top) / "xrootd.cfg"
        config.write_text(CONFIG.format(folder=folder, admin=admin, port=port))
        config.chmod(0o644)
        command = ["xrootd", *as_user, "-c", str(config), "-l", str(admin / "log"), "-p", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=admin) as process:
            try:
                for _ in range(100):
                    if _is_up(port) or process.poll() is not None:
                        break
                    time.sleep(0.1)
                if not _is_up(port):
                    pytest.skip("xrootd does not start here")
                yield folder, f"root://localhost:{port}/{folder}"
            finally:
                process.terminate()


@pytest.mark.filterwarnings("default")
def test_archives_are_read_over_xrootd(server, nano_file):
    folder, url = server
    hepbaler.compress(nano_file, folder / "nano.root.hbal", use_model=False)
    (folder / "nano.root.hbal").chmod(0o644)
    with hepbaler.open(folder / "nano.root.hbal") as local, hepbaler.open(f"{url}/nano.root.hbal") as remote:
        assert remote["Events"].keys() == local["Events"].keys()
        expected = local["Events/MET_pt"].array()
        np.testing.assert_array_equal(remote["Events/MET_pt"].array(), expected)
    with uproot.open(f"hepbaler://nano.root::{url}/nano.root.hbal") as file:
        np.testing.assert_array_equal(file["Events/MET_pt"].array(), expected)
