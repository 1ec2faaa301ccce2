"""Columns that make the target together: parts of a sum, factors of a product, weights of a linear identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.leakage.copies import rounding_step
from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.values import Floats

FEWEST_ROWS: Final = 30
MOST_ROWS: Final = 5_000
MOST_COLUMNS: Final = 200
NEARLY_EVERY: Final = 0.99
FINE: Final = 50.0
"""How many times the target must spread wider than its last decimal before a sum may be inexact by it."""


def sums(table: LeakageTable) -> Iterator[Finding]:
    """Yield the columns of a sum, else of a product, that is the target.

    Args:
        table: The rows.

    Yields:
        At most one finding: strong for a plain sum, a suspicion for a product.
    """
    if table.is_classification:
        return
    if parts := parts_of_sum(table.frame, list(table.inputs), table.target):
        yield Finding(parts, "add up to the target (or differ by it)", "strong")
        return
    names = [name for name in (*table.inputs, table.target) if table.frame.schema[name].is_numeric()]
    positive = [name for name in names if bool((table.frame[name].drop_nulls() > 0).all())]
    if table.target not in positive:
        return
    logs = table.frame.select(pl.col(positive).cast(pl.Float64).log())
    if parts := parts_of_sum(logs, [name for name in positive if name != table.target], table.target):
        yield Finding(parts, "multiply (or divide) to the target", "suspicion")


def parts_of_sum(sample: pl.DataFrame, names: list[str], target: str) -> tuple[str, ...]:
    """Return numeric columns that add up to (or differ by) the target exactly, a constant aside.

    Args:
        sample: Rows of the table.
        names: The columns that may be parts.
        target: The column to predict.

    Returns:
        Names of columns; empty for none.
    """
    names = [name for name in names if sample.schema[name].is_numeric()]
    if not 2 <= len(names) <= MOST_COLUMNS or not sample.schema[target].is_numeric():
        return ()
    rows = sample.select([*names, target]).drop_nulls()
    rows = rows.gather_every(max(1, rows.height // MOST_ROWS))
    table = rows.to_numpy().astype(np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) >= FEWEST_ROWS and (pairs := _pairs_of_sum(table)):
        # A table of totals holds many sums, which leave no unique weights.
        return tuple(name for index, name in enumerate(names) if index in pairs)
    if len(table) < 3 * len(names) + FEWEST_ROWS:
        return ()
    table = table - table.mean(axis=0)
    spread = table.std(axis=0)
    if not spread.min() > 0:
        return ()
    weights, *_ = np.linalg.lstsq(table[:, :-1] / spread[:-1], table[:, -1], rcond=None)
    residual = np.abs(table[:, -1] - table[:, :-1] / spread[:-1] @ weights).max()
    weights = weights / spread[:-1]
    used = np.abs(weights) > 1e-6
    plain = bool(np.allclose(np.abs(weights[used]), 1.0, atol=1e-6))
    if residual > 1e-6 * spread[-1] or not plain or used.sum() < 2:
        return ()
    return tuple(name for name, part in zip(names, used.tolist(), strict=True) if part)


def _pairs_of_sum(table: Floats) -> frozenset[int]:
    """Return columns of which two add up to (or differ by) the last column in nearly every row, but for rounding.

    Rows with the most frequent target, such as 0, do not count: in sparse tables they add up by nature.
    """
    values, counts = np.unique(table[:, -1], return_counts=True)
    if counts.max() > 1:
        table = table[table[:, -1] != values[counts.argmax()]]
    if len(table) < FEWEST_ROWS:
        return frozenset()
    values, target = table[:, :-1], table[:, -1]
    tolerance = _rounding(target)
    members: set[int] = set()
    for index in range(values.shape[1]):
        if not values[:, index].std() > 0:
            continue
        rest = target - values[:, index]
        others = np.flatnonzero(
            ((np.abs(values - rest[:, None]) <= tolerance).mean(axis=0) >= NEARLY_EVERY)
            | ((np.abs(values + rest[:, None]) <= tolerance).mean(axis=0) >= NEARLY_EVERY)
        )
        varying = [int(other) for other in others if other != index and values[:, other].std() > 0]
        members |= {index, *varying} if varying else set()
    return frozenset(members)


def _rounding(target: Floats) -> float:
    """Return how far a sum of two rounded numbers may lie from the rounded target; next to nothing for whole ones."""
    exact = 1e-9 * max(1.0, float(np.abs(target).max()))
    step = rounding_step(target)
    if step in (0.0, 1.0):
        return exact
    return 1.51 * step if 1.51 * step < target.std() / FINE else exact
