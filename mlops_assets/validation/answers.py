"""What the numbers of a batch say: one `RuleResult` per rule, in words.

Comes in: rules and the facts measured about a batch. Goes out: answers. A rule that could not be asked has failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

import polars as pl
from pydantic import JsonValue

from mlops_assets.artifacts import Profile, RuleResult
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.validation.completeness import worst_day
from mlops_assets.validation.drift import measure
from mlops_assets.validation.rows import Batch, columns_of, floats, instant, present
from mlops_assets.validation.rules import Rule, misses_too_much, missing_limit, named_columns

SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """A batch after the pass: its usable rows, how many were set aside, and the numbers found."""

    batch: Batch
    valid: pl.DataFrame
    set_aside: int
    reference: Profile | None
    found: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Rows that came in."""
        return self.batch.frame.height

    def missing(self, column: str) -> float:
        """Share of a column's values that are missing."""
        return float(self.found[f"missing:{column}"]) / self.rows


def wanted(batch: Batch) -> dict[str, pl.Expr]:
    """The numbers to be measured, by name."""
    spec, schema = batch.spec, batch.frame.schema
    nan = set(floats(batch))
    asked: dict[str, pl.Expr] = {}
    for name in batch.used:
        missing = pl.col(name).null_count()
        asked[f"missing:{name}"] = missing + pl.col(name).is_nan().sum() if name in nan else missing
    if batch.why_not(spec.target) is None:
        target = present(spec.target, schema[spec.target])
        asked["target_varies"] = (target != target.drop_nulls().first()).any()
    if spec.timestamp is not None and batch.why_not(spec.timestamp) is None:
        time = instant(spec.timestamp, schema[spec.timestamp])
        asked["newest"] = time.filter(time <= batch.as_of).max()
        step = time.diff()
        if spec.entity is not None and batch.why_not(spec.entity) is None:
            step = step.over(spec.entity)
        asked["least_step"] = step.min()
        back = step < timedelta(0)
        asked["backward"] = back.sum()
        asked["first_backward"] = time.filter(back).first()
    else:
        asked["least_step"] = pl.lit(None, dtype=pl.Duration)
    for name, declared in spec.validation.columns.items():
        if batch.why_not(name) is None:
            column = present(name, schema[name])
            if declared.min is not None or declared.max is not None:
                asked[f"low:{name}"], asked[f"high:{name}"] = column.min(), column.max()
            if declared.type == "integer" and schema[name].is_float():
                asked[f"not_whole:{name}"] = (column.floor() != column).sum()
    return asked


def about_rows(rule: Rule, facts: Facts, asked: pl.Expr | str, positions: pl.Series | None) -> RuleResult:
    """The answer of a rule about rows, with the first rows that break it."""
    if isinstance(asked, str):
        return _result(rule, passed=False, message=f"Not checked: {asked}")
    if positions is None:
        return _result(rule, passed=False, message="Nothing was checked: there are no rows")
    count = positions.len()
    observed, limit = _extreme(rule, facts) if rule.kind == "range" else (float(count), 0.0)
    message = rule.description
    if count:
        message = f"{count:,} of {facts.rows:,} rows set aside. Expected: {rule.description}"
        if rule.kind == "range" and observed is not None:
            message += f"; found {observed:g}"
    return _result(
        rule,
        passed=count == 0,
        observed=observed,
        limit=limit,
        failed_rows=count,
        message=message,
        samples=_samples(rule, facts.batch, positions),
    )


def about_batch(rule: Rule, facts: Facts) -> RuleResult:
    """The answer of a rule about the whole batch."""
    if facts.rows == 0 and rule.kind not in ("columns_present", "column_types"):
        return _result(rule, passed=False, message="Nothing was checked: there are no rows")
    return _ANSWERS[rule.kind](rule, facts)


def _columns_present(rule: Rule, facts: Facts) -> RuleResult:
    there = facts.batch.frame.columns
    absent = [name for name in named_columns(facts.batch.spec) if name not in there]
    message = rule.description
    if absent:
        near = {name: get_close_matches(name, there, n=1) for name in absent}
        told = (f"{name!r} (near: {found[0]!r})" if found else repr(name) for name, found in near.items())
        message = f"Not in the data: {', '.join(told)}; the data has {', '.join(there[:40]) or 'no columns'}"
    return _result(rule, passed=not absent, observed=float(len(absent)), limit=0.0, message=message)


