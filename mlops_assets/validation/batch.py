"""Validating one batch in one pass over its columns.

Comes in: a model file, readings, the time of the run and, where there is a champion, the profile of its training data.
Goes out: a `Validation` with exactly one result per rule of `rules(spec)`. Nothing evaluated is a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.artifacts import Profile, Validation
from mlops_assets.model_file import ModelSpec
from mlops_assets.validation.batch_results import batch_result
from mlops_assets.validation.measurements import Measurements, measurements
from mlops_assets.validation.row_results import row_result
from mlops_assets.validation.rows import Batch, broken
from mlops_assets.validation.rules import rules, used_columns
from mlops_assets.validation.types import misfits

REASON: Final = "_reason"


def validate(
    spec: ModelSpec, frame: pl.DataFrame, *, as_of: datetime, reference: Profile | None = None
) -> Validation:
    """Split the rows into valid and quarantined, and check every rule that the model file implies, in order.

    Rows keep their order; quarantined rows gain the column `_reason`, the names of the rules they break.

    Args:
        spec: The model file.
        frame: The readings.
        as_of: The time of the run, with a time zone.
        reference: The profile of the champion's training data; None where there is no champion.

    Returns:
        Both tables, and a result per rule.

    Raises:
        ValueError: `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of must carry a time zone")
    declared = rules(spec)
    batch = Batch(spec, frame, as_of, used_columns(spec, frame.columns), misfits(spec, frame.schema))
    checks = {rule.name: broken(rule, batch) for rule in declared if rule.about_rows}
    masks = {name: mask for name, mask in checks.items() if isinstance(mask, pl.Expr)}
    values = _measure(batch, masks) if frame.height else {}
    positions: dict[str, pl.Series] = {name: values.pop(name) for name in masks if name in values}
    valid, quarantine = _separate(frame, positions)
    measured = Measurements(batch, valid, quarantine.height, reference, values)
    return Validation(
        valid=valid,
        quarantine=quarantine,
        rules=tuple(
            row_result(rule, measured, checks[rule.name], positions.get(rule.name))
            if rule.about_rows
            else batch_result(rule, measured)
            for rule in declared
        ),
    )


def _measure(batch: Batch, masks: Mapping[str, pl.Expr]) -> dict[str, Any]:
    """Every number any rule needs, and under the rules' names the positions of the rows that break them.

    All in one select, except for equal keys, the one expensive check: where time moves strictly forward within every
    entity there are none, and it is skipped.
    """
    lazy = batch.frame.lazy()
    expressions = measurements(batch)
    expressions |= {name: mask.arg_true().implode() for name, mask in masks.items() if name != "unique_rows"}
    row = lazy.select(**expressions).collect()
    values = {name: row.get_column(name)[0] for name in expressions}
    if "unique_rows" in masks:
        step = values["least_step"]
        if step is not None and step > timedelta(0) and not values[f"missing:{batch.spec.timestamp}"]:
            values["unique_rows"] = pl.Series([], dtype=pl.UInt32)
        else:
            values["unique_rows"] = lazy.select(masks["unique_rows"].arg_true()).collect().to_series()
    return values


def _separate(frame: pl.DataFrame, positions: Mapping[str, pl.Series]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return valid rows, and quarantined rows with the names of the rules they break."""
    broken_by = pl.concat(
        [
            pl.DataFrame({"_row": pl.Series([], dtype=pl.UInt32), REASON: pl.Series([], dtype=pl.String)}),
            *(
                pl.DataFrame({"_row": rows.cast(pl.UInt32)}).with_columns(pl.lit(name).alias(REASON))
                for name, rows in positions.items()
                if rows.len()
            ),
        ]
    )
    if broken_by.is_empty():
        return frame, frame.clear().with_columns(pl.lit("").alias(REASON).cast(pl.String))
    by_row = broken_by.group_by("_row", maintain_order=True).agg(pl.col(REASON).str.join("; ")).sort("_row")
    quarantine = frame[by_row["_row"]].with_columns(by_row[REASON])
    valid = pl.repeat(True, frame.height, eager=True).scatter(by_row["_row"], False)
    return frame.filter(valid), quarantine
