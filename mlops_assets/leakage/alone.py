"""How much of the target one column explains alone, and how much of a column the target explains.

A column alone explains what the means (or most frequent classes) of the target in its bins explain on rows that did
not make them: a regression tree of one column with equally frequent leaves, cross-validated over two halves. Numbers
count twice, as they are and as ranks, because a few large values hide the rest. The reverse, the column explained by
bins of the target, sees what no order shows: a square, a distance, a code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.values import BINS, Floats, bins, numbers, ranks

NEARLY_ALL: Final = 0.9
"""Share of the target that a column explains alone, from which it is suspected."""
NEARLY_ALL_REVERSED: Final = 0.98
"""Share of a column that the target explains, from which it is suspected: functions of a target have no noise."""
NEARLY_ALL_OF_ONE: Final = 0.98
"""The same for the only column of a table, which has no second best to be compared with."""
FAR_ABOVE: Final = 4.0
"""How many times more the second best column must leave unexplained."""
FEWEST_ROWS: Final = 100
FEWEST_VALUES: Final = 25


def alone(table: LeakageTable) -> Iterator[Finding]:
    """Yield the column that explains the target almost alone, or that the target explains, far above the next one.

    Args:
        table: The rows.

    Yields:
        A suspicion for each of the two directions.
    """
    names = table.inputs
    if table.frame.height < FEWEST_ROWS or not names:
        return
    target = numbers(table.frame[table.target])
    scales = (target,) if table.is_classification else (target, ranks(target))
    columns = {name: numbers(table.frame[name]) for name in names}
    is_code = {name: not table.frame.schema[name].is_numeric() for name in names}
    for scale in scales:
        explained = {
            name: explained_share(values, scale, is_code=is_code[name], classes=table.is_classification)
            for name, values in columns.items()
        }
        if name := _outstanding(explained, NEARLY_ALL if len(names) > 1 else NEARLY_ALL_OF_ONE):
            shares = f"{explained[name]:.1%} of the target, the next best {_second(explained):.1%}"
            yield Finding((name,), f"alone explains {shares}", "suspicion")
            return
    if table.is_classification:
        return
    for transform in (lambda values: values, ranks):
        explained = {
            name: explained_share(target, transform(values), is_code=False, classes=False)
            for name, values in columns.items()
            if not is_code[name] and np.unique(values[np.isfinite(values)]).size >= FEWEST_VALUES
        }
        if name := _outstanding(explained, NEARLY_ALL_REVERSED):
            shares = f"{explained[name]:.1%} of it, of the next column {_second(explained):.1%}"
            yield Finding(
                (name,), f"is nearly a function of the target, which explains {shares}", "suspicion"
            )
            return


def explained_share(values: Floats, target: Floats, *, is_code: bool, classes: bool) -> float:
    """Return the share of the target that a column's bins explain on rows that did not make them (two halves, crossed).

    Args:
        values: The column, shape (rows,), NaN where missing.
        target: Numbers or class codes, shape (rows,).
        is_code: Whether the values are codes.
        classes: Whether the target is a class.

    Returns:
        At most 1; below 0 for noise.
    """
    known = np.isfinite(target)
    binned, target = bins(values, is_code)[known], target[known]
    half = np.random.default_rng(0).permutation(target.size) % 2
    left = total = 0.0
    for made, judged in ((half == 0, half == 1), (half == 1, half == 0)):
        if not made.any() or not judged.any():
            return 0.0
        if classes:
            size = int(target.max()) + 1
            counts = np.zeros((BINS + 2, size))
            np.add.at(counts, (binned[made], target[made].astype(int)), 1)
            overall = int(counts.sum(axis=0).argmax())
            best = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), overall)
            left += float((best[binned[judged]] != target[judged]).sum())
            total += float((overall != target[judged]).sum())
        else:
            rows = np.bincount(binned[made], minlength=BINS + 2)
            sums = np.bincount(binned[made], target[made], minlength=BINS + 2)
            mean = float(target[made].mean())
            means = np.where(rows > 0, sums / np.maximum(rows, 1), mean)
            left += float(((means[binned[judged]] - target[judged]) ** 2).sum())
            total += float(((mean - target[judged]) ** 2).sum())
    return 1.0 - left / total if total > 0 else 0.0


def _outstanding(explained: dict[str, float], least: float) -> str:
    """Return the column that explains at least that much and leaves far less than the second best; '' for none."""
    if not explained:
        return ""
    name = max(explained, key=lambda one: explained[one])
    best = explained[name]
    return name if best >= least and 1.0 - _second(explained) >= FAR_ABOVE * (1.0 - best) else ""


def _second(explained: dict[str, float]) -> float:
    return max(sorted(explained.values())[-2], 0.0) if len(explained) > 1 else 0.0
