"""One form of class labels, for training, evaluation and scoring alike."""

from __future__ import annotations

import polars as pl


def class_labels(series: pl.Series) -> pl.Series:
    """Return class labels as text, equal whether they were stored as whole numbers, floats, booleans or text.

    Args:
        series: labels of any type; nulls and NaN are missing.

    Returns:
        The labels as strings: whole floats without `.0`, booleans as `true` and `false`; missing ones are null.
    """
    if series.dtype.is_float():
        series = series.fill_nan(None)
        known = series.drop_nulls()
        if (known == known.round()).all():
            series = series.cast(pl.Int64, strict=False)
    if series.dtype == pl.Object:
        return pl.Series([None if item is None else str(item) for item in series.to_list()], dtype=pl.String)
    return series.cast(pl.String)


def label_order(label: str) -> tuple[bool, float, str]:
    """Return the sort key of a label: numbers by size, then text.

    Args:
        label: The label as text.

    Returns:
        Key for `sorted`.
    """
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label
