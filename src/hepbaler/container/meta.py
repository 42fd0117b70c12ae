"""The META document: plain data (JSON) that says what the sections and pages of an archive are.

The container looks at a few fields only (`validate_meta`); ``header.schema.json`` beside this file has them all.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from hepbaler.container.layout import FORMAT_MAJOR, MAX_FRAME
from hepbaler.errors import CorruptFile, FormatError, OutputError, UnsupportedFeature

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ("dump_meta", "load_meta", "validate_meta")


def __dir__() -> tuple[str, ...]:
    return __all__


_VERSION = re.compile(r"(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})")
_MAX_FEATURES = 1000


class _Unacceptable(ValueError):
    """JSON that Python's parser takes and this format does not."""


def _refuse_constant(text: str) -> float:
    msg = f"{text} is not a JSON number"
    raise _Unacceptable(msg)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"the number {text[:40]} is beyond float64"
        raise _Unacceptable(msg)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        msg = f"the key {twice!r} appears twice in one object"
        raise _Unacceptable(msg)
    return document


def load_meta(raw: bytes, name: str, *, offset: int | None = None) -> dict[str, Any]:
    """Parse a META document strictly: UTF-8, one object, no duplicate keys, finite numbers.

    Raises
    ------
    CorruptFile
    """
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        msg = f"{name} is damaged: its meta is not acceptable JSON: {error}"
        raise CorruptFile(msg, section="meta", offset=offset) from error
    if not isinstance(document, dict):
        msg = f"{name} is damaged: its meta is a {type(document).__name__}, not an object"
        raise CorruptFile(msg, section="meta", offset=offset, expected="object", found=type(document).__name__)
    return document


def dump_meta(meta: Mapping[str, Any]) -> bytes:
    """Return the META document as bytes (ASCII; other characters are escaped, also lone surrogates of odd names).

    Raises
    ------
    OutputError
        When it cannot be written as strict JSON, or could not be read back.
    """
    try:
        # Names in ROOT files need not be valid unicode; escapes carry them through every JSON parser.
        raw = json.dumps(meta, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
        if len(raw) > MAX_FRAME:
            msg = f"the meta document has {len(raw)} bytes, at most {MAX_FRAME} are allowed"
            raise OutputError(msg)
        validate_meta(load_meta(raw, "the meta document"), "the meta document")
    except (TypeError, ValueError, RecursionError, FormatError) as error:
        msg = f"the meta document cannot be written: {error}"
        raise OutputError(msg) from error
    return raw


def validate_meta(
    meta: Mapping[str, Any], name: str, *, features: Collection[str] | None = None, offset: int | None = None
) -> None:
    """Check the fields of a META document that belong to the container, and no others.

    Parameters
    ----------
    name
        Of the file, for messages.
    features
        What the caller understands of ``required_features``; None leaves this check to the caller.

    Raises
    ------
    CorruptFile
        A field is missing or of the wrong type.
    UnsupportedFeature
        The document asks for a feature that is not among `features`.
    """

    def corrupt(reason: str, expected: object, found: object) -> CorruptFile:
        msg = f"{name} is damaged: in its meta, {reason}, not {found!r:.80}"
        return CorruptFile(msg, section="meta", offset=offset, expected=expected, found=found)

    version = meta.get("format_version")
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None or int(match[1]) != FORMAT_MAJOR:
        msg = f"format_version must be '{FORMAT_MAJOR}.<minor>'"
        raise corrupt(msg, f"{FORMAT_MAJOR}.x", version)
    writer = meta.get("writer")
    if not isinstance(writer, dict) or not all(isinstance(writer.get(key), str) for key in ("name", "version")):
        msg = "writer must be an object with the texts 'name' and 'version'"
        raise corrupt(msg, "object", writer)
    required = meta.get("required_features", [])
    if (
        not isinstance(required, list)
        or len(required) > _MAX_FEATURES
        or not all(isinstance(feature, str) for feature in required)
    ):
        msg = "required_features must be a list of texts"
        raise corrupt(msg, "list", required)
    if features is not None:
        unknown = [feature for feature in required if feature not in features]
        if unknown:
            msg = (
                f"{name} (written by {writer['name'] + ' ' + writer['version']!r:.60}) requires {unknown!r:.200}, "
                "unknown to this hepbaler: upgrade with `pip install -U hepbaler`"
            )
            raise UnsupportedFeature(msg)
