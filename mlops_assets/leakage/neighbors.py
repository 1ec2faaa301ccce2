"""Rows of the test part that a random split has all but shown to the training part: near duplicates, and groups.

Near duplicates: the nearest training row of a test row is much nearer than its tenth nearest, for far more rows than
in a cloud of points of the same dimension, and its target agrees much better. In a cloud of dimension d the number of
neighbors grows with distance ** d (Facco, d'Errico, Rodriguez & Laio 2017, Scientific Reports 7). Twins do not care.

Groups: the values of a column with many values, such as a patient, are in both parts; the mean of the target of the
same value predicts the test part, and the means of the next values do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.values import Floats, codes, numbers, ranks

Codes = NDArray[np.int64]
FEWEST_ROWS: Final = 100
MOST_TEST_ROWS: Final = 1_000
CONTINUOUS_VALUES: Final = 50
MOST_OF_ONE_VALUE: Final = 0.1
NEAR: Final = 0.1
"""Distance of a twin, relative to the tenth neighbor."""
NEIGHBORS: Final = (10, 40)
LEAST_SHARE: Final = 0.12
"""Share of test rows with a twin, from which they count."""
LEAST_SHARE_OF_COPIES: Final = 0.05
"""The same for twins whose target is nearly the same."""
MOST_LEVELS: Final = 30
FARTHEST: Final = 3.5
"""Standard deviations at which a number is cut off."""
BEYOND_CHANCE: Final = 5.0
AGREE: Final = 0.6
"""Difference of the twin's target relative to the tenth neighbor's."""
AGREE_OF_COPIES: Final = 0.15
FEWEST_DIFFERENCES: Final = 3.0
"""Twins times the tenth neighbor's difference, from which agreement is no accident."""
FEWEST_VALUES: Final = 20
MOST_ROWS_OF_VALUE: Final = 30
EXPLAINS: Final = 0.3


def near_duplicates(table: LeakageTable) -> Iterator[Finding]:
    """Yield one suspicion where many test rows have a twin in the training part.

    Args:
        table: The rows of a split that assigns them one by one.

    Yields:
        At most one finding.
    """
    if (sides := _sides(table)) is None:
        return
    train, test = sides
    if not any(_is_continuous(table.frame[name]) for name in table.inputs):
        return
    from scipy.spatial import cKDTree

    points = np.column_stack([axis for name in table.inputs for axis in _axes(table.frame[name])])
    near, far = NEIGHBORS
    distance, index = cKDTree(points[train]).query(points[test], k=far, p=1)
    tenth, fortieth = distance[:, near - 1], distance[:, far - 1]
    grows = (tenth > 0) & (fortieth > tenth)
    if not grows.any():
        return
    dimension = math.log(far / near) / float(np.median(np.log(fortieth[grows] / tenth[grows])))
    twin = (distance[:, 0] <= NEAR * tenth) & (tenth > 0)
    share, by_chance = float(twin.mean()), near * NEAR**dimension
    if share < max(LEAST_SHARE_OF_COPIES, BEYOND_CHANCE * by_chance):
        return
    target = numbers(table.frame[table.target])
    scale = target if table.is_classification else ranks(target)
    own = scale[test][twin]
    first, other = (scale[train][index[twin, column]] for column in (0, near - 1))
    differs = [
        float(np.nanmean(own != one if table.is_classification else np.abs(own - one)))
        for one in (first, other)
    ]
    are_copies = differs[0] <= AGREE_OF_COPIES * differs[1] and own.size * differs[1] >= FEWEST_DIFFERENCES
    if differs[1] > 0 and (are_copies or (share >= LEAST_SHARE and differs[0] <= AGREE * differs[1])):
        rows = f"{share:.0%} of the test rows have a near duplicate in the training part (by chance {by_chance:.1%})"
        yield Finding((), f"{rows}, whose target is nearly the same: split by group or time", "suspicion")


def groups_across_parts(table: LeakageTable) -> Iterator[Finding]:
    """Yield each column of many values whose values are in both parts and name the target.

    Args:
        table: The rows of a split that assigns them one by one.

    Yields:
        Suspicions.
    """
    if (sides := _sides(table)) is None:
        return
    train, test = sides
    target = numbers(table.frame[table.target])
    if table.is_classification:
        indicators = [(target == code).astype(np.float64) for code in np.unique(target[np.isfinite(target)])]
    else:
        indicators = [target]
    for name, kind in table.frame.schema.items():
        column = table.frame[name]
        if name in (table.target, table.timestamp) or not (_is_whole(column) or kind == pl.String):
            continue
        members = np.nan_to_num(numbers(column if kind.is_numeric() else column.rank("dense")), nan=-1.0)
        levels, member = np.unique(members, return_inverse=True)
        if not _are_individuals(levels.size, members.size):
            continue
        counts = np.bincount(member[train], minlength=levels.size)
        shared = float((counts[member[test]] > 0).mean())
        own, next_ones = _predicted(indicators, member, train, test, levels.size)
        if shared >= 0.5 and own >= EXPLAINS and next_ones <= 0.5 * own:
            what = f"has {levels.size:,} values; those of {shared:.0%} of the test rows are in the training part too"
            yield Finding(
                (name,), f"{what} and explain {own:.0%} of the target there: split by group", "suspicion"
            )


