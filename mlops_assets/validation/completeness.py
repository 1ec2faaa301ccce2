"""Does every whole day hold the readings it should?

Comes in: a model file with a timestamp, and readings. Goes out: the emptiest day of any entity. Days are UTC days, so
that all are equally long. The first and last day of the data are partial and left out; days without readings count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from mlops_assets.model_file import ModelSpec
from mlops_assets.validation.rows import instant

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorstDay:
    """The day with the smallest share of its readings; `short` of `days` days fall below the required limit."""

    day: date
    entity: str | None
    readings: int
    expected: int
    share: float
    step: timedelta
    short: int
    days: int


def worst_day(spec: ModelSpec, frame: pl.DataFrame) -> WorstDay | None:
    """Return the day with the smallest share of the expected readings.

    An entity's days run from its own first day to the last day of the whole batch: a sensor that stops is
    visible.

    Args:
        spec: The model file.
        frame: The readings.

    Returns:
        The day; None when no whole day is covered or the step between readings is unknown.
    """
    assert spec.timestamp is not None
    entity = pl.lit("") if spec.entity is None else pl.col(spec.entity).cast(pl.String)
    times = (
        frame.lazy()
        .select(entity=entity, time=instant(spec.timestamp, frame.schema[spec.timestamp]))
        .drop_nulls()
        .unique()
        .sort("entity", "time")
        .collect()
    )
    step = spec.validation.every or times.select(pl.col("time").diff().over("entity").median()).item()
    if step is None or step <= timedelta(0):
        return None
    expected = max(1, int(_DAY / step))
    counts = times.group_by("entity", pl.col("time").dt.date().alias("day")).len("readings")
    spans = times.group_by("entity").agg(pl.col("time").min().dt.date().alias("first"))
    last = times["time"].max()
    assert last is not None
    grid = (
        spans.with_columns(
            pl.date_ranges(pl.col("first") + _DAY, pl.lit(last).dt.date() - _DAY, "1d").alias("day")
        )
        .explode("day")
        .drop_nulls("day")
        .join(counts, on=["entity", "day"], how="left")
        .with_columns(pl.col("readings").fill_null(0))
        .with_columns((pl.col("readings") / expected).clip(0, 1).alias("share"))
        .sort("share", "day", "entity")
    )
    if grid.is_empty():
        return None
    limit = spec.validation.completeness or 0.0
    worst = grid.row(0, named=True)
    return WorstDay(
        day=worst["day"],
        entity=None if spec.entity is None else worst["entity"],
        readings=worst["readings"],
        expected=expected,
        share=worst["share"],
        step=step,
        short=int((grid["share"] < limit).sum()),
        days=grid.height,
    )
