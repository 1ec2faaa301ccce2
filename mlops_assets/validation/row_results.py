"""Results of rules about rows: how many rows break a rule, and which are the first.

Comes in: a rule, measurements and positions of rows. Goes out: a `RuleResult`. A rule that could not be checked has
failed.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, Final

import polars as pl
from pydantic import JsonValue

from mlops_assets.artifacts import RuleResult
from mlops_assets.validation.measurements import Measurements
from mlops_assets.validation.result import rule_result
from mlops_assets.validation.rows import Batch, columns_of
from mlops_assets.validation.rules import Rule

SAMPLES: Final = 5


def row_result(
    rule: Rule, measured: Measurements, check: pl.Expr | str, positions: pl.Series | None
) -> RuleResult:
    """Return the result of a rule about rows, with the first rows that break it.

    Args:
        rule: The rule.
        measured: What was measured of the batch.
        check: What was checked, or a sentence why it could not be.
        positions: The rows that break the rule; None where there are no rows.

    Returns:
        The result; it fails when nothing was checked.
    """
    if isinstance(check, str):
        return rule_result(rule, passed=False, message=f"Not checked: {check}")
    if positions is None:
        return rule_result(rule, passed=False, message="Nothing was checked: there are no rows")
    count = positions.len()
    observed, limit = _extreme(rule, measured) if rule.kind == "range" else (float(count), 0.0)
    message = rule.description
    if count:
        message = f"{count:,} of {measured.rows:,} rows quarantined. Expected: {rule.description}"
        if rule.kind == "range" and observed is not None:
            message += f"; found {observed:g}"
    return rule_result(
        rule,
        passed=count == 0,
        observed=observed,
        limit=limit,
        failed_rows=count,
        message=message,
        samples=_samples(rule, measured.batch, positions),
    )


def _extreme(rule: Rule, measured: Measurements) -> tuple[float | None, float | None]:
    """Return the value furthest outside the range, or nearest to its end, and the end it is compared with."""
    assert rule.column is not None
    declared = measured.batch.spec.validation.columns[rule.column]
    low, high = measured.values[f"low:{rule.column}"], measured.values[f"high:{rule.column}"]
    sides = []
    if declared.min is not None and low is not None:
        sides.append((declared.min - float(low), float(low), declared.min))
    if declared.max is not None and high is not None:
        sides.append((float(high) - declared.max, float(high), declared.max))
    if not sides:
        return None, declared.max if declared.min is None else declared.min
    _, observed, limit = max(sides)
    return observed, limit


def _samples(rule: Rule, batch: Batch, positions: pl.Series) -> tuple[dict[str, JsonValue], ...]:
    if positions.is_empty():
        return ()
    first = positions.head(SAMPLES)
    shown = list(columns_of(rule, batch, first))
    rows = batch.frame.select(shown)[first].to_dicts()
    return tuple(
        {"row": int(position), **{name: _json(value) for name, value in row.items()}}
        for position, row in zip(first, rows, strict=True)
    )


def _json(value: Any) -> JsonValue:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
