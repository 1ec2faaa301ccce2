"""Text as numbers, and group statistics: learned from the training part, applied to any row.

Comes in: columns of the training part. Goes out: frozen records with an `apply`. A value that is not in the training
part never fails: it gets zeros, -1, or what is known of all rows together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec

Floats = NDArray[np.float64]

MOST_VALUES: Final = 50
"""One-hot columns per text column: the most frequent values; rarer ones count as unseen."""
PRIOR_ROWS: Final = 20.0
"""Rows that the overall mean weighs against the mean of one value (Micci-Barreca 2001)."""


@dataclass(frozen=True, slots=True)
class Category:
    """Stored. A text column. one_hot: a column per value. ordinal, target: one column with a number per value."""

    name: str
    how: Literal["one_hot", "ordinal", "target"]
    values: tuple[str, ...]
    numbers: tuple[float, ...] = ()
    otherwise: float = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the matrix."""
        return (
            tuple(f"{self.name}={value}" for value in self.values) if self.how == "one_hot" else (self.name,)
        )

    def apply(self, column: pl.Series) -> Iterator[Floats]:
        """Yield the encoded columns.

        Args:
            column: The column as text; null for a missing value.

        Yields:
            One float64 array of shape (rows,) per encoded column, without missing values.
        """
        if self.how == "one_hot":
            for value in self.values:
                yield (column == value).fill_null(False).cast(pl.Float64).to_numpy()
        else:
            yield _looked_up(column, self.values, self.numbers, self.otherwise)


@dataclass(frozen=True, slots=True)
class Group:
    """Stored. A statistic of one column over all training rows with the same value of `by`."""

    by: str
    column: str
    values: tuple[str, ...]
    numbers: tuple[float, ...]
    otherwise: float

    def apply(self, column: pl.Series) -> Floats:
        """Return the statistic of each row's group.

        Args:
            column: The group column as text; null for a missing value.

        Returns:
            Shape (rows,); the overall statistic for an unknown group.
        """
        return _looked_up(column, self.values, self.numbers, self.otherwise)


def fit_category(spec: ModelSpec, column: pl.Series, target: pl.Series) -> Category:
    """Learn the encoding of one text column, of the type `features.categories`.

    Args:
        spec: The model file.
        column: The column of the training part, as text.
        target: The target of the same rows, used by a target encoding.

    Returns:
        The encoding.

    Raises:
        DataError: For a target encoding of a classification with more than two classes.
    """
    how = spec.features.categories
    counts = column.drop_nulls().value_counts().sort(["count", column.name], descending=[True, False])
    if how == "one_hot":
        return Category(column.name, how, tuple(sorted(counts[column.name].head(MOST_VALUES).to_list())))
    values = tuple(sorted(counts[column.name].to_list()))
    if how == "ordinal":
        return Category(column.name, how, values, tuple(float(rank) for rank in range(len(values))), -1.0)
    numbers = _target_numbers(spec, target)
    overall = float(numbers.mean())
    means = (
        pl.DataFrame({"value": column, "number": numbers})
        .group_by("value")
        .agg(((pl.col("number").sum() + PRIOR_ROWS * overall) / (pl.len() + PRIOR_ROWS)).alias("mean"))
    )
    by_value = dict(zip(means["value"].to_list(), means["mean"].to_list(), strict=True))
    return Category(column.name, how, values, tuple(by_value[value] for value in values), overall)


def _target_numbers(spec: ModelSpec, target: pl.Series) -> Floats:
    if spec.problem != "classification":
        return target.cast(pl.Float64).to_numpy()
    labels = target.cast(pl.String)
    known = sorted(labels.unique().to_list())
    if len(known) > 2:
        raise DataError(
            f"{spec.name}: 'categories: target' needs a number or two classes to predict, not {len(known)}"
        )
    positive = spec.evaluation.positive or known[-1]
    return (labels == positive).cast(pl.Float64).to_numpy()


def _looked_up(
    column: pl.Series, values: tuple[str, ...], numbers: tuple[float, ...], otherwise: float
) -> Floats:
    if not values:
        return np.full(len(column), otherwise)
    return column.replace_strict(
        list(values), list(numbers), default=otherwise, return_dtype=pl.Float64
    ).to_numpy()
