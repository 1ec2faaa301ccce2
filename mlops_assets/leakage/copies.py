"""One column that is the target under another name, or a consequence of its class.

An exact or affine copy, and a code of the class, are proofs. The same order without a miss, classes that one number
separates, presence that follows the class and a value that only ever comes with a rare class are strong findings.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from mlops_assets.leakage.record import Finding, Strength
from mlops_assets.leakage.values import Floats, numbers

SAME_ORDER: Final = 0.9999
"""Absolute rank correlation with the target (for two classes: area under the curve) that only a copy reaches."""
FEWEST_ROWS: Final = 30
FEWEST_OF_A_CLASS: Final = 50
"""Rows that each class must have before a column that separates them without an error is no accident."""
FEWEST_OF_SEPARATE_CLASSES: Final = 30
"""The same where not one row of any class is among those of another."""
FEWEST_VALUES: Final = 25
"""Different values below which equal order is no proof: a few steps of a scale agree by chance."""
CONSEQUENCE_ROWS: Final = 20
RARE_CLASS: Final = 0.25
"""A value that only ever comes with the rarer of two classes follows from it where that is this rare."""
NEARLY_EVERY: Final = 0.99
FINE: Final = 50.0
"""How many of its last decimal's steps a column must vary by before equality up to rounding is a proof."""


def copy_of_target(column: pl.Series, target: pl.Series, *, is_classification: bool) -> Finding | None:
    """Return why a column is the target under another name or follows from it; None for neither.

    Args:
        column: A column.
        target: The target of the same rows.
        is_classification: Whether the target is a class.

    Returns:
        A finding or None.
    """
    name = column.name
    if is_classification:
        labels = target.cast(pl.String)
        sentence, strength = _names_class(column, labels) or (
            _separates_classes(column, labels) or _follows(column, labels),
            "strong",
        )
        return Finding((name,), sentence, strength) if sentence else None
    if not column.dtype.is_numeric() or not target.dtype.is_numeric():
        return None
    first, second = numbers(column), numbers(target)
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if first.size < FEWEST_ROWS:
        return None
    rows = pl.DataFrame({"a": first, "b": second})
    correlation = abs(rows.select(pl.corr("a", "b", method="spearman")).item() or 0.0)
    distinct = min(rows["a"].n_unique(), rows["b"].n_unique())
    if not correlation >= SAME_ORDER:
        return None
    of = f"(rank correlation {correlation:.5f})"
    if distinct >= FEWEST_VALUES and is_affine(first, second):
        return Finding((name,), f"is a copy of {target.name!r}, but for scale and offset {of}", "proof")
    if distinct >= FEWEST_VALUES:
        return Finding((name,), f"is {target.name!r} in another unit {of}", "strong")
    return None


def is_affine(first: Floats, second: Floats) -> bool:
    """Return whether the second is a + b times the first in nearly every row, exactly or up to rounding.

    Args:
        first: Finite numbers, shape (rows,).
        second: Finite numbers, shape (rows,).

    Returns:
        True for a copy.
    """
    spread = float(second.std())
    if not spread > 0 or not first.std() > 0:
        return False
    slope = _robust_slope(first, second)
    residual = np.abs(second - slope * first - np.median(second - slope * first))
    steps = rounding_step(second) + abs(slope) * rounding_step(first)
    tolerance = max(1e-6 * spread, 1.01 * steps / 2 + 1e-9 * spread if steps * FINE < spread else 0.0)
    return bool((residual <= tolerance).mean() >= NEARLY_EVERY)


