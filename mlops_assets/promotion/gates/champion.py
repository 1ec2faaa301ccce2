"""Gates that compare the challenger with the champion, both scored on the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlops_assets.artifacts import Comparison, Evidence, GateResult, Part
from mlops_assets.metrics import METRICS
from mlops_assets.model_file.gates import BeatsChampion, RegressionGuard
from mlops_assets.promotion.gate_results import (
    failed,
    few_comparable_rows,
    finite,
    hard_failure,
    inconclusive,
    metric_on,
    passed,
    percent,
    raw,
    shown,
    stored,
    without_champion,
)

SHARE_OF_BY: Final = 0.5
"""The shared holdout need show this share of `by`: both judged fits lack the newest rows."""
SHARE_OF_LATER_MARGIN: Final = 0.25
"""A refresh asks half a standard error of the rows that came after both fits (a 95 % interval is four wide)."""
SHARE_OF_SHARED_MARGIN: Final = 0.75
"""Or one and a half of the shared holdout where no such row exists yet."""


def limit_to_beat(metric: str, champion: float, by: float) -> float:
    """Return what a challenger must be strictly better than: champion x (1 - by) for errors.

    For metrics with an upper bound `by` is a share of the gap: champion + by x (bound - champion). Otherwise mirrored
    where higher is better, measured by size where the champion is negative, and by distance from 0 for metrics such
    as bias.

    Args:
        metric: Name of the metric.
        champion: Its value.
        by: Share of improvement.

    Returns:
        The limit, in the metric's unit.
    """
    bound = METRICS[metric].bound
    if METRICS[metric].direction == "higher" and bound is not None:
        return champion + by * (bound - champion)
    return limit_to_keep(metric, champion, -by)


def limit_to_keep(metric: str, champion: float, tolerance: float) -> float:
    """Return the worst value that is within a tolerance of the champion's: champion x (1 + tolerance) for errors.

    Args:
        metric: Name of the metric.
        champion: Its value.
        tolerance: Share of the champion's size.

    Returns:
        The limit, in the metric's unit.
    """
    better = METRICS[metric].direction
    if better == "zero":
        return abs(champion) * (1.0 + tolerance)
    grow = (better == "higher") == (champion >= 0)
    return champion * (1.0 - tolerance) if grow else champion * (1.0 + tolerance)


def is_beyond(metric: str, challenger: float, limit: float) -> bool:
    """Return whether a value is strictly better than the limit.

    Args:
        metric: Name of the metric.
        challenger: Its value.
        limit: As from `limit_to_beat`.

    Returns:
        False also for equal values.
    """
    better = METRICS[metric].direction
    if better == "higher":
        return challenger > limit
    return (abs(challenger) if better == "zero" else challenger) < limit


def beats_champion(params: BeatsChampion, evidence: Evidence) -> GateResult:
    """Compare with the champion: better by more than `by`, and significantly better with `confidence`.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, not enough evidence, or not applicable without a champion.
    """
    kind, metric = params.kind, params.metric
    if (missing := without_champion(kind, evidence)) is not None:
        return missing
    if (few := few_comparable_rows(kind, evidence)) is not None:
        return few
    challenger_value = metric_on(evidence.evaluation.challenger, params.on, metric)
    champion_value = metric_on(evidence.evaluation.champion, params.on, metric)
    if challenger_value is None or champion_value is None:
        who = "challenger" if challenger_value is None else "champion"
        return hard_failure(
            kind,
            f"{metric} of the {who} is no finite number on the {params.on} part",
            challenger=stored(raw(evidence.evaluation.challenger, params.on, metric)),
            champion=stored(raw(evidence.evaluation.champion, params.on, metric)),
        )
    limit = limit_to_beat(metric, champion_value, params.by)
    numbers = {"challenger": challenger_value, "champion": champion_value, "limit": limit}
    compared_with = (
        f"{shown(limit)} (champion v{evidence.champion.version} {shown(champion_value)}, "
        f"by {percent(params.by)})"
    )
    if (refreshed := _refreshed(params, evidence, numbers)) is not None:
        return refreshed
    if not is_beyond(metric, challenger_value, limit):
        if (decided := _by_later_weeks(params, evidence, numbers)) is not None:
            return decided
        reason = f"{metric} {shown(challenger_value)} is not better than {compared_with}"
        bound = METRICS[metric].bound
        if METRICS[metric].direction == "higher" and bound is not None and limit >= bound:
            reason += f"; no model can be: {metric} ends at {bound:g}; compare log_loss"
        return failed(kind, reason, **{key: stored(value) for key, value in numbers.items()})
    better = f"{metric} {shown(challenger_value)} is better than {compared_with}"
    if params.confidence is None:
        return passed(kind, better, **numbers)
    return _significant(params, evidence, better, numbers)


def _significant(
    params: BeatsChampion, evidence: Evidence, better: str, numbers: dict[str, float]
) -> GateResult:
    kind, confidence = params.kind, params.confidence or 0.0
    test = mildest_comparison(evidence.evaluation.comparisons, params.metric, params.on, confidence)
    if test is None:
        return hard_failure(
            kind, f"{better}, but no paired test with {percent(confidence)} confidence was made"
        )
    if not (test.challenger == numbers["challenger"] and test.champion == numbers["champion"]):
        return hard_failure(
            kind, f"the paired test of {params.metric} rests on other numbers than the metrics"
        )
    low, high = finite(test.low), finite(test.high)
    numbers = {
        **numbers,
        "improvement": test.improvement,
        "confidence": test.confidence,
        "rows": float(test.rows),
    }
    if low is None or high is None:
        return inconclusive(
            kind, f"{better}, but {test.method}", **{key: stored(value) for key, value in numbers.items()}
        )
    numbers |= {"low": low, "high": high}
    between = f"{percent(test.confidence)} interval of the improvement {percent(low)} to {percent(high)}"
    if low > 0:
        return passed(kind, f"{better}; {between}", **numbers)
    accumulated = next((one for one in evidence.evaluation.sequential if one.metric == params.metric), None)
    if accumulated is not None and params.on == "test":
        needed, wealth = 2.0 / (1.0 - confidence), finite(accumulated.e_value)
        numbers |= {"e_value": wealth or 0.0, "looks": float(accumulated.looks)}
        if wealth is not None and wealth >= needed:
            evidence_so_far = (
                f"evidence of {accumulated.looks} looks is {shown(wealth)}, at least {shown(needed)}"
            )
            return passed(kind, f"{better}; {evidence_so_far}; {between}", **numbers)
    reason = f"{better}, but chance is not excluded: {between} on {test.rows:,} rows"
    if test.rows_needed:
        numbers["rows_needed"] = float(test.rows_needed)
        reason += f"; about {test.rows_needed:,} rows would decide"
    return inconclusive(kind, reason, **numbers)


def _refreshed(params: BeatsChampion, evidence: Evidence, numbers: dict[str, float]) -> GateResult | None:
    """Return a pass for the same recipe on newer rows where newer rows help; None where the other rules decide."""
    measured = evidence.evaluation
    same = evidence.refit is not None and measured.same_recipe
    if not (params.refresh and same) or params.on != "test" or params.confidence is None:
        return None
    shared = mildest_comparison(measured.comparisons, params.metric, params.on, params.confidence)
    if shared is None or not _is_measured(shared):
        return None
    later = measured.later or measured.freshness
    if later is None:
        least = params.by * SHARE_OF_BY
        if not _gains(shared, least, SHARE_OF_SHARED_MARGIN):
            return None
        reason = (
            "refreshed: the same model file on newer rows; no row has come after both fits yet, and on the shared "
            f"holdout {params.metric} is {percent(shared.improvement)} better, more than {percent(least)}"
        )
        return passed(params.kind, reason, **numbers, improvement=shared.improvement)
    test = next((one for one in later.comparisons if one.metric == params.metric), None)
    if test is None or not _is_measured(test) or not _gains(test, params.by, SHARE_OF_LATER_MARGIN):
        return None
    # After a change the judged fits lack the newest rows, so what later rows prove outweighs a smaller proven loss.
    if shared.high < -max(params.by, test.low):
        return None
    who = "the previous challenger" if measured.later else "the champion"
    than = "the champion's" if measured.later else "its predecessor's"
    reason = (
        f"refreshed: the same model file on newer rows; on {later.rows:,} rows that came after both, the "
        f"{params.metric} {shown(test.challenger)} of {who} v{later.version} is {percent(test.improvement)} better "
        f"than {than} {shown(test.champion)}, more than {percent(params.by)}"
    )
    return passed(params.kind, reason, **numbers, later_improvement=test.improvement)


def _is_measured(test: Comparison) -> bool:
    return all(finite(value) is not None for value in (test.improvement, test.low, test.high))


def _gains(test: Comparison, least: float, share: float) -> bool:
    """Whether the improvement is above the least one and at least this share of its interval's lower half."""
    return test.improvement > least and test.improvement >= share * (test.improvement - test.low)


