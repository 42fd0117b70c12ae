"""Fields of plain data from a file that may be hostile: each is of the kind that is asked for, or the file is refused."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from .errors import CorruptFile

__all__ = ("MAX_ROWS", "count_of", "fail", "field_of", "index_of", "pair_of", "typed")

T = TypeVar("T")

MAX_ROWS = 1 << 40


def __dir__() -> tuple[str, ...]:
    return __all__


def pair_of(item: object) -> tuple[Any, Any]:
    """The two elements of a list of two."""
    pair = typed(item, list, "pair")
    if len(pair) != 2:
        fail("a pair does not have two elements")
    return pair[0], pair[1]


def field_of(node: dict[str, Any], key: str, kind: type[T]) -> T:
    """``node[key]``, which must be there and of this kind."""
    return typed(node.get(key), kind, key)


def typed(value: object, kind: type[T], what: str) -> T:
    """`value`, which must be of this kind."""
    if not isinstance(value, kind):
        fail(f"{what!r} should be {kind.__name__}, not {type(value).__name__}")
    return value


def count_of(value: object, what: str) -> int:
    """`value`, which must be an integer from 0 to 2^40."""
    if type(value) is not int or not 0 <= value <= MAX_ROWS:
        fail(f"{what!r} is not a number from 0 to {MAX_ROWS}: {value!r:.40}")
    return value


def index_of(value: object, n: int, what: str) -> int:
    """`value`, which must be the number of one of `n` things."""
    if type(value) is not int or not 0 <= value < n:
        fail(f"there is no {what} {value!r:.40}")
    return value


def fail(reason: str) -> NoReturn:
    """Refuse the file."""
    msg = f"the header contradicts itself: {reason}"
    raise CorruptFile(msg, section="meta")
