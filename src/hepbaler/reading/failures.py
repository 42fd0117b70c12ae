"""What uproot raises, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TypeVar

import uproot

from hepbaler.errors import HepbalerError, InputError

__all__ = ("attempt", "nearest", "reading_errors", "reason_of")

T = TypeVar("T")

LONGEST_REASON = 240


def __dir__() -> tuple[str, ...]:
    return __all__


def reason_of(error: BaseException) -> str:
    """Return the message of an error in one line of at most 240 characters."""
    text = str(error.args[0]) if isinstance(error, uproot.DeserializationError) and error.args else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Where it happened is told by us; what uproot appends below it is a dump of the bytes.
    lines = [line for line in lines if not line.startswith(("in file ", "in object "))]
    reason = " ".join(lines[:2]) or type(error).__name__
    if isinstance(error, AssertionError | KeyError | IndexError | AttributeError | TypeError):
        reason = f"{type(error).__name__}: {reason}"
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."


def attempt(action: Callable[[], T]) -> T | Exception:
    """Return what `action` returns, or the error that it raises.

    The only place where every error is caught: on files that it does not understand or that are damaged, uproot raises whatever its layers
    happen to meet (its own classes, `AssertionError`, errors of four decompressors), and all of them mean the same to us.
    """
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - see above
        return error


@contextmanager
def reading_errors(where: str) -> Iterator[None]:
    """Turn whatever uproot raises into an `InputError` that begins with `where`; our own errors pass."""
    try:
        yield
    except HepbalerError:
        raise
    except Exception as error:
        msg = f"{where}: {reason_of(error)}"
        raise InputError(msg) from error


def nearest(name: str, names: Iterable[str], n: int = 3) -> str:
    """Return ``; nearest: 'Jet_pt', 'Jet_phi'``, or nothing where no name is near."""
    names = list(names)
    close = get_close_matches(name, names, n=n, cutoff=0.5)
    close += [other for other in names if other.lower() == name.lower() and other not in close]
    return f"; nearest: {', '.join(repr(other) for other in close)}" if close else ""
