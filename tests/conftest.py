"""Small ROOT files, ordinary and odd, written on the spot with uproot.

All of them are written once a session: a test that changes a file copies it first.
"""

from __future__ import annotations

import os

# Before numpy is imported: tests run beside each other, and small matrices gain nothing from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, settings

from hepbaler import loops
from hepbaler.loops import kernels

# A shell that starts pytest in the background lets it ignore interrupts, and so would the commands that are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure: nothing here is a test of speed.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT_OF_THE_CHECKOUT = Path(__file__).resolve().parents[1]
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of large data sets beside the checkout."""
    folder = ROOT_OF_THE_CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}")
    return folder


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def either_loops(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests with the compiled loops, and again with those of numpy."""
    if request.param == "compiled" and kernels() is None:
        pytest.skip("installed without compiled loops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "_chosen", loops._kernels if request.param == "compiled" else None)
        yield request.param


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """The sample that ships with the package."""
    return ROOT_OF_THE_CHECKOUT / "examples" / "data" / "ttbar_sample.root"


@pytest.fixture(scope="session")
def root_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the fixtures below share."""
    return tmp_path_factory.mktemp("root_files")


def nano_arrays(n_events: int, seed: int) -> dict[str, ak.Array]:
    """NanoAOD-like columns: jets with correlated floats, flags and ids, beside columns of the event."""
    rng = np.random.default_rng(seed)
    n_jets = rng.poisson(3.0, n_events)
    total = int(n_jets.sum())
    pt = (20.0 + rng.exponential(40.0, total)).astype(np.float32)

    def jagged(values: np.ndarray) -> ak.Array:
        return ak.unflatten(values, n_jets)

    return {
        "run": np.full(n_events, 1, np.uint32),
        "event": np.arange(n_events, dtype=np.uint64) * 7 + (1 << 40),
        "MET_pt": rng.exponential(30.0, n_events).astype(np.float32),
        "MET_phi": rng.uniform(-np.pi, np.pi, n_events).astype(np.float32),
        "HLT_IsoMu24": rng.random(n_events) < 0.3,
        "LHEScaleWeight": rng.normal(1.0, 0.1, (n_events, 9)).astype(np.float32),
        "Jet": ak.zip(
            {
                "pt": jagged(pt),
                "eta": jagged(rng.normal(0.0, 1.5, total).astype(np.float32)),
                "mass": jagged((pt * rng.normal(0.12, 0.02, total)).astype(np.float32)),
                "jetId": jagged(rng.choice([2, 6], total).astype(np.int32)),
                "isTight": jagged(rng.random(total) < 0.5),
            }
        ),
    }


def write_nano(path: Path, n_events: int, seed: int = 1, baskets: int = 1) -> Path:
    """Write `nano_arrays` as TTree ``Events`` of several baskets a branch."""
    with uproot.recreate(path) as file:
        for part in range(baskets):
            arrays = nano_arrays(n_events // baskets, seed + part)
            if part == 0:
                types = {
                    name: array.type.content if isinstance(array, ak.Array) else (array.dtype, array.shape[1:])
                    for name, array in arrays.items()
                }
                file.mktree("Events", types, title="small events")
            file["Events"].extend(arrays)
    return path


@pytest.fixture(scope="session")
def nano_writer() -> Callable[..., Path]:
    """`write_nano`, for tests that need files of their own."""
    return write_nano


@pytest.fixture(scope="session")
def nano_file(root_files: Path) -> Path:
    """400 NanoAOD-like events in four clusters, with ``nJet`` as counter."""
    return write_nano(root_files / "nano.root", 400, baskets=4)


@pytest.fixture(scope="session")
def other_nano_file(root_files: Path) -> Path:
    """200 events of the same kind, with other values."""
    return write_nano(root_files / "other_nano.root", 200, seed=50)


@pytest.fixture(scope="session")
def odd_values_file(root_files: Path) -> Path:
    """NaN with and without payload, infinities, -0.0, denormals, limits of every integer type, constants."""
    path = root_files / "odd_values.root"
    singles = np.array(
        [0x7FC00001, 0xFFC00000, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x007FFFFF, 0x3F800000], np.uint32
    )
    with uproot.recreate(path) as file:
        columns = {
            "single": singles.view(np.float32),
            "double": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308, 1e-310, 0.1]),
            "constant": np.full(8, 2.5, np.float32),
            "only_nan": np.full(8, np.nan, np.float32),
            "flag": np.array([True, False] * 4),
        }
        for name in INTEGERS:
            limits = np.iinfo(name)
            columns[name] = np.array([limits.min, limits.max, 0, 1, limits.max - 1, limits.min + 1, 2, 3], name)
        file.mktree("odd", {name: values.dtype for name, values in columns.items()})
        file["odd"].extend(columns)
    return path


@pytest.fixture(scope="session")
def strings_file(root_files: Path) -> Path:
    """Strings, empty and beyond ASCII, beside numbers."""
    path = root_files / "strings.root"
    with uproot.recreate(path) as file:
        file.mktree("tree", {"name": "string", "x": "float32"})
        file["tree"].extend({"name": ak.Array(["Z", "", "Bs → μμ", "x" * 300]), "x": np.arange(4, dtype=np.float32)})
    return path


@pytest.fixture(scope="session")
def crowded_file(root_files: Path) -> Path:
    """Trees of one name in several directories, two cycles of one tree, histograms, a string, an empty directory."""
    path = root_files / "crowded.root"
    with uproot.recreate(path) as file:
        for name, n in (("tree", 3), ("a/tree", 5), ("a/b/tree", 7)):
            file.mktree(name, {"x": "float32"})
            file[name].extend({"x": np.arange(n, dtype=np.float32)})
        for n in (2, 4):
            file.mktree("twice", {"x": "int32"})
            file["twice"].extend({"x": np.arange(n, dtype=np.int32)})
        file["mass"] = np.histogram(np.random.default_rng(0).normal(172.5, 10.0, 500), bins=20)
        file["a/number"] = np.histogram([1.0, 2.0, 2.0], bins=3)
        file["remark"] = "made by a test"
        file.mkdir("empty")
    return path


@pytest.fixture(scope="session")
def empty_tree_file(root_files: Path) -> Path:
    """A tree with branches and without entries."""
    path = root_files / "empty_tree.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "float32", "Jet": ak.types.from_datashape("var * {pt: float32}", highlevel=False)})
    return path


@pytest.fixture(scope="session")
def no_tree_file(root_files: Path) -> Path:
    """A histogram and nothing else."""
    path = root_files / "no_tree.root"
    with uproot.recreate(path) as file:
        file["mass"] = np.histogram([1.0, 2.0, 3.0], bins=3)
    return path


@pytest.fixture(scope="session")
def ntuple_file(root_files: Path) -> Path:
    """An RNTuple with flat, jagged and doubly jagged fields and strings."""
    path = root_files / "ntuple.root"
    rng = np.random.default_rng(3)
    with uproot.recreate(path) as file:
        data = {
            "met": rng.exponential(30.0, 50).astype(np.float32),
            "jet_pt": ak.unflatten(rng.exponential(30.0, 100).astype(np.float32), np.full(50, 2)),
            "hits": ak.Array([[[1.5, 2.5], []], [], [[3.5]]] * 16 + [[], []]),
            "label": ak.Array(["mu", "e"] * 25),
        }
        file.mkrntuple("ntuple", data)
    return path


@pytest.fixture(scope="session")
def text_file(root_files: Path) -> Path:
    """Named like a ROOT file, but text."""
    path = root_files / "text.root"
    path.write_text("run,event\n1,1\n")
    return path


@pytest.fixture(scope="session")
def truncated_file(root_files: Path, nano_file: Path) -> Path:
    """The first half of a ROOT file."""
    path = root_files / "truncated.root"
    content = nano_file.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
