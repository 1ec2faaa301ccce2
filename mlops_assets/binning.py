"""A column in the bins of its profile, before (the training data) and now (new rows).

Comes in: a column's profile, new values. Goes out: `Bins` for `drift_methods`. Where the edges lie is decided by
`features`, what a distance means by `validation` (a batch) and `monitoring` (production).

A numeric profile with edges e0 < ... < en has the bins (-inf, e0), [e0, e1), ..., [en, inf): closed on the left, open
at both ends. A category profile has one bin per value, and one more for every other value. Missing values (null and
NaN) belong to no bin; their share is watched on its own.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import ColumnProfile
from mlops_assets.drift_methods import Bins

SEASONS: Final = 24
"""Half months of a year."""


def season_of(instant: datetime) -> int:
    """Return the half month of the year that an instant lies in.

    Args:
        instant: Any instant.

    Returns:
        0 for the first fifteen days of January, to 23.
    """
    return 2 * (instant.month - 1) + (instant.day > 15)


def expected_bins(profile: ColumnProfile) -> Bins:
    """Return the training values of a profile in its bins.

    Args:
        profile: Distribution of the training values.

    Returns:
        Edges or categories with proportions.

    Raises:
        ValueError: If one bin that can hold other values holds all of them: whatever new values do, they stay in it.
    """
    if profile.kind == "category":
        if not profile.values:
            raise ValueError("the training data has no value of this column")
        return Bins((*profile.shares, max(0.0, 1.0 - math.fsum(profile.shares))))
    if not profile.shares:
        raise ValueError("the training data has no value of this column")
    fullest = int(np.argmax(profile.shares))
    if profile.shares[fullest] >= 1.0 and not _is_point(profile.edges, fullest):
        raise ValueError("one bin holds all training values and can hold others; train the model again")
    return Bins(profile.shares, profile.edges, profile.std)


def actual_bins(profile: ColumnProfile, column: pl.Series) -> Bins:
    """Return the present values of a new column in the profile's bins.

    Args:
        profile: The column in the training data.
        column: New values; null and NaN are left out.

    Returns:
        Proportions in the profile's bins, which sum to 1.

    Raises:
        ValueError: If the column has no present value, or is text where the profile has numbers.
    """
    is_number = profile.kind == "number"
    counts = _number_counts(profile, column) if is_number else _category_counts(profile, column)
    present = int(counts.sum())
    if present == 0:
        raise ValueError(f"column {column.name!r} has no value to measure")
    proportions = tuple((counts / present).tolist())
    return Bins(proportions, profile.edges, profile.std) if is_number else Bins(proportions)


def bin_codes(profile: ColumnProfile, column: pl.Series) -> NDArray[np.int64]:
    """Return the bin of each value.

    Args:
        profile: The column in the training data.
        column: Values of the kind that the profile has.

    Returns:
        Shape (n,): index of the bin, -1 for a missing value.
    """
    if profile.kind == "category":
        known = {value: index for index, value in enumerate(profile.values)}
        text = column.cast(pl.String)
        codes = text.replace_strict(known, default=len(known), return_dtype=pl.Int64)
        return codes.set(text.is_null(), -1).to_numpy()
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    bins = np.searchsorted(np.asarray(profile.edges, dtype=np.float64), values, side="right")
    return np.where(np.isnan(values), -1, bins).astype(np.int64)


def _is_point(edges: tuple[float, ...], index: int) -> bool:
    """Whether the bin holds one value only, so that any other value leaves it."""
    return 0 < index < len(edges) and edges[index] == np.nextafter(edges[index - 1], np.inf)


def _number_counts(profile: ColumnProfile, column: pl.Series) -> NDArray[np.int64]:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise ValueError(f"column {column.name!r} is {column.dtype}, its profile has numbers")
    values = column.drop_nulls().cast(pl.Float64).drop_nans().to_numpy()
    bins = np.searchsorted(np.asarray(profile.edges, dtype=np.float64), values, side="right")
    return np.bincount(bins, minlength=len(profile.edges) + 1).astype(np.int64)


def _category_counts(profile: ColumnProfile, column: pl.Series) -> NDArray[np.int64]:
    counts = column.drop_nulls().cast(pl.String).value_counts(name="count")
    by_value = dict(zip(counts[column.name].to_list(), counts["count"].to_list(), strict=True))
    known = [by_value.pop(value, 0) for value in profile.values]
    return np.asarray([*known, sum(by_value.values())], dtype=np.int64)
