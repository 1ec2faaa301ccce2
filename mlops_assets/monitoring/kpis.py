"""Business figures of a window: SQL expressions of the model file over predictions, labels and readings.

Comes in: rows with predictions and labels. Goes out: a number per name. Polars reads the expressions: they know columns
and functions, and reach no file, no table and no code.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from mlops_assets.model_file import ModelSpec

READING: Final = "reading:"
"""Prefix of columns of the readings, which may be named like a column of the predictions."""
COLUMNS: Final = ("prediction", "probability", "label", "low", "high", "naive", "entity", "at")
"""What an expression may name besides columns of the readings."""


def kpi_columns(spec: ModelSpec, name: str | None = None) -> tuple[str, ...]:
    """Return the columns of the readings that the expressions name.

    Args:
        spec: The model file.
        name: Only those of this figure; None for all.

    Returns:
        Names in alphabetical order.
    """
    texts = [text for key, text in spec.monitoring.kpis.items() if name in (None, key)]
    names = {column for text in texts for column in pl.sql_expr(text).meta.root_names()}
    return tuple(sorted(names - {*COLUMNS}))


def kpis_of(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    """Compute every figure on these rows.

    Args:
        spec: The model file, with `monitoring.kpis`.
        rows: Predictions with their labels, and columns of the readings as `reading:NAME`.

    Returns:
        Number by name; one that these rows do not give (an unknown column, no single finite number) is absent.
    """
    if not spec.monitoring.kpis:
        return {}
    is_class = spec.problem == "classification"
    frame = rows.select(
        pl.col("label" if is_class else "value").alias("prediction"),
        (pl.col("value") if is_class else pl.lit(None, dtype=pl.Float64)).alias("probability"),
        pl.col("actual").alias("label"),
        *("low", "high", "naive", "entity", "at"),
        *(
            pl.col(name).alias(name.removeprefix(READING))
            for name in rows.columns
            if name.startswith(READING) and name.removeprefix(READING) not in COLUMNS
        ),
    )
    numbers = {name: _number(frame, text) for name, text in spec.monitoring.kpis.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _number(frame: pl.DataFrame, text: str) -> float | None:
    try:
        result = frame.select(pl.sql_expr(text).alias("kpi"))["kpi"]
    except pl.exceptions.PolarsError:
        return None
    if (
        result.len() != 1
        or not (result.dtype.is_numeric() or result.dtype == pl.Boolean)
        or result[0] is None
    ):
        return None
    number = float(result[0])
    return number if math.isfinite(number) else None