def _by_later_weeks(
    params: BeatsChampion, evidence: Evidence, numbers: dict[str, float]
) -> GateResult | None:
    """Return a pass where rows of later weeks alone decide.

    They compare fits as production serves them: the accumulated test excludes chance, and the gain on its rows is above
    `by`. Only a model that is fitted again on all rows has such rows (`later`).
    """
    test = next((one for one in evidence.evaluation.sequential if one.metric == params.metric), None)
    if test is None or params.on != "test" or params.confidence is None or evidence.evaluation.later is None:
        return None
    wealth, gain = finite(test.e_value), finite(test.improvement)
    needed = 2.0 / (1.0 - params.confidence)
    if wealth is None or gain is None or wealth < needed or gain <= params.by:
        return None
    reason = (
        f"later weeks decide: over {test.looks} looks the recipe's {params.metric} is {percent(gain)} better than the "
        f"served champion v{evidence.champion.version}, more than {percent(params.by)}; evidence is {shown(wealth)}, "
        f"at least {shown(needed)}; the shared holdout alone does not show it"
    )
    return passed(
        params.kind, reason, **numbers, e_value=wealth, looks=float(test.looks), later_improvement=gain
    )


def mildest_comparison(
    comparisons: Iterable[Comparison], metric: str, part: Part, confidence: float
) -> Comparison | None:
    """Return the comparison with the lowest confidence that is high enough; None where there is none.

    Args:
        comparisons: Recorded comparisons.
        metric: Name of the metric.
        part: Part of the split.
        confidence: The least confidence.

    Returns:
        The comparison, or None.
    """
    fitting = [
        test
        for test in comparisons
        if test.metric == metric
        and test.part == part
        and (level := finite(test.confidence)) is not None
        and confidence <= level < 1.0
    ]
    return min(fitting, key=lambda test: test.confidence, default=None)


