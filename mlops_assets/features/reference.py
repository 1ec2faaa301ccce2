"""The training data as drift is measured against it later: bins and their shares per feature.

Comes in: the training part. Goes out: a `Profile`. Distances from it are computed by `binning` and `drift_methods`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import ColumnProfile, Profile
from mlops_assets.errors import DataError
from mlops_assets.model_file.suggestion import did_you_mean

BINS: Final = 10
MIN_BINS_BETWEEN_TIES: Final = 2
"""Bins for the values that are not ties, however rare they are."""
MOST_VALUES: Final = 50
"""Values of a text column with a share of their own; all others count together."""


def profile(
    frame: pl.DataFrame, names: Sequence[str], bins: int = BINS, target: pl.Series | None = None
) -> Profile:
    """Return the distributions of the named columns.

    A number with few different values has a bin for each, and one below and above them all; a value as
    frequent as a whole bin has a bin of its own.

    Args:
        frame: A table of readings or features.
        names: Columns to profile.
        bins: Largest number of bins of equal counts for a numeric column.
        target: The target of the same rows; None for a table without one.

    Returns:
        Number of rows and a distribution per column.

    Raises:
        DataError: When a column is missing.
    """
    present = set(frame.columns)
    if missing := [name for name in names if name not in present]:
        raise DataError(f"no column {missing[0]!r} to profile{did_you_mean(missing[0], frame.columns)}")
    columns = {name: column_profile(frame[name], bins) for name in names}
    return Profile(frame.height, columns, None if target is None else column_profile(target, bins))


def column_profile(column: pl.Series, bins: int = BINS) -> ColumnProfile:
    """Return the distribution of one column.

    Args:
        column: A numeric, boolean or text column.
        bins: Largest number of bins of equal counts for a numeric column.

    Returns:
        Edges or values with their proportions; empty for a column without a value.
    """
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return _numbers(column.cast(pl.Float64).fill_nan(None), bins)
    return _categories(column.cast(pl.String))


def _numbers(column: pl.Series, bins: int) -> ColumnProfile:
    missing = column.null_count() / len(column) if len(column) else 1.0
    values = column.drop_nulls().to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return ColumnProfile("number", (), (), (), missing, None, None)
    edges = _edges(values, bins)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    shares = tuple((counts / counts.sum()).tolist())
    return ColumnProfile(
        "number",
        tuple(edges.tolist()),
        (),
        shares,
        missing,
        float(np.mean(values)),
        spread,
        float(values.min()),
        float(values.max()),
    )


def _edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Edges of bins with equal counts. A value as frequent as a whole bin has a bin of its own, [value, next number).

    Without that, the quantiles of a column with many zeros are all 0, and no change above 0 is visible.
    """
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= bins:
        return np.append(different, np.nextafter(different[-1:], np.inf))
    ties = different[counts >= values.size / bins]
    others = values[~np.isin(values, ties)]
    parts = max(MIN_BINS_BETWEEN_TIES, round(bins * others.size / values.size)) if ties.size else bins
    cuts = np.quantile(others, np.linspace(0, 1, parts + 1)[1:-1])
    edges: NDArray[np.float64] = np.unique(np.concatenate([cuts, ties, np.nextafter(ties, np.inf)]))
    return edges


def _categories(column: pl.Series) -> ColumnProfile:
    missing = column.null_count() / len(column) if len(column) else 1.0
    present = column.drop_nulls()
    if present.is_empty():
        return ColumnProfile("category", (), (), (), missing, None, None)
    counts = present.value_counts().sort(["count", column.name], descending=[True, False]).head(MOST_VALUES)
    shares = tuple((counts["count"] / len(present)).to_list())
    return ColumnProfile("category", (), tuple(counts[column.name].to_list()), shares, missing, None, None)
