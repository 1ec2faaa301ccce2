"""Gates that need no champion: limits on metrics, the naive baseline, whole predictions, volume, time, latency."""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue

from mlops_assets.artifacts import QUIET_LOAD, Evidence, GateResult, Part, Rival
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
    FEWEST_ROWS,
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
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_beat, mildest_comparison


def metric_at_most(params: MetricAtMost, evidence: Evidence) -> GateResult:
    """Check that the metric is finite and at most the limit.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or fail; not enough evidence where the rows are few or the metric's interval contains the limit; a hard
        failure for a value that is not finite.
    """
    value = metric_on(evidence.evaluation.challenger, params.on, params.metric)
    if value is None:
        return _unmeasured(params, evidence)
    numbers: dict[str, JsonValue] = {"challenger": value, "limit": params.limit}
    if value <= params.limit:
        return _clear_of_limit(params, evidence, "is at most", numbers)
    return failed(params.kind, f"{params.metric} {shown(value)} is above {shown(params.limit)}", **numbers)


def metric_at_least(params: MetricAtLeast, evidence: Evidence) -> GateResult:
    """Check that the metric is finite and at least the limit.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or fail; not enough evidence where the rows are few or the metric's interval contains the limit; a hard
        failure for a value that is not finite.
    """
    value = metric_on(evidence.evaluation.challenger, params.on, params.metric)
    if value is None:
        return _unmeasured(params, evidence)
    numbers: dict[str, JsonValue] = {"challenger": value, "limit": params.limit}
    if value >= params.limit:
        return _clear_of_limit(params, evidence, "is at least", numbers)
    return failed(params.kind, f"{params.metric} {shown(value)} is below {shown(params.limit)}", **numbers)


def _clear_of_limit(
    params: MetricAtMost | MetricAtLeast, evidence: Evidence, relation: str, numbers: dict[str, JsonValue]
) -> GateResult:
    """Return a pass where other rows would not have moved the metric across the limit."""
    good = f"{params.metric} {shown(float(str(numbers['challenger'])))} {relation} {shown(params.limit)}"
    intervals = evidence.evaluation.intervals
    if params.confidence is None or intervals is None:
        return passed(params.kind, good, **numbers)
    fitting = [
        one
        for one in intervals
        if (one.metric, one.part) == (params.metric, params.on)
        and one.value == numbers["challenger"]
        and params.confidence <= one.confidence < 1.0
    ]
    if not fitting:
        return hard_failure(
            params.kind, f"{good}, but its interval was not measured; evaluate again", **numbers
        )
    interval = min(fitting, key=lambda one: one.confidence)
    numbers = {**numbers, "rows": interval.rows, "confidence": interval.confidence}
    if interval.rows < FEWEST_ROWS:
        return inconclusive(params.kind, f"{good}, but {_too_few(interval.rows, params.on)}", **numbers)
    low, high = finite(interval.low), finite(interval.high)
    if low is None or high is None:
        return inconclusive(params.kind, f"{good}, but {interval.method}", **numbers)
    numbers |= {"low": low, "high": high}
    between = f"{percent(interval.confidence)} interval {shown(low)} to {shown(high)}"
    if low <= params.limit <= high and low < high:
        reason = f"{good}, but chance is not excluded: {between} on {interval.rows:,} rows"
        return inconclusive(params.kind, reason, **numbers)
    return passed(params.kind, f"{good}; {between}", **numbers)


def beats_baseline(params: BeatsBaseline, evidence: Evidence) -> GateResult:
    """Check that the model is better than every naive baseline by more than `by`, significantly.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        The result of the hardest baseline.
    """
    kind, metric = params.kind, params.metric
    value = metric_on(evidence.evaluation.challenger, params.on, metric)
    if value is None:
        return _unmeasured(params, evidence)
    if not evidence.evaluation.rivals:
        return hard_failure(kind, "no naive baseline was compared with the model; evaluate again")
    results = [_against(params, rival, value) for rival in evidence.evaluation.rivals]
    for verdict in ("fail", "not_enough_evidence"):
        short = [result for result in results if result.verdict == verdict]
        if short:
            return next((result for result in short if result.hard), short[0])
    r_squared = metric_on(evidence.evaluation.challenger, params.on, "r2")
    if r_squared is not None and r_squared < 0:
        # The baselines may be worse still, spoiled by the rows that spoil the model.
        return failed(
            kind,
            f"r2 {shown(r_squared)} is below 0: the average of the {params.on} rows themselves is closer to them",
            r2=r_squared,
        )
    hardest = min(results, key=lambda result: finite(result.numbers.get("improvement")) or 0.0)
    if len(results) == 1:
        return hardest
    return replace(hardest, reason=f"{hardest.reason}, the hardest of {len(results)} naive baselines")