def regression_guard(params: RegressionGuard, evidence: Evidence) -> GateResult:
    """Check that no metric is worse than the champion's by more than the tolerance.

    Without `metrics` it checks all measured ones except those whose best value is 0 (doubling a bias of
    0.0001 is no regression) and those that do not measure skill (a narrower interval is not better).

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, or not applicable without a champion.
    """
    kind = params.kind
    if (missing := without_champion(kind, evidence)) is not None:
        return missing
    if (few := few_comparable_rows(kind, evidence)) is not None:
        return few
    names = params.metrics or _with_a_scale(evidence, params.on)
    if not names:
        return hard_failure(kind, f"no metric was measured on the {params.on} part")
    worse: list[str] = []
    numbers: dict[str, float] = {}
    for name in names:
        challenger_value = metric_on(evidence.evaluation.challenger, params.on, name)
        champion_value = metric_on(evidence.evaluation.champion, params.on, name)
        if challenger_value is None or champion_value is None:
            return hard_failure(
                kind,
                f"{name} of the {'challenger' if challenger_value is None else 'champion'} is no finite number",
            )
        limit = limit_to_keep(name, champion_value, params.tolerance)
        numbers |= {name: challenger_value, f"{name}_limit": limit}
        if not (
            is_beyond(name, challenger_value, limit)
            or challenger_value == limit
            or (challenger_value == 0 == limit)
        ):
            worse.append(f"{name} {shown(challenger_value)} against {shown(champion_value)}")
    if worse:
        reason = f"worse than the champion by more than {percent(params.tolerance)}: {'; '.join(worse)}"
        return failed(kind, reason, **numbers)
    return passed(
        kind, f"{', '.join(names)} within {percent(params.tolerance)} of the champion or better", **numbers
    )


def _with_a_scale(evidence: Evidence, part: Part) -> tuple[str, ...]:
    measured = evidence.evaluation.challenger.get(part) or {}
    known = {name: METRICS[name] for name in measured}
    return tuple(name for name, info in known.items() if info.direction != "zero" and info.won_by is None)
