"""Words that uproot's users know: which branches (``filter_name``), and how much at a time (``step_size``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from .errors import InputError

__all__ = ("Filter", "chooser", "memory_bytes")

Filter = str | Sequence[str] | Callable[[str], bool] | None

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def __dir__() -> tuple[str, ...]:
    return __all__


def chooser(filter_name: Filter) -> Callable[[str], bool]:
    """A function of a branch's name that says whether it is meant.

    Parameters
    ----------
    filter_name
        Glob (``"Jet_*"``), regular expression (``"/jet_.*/i"``), a list of them, or a function of the name; None means
        all.

    Raises
    ------
    InputError
        If a regular expression is written wrongly.
    """
    if filter_name is None:
        return lambda _: True
    if callable(filter_name):
        return lambda name: bool(filter_name(name))
    if not isinstance(filter_name, str):
        choosers = [chooser(item) for item in filter_name]
        return lambda name: any(chosen(name) for chosen in choosers)
    expression = re.fullmatch(r"/(.*)/([imsx]*)", filter_name, re.DOTALL)
    if expression is None:
        return lambda name: name == filter_name or fnmatchcase(name, filter_name)
    flags = re.RegexFlag(0)
    for letter in expression.group(2):
        flags |= re.RegexFlag[letter.upper()]
    try:
        pattern = re.compile(expression.group(1), flags)
    except re.error as error:
        msg = f"filter {filter_name!r} is no regular expression: {error}"
        raise InputError(msg) from error
    return lambda name: pattern.match(name) is not None


def memory_bytes(text: str) -> int:
    """Bytes of a size as uproot writes it: ``"100 MB"``, ``"1.5 GiB"``.

    Raises
    ------
    InputError
        If the text is no size.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]+)\s*", text)
    if found is None or found.group(2).upper() not in _UNITS:
        msg = f"a size in memory (step_size) should look like '100 MB', not {text!r}"
        raise InputError(msg)
    return int(float(found.group(1)) * _UNITS[found.group(2).upper()])
