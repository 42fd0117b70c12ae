"""Verbs that judge files: verify, evaluate. What they find is written as JSON, which is also how they know that it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hepbaler.campaign.records import Redo, read_json, write_json
from hepbaler.errors import BoundsBroken, InputError

__all__ = ("evaluate", "find_evaluation", "find_verification", "verify")

Progress = Callable[[str, int, int], None]
Settings = Mapping[str, Any]


def __dir__() -> tuple[str, ...]:
    return __all__


def verify(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    """Check an archive, and raise `BoundsBroken` where it does not hold what it promises."""
    from hepbaler import verifying

    del replace, threads  # nothing is replaced but a report
    original = _other(source, settings, "original")
    made_from = _made_from(source, original, settings)
    report = verifying.verify(source, original, progress=progress)
    result = {"bytes": report.bytes_checked, "values": report.values, "violations": report.violations}
    _keep(target, made_from, report.to_dict(), result, ok=report.ok)
    if not report.ok:
        broken = [f"{check.tree}:{check.column}" for check in report.columns if check.violations]
        msg = f"{source} against {original}: {report.violations} of {report.values} values lie outside their bounds, in {_some(broken)}"
        raise BoundsBroken(msg)
    return result


def find_verification(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:
    """Whether the archive was found good before, and is the same."""
    return _found(source, target, settings, "original")


def evaluate(
    source: str, target: str | None, settings: Settings, replace: bool, threads: int | None, progress: Progress | None
) -> Mapping[str, Any]:
    """Compare two files, and raise `BoundsBroken` where a promise is broken."""
    from hepbaler import judging

    del replace, threads
    after = _other(source, settings, "after")
    if after is None:
        msg = f"{source} has no counterpart to be compared with"
        raise InputError(msg)
    made_from = _made_from(source, after, settings)
    how = {name: value for name, value in settings.items() if name != "after"}
    report = judging.evaluate(source, after, progress=progress, **how)
    suspicious = [f"{column.tree}:{column.column}" for column in report.suspicious]
    result = {"columns": len(report.columns), "suspicious": suspicious, "missing": list(report.missing)}
    _keep(target, made_from, report.to_dict(), result, ok=report.ok)
    if not report.ok:
        msg = f"{source} and {after}: a promise is broken, or values do not correspond; the worst columns are {_some(suspicious)}"
        raise BoundsBroken(msg)
    return result


def find_evaluation(source: str, target: str | None, settings: Settings) -> Mapping[str, Any] | Redo | None:
    """Whether the two files were compared before, and are the same."""
    return _found(source, target, settings, "after")


def _other(source: str, settings: Settings, name: str) -> str | None:
    other = settings.get(name)
    if other is None and name in settings:
        msg = f"{source} has no counterpart to be compared with"
        raise InputError(msg)
    return other


def _made_from(source: str, other: str | None, settings: Settings) -> dict[str, Any]:
    from hepbaler.provenance import file_fingerprint, settings_digest
    from hepbaler.reading import split_input

    return {
        "files": [file_fingerprint(split_input(path)[0]) for path in (source, other) if path is not None],
        "settings": settings_digest(settings),
    }


def _keep(target: str | None, made_from: dict[str, Any], report: Any, result: dict[str, Any], *, ok: bool) -> None:
    if target is not None:
        write_json({"ok": ok, "made_from": made_from, "result": result, "report": report}, Path(target))


def _found(source: str, target: str | None, settings: Settings, other: str) -> Mapping[str, Any] | Redo | None:
    if target is None or not Path(target).exists():
        return None
    kept = read_json(Path(target))
    if kept is None or "made_from" not in kept:
        return Redo("the report was damaged")
    if kept["made_from"] != _made_from(source, settings.get(other), settings):
        return Redo("files or settings have changed")
    if not kept.get("ok"):
        return Redo("it was not good")
    result = kept.get("result")
    return result if isinstance(result, dict) else Redo("the report was damaged")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