def rows_of_one_target(table: LeakageTable) -> Iterator[Finding]:
    """Yield one suspicion where rows with exactly the same target have the same inputs: several rows of one individual.

    Args:
        table: The rows of a split that assigns them one by one.

    Yields:
        At most one finding.
    """
    if table.is_classification or (sides := _sides(table)) is None:
        return
    levels, member = np.unique(numbers(table.frame[table.target]), return_inverse=True)
    if not _are_individuals(levels.size, member.size):
        return
    for name in table.inputs:
        if not _is_continuous(table.frame[name]):
            continue
        values = np.nan_to_num(ranks(numbers(table.frame[name])), nan=-1.0)
        own, next_ones = _predicted([values], member, *sides, levels.size)
        if own >= EXPLAINS and next_ones <= 0.5 * own:
            what = f"rows with exactly the same target share {name!r} too ({own:.0%} of it)"
            yield Finding((), f"{what}: are they of one individual? Split by group", "suspicion")
            return


def _are_individuals(levels: int, rows: int) -> bool:
    return levels >= FEWEST_VALUES and 2 * levels <= rows <= MOST_ROWS_OF_VALUE * levels


def _predicted(
    indicators: list[Floats], member: Codes, train: Codes, test: Codes, size: int
) -> tuple[float, float]:
    """Share of the test part's variance explained by the mean of the same value, and of the next values in order."""
    left = next_left = total = 0.0
    rows = np.bincount(member[train], minlength=size)
    around = np.convolve(rows, [1, 0, 1], mode="same")
    for target in indicators:
        mean = float(target[train].mean())
        sums = np.bincount(member[train], target[train] - mean, minlength=size)
        own = mean + sums / (rows + 1)
        beside = mean + np.convolve(sums, [1, 0, 1], mode="same") / (around + 1)
        left += float(((target[test] - own[member[test]]) ** 2).sum())
        next_left += float(((target[test] - beside[member[test]]) ** 2).sum())
        total += float(((target[test] - mean) ** 2).sum())
    return (1 - left / total, 1 - next_left / total) if total > 0 else (0.0, 0.0)


def _sides(table: LeakageTable) -> tuple[Codes, Codes] | None:
    """Return indices of training rows and of some test rows; None where the split is no random one or rows are few."""
    if table.parts is None or not table.exchangeable:
        return None
    train, test = (np.flatnonzero(table.parts == code) for code in (0, 2))
    if train.size < FEWEST_ROWS or test.size < FEWEST_ROWS // 5:
        return None
    return train, test[:: math.ceil(test.size / MOST_TEST_ROWS)]


def _axes(column: pl.Series) -> list[Floats]:
    """Numbers in standard deviations, one axis for each value of text; none for a number or a text per row."""
    if column.dtype.is_numeric():
        if _is_id(column):
            return []
        values = numbers(column)
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        standard = (values - np.nanmean(values)) / spread if spread > 0 else np.zeros(values.size)
        return [np.nan_to_num(standard, nan=-FARTHEST).clip(-FARTHEST, FARTHEST)]
    coded = codes(column)
    levels = np.unique(coded)
    return [] if levels.size > MOST_LEVELS else [np.where(coded == level, 0.5, 0.0) for level in levels]


def _is_whole(column: pl.Series) -> bool:
    if column.dtype.is_integer():
        return True
    return column.dtype.is_float() and bool((column.drop_nulls() == column.drop_nulls().round()).all())


def _is_continuous(column: pl.Series) -> bool:
    """Many values, none of which is frequent, and not a number per row."""
    if not column.dtype.is_numeric():
        return False
    counts = column.drop_nulls().value_counts()["count"]
    if counts.len() < CONTINUOUS_VALUES or (counts > MOST_OF_ONE_VALUE * column.len()).any():
        return False
    return not _is_id(column)


def _is_id(column: pl.Series) -> bool:
    return column.n_unique() == column.len() and _is_whole(column)