def _column_types(rule: Rule, facts: Facts) -> RuleResult:
    batch = facts.batch
    found = list(batch.misfits.values())
    for name in batch.spec.validation.columns:
        if count := facts.found.get(f"not_whole:{name}"):
            found.append(f"{name!r} holds {count:,} values that are not whole numbers")
    passed = not found and bool(batch.frame.columns)
    message = "; ".join(found) or (rule.description if passed else "There are no columns")
    return _result(rule, passed=passed, observed=float(len(found)), limit=0.0, message=message)


def _min_rows(rule: Rule, facts: Facts) -> RuleResult:
    least = facts.batch.spec.validation.min_rows
    rows = facts.valid.height
    message = f"{rows:,} valid rows, at least {least:,} are needed"
    return _result(rule, passed=rows >= least, observed=float(rows), limit=float(least), message=message)


def _target_present(rule: Rule, facts: Facts) -> RuleResult:
    target = facts.batch.spec.target
    if target not in facts.batch.frame.columns:
        near = did_you_mean(target, facts.batch.frame.columns)
        return _result(rule, passed=False, message=f"The target {target!r} is not in the data{near}")
    if reason := facts.batch.why_not(target):
        return _result(rule, passed=False, message=f"Not checked: {reason}")
    there = 1.0 - facts.missing(target)
    if there == 0.0:
        message = f"The target {target!r} is missing in every row"
    elif not facts.found["target_varies"]:
        message = f"The target {target!r} has the same value in every row: there is nothing to learn"
    else:
        return _result(
            rule,
            passed=True,
            observed=there,
            limit=None,
            message=f"The target is there in {there:.2%} of rows",
        )
    return _result(rule, passed=False, observed=there, limit=None, message=message)


def _empty_columns(rule: Rule, facts: Facts) -> RuleResult:
    empty = [name for name in facts.batch.used if facts.missing(name) == 1.0]
    message = rule.description
    if empty:
        message = f"Missing in every row: {', '.join(map(repr, empty))}; mend the source or list under features.exclude"
    passed = not empty and bool(facts.batch.used)
    return _result(rule, passed=passed, observed=float(len(empty)), limit=0.0, message=message)


def _missing(rule: Rule, facts: Facts) -> RuleResult:
    """The column furthest above its own limit decides; the share over all columns is told beside it."""
    batch = facts.batch
    if not batch.used:
        return _result(rule, passed=False, message="Nothing was checked: no column is used")
    limits = {name: missing_limit(batch.spec, name) for name in batch.used}
    worst = max(batch.used, key=lambda name: facts.missing(name) - limits[name])
    over = [name for name in batch.used if misses_too_much(facts.missing(name), limits[name])]
    total = math.fsum(facts.missing(name) for name in batch.used) / len(batch.used)
    message = (
        f"Worst column {worst!r} misses {facts.missing(worst):.2%} (must be below {limits[worst]:.2%}); "
        f"all columns together {total:.2%}"
    )
    if len(over) > 1:
        message += f"; {len(over)} columns miss too much: {', '.join(map(repr, over[:10]))}"
    return _result(
        rule,
        passed=not over,
        observed=facts.missing(worst),
        limit=limits[worst],
        failed_rows=int(facts.found[f"missing:{worst}"]),
        message=message,
    )


def _time_order(rule: Rule, facts: Facts) -> RuleResult:
    if reason := facts.batch.why_not(facts.batch.spec.timestamp):
        return _result(rule, passed=False, message=f"Not checked: {reason}")
    count = int(facts.found["backward"])
    message = (
        f"Time steps backward in {count:,} rows, first to {facts.found['first_backward']}"
        if count
        else rule.description
    )
    return _result(
        rule, passed=not count, observed=float(count), limit=0.0, failed_rows=count, message=message
    )


def _freshness(rule: Rule, facts: Facts) -> RuleResult:
    """Readings from after the run do not count: one clock set wrong would make stale data look fresh for ever."""
    batch, limit = facts.batch, facts.batch.spec.validation.freshness
    assert limit is not None
    if reason := batch.why_not(batch.spec.timestamp):
        return _result(rule, passed=False, message=f"Not checked: {reason}")
    newest = facts.found["newest"]
    if newest is None:
        return _result(
            rule, passed=False, limit=limit.total_seconds(), message="No reading is from before the run"
        )
    age = batch.as_of - newest
    message = (
        f"The newest reading is from {newest:%Y-%m-%d %H:%M:%S} UTC, {age} old; at most {limit} is allowed"
    )
    return _result(
        rule, passed=age <= limit, observed=age.total_seconds(), limit=limit.total_seconds(), message=message
    )


