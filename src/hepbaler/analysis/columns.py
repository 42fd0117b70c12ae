"""What is said about a column, and how suspicious it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distances import combing_bins, error_quantiles, ks_distance, levy_excess, spread_of, wasserstein
from .tally import ColumnTally

__all__ = ("ColumnFigures", "figures_of", "finite_pairs")

Array = NDArray[np.float64]

VISIBLE_COMB = 128  # bins; nobody looks at finer ones
POOR_RESOLUTION = 0.1  # of the spread
INVISIBLE_MOVE = 0.02  # of the spread; half the line of a plot
CONSTANT_SCALE = 0.1  # of the value, where all rows share it and there is no spread
ROUNDING = 64  # units in the last place that a constant may differ by
KS_CRITICAL = 1.358  # at 5 %, for different events; the same events should be far below


def __dir__() -> tuple[str, ...]:
    return __all__


@dataclass(frozen=True)
class ColumnFigures:
    """A column before and after.

    Attributes
    ----------
    tree, column
        Which.
    bound
        What the archive promises (``bits=10``), or None.
    values, changed, nonfinite, outside, largest_error, largest_share, bias, rms
        Of all values; see `hepbaler.analysis.tally.Sums`.
    spread, typical
        Half of the central 68 % of the values before, and the error that 68 % of the values do not exceed.
    relative
        Quantiles of the relative error, by level.
    ks, wasserstein
        Distance of the distributions; the second in the column's unit.
    correlation
        Of the values after with those before.
    combing_bins
        Number of bins from which on a comb is seen; None if there is none.
    sampled
        Rows from which all but the sums were found.
    score
        How suspicious the column is: the largest of its deviations in statistical errors of this sample, more where a
        promise is broken.
    remarks
        What is suspicious, in words.
    """

    tree: str
    column: str
    bound: str | None
    values: int
    changed: int
    nonfinite: int
    outside: int
    largest_error: float
    largest_share: float | None
    bias: float
    rms: float
    spread: float
    typical: float
    relative: dict[str, float]
    ks: float
    wasserstein: float
    correlation: float | None
    combing_bins: int | None
    sampled: int
    score: float
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data; what is not a finite number becomes None."""
        plain = asdict(self)
        plain["remarks"] = list(self.remarks)
        plain["relative"] = {level: _plain(value) for level, value in self.relative.items()}
        return {name: _plain(value) if isinstance(value, float) else value for name, value in plain.items()}


def finite_pairs(tally: ColumnTally) -> tuple[Array, Array]:
    """Sampled values before and after where both are finite, each of shape (n_rows,)."""
    before, after = (np.asarray(side, np.float64) for side in tally.sample)
    good = np.isfinite(before) & np.isfinite(after)
    return before[good], after[good]


def figures_of(tally: ColumnTally, tree: str, column: str, bound: str | None, *, integer: bool) -> ColumnFigures:
    """Judge a column.

    Parameters
    ----------
    tally
        All of it.
    tree, column, bound
        Names, and the promise in words.
    integer
        Whether the column holds integers or bools, of which any change is suspicious.
    """
    sums = tally.sums()
    before, after = finite_pairs(tally)
    spread = spread_of(before)
    n = max(sums.values, 1)
    same = not sums.changed
    ks = 0.0 if same else ks_distance(before, after)
    distance = 0.0 if same else wasserstein(before, after)
    typical = 0.0 if same else _typical_error(before, after)
    combing = None if same or integer else combing_bins(before, after)
    correlation: float | None = None
    if len(before) > 1 and np.ptp(before) > 0 and np.ptp(after) > 0:
        correlation = 1.0 if same else float(np.corrcoef(before, after)[0, 1])
    remarks: list[str] = []
    score = 0.0

    def suspect(points: float, remark: str | None) -> None:
        nonlocal score
        score = max(score, points)
        if remark is not None:
            remarks.append(remark)

    if sums.unpaired is not None:
        suspect(1e6, sums.unpaired)
    if sums.outside:
        suspect(1e5 + math.log10(sums.outside), f"{sums.outside:,} outside the bound")
    if sums.nonfinite:
        suspect(1e4 + math.log10(sums.nonfinite), f"{sums.nonfinite:,} became or were NaN or infinite")
    if integer and sums.changed:
        suspect(1e3 + math.log10(sums.changed), f"{sums.changed:,} integers changed")
    if not same:
        # The statistical error of the column's mean is the scale of everything that could be seen in this sample. A long
        # tail makes it larger than the spread does, and the errors of a relative bound with it.
        scale = _scale(tally.sample[0].dtype, before, spread)
        wide = max(scale, float(before.std())) if len(before) else 0.0
        error = wide / math.sqrt(n)
        in_errors = abs(sums.bias) / error if error > 0 else math.inf if sums.bias else 0.0
        suspect(min(in_errors, 1e3), f"bias of {in_errors:.2g} statistical errors" if in_errors > 1 else None)
        moved = levy_excess(before, after, INVISIBLE_MOVE * scale) * math.sqrt(len(before) / 2) / KS_CRITICAL
        suspect(moved, "another distribution" if moved > 1 else None)
        share = max(typical / scale, sums.rms / wide) if scale > 0 else 0.0
        suspect(
            min(10 * share, 1e3), f"errors are {100 * share:.2g} % of the spread" if share > POOR_RESOLUTION else None
        )
        if combing is not None and combing <= VISIBLE_COMB:
            suspect(2.0, f"a comb in {combing} bins")
    return ColumnFigures(
        tree=tree,
        column=column,
        bound=bound,
        values=sums.values,
        changed=sums.changed,
        nonfinite=sums.nonfinite,
        outside=sums.outside,
        largest_error=sums.largest_error,
        largest_share=sums.largest_share,
        bias=sums.bias,
        rms=sums.rms,
        spread=spread,
        typical=typical,
        relative={} if integer else error_quantiles(before, after),
        ks=ks,
        wasserstein=distance,
        correlation=correlation,
        combing_bins=combing,
        sampled=len(before),
        score=score,
        remarks=tuple(remarks),
    )


def _typical_error(before: Array, after: Array) -> float:
    """The error that 68 % of the values do not exceed."""
    return float(np.quantile(np.abs(after - before), 0.68)) if len(before) else 0.0


def _scale(dtype: np.dtype[Any], before: Array, spread: float) -> float:
    """What errors of a column are compared with: its spread, or a part of its value if that is all there is."""
    if not len(before):
        return 0.0
    typical = abs(float(np.median(before)))
    noise = ROUNDING * float(np.finfo(dtype).eps) * typical if dtype.kind == "f" else 0.0
    return spread if spread > noise else CONSTANT_SCALE * typical


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
