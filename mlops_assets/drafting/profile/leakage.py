"""Target leakage: the target under another name, a part of its sum, a consequence of its class.

Comes in: a sample of the table after its repairs. Goes out: the reason why a column is left out. What
only comes close is a note: a person has to say whether it is known before the target.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from mlops_assets.model_file.algorithms import Problem

LEAKAGE: Final = 0.9999
"""Absolute rank correlation with the target (area under the curve for two classes) that only a copy reaches."""
SUSPICIOUS: Final = 0.97
"""The same, from which a note is written."""
LEAST_ROWS: Final = 30
LEAST_OF_CLASS: Final = 50
"""Rows that each class must have before a column that separates them without an error is no accident."""
CONSEQUENCE_ROWS: Final = 20
RARE_CLASS: Final = 0.1
"""A value that only ever comes with a class this rare follows from it."""
SUM_ROWS: Final = 5_000
NEARLY_EVERY: Final = 0.99
FINE: Final = 50.0
"""How many times the target must spread wider than its last decimal before a sum may be inexact by it."""
MANY_PARTS: Final = 200


def target_leakage(sample: pl.DataFrame, name: str, target: str, problem: Problem) -> tuple[str, str]:
    """Return why a column is the target under another name, and a note where it is suspiciously close; else empty text.

    Args:
        sample: Rows of the table after its repairs.
        name: The column.
        target: The column to predict.
        problem: What is predicted.

    Returns:
        Reason to exclude the column, and note; '' for none.
    """
    column, target_values = sample[name], sample[target]
    if problem == "classification":
        labels = target_values.cast(pl.String)
        return _names_class(column, labels) or _separates_classes(column, labels) or _follows(
            column, labels
        ), ""
    if not column.dtype.is_numeric() or not target_values.dtype.is_numeric():
        return "", ""
    rows = pl.DataFrame({"a": column, "b": target_values}).drop_nulls()
    if rows.height < LEAST_ROWS:
        return "", ""
    close = abs(rows.select(pl.corr("a", "b", method="spearman")).item() or 0.0)
    if close >= LEAKAGE:
        return f"is {target!r} in disguise (rank correlation {close:.5f})", ""
    return (
        "",
        f"rank correlation {close:.3f} with the target: known before it?" if close >= SUSPICIOUS else "",
    )


def _names_class(column: pl.Series, labels: pl.Series) -> str:
    """Few values, each with one class; or there in one class only and missing in the other."""
    pairs = pl.DataFrame({"a": column.cast(pl.String), "b": labels}).drop_nulls()
    values, classes = pairs["a"].n_unique(), pairs["b"].n_unique()
    few = 2 <= classes <= values <= max(2 * classes, 10)
    if pairs.height >= LEAST_ROWS and few and pairs.unique().height == values:
        return f"names the class of {labels.name!r}: each of its values goes with one class"
    presence = pl.DataFrame({"a": column.is_not_null(), "b": labels}).drop_nulls()
    sizes = presence["b"].value_counts()["count"]
    separates = presence["a"].n_unique() == presence["b"].n_unique() == presence.unique().height == 2
    if separates and int(sizes.min() or 0) >= LEAST_OF_CLASS:  # type: ignore[arg-type]
        return f"is missing in one class of {labels.name!r} and there in the other"
    return ""


def _separates_classes(column: pl.Series, labels: pl.Series) -> str:
    """Return a number that orders two classes without a miss."""
    if not column.dtype.is_numeric():
        return ""
    rows = pl.DataFrame({"a": column.rank(), "b": labels}).drop_nulls()
    sizes = rows.group_by("b").agg(pl.len(), pl.col("a").rank().mean().alias("_")).sort("b")
    if sizes.height != 2 or int(sizes["len"].min() or 0) < LEAST_OF_CLASS:  # type: ignore[arg-type]
        return ""
    first, second = (int(number) for number in sizes["len"])
    ranks = rows.select(pl.col("a").rank().filter(pl.col("b") == sizes["b"][0]).sum()).item()
    area = (ranks - first * (first + 1) / 2) / (first * second)
    if max(area, 1 - area) >= LEAKAGE:
        return f"parts the classes of {labels.name!r} without a miss: known only with them"
    return ""


def _follows(column: pl.Series, labels: pl.Series) -> str:
    """Return a value that comes with one rare class only, again and again."""
    rows = pl.DataFrame({"a": column.cast(pl.String), "b": labels}).drop_nulls()
    if not 2 <= rows["a"].n_unique() <= 20:
        return ""
    shares = {label: count / rows.height for label, count in rows["b"].value_counts().iter_rows()}
    groups = rows.group_by("a").agg(pl.len(), pl.col("b").n_unique().alias("classes"), pl.col("b").first())
    for value, count, classes, label in groups.sort("a").iter_rows():
        if classes == 1 and count >= CONSEQUENCE_ROWS and shares[label] <= RARE_CLASS:
            return f"where it is {value}, {labels.name!r} is always {label}: a consequence of it"
    return ""


def _rounding(target: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Return how far a sum of two rounded numbers may lie from the rounded target; next to nothing for whole ones."""
    exact = 1e-9 * max(1.0, float(np.abs(target).max()))
    decimals = next(
        (digits for digits in range(7) if np.allclose(target, target.round(digits), atol=exact)), None
    )
    if decimals is None or not decimals:
        return exact
    rounding = 1.51 * 10.0**-decimals
    return rounding if rounding < target.std() / FINE else exact


def _pairs_of_sum(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> frozenset[int]:
    """Return columns of which two add up to (or differ by) the last column in nearly every row, but for rounding.

    Rows with the most frequent target, such as 0, do not count: in sparse tables they add up by nature.
    """
    numbers, counts = np.unique(table[:, -1], return_counts=True)
    table = table[table[:, -1] != numbers[counts.argmax()]]
    if len(table) < LEAST_ROWS:
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


def parts_of_sum(sample: pl.DataFrame, names: list[str], target: str) -> tuple[str, ...]:
    """Return numeric columns that add up to (or differ by) the target exactly, a constant aside.

    Args:
        sample: Rows of the table after its repairs.
        names: The columns that may be parts.
        target: The column to predict.

    Returns:
        Names of columns; empty for none.
    """
    names = [name for name in names if sample.schema[name].is_numeric()]
    if not 2 <= len(names) <= MANY_PARTS or not sample.schema[target].is_numeric():
        return ()
    rows = sample.select([*names, target]).drop_nulls()
    rows = rows.gather_every(max(1, rows.height // SUM_ROWS))
    table = rows.to_numpy().astype(np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) >= LEAST_ROWS and (pairs := _pairs_of_sum(table)):
        # A table of totals holds many sums, which leave no unique weights.
        return tuple(name for index, name in enumerate(names) if index in pairs)
    if len(table) < 3 * len(names) + LEAST_ROWS:
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