def _completeness(rule: Rule, facts: Facts) -> RuleResult:
    batch, limit = facts.batch, facts.batch.spec.validation.completeness
    assert limit is not None
    assert batch.spec.timestamp is not None
    if reason := batch.why_not(*batch.keys):
        return _result(rule, passed=False, message=f"Not checked: {reason}")
    worst = worst_day(batch.spec, batch.frame)
    if worst is None:
        message = "Nothing was checked: the readings do not cover one whole day"
        return _result(rule, passed=False, limit=limit, message=message)
    where = "" if worst.entity is None else f" of {worst.entity}"
    message = (
        f"The emptiest day is {worst.day}{where}: {worst.readings:,} of {worst.expected:,} readings "
        f"({worst.share:.1%}, at least {limit:.1%} wanted, one reading every {worst.step})"
    )
    if worst.short:
        message += f"; {worst.short:,} of {worst.days:,} days fall short"
    return _result(rule, passed=worst.share >= limit, observed=worst.share, limit=limit, message=message)


def _quarantined(rule: Rule, facts: Facts) -> RuleResult:
    share, limit = facts.set_aside / facts.rows, facts.batch.spec.validation.max_quarantined
    message = (
        f"{facts.set_aside:,} of {facts.rows:,} rows set aside ({share:.2%}, at most {limit:.2%} allowed)"
    )
    return _result(
        rule, passed=share <= limit, observed=share, limit=limit, failed_rows=facts.set_aside, message=message
    )


def _drift(rule: Rule, facts: Facts) -> RuleResult:
    """Without a limit of its own the rule warns where monitoring would act."""
    spec = facts.batch.spec
    limit = (
        spec.monitoring.act_limit("psi") if spec.validation.max_drift is None else spec.validation.max_drift
    )
    if facts.reference is None:
        message = "Not applicable: there is no champion's training data to compare with yet"
        return _result(rule, passed=True, limit=limit, message=message)
    measured, failed = measure(facts.reference, facts.valid)
    if not measured:
        return _result(
            rule,
            passed=False,
            limit=limit,
            message=f"Nothing was compared: {'; '.join(failed) or 'no column'}",
        )
    worst = measured[0]
    told = ", ".join(f"{column.name!r} {column.psi:.3f} (KL {column.kl:.3f})" for column in measured[:5])
    message = f"PSI of {len(measured)} columns, largest first: {told}; limit {limit:g}"
    if failed:
        message += f"; not measurable: {'; '.join(failed)}"
    return _result(
        rule, passed=worst.psi <= limit and not failed, observed=worst.psi, limit=limit, message=message
    )


_ANSWERS: Final[Mapping[str, Callable[[Rule, Facts], RuleResult]]] = {
    "columns_present": _columns_present,
    "column_types": _column_types,
    "min_rows": _min_rows,
    "target_present": _target_present,
    "empty_columns": _empty_columns,
    "missing": _missing,
    "time_order": _time_order,
    "freshness": _freshness,
    "completeness": _completeness,
    "quarantined": _quarantined,
    "drift": _drift,
}


def _extreme(rule: Rule, facts: Facts) -> tuple[float | None, float | None]:
    """The value furthest outside the range, or nearest to its end, and the end it is compared with."""
    assert rule.column is not None
    declared = facts.batch.spec.validation.columns[rule.column]
    low, high = facts.found[f"low:{rule.column}"], facts.found[f"high:{rule.column}"]
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
    first = positions.head(SAMPLES)
    shown = list(columns_of(rule, batch, first))
    rows = batch.frame[first].select(shown).to_dicts()
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


def _result(
    rule: Rule,
    *,
    passed: bool,
    message: str,
    observed: float | None = None,
    limit: float | None = None,
    failed_rows: int = 0,
    samples: tuple[dict[str, JsonValue], ...] = (),
) -> RuleResult:
    return RuleResult(
        rule.name, rule.column, passed, rule.critical, observed, limit, failed_rows, message, samples
    )
