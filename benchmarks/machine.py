"""Where and with what was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ("describe_machine", "one_thread")

_PACKAGES = ("numpy", "uproot", "awkward", "pcodec", "constriction", "torch", "pysz", "zfpy", "blosc2")


def describe_machine(root_python: str | None = None) -> dict[str, Any]:
    """Processor, date and versions."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if root_python:
        asked = [root_python, "-W", "ignore", "-c", "import ROOT; print(ROOT.gROOT.GetVersion())"]
        done = subprocess.run(asked, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            versions["ROOT"] = done.stdout.split()[-1]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hepbaler reads with one thread."""
    before = os.environ.get("HEPBALER_THREADS")
    os.environ["HEPBALER_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HEPBALER_THREADS"]
        else:
            os.environ["HEPBALER_THREADS"] = before