def _against(params: BeatsBaseline, rival: Rival, value: float) -> GateResult:
    """Return the result against one naive baseline."""
    kind, metric = params.kind, params.metric
    test = mildest_comparison(rival.comparisons, metric, params.on, params.confidence or 0.0)
    naive = None if test is None else finite(test.champion)
    if test is None or naive is None:
        problem = "was not compared" if test is None else "is no finite number; gate on another metric"
        return hard_failure(kind, f"{metric} of the naive baseline ({rival.name}) {problem}")
    if test.challenger != value:
        return hard_failure(
            kind, f"the comparison with {rival.name} rests on another {metric} than the metrics"
        )
    limit = limit_to_beat(metric, naive, params.by)
    numbers: dict[str, JsonValue] = {
        "challenger": value,
        "baseline": naive,
        "limit": limit,
        "rows": test.rows,
    }
    if (improvement := finite(test.improvement)) is not None:
        numbers["improvement"] = improvement
    compared_with = (
        f"{shown(limit)} (naive baseline {shown(naive)}, by {percent(params.by)}; it is {rival.name})"
    )
    if not is_beyond(metric, value, limit):
        return failed(kind, f"{metric} {shown(value)} is not better than {compared_with}", **numbers)
    better = f"{metric} {shown(value)} is better than {compared_with}"
    if params.confidence is None:
        return passed(kind, better, **numbers)
    if test.rows < FEWEST_ROWS:
        return inconclusive(kind, f"{better}, but {_too_few(test.rows, params.on)}", **numbers)
    low, high = finite(test.low), finite(test.high)
    if low is None or high is None:
        return inconclusive(kind, f"{better}, but {test.method}", **numbers)
    numbers |= {"low": low, "high": high, "confidence": test.confidence}
    between = f"{percent(test.confidence)} interval of the improvement {percent(low)} to {percent(high)}"
    if low > 0:
        return passed(kind, f"{better}; {between}", **numbers)
    reason = f"{better}, but chance is not excluded: {between} on {test.rows:,} rows"
    return inconclusive(kind, reason, **numbers)


def no_missing_predictions(params: NoMissingPredictions, evidence: Evidence) -> GateResult:
    """Check that every holdout row has a finite prediction, and that the holdout is not empty.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or hard failure.
    """
    absent, rows = finite(evidence.evaluation.missing_predictions), finite(evidence.evaluation.holdout_rows)
    if absent is None or rows is None or rows < 1 or absent < 0:
        return hard_failure(params.kind, "the predictions on the holdout were not counted")
    if absent > 0:
        reason = f"{absent:,.0f} of {rows:,.0f} holdout predictions are missing"
        return hard_failure(params.kind, reason, missing=absent, rows=rows)
    return passed(params.kind, f"all {rows:,.0f} holdout predictions are there", missing=absent, rows=rows)


def _too_few(rows: int, part: Part) -> str:
    return (
        f"{rows} {part} rows are fewer than {FEWEST_ROWS}: a larger split.{part}, or more readings, would do"
    )


def min_rows(params: MinRows, evidence: Evidence) -> GateResult:
    """Check that there were enough valid readings.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or hard failure.
    """
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
        params.kind, f"{rows:,.0f} readings, at least {least:,.0f} required", rows=rows, limit=least
    )


def time_limit(params: TimeLimit, evidence: Evidence) -> GateResult:
    """Check that training took less than the limit.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or hard failure.
    """
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
    """Check that one row is predicted in less than the limit.

    A slow measurement on a busy machine is not a verdict on the model.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, or not enough evidence on a busy machine.
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
