"""Columns as numbers, codes and bins."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS: Final = 64
ROWS_PER_BIN: Final = 8


def numbers(column: pl.Series) -> Floats:
    """Return a column as numbers; text and Booleans as codes by falling frequency, NaN where missing or infinite.

    Args:
        column: Any column.

    Returns:
        Shape (rows,).
    """
    if not column.dtype.is_numeric():
        return codes(column)
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def codes(column: pl.Series) -> Floats:
    """Return values numbered by falling frequency, from 0; NaN for missing ones.

    Args:
        column: Any column.

    Returns:
        Shape (rows,).
    """
    text = column.cast(pl.String)
    counted = text.drop_nulls().value_counts(sort=True).sort(["count", text.name], descending=[True, False])
    order = {value: float(index) for index, value in enumerate(counted[text.name].to_list())}
    numbered = text.replace_strict(order, default=None, return_dtype=pl.Float64)
    return np.asarray(numbered.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def ranks(values: Floats) -> Floats:
    """Return ranks from 0 to 1, ties in the middle; NaN stays NaN.

    Args:
        values: Shape (rows,).

    Returns:
        Shape (rows,).
    """
    ranked = pl.Series(values).fill_nan(None).rank("average") / max(1, int(np.isfinite(values).sum()))
    return np.asarray(ranked.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def bins(values: Floats, is_code: bool) -> NDArray[np.int64]:
    """Return equally frequent bins of numbers, or the most frequent codes; missing values have a bin of their own.

    Args:
        values: Shape (rows,), NaN where missing.
        is_code: Whether values are codes by falling frequency.

    Returns:
        Bins from 0 to `BINS` + 1.
    """
    known = np.isfinite(values)
    if is_code:
        return np.where(known, np.minimum(np.nan_to_num(values), BINS), BINS + 1).astype(np.int64)
    if not known.any():
        return np.zeros(values.size, dtype=np.int64)
    count = int(np.clip(known.sum() // ROWS_PER_BIN, 8, BINS))
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, count + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, values, side="right"), BINS + 1)
