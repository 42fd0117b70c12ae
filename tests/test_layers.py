"""Who may import whom, as docs/architecture.md draws it: downwards only, torch on the writer's side only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hepbaler

PACKAGE = Path(hepbaler.__file__).parent
EVERYWHERE = {"allocator", "errors", "_optional", "version", "filters", "temporaries"}

# What each part may import of ours, beside what is free to all.
MAY_IMPORT = {
    "allocator": set(),
    "errors": set(),
    "_optional": set(),
    "version": set(),
    "filters": set(),
    "temporaries": set(),
    "table": set(),
    "layouts": {"fields", "table"},
    "grouping": {"table"},
    "reading": {"table", "layouts"},
    "restoring": {"table", "layouts"},
    "bounds": {"loops", "table"},
    "loops": set(),
    "features": {"table", "bounds", "loops"},
    "models": set(),
    "training": {"models", "features", "coding", "table"},
    "autoencoders": {"features", "training"},
    "coding": {"features", "loops", "table"},
    "container": set(),
    "testing": {"table", "layouts"},
    "fields": set(),
    "context": {"features", "fields", "table"},
    "lineage": {"context", "features", "fields", "loops", "table"},
    "nearest": set(),
    "header": {"table", "bounds", "context", "fields", "latent", "layouts", "lineage", "nearest"},
    "required": {"header", "segments"},
    # Latent mode: what a reader needs.
    "latent": {"autoencoders", "coding", "fields"},
    # The way back.
    "treemodels": {"coding", "encoding", "header", "latent", "nearest"},
    "decoding": {
        "table",
        "treemodels",
        "bounds",
        "coding",
        "container",
        "context",
        "encoding",
        "header",
        "latent",
        "lineage",
        "loops",
        "nearest",
    },  # both sides see the same known columns
    "caching": {"decoding"},
    "expressions": set(),
    "libraries": set(),
    "listing": {"branches", "table"},
    "branches": {"libraries", "table"},
    "segments": {"bounds", "decoding", "fields", "grouping", "header", "latent", "table"},
    "entries": {"caching", "decoding", "header", "loops", "table"},
    "lazyarrays": {"branches", "entries", "layouts", "table"},
    "assembling": {"archive", "container", "header", "segments"},
    "tree": {
        "branches",
        "caching",
        "container",
        "decoding",
        "entries",
        "expressions",
        "header",
        "layouts",
        "lazyarrays",
        "listing",
        "libraries",
        "segments",
        "table",
    },
    "manyfiles": {"archive", "libraries", "tree"},
    "archive": {"coding", "container", "tree", "describing", "required", "segments", "tracing"},
    "describing": {"archive", "header", "latent"},
    "tracing": {"archive", "caching", "decoding", "layouts", "tree"},
    "decompressing": {"archive", "container", "restoring", "tree"},
    "verifying": {"archive", "bounds", "header", "latent", "layouts", "reading", "table", "tree"},
    # The way there.
    "provenance": {"bounds", "container"},
    "encoding": {"bounds", "coding", "context", "header", "latent", "lineage", "nearest", "table"},
    "chaining": {"reading", "table"},
    "scanning": {"bounds", "chaining", "layouts", "reading", "table"},
    "preparing": {"bounds", "chaining", "coding", "encoding", "grouping", "reading", "scanning", "table"},
    "modelfile": {"bounds", "coding", "container", "context", "encoding", "lineage", "nearest", "table", "training"},
    "sight": {"context", "encoding", "features", "lineage", "nearest", "preparing", "table", "training"},
    "linking": {"context", "lineage", "nearest", "preparing", "sight", "table"},
    "presets": set(),
    "elements": {"coding", "encoding", "modelfile", "preparing", "sight", "table", "training"},
    "learning": {
        "bounds",
        "coding",
        "elements",
        "encoding",
        "linking",
        "modelfile",
        "preparing",
        "presets",
        "scanning",
        "sight",
        "table",
        "training",
    },
    "autoencoding": {
        "presets",
        "autoencoders",
        "bounds",
        "coding",
        "encoding",
        "latent",
        "learning",
        "preparing",
        "scanning",
        "table",
    },
    "accounting": {"autoencoding", "coding", "header", "latent", "modelfile", "preparing", "reports", "table"},
    "clock": set(),
    "reports": {"latent", "table"},
    # Physics before and after: analysis takes arrays, the others open the files.
    "analysis": set(),
    "pairing": {"archive", "bounds", "layouts", "reading", "table", "tree"},
    "judging": {"analysis", "pairing", "table"},
    "topmass": {"analysis", "pairing"},
    "evaluationpage": {"analysis", "judging"},
}
# The parts above meet in these.
ABOVE = {
    "pipeline",
    "treejob",
    "planning",
    "pretraining",
    "tuning",
    "merging",
    "skimming",
    "study",
    "campaign",
    "access",
    "torch",
    "cli",
    "__main__",
    "__init__",
}
ONLY_FOR = {
    "cli": {"__main__"},
    "access": {"torch", "__init__"},
    "campaign": {"cli", "__init__"},
    "study": {"cli"},
    "testing": set(),
}
# Packages from outside, and who may use them at all.
OUTSIDE = {
    "torch": {"models", "training", "autoencoders", "access/torch.py"},
    "uproot": {"reading", "restoring", "archive", "expressions", "skimming"},
    "click": {"cli"},
    "rich": {"cli"},
    "hypothesis": {"testing"},
    "matplotlib": {"analysis", "evaluationpage", "study"},
    "scipy": {"analysis"},
    "optuna": {"autoencoders"},
}
NEVER = {
    "container": {"awkward", "torch", "uproot"},
    "coding": {"awkward", "torch", "uproot"},
    "bounds": {"awkward", "torch", "uproot"},
    "features": {"awkward", "torch", "uproot"},
    "analysis": {"torch", "uproot"},
}


def imports_of(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports, at its top or late."""
    package = ("hepbaler", *path.relative_to(PACKAGE).parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            # "from . import x" imports the module x, "from .x import y" is about x.
            names |= (
                {".".join([*base, alias.name]) for alias in node.names} if base == ["hepbaler"] else {".".join(base)}
            )
    return names


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))
IDS = [path.relative_to(PACKAGE).as_posix() for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_go_downwards(path):
    part = part_of(path)
    assert part in MAY_IMPORT or part in ABOVE, f"{part} has no place in the layers: give it one here and in the docs"
    ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("hepbaler.")} - {part} - EVERYWHERE
    if part in ABOVE:
        forbidden = {name for name in ours if name in ONLY_FOR and part not in ONLY_FOR[name]}
    else:
        forbidden = ours - MAY_IMPORT[part]
    assert not forbidden


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_packages_stay_in_their_parts(path):
    part, place = part_of(path), path.relative_to(PACKAGE).as_posix()
    outside = {name.split(".")[0] for name in imports_of(path)} - {"hepbaler"}
    strangers = {name for name in outside if name in OUTSIDE and not {part, place} & OUTSIDE[name]}
    assert not strangers | (outside & NEVER.get(part, set()))


def test_no_part_imports_itself_in_a_circle():
    below = {part: set(parts) for part, parts in MAY_IMPORT.items()}
    # `Archive.info` and `Archive.trace` ask these late, which take an archive: they belong together.
    below["archive"] -= {"describing", "tracing"}
    while below:
        free = {part for part, parts in below.items() if not parts & below.keys()}
        assert free, f"circle among {sorted(below)}"
        below = {part: parts for part, parts in below.items() if part not in free}
