"""What is computed from branches while they are read: expressions, aliases and cuts, in uproot's own language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ColumnNotFound

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("compute", "symbols")


def __dir__() -> tuple[str, ...]:
    return __all__


def symbols(
    expressions: Iterable[str], branches: Iterable[str], aliases: Mapping[str, str], place: tuple[str, str]
) -> list[str]:
    """Branches that expressions need, through aliases too; in the order in which they are met.

    Parameters
    ----------
    expressions
        Python expressions of branches and numpy's functions: ``"sqrt(px**2 + py**2)"``. The name of a branch is one.
    branches
        All there are.
    aliases
        Names for expressions.
    place
        File and tree, for messages.

    Raises
    ------
    ColumnNotFound
        If something named is neither branch, alias nor function.
    SyntaxError
        If an expression is no Python.
    """
    from uproot.language.python import python_language

    keys = set(branches)
    found: dict[str, None] = {}
    todo, done = list(expressions), set()
    while todo:
        expression = todo.pop(0)
        if expression in done:
            continue
        done.add(expression)
        if expression in keys:
            found.setdefault(expression)
            continue
        try:
            names = python_language.free_symbols(expression, keys, aliases, *place)
        except KeyError as error:
            missing = str(error.args[0])
            msg = f"{missing!r}, named in {expression!r}, is no branch, alias or function of {place[1]!r} of {place[0]}"
            raise ColumnNotFound(msg) from error
        # an alias may have the name of the branch that it changes
        todo += [aliases[name] for name in names if name in aliases and name not in keys]
        for name in names:
            if name in keys:
                found.setdefault(name)
    return list(found)


def compute(
    arrays: Mapping[str, ak.Array],
    expressions: Sequence[str],
    cut: str | None,
    aliases: Mapping[str, str],
    place: tuple[str, str],
) -> tuple[dict[str, ak.Array], ak.Array | None]:
    """Values of expressions, those that the cut lets through.

    Parameters
    ----------
    arrays
        Those of all `symbols`.
    cut
        An expression; what is not zero is kept.

    Returns
    -------
    values
        By expression.
    kept
        The cut's own values as bools; None without a cut.
    """
    asked = [*expressions, *([cut] if cut is not None else [])]
    values = {name: arrays[name] for name in asked if name in arrays}
    values |= _evaluate(arrays, [expression for expression in asked if expression not in arrays], aliases, place)
    if cut is None:
        return {name: values[name] for name in expressions}, None
    kept = values[cut] != 0
    return {name: values[name][kept] for name in expressions}, kept


@dataclass(frozen=True)
class _Symbol:
    """A branch as far as uproot's language looks at it."""

    name: str
    parent: object

    @property
    def cache_key(self) -> str:
        return self.name


def _evaluate(
    arrays: Mapping[str, ak.Array], expressions: Sequence[str], aliases: Mapping[str, str], place: tuple[str, str]
) -> dict[str, ak.Array]:
    if not expressions:
        return {}
    from uproot.language.python import python_language

    tree = object()
    branches = [_Symbol(name, tree) for name in arrays]
    context = [(name, {"is_primary": True, "is_cut": False, "branches": branches}) for name in expressions]
    computed: dict[str, ak.Array] = python_language.compute_expressions(
        tree, dict(arrays), context, set(arrays), dict(aliases), *place
    )
    return computed
