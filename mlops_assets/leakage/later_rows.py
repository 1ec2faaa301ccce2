"""Columns that need later rows of the target: the value of the next hour, a centered mean.

Each column is regressed on the target of earlier rows, and on earlier and later rows together. A column that later
rows complete almost without error, and earlier rows do not, is made of later rows. Wide windows are compared as means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.leakage.record import Finding, LeakageTable, Strength
from mlops_assets.leakage.values import Floats, numbers

REACH: Final = 12
"""Rows before and after that are regressed on."""
WIDEST: Final = 96
"""Rows on each side of the widest mean."""
NEARLY_EXACT: Final = 0.01
"""Share of a column that may stay unexplained."""
FAR_ABOVE: Final = 10.0
"""How many times more earlier rows alone must leave unexplained."""
NEARLY_ALL: Final = 0.1
FAR_MORE: Final = 4.0
"""The same two limits of a suspicion."""
FEWEST_ROWS: Final = 100


def needs_later_rows(table: LeakageTable) -> Iterator[Finding]:
    """Yield each column that is made of later rows of the target.

    Args:
        table: The rows, with a timestamp.

    Yields:
        Strong findings.
    """
    if table.timestamp is None or table.frame.height < FEWEST_ROWS:
        return
    frame, unit = in_order(table)
    target = numbers(frame[table.target])
    if table.is_classification:
        target = np.where(np.isfinite(target), target == 0, np.nan).astype(np.float64)
    reach = min(REACH, frame.height // 40)
    known_until = -table.horizon_steps
    lags = [*range(known_until, known_until - reach - 1, -1), *range(known_until + 1, reach + 1)]
    moved = _Regressors(np.column_stack([shifted(target, unit, lag) for lag in lags]))
    means: tuple[_Means, ...] | None = None
    for name in table.inputs:
        values = numbers(frame[name])
        past, both = _explained(values, moved, reach + 1)
        what = f"the target up to {reach} rows later"
        if _grade(past, both) is None:
            if means is None:
                means = tuple(_means_of(target, unit))
            width, mean, trailing = _widest_mean(values, means)
            past, both, what = max(past, trailing), mean, f"the target's mean over {width} rows on each side"
        if (strength := _grade(past, both)) is not None:
            shares = f"{both:.1%} of it, earlier rows alone {max(past, 0.0):.1%}"
            yield Finding((name,), f"needs later rows: {what} explains {shares}", strength)


def _grade(past: float, both: float) -> Strength | None:
    """Strong where later rows complete a column; a suspicion where they explain nearly all of it."""
    left, before = 1.0 - both, 1.0 - past
    if left <= NEARLY_EXACT and before >= max(FAR_ABOVE * left, 1e-6):
        return "strong"
    return "suspicion" if left <= NEARLY_ALL and before >= max(FAR_MORE * left, NEARLY_ALL) else None


def in_order(table: LeakageTable) -> tuple[pl.DataFrame, Floats]:
    """Return the rows by entity and time, and a code of each row's entity.

    Args:
        table: The rows, with a timestamp.

    Returns:
        The sorted frame, and codes of shape (rows,).
    """
    frame = table.frame.sort([name for name in (table.entity, table.timestamp) if name is not None])
    return frame, numbers(frame[table.entity]) if table.entity is not None else np.zeros(frame.height)


def shifted(values: Floats, unit: Floats, lag: int) -> Floats:
    """Return the value `lag` rows later of the same entity; NaN beyond its ends.

    Args:
        values: In order of entity and time, shape (rows,).
        unit: Code of each row's entity.
        lag: Rows; negative for earlier ones.

    Returns:
        Shape (rows,).
    """
    moved = np.full(values.size, np.nan)
    if lag == 0:
        return values.copy()
    if abs(lag) >= values.size:
        return moved
    here, there = (slice(None, -lag), slice(lag, None)) if lag > 0 else (slice(-lag, None), slice(None, lag))
    moved[here] = np.where(unit[here] == unit[there], values[there], np.nan)
    return moved


class _Regressors:
    """Columns of shape (rows, lags), orthogonal on any rows; the columns of a table mostly miss the same ones."""

    def __init__(self, moved: Floats) -> None:
        self._moved = moved
        self.complete = np.isfinite(moved).all(axis=1)
        self._orthogonal: dict[bytes, Floats | None] = {}

    def orthogonal(self, rows: NDArray[np.bool_]) -> Floats | None:
        """Return an orthonormal basis on rows, in order of the columns; None where one is constant."""
        key = rows.tobytes()
        if key not in self._orthogonal:
            regressors = self._moved[rows] - self._moved[rows].mean(axis=0)
            varies = bool((regressors.std(axis=0) > 0).all())
            self._orthogonal[key] = np.linalg.qr(regressors)[0] if varies else None
        return self._orthogonal[key]


def _explained(values: Floats, moved: _Regressors, past: int) -> tuple[float, float]:
    """Share of a column's variance explained by the first `past` regressors, and by all of them."""
    rows = np.isfinite(values) & moved.complete
    count = int(rows.sum())
    if count < FEWEST_ROWS:
        return 0.0, 0.0
    centered = values[rows] - values[rows].mean()
    total = float(centered @ centered)
    orthogonal = moved.orthogonal(rows) if total > 0 else None
    if orthogonal is None:
        return 0.0, 0.0
    shares = np.cumsum((orthogonal.T @ centered) ** 2) / total
    # Adjusted, so that regressors of noise explain nothing.
    adjusted = 1.0 - (1.0 - shares) * (count - 1) / (count - 1 - np.arange(1, shares.size + 1))
    return float(adjusted[past - 1]), float(adjusted[-1])


@dataclass(frozen=True, slots=True)
class _Means:
    """The target's means over `width` rows on each side, and over `width` rows before; NaN beyond the ends."""

    width: int
    centered: Floats
    trailing: Floats


def _means_of(target: Floats, unit: Floats) -> Iterator[_Means]:
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(target))])
    for width in range(REACH + 1, min(WIDEST, target.size // 10) + 1):
        yield _Means(width, _mean(sums, unit, width, width), _mean(sums, unit, width, 0))


def _widest_mean(values: Floats, means: Sequence[_Means]) -> tuple[int, float, float]:
    """Width of the centered mean that explains a column best, its share, and the best share of a trailing mean."""
    best, width_of_best, trailing = 0.0, 0, 0.0
    for one in means:
        share = _share(values, one.centered)
        if share > best:
            best, width_of_best = share, one.width
        trailing = max(trailing, _share(values, one.trailing))
    return width_of_best, best, trailing


def _mean(sums: Floats, unit: Floats, before: int, after: int) -> Floats:
    rows: NDArray[np.int64] = np.arange(unit.size)
    first, last = rows - before, rows + after
    inside = (first >= 0) & (last < unit.size)
    first, last = first.clip(0), last.clip(max=unit.size - 1)
    inside &= unit[first] == unit[last]
    return np.where(inside, (sums[last + 1] - sums[first]) / (before + after + 1), np.nan)


def _share(values: Floats, other: Floats) -> float:
    """Return the squared correlation on rows where both are known; 0 where one is constant."""
    rows = np.isfinite(values) & np.isfinite(other)
    if rows.sum() < FEWEST_ROWS:
        return 0.0
    one, two = values[rows] - values[rows].mean(), other[rows] - other[rows].mean()
    scale = float(one @ one) * float(two @ two)
    return float(one @ two) ** 2 / scale if scale > 0 else 0.0
