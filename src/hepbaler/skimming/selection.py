"""Cuts on entries: uproot's expressions with ``and``, ``or``, ``not``, chained comparisons, and sums over lists.

::

    nJet >= 4 and 20 < MET_pt < 200
    any(Muon_pt > 30 and abs(Muon_eta) < 2.4)
    sum(Jet_pt > 30) >= 4 or max(Jet_pt) > 500
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError

if TYPE_CHECKING:
    import awkward as ak

__all__ = ("Cut", "cuts_of")


def __dir__() -> tuple[str, ...]:
    return __all__


# What a list becomes one number by; uproot's language has no words for that.
REDUCTIONS = ("any", "all", "sum", "min", "max", "count")
_WAY_OUT = "; a cut says yes or no to an entry: put any(), all(), sum(), min(), max() or count() around what is a list"


@dataclass(frozen=True)
class Cut:
    """A condition on an entry.

    Attributes
    ----------
    text
        As it was written.
    expression
        The same in the words of uproot's language.
    """

    text: str
    expression: str

    def needs(self, branches: Collection[str], place: tuple[str, str]) -> list[str]:
        """Names of the branches that it looks at.

        Parameters
        ----------
        branches
            All there are.
        place
            File and tree, for messages.

        Raises
        ------
        ColumnNotFound
            If something named is neither branch nor function.
        InputError
            If it cannot be understood.
        """
        try:
            names = _language().free_symbols(self.expression, set(branches), {}, *place)
        except KeyError as error:
            from difflib import get_close_matches

            missing = str(error.args[0])
            near = get_close_matches(missing, branches, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
            msg = f"{missing!r}, named in the cut {self.text!r}, is no branch or function of {place[1]!r} of {place[0]}{hint}"
            raise ColumnNotFound(msg) from error
        except TypeError as error:
            msg = f"cannot read the cut {self.text!r}: {error}"
            raise InputError(msg) from error
        return list(dict.fromkeys(names))

    def passing(self, arrays: Mapping[str, ak.Array], n_entries: int, place: tuple[str, str]) -> NDArray[np.bool_]:
        """Which entries pass; what has no answer (the largest of an empty list, NaN) does not.

        Parameters
        ----------
        arrays
            Those of all branches that it needs.
        n_entries
            Their length.

        Raises
        ------
        InputError
            If it does not give one number for each entry.
        """
        import awkward as ak

        try:
            with np.errstate(all="ignore"):
                found = _evaluate(self.expression, arrays, place)
                if not isinstance(found, ak.Array) and np.ndim(found) == 0:
                    return np.full(n_entries, bool(found))
                found = ak.Array(found)
                mask = None
                if found.ndim == 1 and len(found) == n_entries:
                    answers = ak.to_numpy(ak.fill_none(found, False))
                    # NaN is the one number that is not itself.
                    mask = (answers != 0) & (answers == answers)  # noqa: PLR0124
        except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
            msg = f"the cut {self.text!r} cannot be computed: {str(error).strip().splitlines()[0]}"
            raise InputError(msg) from error
        if mask is None:
            msg = f"the cut {self.text!r} gives {found.type} instead of one number an entry{_WAY_OUT}"
            raise InputError(msg)
        return np.asarray(mask, np.bool_)


def cuts_of(texts: Iterable[str]) -> tuple[Cut, ...]:
    """Cuts to be applied one after the other; what is joined by ``and`` is taken apart, so that each can be counted.

    Raises
    ------
    InputError
        If one is not a Python expression.
    """
    cuts: list[Cut] = []
    for text in texts:
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            msg = f"cannot read the cut {text!r}: {reason}; write it as 'nJet >= 4 and MET_pt > 30'"
            raise InputError(msg) from error
        cuts += [Cut(ast.unparse(part), ast.unparse(_Translated().visit(part))) for part in _conjuncts(node)]
    return tuple(cuts)


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return [part for value in values for part in _conjuncts(value)]
        # Of comparisons alone, since & of numbers is about their bits.
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right) if _says_yes_or_no(left) and _says_yes_or_no(right):
            return [*_conjuncts(left), *_conjuncts(right)]
        case _:
            return [node]


def _says_yes_or_no(node: ast.expr) -> bool:
    match node:
        case ast.Compare():
            return True
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
            return _says_yes_or_no(left) and _says_yes_or_no(right)
        case ast.Call(func=ast.Name(id=name)):
            return name in ("any", "all")
        case _:
            return False


class _Translated(ast.NodeTransformer):
    """``and``, ``or``, ``not`` and ``a < b < c`` ask for one answer in Python; of arrays they mean one for each element."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        word = "logical_and" if isinstance(node.op, ast.And) else "logical_or"
        parts: list[ast.expr] = [self.visit(value) for value in node.values]
        first, *others = parts
        for other in others:
            first = _call(word, first, other)
        return first

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        return _call("logical_not", operand) if isinstance(node.op, ast.Not) else ast.UnaryOp(node.op, operand)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        values = [self.visit(value) for value in (node.left, *node.comparators)]
        parts: list[ast.expr] = [
            ast.Compare(left, [how], [right]) for left, how, right in zip(values, node.ops, values[1:], strict=False)
        ]
        first, *others = parts
        for other in others:
            first = _call("logical_and", first, other)
        return first


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


@cache
def _language() -> Any:
    import awkward as ak
    from uproot.language.python import PythonLanguage

    def along_lists(name: str, reduce: Callable[..., Any]) -> Callable[[Any], Any]:
        def one_each(values: Any) -> Any:
            # Of one number an entry they would be about all entries that happen to be read together.
            if not isinstance(values, ak.Array) or values.ndim < 2:
                msg = f"{name}() takes a list for each entry"
                raise TypeError(msg)
            return reduce(values, axis=-1)

        return one_each

    functions = PythonLanguage.default_functions | {"logical_not": np.logical_not}
    functions |= {name: along_lists(name, getattr(ak, name)) for name in REDUCTIONS if name != "count"}
    return PythonLanguage(functions | {"count": along_lists("count", ak.num)})


@dataclass(frozen=True)
class _Symbol:
    """A branch as far as uproot's language looks at it."""

    name: str
    parent: object

    @property
    def cache_key(self) -> str:
        return self.name


def _evaluate(expression: str, arrays: Mapping[str, ak.Array], place: tuple[str, str]) -> Any:
    tree = object()
    symbols = [_Symbol(name, tree) for name in arrays]
    context: Sequence[Any] = [(expression, {"is_primary": True, "is_cut": False, "branches": symbols})]
    computed = _language().compute_expressions(tree, dict(arrays), context, set(arrays), {}, *place)
    return computed[expression]
