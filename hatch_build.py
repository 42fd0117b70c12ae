"""Compiles the loops of the learned coder into the wheel, where there is a C compiler.

The package works without them, slower, so a machine that cannot compile gets a wheel of pure Python and is told so.
They use Python's limited interface: one wheel serves every version from 3.11 on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

SOURCE = "src/hepbaler/loops/_kernels.c"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatch calls it before it builds a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell Hatch what came out."""
        if self.target_name != "wheel":
            return
        self._folder = tempfile.TemporaryDirectory()
        # An editable install reads the package from the checkout, so that the loops must lie there.
        folder = Path(self.root, SOURCE).parent if version == "editable" else Path(self._folder.name)
        try:
            built = compile_loops(Path(self.root, SOURCE), folder, Path(self._folder.name))
        except Exception as error:  # noqa: BLE001 - whatever a missing or broken compiler raises, the package does without
            self.app.display_warning(f"hepbaler's loops were not compiled, it will read more slowly: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{next(sys_tags()).platform}"
        if version != "editable":
            build_data["force_include"][str(built)] = f"hepbaler/loops/{built.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - Hatch's
        """Remove what was compiled; the wheel has it."""
        if self.target_name == "wheel":
            self._folder.cleanup()


def compile_loops(source: Path, folder: Path, work: Path) -> Path:
    """Compile the loops into a folder; the file that came out."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    # A product and a sum must not be fused: archives decode to the same bits everywhere.
    flags, libraries = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"], ["m"]
    if sys.platform == "win32":
        flags, libraries = ["/O2", "/fp:precise"], []
    extension = Extension("_kernels", [str(source)], libraries=libraries, extra_compile_args=flags, py_limited_api=True)
    command = build_ext(Distribution({"name": "hepbaler", "ext_modules": [extension]}))
    command.build_temp, command.build_lib = str(work / "objects"), str(folder)
    command.ensure_finalized()
    command.run()
    return folder / command.get_ext_filename("_kernels")