def _robust_slope(first: Floats, second: Floats) -> float:
    """Slope through the middles of the lower and the upper third, which a few wrong rows do not turn, then refined."""
    order = np.argsort(first, kind="stable")
    third = max(1, order.size // 3)
    low, high = order[:third], order[-third:]
    run = float(np.mean(first[high]) - np.mean(first[low]))
    slope = float(np.mean(second[high]) - np.mean(second[low])) / run if run else 0.0
    residual = second - slope * first
    close = np.abs(residual - np.median(residual)) <= np.quantile(
        np.abs(residual - np.median(residual)), 0.99
    )
    x, y = first[close] - first[close].mean(), second[close] - second[close].mean()
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else slope


def rounding_step(values: Floats) -> float:
    """Return the last decimal's step of rounded numbers; 0 for numbers that are not rounded.

    Args:
        values: Finite numbers.

    Returns:
        1, 0.1, ... or 0.
    """
    exact = 1e-9 * max(1.0, float(np.abs(values).max()))
    digits = next(
        (one for one in range(7) if np.allclose(values, values.round(one), rtol=0, atol=exact)), None
    )
    return 0.0 if digits is None else 10.0**-digits


def _names_class(column: pl.Series, labels: pl.Series) -> tuple[str, Strength] | None:
    """Few values, each with one class; or missing in some classes and there in the others."""
    pairs = pl.DataFrame({"a": column.cast(pl.String), "b": labels}).drop_nulls()
    values, classes = pairs["a"].n_unique(), pairs["b"].n_unique()
    few = 2 <= classes <= values <= max(2 * classes, 10)
    enough = values == classes or int(pairs["b"].value_counts()["count"].min() or 0) >= FEWEST_OF_A_CLASS  # type: ignore[arg-type]
    if pairs.height >= FEWEST_ROWS and few and enough and pairs.unique().height == values:
        return f"names the class of {labels.name!r}: each of its values goes with one class", "proof"
    presence = pl.DataFrame({"a": column.is_not_null(), "b": labels}).drop_nulls()
    sizes = presence["a"].value_counts()["count"]
    by_class = presence["a"].n_unique() == 2 and presence.unique().height == presence["b"].n_unique()
    if by_class and int(sizes.min() or 0) >= CONSEQUENCE_ROWS:  # type: ignore[arg-type]
        return f"is missing in some classes of {labels.name!r} and there in the others", "strong"
    return None


def _separates_classes(column: pl.Series, labels: pl.Series) -> str:
    """Return that a number orders the classes without a miss; '' otherwise."""
    if not column.dtype.is_numeric():
        return ""
    rows = pl.DataFrame({"a": column.rank(), "b": labels}).drop_nulls()
    sizes = rows.group_by("b").agg(pl.len(), pl.col("a").rank().mean().alias("_")).sort("b")
    fewest = int(sizes["len"].min() or 0)  # type: ignore[arg-type]
    separates = f"parts the classes of {labels.name!r} without a miss"
    if fewest >= FEWEST_OF_SEPARATE_CLASSES and _runs(rows) == sizes.height > 1:
        return separates
    if sizes.height != 2 or fewest < FEWEST_OF_A_CLASS:
        return ""
    first, second = (int(number) for number in sizes["len"])
    ranks = rows.select(pl.col("a").rank().filter(pl.col("b") == sizes["b"][0]).sum()).item()
    area = (ranks - first * (first + 1) / 2) / (first * second)
    return separates if max(area, 1 - area) >= SAME_ORDER else ""


def _runs(rows: pl.DataFrame) -> int:
    """Return the runs of equal classes in the order of a number; as many as rows where one value has two classes."""
    by_value = rows.group_by("a").agg(pl.col("b").n_unique().alias("classes"), pl.col("b").first()).sort("a")
    return rows.height if bool((by_value["classes"] > 1).any()) else int(by_value["b"].rle_id().n_unique())


def _follows(column: pl.Series, labels: pl.Series) -> str:
    """Return a value that comes with the rarer of two classes only, again and again; '' for none."""
    rows = pl.DataFrame({"a": column.cast(pl.String), "b": labels}).drop_nulls()
    if not 2 <= rows["a"].n_unique() <= 20 or rows["b"].n_unique() != 2:
        return ""
    shares = {label: count / rows.height for label, count in rows["b"].value_counts().iter_rows()}
    groups = rows.group_by("a").agg(pl.len(), pl.col("b").n_unique().alias("classes"), pl.col("b").first())
    for value, count, classes, label in groups.sort("a").iter_rows():
        if classes == 1 and count >= CONSEQUENCE_ROWS and shares[label] <= RARE_CLASS:
            return f"is {value} only where {labels.name!r} is {label}: a consequence of it"
    return ""
