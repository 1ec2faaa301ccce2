"""Gates that need no champion: limits on metrics, the naive baseline, whole predictions, volume, time, latency."""

from __future__ import annotations

from mlops_assets.artifacts import QUIET_LOAD, Evidence, GateResult
from mlops_assets.model_file.gates import (
    BeatsBaseline,
    Latency,
    MetricAtLeast,
    MetricAtMost,
    MinRows,
    NoMissingPredictions,
    TimeLimit,
)
from mlops_assets.promotion.gate_results import (
    failed,
    finite,
    hard_failure,
    inconclusive,
    metric_on,
    passed,
    percent,
    raw,
    shown,
    stored,
)
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_beat


def metric_at_most(params: MetricAtMost, evidence: Evidence) -> GateResult:
    """The metric is finite and not above the limit."""
    value = metric_on(evidence.evaluation.challenger, params.on, params.metric)
    if value is None:
        return _unmeasured(params, evidence)
    numbers = {"challenger": value, "limit": params.limit}
    if value <= params.limit:
        return passed(
            params.kind, f"{params.metric} {shown(value)} is at most {shown(params.limit)}", **numbers
        )
    return failed(params.kind, f"{params.metric} {shown(value)} is above {shown(params.limit)}", **numbers)


def metric_at_least(params: MetricAtLeast, evidence: Evidence) -> GateResult:
    """The metric is finite and not below the limit."""
    value = metric_on(evidence.evaluation.challenger, params.on, params.metric)
    if value is None:
        return _unmeasured(params, evidence)
    numbers = {"challenger": value, "limit": params.limit}
    if value >= params.limit:
        return passed(
            params.kind, f"{params.metric} {shown(value)} is at least {shown(params.limit)}", **numbers
        )
    return failed(params.kind, f"{params.metric} {shown(value)} is below {shown(params.limit)}", **numbers)


def beats_baseline(params: BeatsBaseline, evidence: Evidence) -> GateResult:
    """Strictly better than the naive baseline by more than `by`."""
    ours = metric_on(evidence.evaluation.challenger, params.on, params.metric)
    if ours is None:
        return _unmeasured(params, evidence)
    naive = metric_on(evidence.evaluation.baseline, params.on, params.metric)
    if naive is None:
        reason = f"{params.metric} of the naive baseline is no finite number; gate on another metric"
        return hard_failure(params.kind, reason)
    limit = limit_to_beat(params.metric, naive, params.by)
    numbers = {"challenger": ours, "baseline": naive, "limit": limit}
    name = f"; it is {evidence.evaluation.baseline_name}" if evidence.evaluation.baseline_name else ""
    beside = f"{shown(limit)} (naive baseline {shown(naive)}, by {percent(params.by)}{name})"
    if is_beyond(params.metric, ours, limit):
        return passed(params.kind, f"{params.metric} {shown(ours)} is better than {beside}", **numbers)
    return failed(params.kind, f"{params.metric} {shown(ours)} is not better than {beside}", **numbers)


def no_missing_predictions(params: NoMissingPredictions, evidence: Evidence) -> GateResult:
    """Every holdout row was answered with a finite number (S0.25); the holdout is not empty."""
    absent, rows = finite(evidence.evaluation.missing_predictions), finite(evidence.evaluation.holdout_rows)
    if absent is None or rows is None or rows < 1 or absent < 0:
        return hard_failure(params.kind, "the predictions on the holdout were not counted")
    if absent > 0:
        reason = f"{absent:,.0f} of {rows:,.0f} holdout predictions are missing"
        return hard_failure(params.kind, reason, missing=absent, rows=rows)
    return passed(params.kind, f"all {rows:,.0f} holdout predictions are there", missing=absent, rows=rows)


def min_rows(params: MinRows, evidence: Evidence) -> GateResult:
    """Enough valid readings went in (S0.26)."""
    rows, least = (
        finite(evidence.training_rows),
        finite(params.rows if params.rows is not None else evidence.min_rows),
    )
    if rows is None or least is None:
        return hard_failure(params.kind, "the number of readings is unknown")
    if rows < least:
        return hard_failure(
            params.kind, f"{rows:,.0f} readings are fewer than {least:,.0f}", rows=rows, limit=least
        )
    return passed(
        params.kind, f"{rows:,.0f} readings, at least {least:,.0f} asked for", rows=rows, limit=least
    )


def time_limit(params: TimeLimit, evidence: Evidence) -> GateResult:
    """Training ended in less than the limit (S0.27)."""
    taken = finite(evidence.training_seconds)
    limit = finite(params.limit.total_seconds() if params.limit is not None else evidence.time_limit_seconds)
    if taken is None or limit is None or taken < 0:
        return hard_failure(params.kind, "how long training took is unknown")
    if taken >= limit:
        reason = f"training took {taken:,.0f} s, the limit is {limit:,.0f} s"
        return hard_failure(params.kind, reason, seconds=taken, limit=limit)
    reason = f"training took {shown(taken)} s of {limit:,.0f} s allowed"
    return passed(params.kind, reason, seconds=taken, limit=limit)


def latency(params: Latency, evidence: Evidence) -> GateResult:
    """One row is predicted in less than the limit.

    What is too slow on a busy machine is no verdict on the model.
    """
    taken = finite(evidence.evaluation.latency_ms)
    if taken is None or taken < 0:
        return hard_failure(params.kind, "latency was not measured")
    numbers = {"milliseconds": taken, "limit": params.limit_ms}
    if taken < params.limit_ms:
        return passed(
            params.kind, f"one row takes {shown(taken)} ms, less than {shown(params.limit_ms)} ms", **numbers
        )
    reason = f"one row takes {shown(taken)} ms, not less than {shown(params.limit_ms)} ms"
    load = finite(evidence.evaluation.machine_load)
    if load is not None and load > QUIET_LOAD:
        busy = (
            f"{reason}, but the machine was busy (a fixed loop took {shown(load)} times its processor time)"
        )
        return inconclusive(params.kind, f"{busy}; run again when it is quiet", **numbers, load=load)
    return failed(params.kind, reason, **numbers)


def _unmeasured(params: MetricAtMost | MetricAtLeast | BeatsBaseline, evidence: Evidence) -> GateResult:
    stored_value = stored(raw(evidence.evaluation.challenger, params.on, params.metric))
    return hard_failure(
        params.kind, f"{params.metric} is no finite number on the {params.on} part", challenger=stored_value
    )
