"""Target encodings over the whole table: a column that says the mean of the target of its own row's group.

The rows are grouped by the column's value. A mean that includes the row itself fits the means of its groups far better
than chance allows: the weighted squared distance of group means from the column, relative to the variance within
groups, is near 0 instead of near the number of groups. Smoothed encodings are a line in the value, in 1 / rows and in
value / rows. An encoding that leaves the row out is found within the values of another column, where it falls by a
fixed step as the row's own target rises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.values import Floats, numbers

FEWEST_GROUPS: Final = 20
MOST_BY_CHANCE: Final = 0.1
"""Weighted squared distance per degree of freedom; 1 by chance."""
EXACT: Final = 1e-6
MOST_CLASSES: Final = 10
MOST_COLUMNS: Final = 20


def target_encodings(table: LeakageTable) -> Iterator[Finding]:
    """Yield each column that holds means of the target which its own row has entered.

    Args:
        table: The rows.

    Yields:
        Strong findings.
    """
    target = numbers(table.frame[table.target])
    indicators: tuple[Floats, ...] = (target,)
    if table.is_classification:
        known = np.unique(target[np.isfinite(target)])[:MOST_CLASSES]
        indicators = tuple((target == code).astype(np.float64) for code in known)
    groups = [
        (name, numbers(table.frame[name]))
        for name, kind in table.frame.schema.items()
        if name not in (table.target, table.timestamp) and (not kind.is_numeric() or kind.is_integer())
    ][:MOST_COLUMNS]
    for name in table.inputs:
        if not table.frame.schema[name].is_numeric():
            continue
        values = numbers(table.frame[name])
        if any(_is_own_mean(values, indicator) for indicator in indicators):
            what = "holds the mean of the target over the rows with its value, the row itself among them"
            yield Finding((name,), what, "strong")
            continue
        for by, members in groups:
            if by != name and any(_is_mean_of_others(values, one, members) for one in indicators):
                what = f"holds the mean of the target over the other rows of {by!r}, from which the own one follows"
                yield Finding((name,), what, "strong")
                break


def _is_own_mean(values: Floats, target: Floats) -> bool:
    known = np.isfinite(values) & np.isfinite(target)
    values, target = values[known], target[known]
    levels, member = np.unique(values, return_inverse=True)
    if not FEWEST_GROUPS <= levels.size <= values.size // 2:
        return False
    rows = np.bincount(member).astype(np.float64)
    means = np.bincount(member, target) / rows
    freedom = float((rows - 1).sum())
    within = float(((target - means[member]) ** 2).sum()) / freedom if freedom > 0 else 0.0
    several = rows >= 2
    if several.sum() < FEWEST_GROUPS or not within > 0:
        return False
    rows, means, levels = rows[several], means[several], levels[several]
    weights = np.sqrt(rows)
    design = np.column_stack([np.ones_like(levels), levels, 1 / rows, levels / rows])
    weighted = design * weights[:, None]
    line, _, rank, _ = np.linalg.lstsq(weighted, means * weights, rcond=None)
    distance = float((((means - design @ line) * weights) ** 2).sum()) / within
    around = float((rows * (means - np.average(means, weights=rows)) ** 2).sum()) / within
    groups = levels.size
    varies = around >= 0.5 * (groups - 1)
    return bool(varies and distance <= MOST_BY_CHANCE * (groups - rank))


def _is_mean_of_others(values: Floats, target: Floats, members: Floats) -> bool:
    known = np.isfinite(values) & np.isfinite(target) & np.isfinite(members)
    if known.sum() < FEWEST_GROUPS:
        return False
    values, target, member = values[known], target[known], members[known].astype(np.int64)
    if (
        not 2 <= np.unique(member).size <= values.size // 2
        or member.min() < 0
        or member.max() > 10 * values.size
    ):
        return False
    rows = np.bincount(member)[member]
    several = rows >= 2
    total = values * (rows - 1) + target
    return bool(
        several.sum() >= FEWEST_GROUPS
        and _within(target[several], member[several]) > 0
        and _within(total[several], member[several]) <= EXACT * _within(target[several], member[several])
    )


def _within(values: Floats, member: NDArray[np.int64]) -> float:
    counts = np.maximum(np.bincount(member), 1)
    means = np.bincount(member, values) / counts
    return float(((values - means[member]) ** 2).mean())
