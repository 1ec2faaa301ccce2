"""What must be measured of a batch before its rules can be judged, all in one pass.

Comes in: a batch. Goes out: polars expressions by name, and the record of their values. Judging them is the business of
`row_results`, `column_results` and `batch_results`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from mlops_assets.artifacts import Profile
from mlops_assets.validation.rows import Batch, floats, instant, present


@dataclass(frozen=True, slots=True)
class Measurements:
    """A batch after the pass over its columns: its valid rows, how many were quarantined, and the numbers measured."""

    batch: Batch
    valid: pl.DataFrame
    quarantined: int
    reference: Profile | None
    values: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Return the number of rows that came in."""
        return self.batch.frame.height

    def missing(self, column: str) -> float:
        """Return the share of a column's values that are missing.

        Args:
            column: Name of a column.

        Returns:
            Share between 0 and 1; the batch must have rows.
        """
        return float(self.values[f"missing:{column}"]) / self.rows


def measurements(batch: Batch) -> dict[str, pl.Expr]:
    """Return the expressions that measure a batch, so that one polars query computes all.

    Args:
        batch: Readings with the facts that several rules share.

    Returns:
        Expression by name.
    """
    spec, schema = batch.spec, batch.schema
    nan = set(floats(batch))
    expressions: dict[str, pl.Expr] = {}
    for name in batch.used:
        missing = pl.col(name).null_count()
        expressions[f"missing:{name}"] = missing + pl.col(name).is_nan().sum() if name in nan else missing
    if batch.why_not(spec.target) is None:
        target = present(spec.target, schema[spec.target])
        expressions["target_varies"] = (target != target.drop_nulls().first()).any()
    if spec.timestamp is not None and batch.why_not(spec.timestamp) is None:
        time = instant(spec.timestamp, schema[spec.timestamp])
        expressions["newest"] = time.filter(time <= batch.as_of).max()
        step = time.diff()
        if spec.entity is not None and batch.why_not(spec.entity) is None:
            step = step.over(spec.entity)
        expressions["least_step"] = step.min()
        back = step < timedelta(0)
        expressions["backward"] = back.sum()
        expressions["first_backward"] = time.filter(back).first()
    else:
        expressions["least_step"] = pl.lit(None, dtype=pl.Duration)
    for name, declared in spec.validation.columns.items():
        if batch.why_not(name) is None:
            column = present(name, schema[name])
            if declared.min is not None or declared.max is not None:
                expressions[f"low:{name}"], expressions[f"high:{name}"] = column.min(), column.max()
            if declared.type == "integer" and schema[name].is_float():
                expressions[f"not_whole:{name}"] = (column.floor() != column).sum()
    return expressions
