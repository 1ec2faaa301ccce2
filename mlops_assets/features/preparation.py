"""What is learned from the training part before an algorithm sees it: filling, encoding, scaling.

Comes in: the training part. Goes out: a frozen `Preparation`, kept inside the model, which turns any feature table with
the same columns into the matrix the algorithm knows. It makes the round trip through JSON without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import DataError
from mlops_assets.features import encoding
from mlops_assets.features.columns import computed_names, feature_names
from mlops_assets.features.encoding import Category, Group
from mlops_assets.features.kinds import FEATURE_KINDS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import TIME
from mlops_assets.model_file.suggestion import did_you_mean


@dataclass(frozen=True, slots=True)
class Number:
    """Stored. A numeric column: missing values become `fill` (None keeps them), then (value - centre) / width."""

    name: str
    fill: float | None
    centre: float = 0.0
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Preparation:
    """Stored. The way from a feature table to a matrix; `dropped` says which columns are left out, and why."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...] = ()
    groups: tuple[Group, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    """Columns of `features.history`, as they are: unfilled, unscaled."""
    timestamp: str | None = None
    """Whose seconds since 1970 are the column TIME, for algorithms that read sequences."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that a feature table must have, in any order."""
        wanted = [number.name for number in self.numbers] + [category.name for category in self.categories]
        wanted += [*(group.by for group in self.groups), *self.past]
        return tuple(dict.fromkeys([*wanted, *([self.timestamp] if self.timestamp else [])]))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the matrix, in order."""
        made = [number.name for number in self.numbers]
        made += [name for category in self.categories for name in category.columns]
        made += [group.column for group in self.groups]
        return (*made, *self.past, *((TIME,) if self.timestamp else ()))

    def apply(self, frame: pl.DataFrame) -> FeatureMatrix:
        """Return the matrix that the estimator receives.

        Args:
            frame: Rows with the columns that the model was trained on; other columns are ignored.

        Returns:
            Float64, shape (rows, len(names)); NaN only where the algorithm accepts missing values.

        Raises:
            DataError: For a missing column, text where numbers were, or an infinite value.
        """
        there = set(frame.columns)
        if missing := [name for name in self.inputs if name not in there]:
            listed = "; ".join(
                f"column {name!r} is missing{did_you_mean(name, frame.columns)}" for name in missing
            )
            raise DataError(f"the model cannot predict: {listed}")
        columns = [self._numbers(frame)]
        columns += [made[:, None] for one in self.categories for made in one.apply(as_text(frame[one.name]))]
        columns += [group.apply(as_text(frame[group.by]))[:, None] for group in self.groups]
        if self.past:
            columns.append(
                frame.select(pl.col(self.past).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
            )
        if self.timestamp:
            columns.append(frame[self.timestamp].dt.epoch("us").to_numpy()[:, None] / 1e6)
        return FeatureMatrix(self.names, np.concatenate(columns, axis=1))

    def _numbers(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        names = [number.name for number in self.numbers]
        # polars makes a schema anew at each asking: one for all, or a row of many columns takes longest here
        schema = frame.schema
        for name in names:
            _require_number(name, schema[name])
        if not names:
            return np.empty((frame.height, 0))
        values = frame.select(pl.col(names).cast(pl.Float64)).to_numpy()
        if (infinite := np.isinf(values).any(axis=0)).any():
            raise DataError(f"column {names[int(np.argmax(infinite))]!r} holds an infinite value")
        fills = np.array([np.nan if number.fill is None else number.fill for number in self.numbers])
        centres = np.array([number.centre for number in self.numbers])
        widths = np.array([number.width for number in self.numbers])
        scaled: NDArray[np.float64] = (np.where(np.isnan(values), fills, values) - centres) / widths
        return scaled


def fit_preparation(
    spec: ModelSpec, train: pl.DataFrame, *, past: bool = False, without: Mapping[str, str] | None = None
) -> Preparation:
    """Learn the preparation from the training part alone. Columns without information are dropped and named.

    Args:
        spec: The model file.
        train: The training part of the feature table.
        past: For an algorithm that reads sequences: add the grid of `features.history` and the time, and do
            not scale, because such an algorithm compares past and future values of a column and scales by
            itself.
        without: Columns that are left out whatever their values, each with the reason.

    Returns:
        The preparation.

    Raises:
        DataError: When no column remains.
    """
    dropped: dict[str, str] = dict(without or {})
    numbers: list[Number] = []
    categories: list[Category] = []
    for name in feature_names(spec, train.columns):
        if name in dropped:
            continue
        column = train[name]
        if column.dtype in (pl.String, pl.Categorical, pl.Enum):
            text = as_text(column)
            if reason := _useless(text):
                dropped[name] = reason
            else:
                categories.append(encoding.fit_category(spec, text, train[spec.target]))
            continue
        number = as_number(column)
        if reason := _useless(number):
            dropped[name] = reason
        else:
            numbers.append(_number(spec, number, "none" if past else spec.features.scaling))
    groups = tuple(group for kind in FEATURE_KINDS.values() for group in kind.fit(spec, train))
    grid = computed_names(spec, "grid") if past else ()
    if not numbers and not categories and not grid:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        none = "the rows have no columns besides target, timestamp and entity; declare some under 'features'"
        raise DataError(f"{spec.name}: no feature is left to train on: {reasons or none}")
    timestamp = spec.timestamp if grid else None
    return Preparation(tuple(numbers), tuple(categories), groups, dropped, grid, timestamp)


def as_number(column: pl.Series) -> pl.Series:
    """Return the column as numbers.

    Args:
        column: A numeric or boolean column.

    Returns:
        Float64 with null for missing values and NaN.

    Raises:
        DataError: For text and for infinite values.
    """
    _require_number(column.name, column.dtype)
    number = column.cast(pl.Float64)
    if number.is_infinite().any():
        raise DataError(f"column {column.name!r} holds an infinite value")
    return number.fill_nan(None)


def _require_number(name: str, kind: pl.DataType) -> None:
    if not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        raise DataError(f"column {name!r} holds {kind}, the model was trained on numbers")


def as_text(column: pl.Series) -> pl.Series:
    """Return the column as text; a number is written as it is.

    Args:
        column: Any column.

    Returns:
        Text with null for missing values.
    """
    return column.cast(pl.String)


def _useless(column: pl.Series) -> str | None:
    values = column.drop_nulls()
    if values.is_empty():
        return "missing in every training row"
    if column.null_count() == 0 and values.n_unique() == 1:
        return f"{values[0]!r} in every training row"
    return None


def _number(spec: ModelSpec, column: pl.Series, scaling: str) -> Number:
    values = column.drop_nulls().to_numpy()
    how = spec.features.missing
    fill = {"median": float(np.median(values)), "mean": float(np.mean(values)), "zero": 0.0, "keep": None}[
        how
    ]
    filled = values if fill is None else np.concatenate([values, np.full(len(column) - len(values), fill)])
    centre, width = 0.0, 1.0
    if scaling == "standard":
        centre, width = float(np.mean(filled)), float(np.std(filled))
    elif scaling == "min_max":
        centre, width = float(np.min(filled)), float(np.ptp(filled))
    return Number(column.name, fill, centre, width if width > 0.0 else 1.0)
