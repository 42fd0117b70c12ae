"""The same bytes under other kernels, threads and blocks: each tried in a process of its own."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib, sys
import numpy as np
sys.path.insert(0, {folder!r})
from test_learned import coder, table, TO_VALUES, net
from hepbaler.coding import decoder

decoder._BLOCK = {block}
ints = table(6000, 5)
made = coder(n_latent=2)
latents = np.random.default_rng(1).integers(-15, 16, (6000, 2))
pages = made.encode(ints, latents, to_values=TO_VALUES)
digest = hashlib.sha256()
for name in sorted(pages):
    digest.update(pages[name])
wide = net(40, 3, width=96)
rng = np.random.default_rng(2)
for part in wide.run([rng.integers(-2048, 2048, 5000).astype(np.float32) for _ in range(40)], n_rows=5000):
    digest.update(part.astype("<i8").tobytes())
sys.stdout.write(digest.hexdigest())
"""


def _digest(block: int = 4096, **environment: str) -> str:
    script = SCRIPT.format(folder=str(Path(__file__).parent), block=block)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    assert len(done.stdout) == hashlib.sha256().digest_size * 2
    return done.stdout


@pytest.mark.slow
def test_pages_do_not_depend_on_kernels_threads_or_blocks() -> None:
    expected = _digest(OPENBLAS_NUM_THREADS="1")
    assert _digest(OPENBLAS_NUM_THREADS="2", HEPBALER_LOOPS="numpy") == expected
    assert _digest(block=333, OPENBLAS_NUM_THREADS="1", HEPBALER_LOOPS="numpy") == expected
    assert _digest(NPY_DISABLE_CPU_FEATURES="", HEPBALER_LOOPS="numpy") == expected
    assert _digest(HEPBALER_LOOPS="numpy", OPENBLAS_NUM_THREADS="1") == expected
    if platform.machine().lower() in ("x86_64", "amd64"):
        for kernel in ("Nehalem", "Sandybridge", "Haswell"):
            assert _digest(OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS="1", HEPBALER_LOOPS="numpy") == expected, (
                kernel
            )
