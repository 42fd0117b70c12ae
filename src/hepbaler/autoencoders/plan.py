"""From a table's columns to a network's features, and back: fitted once, frozen, plain data.

::

    columns   constant ........................... a number                     no feature
              sum of others (or of an energy) .... computed from them           no feature
              part of an energy .................. its share, on a curve        one feature
              any other .......................... on a curve                   one feature

The way back uses stored numbers and ``+ - * /`` and square roots only, so that every machine restores the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ColumnNotFound, InputError
from ..features.hints import LinearHint, Term, term_values
from ..features.scaling import Kind
from .curve import Curve, limited
from .relations import find_relations

__all__ = ("Coded", "Constant", "FeaturePlan", "Sum")

Array = NDArray[Any]
FloatArray = NDArray[np.float64]

_MOST_WHOLE = 2**53


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class Constant:
    """A column that has one value."""

    value: float


@dataclass(frozen=True)
class Coded:
    """A column that is a feature.

    Attributes
    ----------
    curve
        Between the column (or its share) and the feature.
    total
        What the column is a share of; None for a column that is taken as it is.
    """

    curve: Curve
    total: Term | None = None


@dataclass(frozen=True)
class Sum:
    """A column that follows from others.

    Attributes
    ----------
    sum
        Over columns by their place in the table.
    lowest
        What is restored is at least this; None for no limit.
    """

    sum: LinearHint
    lowest: float | None


Rule = Constant | Coded | Sum


@dataclass(frozen=True)
class FeaturePlan:
    """What becomes of each column of a table.

    Attributes
    ----------
    names
        Columns of the table, in order.
    rules
        One a column.
    order
        Places of the columns, in the order in which they are restored.

    Raises
    ------
    InputError
        If the rules do not fit the columns, or a column is restored before what it needs.
    """

    names: tuple[str, ...]
    rules: tuple[Rule, ...]
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.rules) or sorted(self.order) != list(range(len(self.names))):
            msg = f"a plan of {len(self.names)} columns has {len(self.rules)} rules in the order {self.order}"
            raise InputError(msg)
        known: set[int] = set()
        for i in self.order:
            if missing := set(_needs(self.rules[i])) - known:
                msg = f"column {self.names[i]!r} needs columns {sorted(missing)}, which are not restored before it"
                raise InputError(msg)
            known.add(i)

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        values: Array,
        *,
        scaling: Kind | Mapping[str, Kind] | None = None,
        relations: bool = True,
    ) -> FeaturePlan:
        """Fit to a sample of rows.

        Parameters
        ----------
        names
            Names of the columns.
        values
            Shape ``(n_rows, n_columns)``. Numbers that are not finite are not looked at.
        scaling
            A kind of `hepbaler.features.scaling` for all columns, or by glob; what no glob names is chosen by its looks.
        relations
            Look for columns that follow from others.

        Raises
        ------
        InputError
            If shapes do not fit, or there are no finite values at all in a column.
        ColumnNotFound
            If a glob names no column.
        """
        table = np.asarray(values, np.float64)
        if table.ndim != 2 or table.shape[1] != len(names) or len(set(names)) != len(names):
            msg = f"{len(names)} different columns need values of shape (n_rows, {len(names)}), not {table.shape}"
            raise InputError(msg)
        kinds = _kinds_of(names, scaling)
        finite = [column[np.isfinite(column)] for column in table.T]
        varies = [len(column) > 0 and bool(column.min() < column.max()) for column in finite]
        whole = [bool(np.all(column == np.rint(column)) and np.all(np.abs(column) < _MOST_WHOLE)) for column in finite]
        usable = [v and not w and kinds[i] is None for i, (v, w) in enumerate(zip(varies, whole, strict=True))]
        sums = {r.target: r.sum for r in find_relations(names, table, usable)} if relations else {}
        totals = _totals(sums, table)
        rules: list[Rule] = []
        for i, column in enumerate(finite):
            lowest = 0.0 if len(column) and float(column.min()) >= 0 else None
            if not varies[i]:
                rules.append(Constant(float(column[0]) if len(column) else 0.0))
            elif i in sums:
                rules.append(Sum(sums[i], lowest))
            elif i in totals:
                share = _share(table[:, i], _evaluate(totals[i], table))
                share = share[np.isfinite(share)]
                rules.append(Coded(Curve.fit(share).within(0.0, 1.0), totals[i]))
            else:
                rules.append(Coded(Curve.fit(column, kinds[i], whole=whole[i])))
        plain = [i for i in range(len(names)) if i not in sums and i not in totals]
        return cls(tuple(names), tuple(rules), (*plain, *totals, *reversed(sums)))

    @property
    def features(self) -> tuple[int, ...]:
        """Place of the column that each feature codes."""
        return tuple(i for i, rule in enumerate(self.rules) if isinstance(rule, Coded))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.features)

    def apply(self, values: Array) -> FloatArray:
        """Features, shape ``(n_rows, n_features)``, of columns ``(n_rows, n_columns)``; 0 for what is not finite."""
        table = np.asarray(values, np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.names):
            msg = f"the plan is for {len(self.names)} columns, not for an array of shape {table.shape}"
            raise InputError(msg)
        matrix = np.empty((len(table), self.n_features))
        for k, i in enumerate(self.features):
            rule = self.rules[i]
            if isinstance(rule, Coded):
                column = table[:, i]
                if rule.total is not None:
                    column = _share(column, _evaluate(rule.total, table))
                matrix[:, k] = rule.curve.apply(column)
        return matrix

    def invert(self, features: Array) -> FloatArray:
        """Columns, shape ``(n_rows, n_columns)``, of features ``(n_rows, n_features)``."""
        matrix = np.asarray(features, np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != self.n_features:
            msg = f"the plan has {self.n_features} features, not an array of shape {matrix.shape}"
            raise InputError(msg)
        table = np.empty((len(matrix), len(self.names)))
        feature_of = {i: k for k, i in enumerate(self.features)}
        for i in self.order:
            rule = self.rules[i]
            if isinstance(rule, Constant):
                table[:, i] = rule.value
            elif isinstance(rule, Sum):
                total = rule.sum.predict(lambda slot: table[:, slot], len(table))
                table[:, i] = limited(total, rule.lowest, None, whole=False)
            else:
                column = rule.curve.invert(matrix[:, feature_of[i]])
                table[:, i] = column if rule.total is None else column * _evaluate(rule.total, table)
        return table

    def feature_weights(self, weights: Mapping[str, float]) -> FloatArray:
        """How much each feature counts in the loss, shape ``(n_features,)``, mean 1.

        Parameters
        ----------
        weights
            By glob of columns; 1 for those that none names, and the last glob counts. A column that is computed hands
            its weight on to the columns that it is made of, where they have less.

        Raises
        ------
        ColumnNotFound
            If a glob names no column.
        InputError
            If a weight is not positive.
        """
        asked = dict.fromkeys(range(len(self.names)), 1.0)
        for glob, weight in weights.items():
            if not (np.isfinite(weight) and weight > 0):
                msg = f"the weight of {glob!r} must be positive, not {weight}"
                raise InputError(msg)
            asked.update(dict.fromkeys(_matching(glob, self.names), float(weight)))
        for i in reversed(self.order):
            for slot in _needs(self.rules[i]) if isinstance(self.rules[i], Sum) else ():
                asked[slot] = max(asked[slot], asked[i])
        chosen = np.array([asked[i] for i in self.features], np.float64)
        return chosen / chosen.mean() if len(chosen) else chosen

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        rules: list[dict[str, Any]] = []
        for rule in self.rules:
            if isinstance(rule, Constant):
                rules.append({"rule": "constant", "value": rule.value})
            elif isinstance(rule, Sum):
                rules.append({"rule": "sum", "sum": _sum_to_dict(rule.sum), "lowest": rule.lowest})
            else:
                total = None if rule.total is None else _term_to_dict(rule.total)
                rules.append({"rule": "coded", "curve": rule.curve.to_dict(), "total": total})
        return {"names": list(self.names), "rules": rules, "order": list(self.order)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FeaturePlan:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            If the data describes no plan.
        """
        try:
            rules = tuple(_rule_from_dict(rule) for rule in data["rules"])
            return cls(tuple(str(n) for n in data["names"]), rules, tuple(int(i) for i in data["order"]))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"this is no plan of features: {error}"
            raise InputError(msg) from error


