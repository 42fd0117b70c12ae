"""What the user writes for an input: paths, URLs, ``file.root:tree``, quoted globs."""

from __future__ import annotations

import glob
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from hepbaler.errors import InputError

__all__ = ("check_head", "expand_inputs", "is_remote", "split_input")

MAGIC = b"root"
BIG_FILE_VERSION = 1_000_000
FILE_AND_TREE = re.compile(r"(?P<file>.+\.root(?:\.\d+)?):(?P<tree>[^:]+)")


def __dir__() -> tuple[str, ...]:
    return __all__


def is_remote(path: str) -> bool:
    """Whether the path is a URL."""
    return "://" in path


def split_input(path: str) -> tuple[str, str | None]:
    """Split ``file.root:dir/tree`` into file and tree; the tree is `None` where none is asked for.

    A file of that very name comes first. The file's name ends in ``.root`` (or ``.root.1``), or is there without it.
    """
    if not is_remote(path):
        if Path(path).exists():
            return path, None
        file, colon, tree = path.rpartition(":")
        if colon and tree and Path(file).is_file():
            return file, tree.strip("/")
    match = FILE_AND_TREE.fullmatch(path)
    if match is None or "::" in path:
        return path.removesuffix(":"), None
    return match["file"], match["tree"].strip("/")


def expand_inputs(patterns: Sequence[str]) -> list[str]:
    """Expand globs, also ``dir/*.root:Events``; sorted within a pattern, each file once.

    Parameters
    ----------
    patterns
        Paths, URLs, globs. URLs and files whose name holds a bracket or a star stay as they are.

    Returns
    -------
    paths
        With the tree behind the colon where one was asked for.

    Raises
    ------
    InputError
        A glob matches nothing. Whether a plain path exists is for `open_source` to tell.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if is_remote(pattern) or not glob.has_magic(pattern) or Path(pattern).exists():
            found[pattern] = None
            continue
        tree = ""
        matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - a pattern may be absolute
        if not matches:
            file, tree = split_input(pattern)[0], ":" + (split_input(pattern)[1] or "")
            matches = sorted(glob.glob(file, recursive=True)) if len(tree) > 1 else []  # noqa: PTH207
        matches = [match for match in matches if Path(match).is_file()]
        if not matches:
            msg = f"no file matches {pattern!r} (seen from {Path.cwd()})"
            raise InputError(msg)
        found |= dict.fromkeys(match + tree if len(tree) > 1 else match for match in matches)
    return list(found)


def check_head(path: str) -> int:
    """Check that a local file is there, begins as a ROOT file does, and is as long as it says.

    Returns
    -------
    size
        In bytes.

    Raises
    ------
    InputError
        Otherwise, saying which.
    """
    file = Path(path)
    if not file.exists():
        msg = f"there is no file {path}"
        if file.parent.is_dir():
            roots = sorted(p.name for p in file.parent.glob("*.root"))
            msg += f"; {file.parent} holds {', '.join(roots[:5])}{' ...' if len(roots) > 5 else ''}" if roots else ""
        else:
            msg += f": there is no directory {file.parent}"
        raise InputError(msg)
    if not file.is_file():
        msg = f"{path} is not a file; for all ROOT files in a directory write '{path.rstrip('/')}/*.root'"
        raise InputError(msg)
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    if head[:4] != MAGIC:
        found = f"found the first bytes {head[:8]!r}" if head else "it is empty"
        msg = f"{path} is not a ROOT file: it should begin with b'root', {found}"
        raise InputError(msg)
    if len(head) < 20:
        msg = f"{path} is truncated: it ends after {size} bytes, inside its own header"
        raise InputError(msg)
    version, _, end = struct.unpack(">iii", head[4:16])
    if version >= BIG_FILE_VERSION:
        (end,) = struct.unpack(">q", head[12:20])
    if size < end:
        msg = f"{path} is truncated: it says that it has {end} bytes and has {size}; copy it again"
        raise InputError(msg)
    return size
