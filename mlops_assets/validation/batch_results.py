"""Results of rules about a whole batch: its size, time and distribution.

Comes in: a rule and the measurements of a batch. Goes out: a `RuleResult`. A rule that could not be checked has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mlops_assets.artifacts import RuleResult
from mlops_assets.validation.column_results import COLUMN_RULES
from mlops_assets.validation.completeness import worst_day
from mlops_assets.validation.drift import measure
from mlops_assets.validation.measurements import Measurements
from mlops_assets.validation.result import rule_result
from mlops_assets.validation.rules import Rule


def batch_result(rule: Rule, measured: Measurements) -> RuleResult:
    """Return the result of a rule about the whole batch.

    Args:
        rule: The rule.
        measured: Measurements of the batch.

    Returns:
        The result; it fails when there are no rows.
    """
    if measured.rows == 0 and rule.kind not in ("columns_present", "column_types"):
        return rule_result(rule, passed=False, message="Nothing was checked: there are no rows")
    return BATCH_RULES[rule.kind](rule, measured)


def _min_rows(rule: Rule, measured: Measurements) -> RuleResult:
    least = measured.batch.spec.validation.min_rows
    rows = measured.valid.height
    message = f"{rows:,} valid rows, at least {least:,} are needed"
    return rule_result(rule, passed=rows >= least, observed=float(rows), limit=float(least), message=message)


def _time_order(rule: Rule, measured: Measurements) -> RuleResult:
    if reason := measured.batch.why_not(measured.batch.spec.timestamp):
        return rule_result(rule, passed=False, message=f"Not checked: {reason}")
    count = int(measured.values["backward"])
    message = (
        f"Time steps backward in {count:,} rows, first to {measured.values['first_backward']}"
        if count
        else rule.description
    )
    return rule_result(
        rule, passed=not count, observed=float(count), limit=0.0, failed_rows=count, message=message
    )


def _freshness(rule: Rule, measured: Measurements) -> RuleResult:
    """Return readings from after the run do not count: one clock set wrong would make stale data look fresh."""
    batch, limit = measured.batch, measured.batch.spec.validation.freshness
    assert limit is not None
    if reason := batch.why_not(batch.spec.timestamp):
        return rule_result(rule, passed=False, message=f"Not checked: {reason}")
    newest = measured.values["newest"]
    if newest is None:
        return rule_result(
            rule, passed=False, limit=limit.total_seconds(), message="No reading is from before the run"
        )
    age = batch.as_of - newest
    message = (
        f"The newest reading is from {newest:%Y-%m-%d %H:%M:%S} UTC, {age} old; at most {limit} is allowed"
    )
    return rule_result(
        rule, passed=age <= limit, observed=age.total_seconds(), limit=limit.total_seconds(), message=message
    )


def _completeness(rule: Rule, measured: Measurements) -> RuleResult:
    batch, limit = measured.batch, measured.batch.spec.validation.completeness
    assert limit is not None
    assert batch.spec.timestamp is not None
    if reason := batch.why_not(*batch.keys):
        return rule_result(rule, passed=False, message=f"Not checked: {reason}")
    worst = worst_day(batch.spec, batch.frame)
    if worst is None:
        message = "Nothing was checked: the readings do not cover one whole day"
        return rule_result(rule, passed=False, limit=limit, message=message)
    of_entity = "" if worst.entity is None else f" of {worst.entity}"
    message = (
        f"The emptiest day is {worst.day}{of_entity}: {worst.readings:,} of {worst.expected:,} readings "
        f"({worst.share:.1%}, at least {limit:.1%} required, one reading every {worst.step})"
    )
    if worst.short:
        message += f"; {worst.short:,} of {worst.days:,} days fall short"
    return rule_result(rule, passed=worst.share >= limit, observed=worst.share, limit=limit, message=message)


def _quarantined(rule: Rule, measured: Measurements) -> RuleResult:
    share, limit = measured.quarantined / measured.rows, measured.batch.spec.validation.max_quarantined
    count = f"{measured.quarantined:,} of {measured.rows:,} rows"
    message = f"{count} quarantined ({share:.2%}, at most {limit:.2%} allowed)"
    return rule_result(
        rule,
        passed=share <= limit,
        observed=share,
        limit=limit,
        failed_rows=measured.quarantined,
        message=message,
    )


def _drift(rule: Rule, measured: Measurements) -> RuleResult:
    """Without a limit of its own the rule warns where monitoring would act."""
    spec = measured.batch.spec
    limit = (
        spec.monitoring.act_limit("psi") if spec.validation.max_drift is None else spec.validation.max_drift
    )
    if measured.reference is None:
        message = "Not applicable: there is no champion's training data to compare with yet"
        return rule_result(rule, passed=True, limit=limit, message=message)
    columns, failed = measure(measured.reference, measured.valid)
    if not columns:
        return rule_result(
            rule,
            passed=False,
            limit=limit,
            message=f"Nothing was compared: {'; '.join(failed) or 'no column'}",
        )
    worst = columns[0]
    listed = ", ".join(f"{column.name!r} {column.psi:.3f} (KL {column.kl:.3f})" for column in columns[:5])
    message = f"PSI of {len(columns)} columns, largest first: {listed}; limit {limit:g}"
    if failed:
        message += f"; not measurable: {'; '.join(failed)}"
    return rule_result(
        rule, passed=worst.psi <= limit and not failed, observed=worst.psi, limit=limit, message=message
    )


BATCH_RULES: Final[Mapping[str, Callable[[Rule, Measurements], RuleResult]]] = {
    **COLUMN_RULES,
    "min_rows": _min_rows,
    "time_order": _time_order,
    "freshness": _freshness,
    "completeness": _completeness,
    "quarantined": _quarantined,
    "drift": _drift,
}