def _needs(rule: Rule) -> tuple[int, ...]:
    if isinstance(rule, Sum):
        return rule.sum.slots
    return rule.total.slots if isinstance(rule, Coded) and rule.total is not None else ()


def _evaluate(term: Term, table: FloatArray) -> FloatArray:
    return term_values(term.kind, [table[:, slot] for slot in term.slots])


def _share(column: FloatArray, total: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total == 0, 0.0, column / total)


def _totals(sums: Mapping[int, LinearHint], table: FloatArray) -> dict[int, Term]:
    """Columns that are parts of an energy of a four-vector, none of them negative or larger than it, with that energy."""
    totals: dict[int, Term] = {}
    for target, whole in sums.items():
        energies = [term for term in whole.terms if term.kind == "energy"]
        if len(energies) != 1:
            continue
        total = _evaluate(energies[0], table)
        parts = _parts(whole, sums)
        columns = table[:, sorted(parts)]
        fits = bool(np.all(columns >= 0) and np.all(columns <= total[:, None] * (1 + 1e-3)))
        if fits and target not in parts and not parts & set(energies[0].slots):
            totals.update(dict.fromkeys(sorted(parts), energies[0]))
    return totals


def _parts(whole: LinearHint, sums: Mapping[int, LinearHint]) -> set[int]:
    """Columns of a sum that are coded themselves; sums among them are taken apart."""
    parts: set[int] = set()
    for term in whole.terms:
        if term.kind == "value":
            (slot,) = term.slots
            parts |= _parts(sums[slot], sums) if slot in sums else {slot}
    return parts


