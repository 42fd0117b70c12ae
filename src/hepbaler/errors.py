"""Every error that hepbaler raises on purpose.

Each class is also the builtin error that a caller would expect, and each message names the value, the reason,
the place and the way out.
"""

from __future__ import annotations

__all__ = (
    "BoundError",
    "BoundsBroken",
    "ColumnNotFound",
    "CorruptFile",
    "FormatError",
    "HepbalerError",
    "InputError",
    "MissingExtra",
    "ModelError",
    "NotHepbalerFile",
    "OutputError",
    "TruncatedFile",
    "UnreadableBranches",
    "UnsupportedFeature",
    "UnwritableBranches",
)


def __dir__() -> tuple[str, ...]:
    return __all__


class HepbalerError(Exception):
    """The family of all errors raised on purpose."""


class FormatError(HepbalerError, OSError):
    """An archive cannot be read. An `OSError`, so that coffea's ``skipbadfiles`` skips it."""


class NotHepbalerFile(FormatError):
    """The file does not start as a hepbaler archive does."""


class UnsupportedFeature(FormatError):
    """The archive asks for something that this version of hepbaler does not know."""


class TruncatedFile(FormatError):
    """The archive ends before its own index says it does."""


class CorruptFile(FormatError):
    """Bytes of the archive contradict each other or their checksum.

    Attributes
    ----------
    section, offset, expected, found
        Where in the file the contradiction was seen, and what it was; `None` where it does not apply.
    """

    def __init__(
        self,
        message: str,
        *,
        section: str | None = None,
        offset: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        super().__init__(message)
        self.section = section
        self.offset = offset
        self.expected = expected
        self.found = found


class InputError(HepbalerError, ValueError):
    """The input is not a ROOT file that can be read, or holds nothing to compress."""


class OutputError(HepbalerError, OSError):
    """The output cannot be written."""


class UnreadableBranches(HepbalerError, ValueError):
    """Some branches or objects cannot be carried, and the caller did not allow to leave them out."""


class UnwritableBranches(HepbalerError, ValueError):
    """A ROOT file cannot hold some branches or objects, and the caller did not allow to leave them out."""


class ColumnNotFound(HepbalerError, KeyError):
    """A branch, column or tree that was asked for does not exist."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BoundError(HepbalerError, ValueError):
    """A bound is written wrongly, or cannot hold."""


class BoundsBroken(HepbalerError, ValueError):
    """Values lie outside their bounds, or do not correspond to those of the other file."""


class ModelError(HepbalerError, ValueError):
    """A trained model does not fit the columns it shall compress."""


class MissingExtra(HepbalerError, ModuleNotFoundError):
    """An optional package is not installed."""