def _matching(glob: str, names: Sequence[str]) -> list[int]:
    places = [i for i, name in enumerate(names) if fnmatchcase(name, glob)]
    if not places:
        msg = f"no column is called {glob!r}; there are {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}"
        raise ColumnNotFound(msg)
    return places


def _kinds_of(names: Sequence[str], scaling: Kind | Mapping[str, Kind] | None) -> list[Kind | None]:
    if scaling is None or isinstance(scaling, str):
        return [scaling] * len(names)
    kinds: list[Kind | None] = [None] * len(names)
    for glob, kind in scaling.items():
        for i in _matching(glob, names):
            kinds[i] = kind
    return kinds


def _term_to_dict(term: Term) -> dict[str, Any]:
    return {"kind": term.kind, "slots": list(term.slots)}


def _term_from_dict(data: Mapping[str, Any]) -> Term:
    return Term(data["kind"], tuple(int(slot) for slot in data["slots"]))


def _sum_to_dict(whole: LinearHint) -> dict[str, Any]:
    terms = [_term_to_dict(term) for term in whole.terms]
    return {"terms": terms, "weights": list(whole.weights), "offset": whole.offset}


def _rule_from_dict(data: Mapping[str, Any]) -> Rule:
    match data["rule"]:
        case "constant":
            return Constant(float(data["value"]))
        case "sum":
            whole = data["sum"]
            terms = tuple(_term_from_dict(term) for term in whole["terms"])
            hint = LinearHint(terms, tuple(float(w) for w in whole["weights"]), float(whole["offset"]))
            return Sum(hint, None if data["lowest"] is None else float(data["lowest"]))
        case "coded":
            total = None if data["total"] is None else _term_from_dict(data["total"])
            return Coded(Curve.from_dict(data["curve"]), total)
        case unknown:
            msg = f"unknown rule {unknown!r} of a column"
            raise InputError(msg)
