"""Gates that look below the averages: slices of the holdout, and groups of people."""

from __future__ import annotations

from typing import Any

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.metrics import METRICS
from mlops_assets.model_file.gates import Fairness, SliceGuard
from mlops_assets.promotion.answers import beside_the_point, broken, finite, no_better, passed, percent, shown
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_beat


def slice_guard(params: SliceGuard, evidence: Evidence) -> GateResult:
    """Every large enough slice is within the limit, and no worse than the champion's there."""
    kind = params.kind
    asked = [
        row
        for row in evidence.evaluation.slices
        if row.get("metric") == params.metric and params.column in (None, row.get("column"))
    ]
    if not asked:
        return broken(kind, f"no slice has {params.metric}; name its columns in evaluation.slices")
    large = [row for row in asked if (finite(row.get("rows")) or 0) >= params.least_rows]
    if not large:
        return beside_the_point(kind, f"no slice has {params.least_rows} holdout rows", slices=len(asked))
    bad: list[str] = []
    for row in large:
        where = f"{row.get('column')}={row.get('value')}"
        ours = finite(row.get("challenger"))
        if ours is None:
            return broken(kind, f"{params.metric} of the slice {where} is no finite number")
        if params.limit is not None and not _within(params.metric, ours, params.limit):
            bad.append(f"{where} {shown(ours)} beyond {shown(params.limit)}")
        if params.tolerance is not None and evidence.champion.version is not None:
            theirs = finite(row.get("champion"))
            if theirs is None:
                return broken(
                    kind, f"{params.metric} of the champion in the slice {where} is no finite number"
                )
            if not _within(params.metric, ours, limit_to_beat(params.metric, theirs, -params.tolerance)):
                bad.append(f"{where} {shown(ours)} against {shown(theirs)}")
    numbers = {"slices": len(large), "bad": len(bad)}
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        return no_better(
            kind, f"{params.metric} is too bad in {len(bad)} slices: {'; '.join(bad[:5])}{more}", **numbers
        )
    if params.limit is None and evidence.champion.version is None:
        return beside_the_point(kind, "there is no champion yet, and no limit is set", **numbers)
    return passed(kind, f"{params.metric} is good enough in all {len(large)} slices", **numbers)


def _within(metric: str, value: float, limit: float) -> bool:
    size = abs(value) if METRICS[metric].direction == "zero" else value
    return size == limit or is_beyond(metric, value, limit)


def fairness(params: Fairness, evidence: Evidence) -> GateResult:
    """Difference, ratio and worst group are within bounds for every sensitive column."""
    kind = params.kind
    rows = [
        row
        for row in evidence.evaluation.fairness
        if row.get("measure") == params.measure and params.column in (None, row.get("column"))
    ]
    if not rows:
        return beside_the_point(
            kind, "no sensitive column is measured (evaluation.sensitive, classification only)"
        )
    told = [row for row in rows if finite(row.get("groups"))]
    if not told:
        return beside_the_point(kind, f"{params.measure}: {rows[0].get('note')}")
    bad: list[str] = []
    for row in told:
        for key, allowed, smaller_is_better in _bounds(params):
            value = finite(row.get(key))
            if value is None:
                return broken(kind, f"{params.measure} by {row.get('column')}: the {key} is no finite number")
            if (value > allowed) if smaller_is_better else (value < allowed):
                said = f"{row.get('column')}: {key} {shown(value)}, allowed {shown(allowed)}"
                bad.append(f"{said} ({row.get('note')})")
    numbers: dict[str, Any] = {str(row.get("column")): row.get("difference") for row in told}
    if bad:
        return no_better(kind, f"{params.measure}: {'; '.join(bad)}", **numbers)
    widest = max(finite(row.get("difference")) or 0.0 for row in told)
    columns = ", ".join(str(row.get("column")) for row in told)
    return passed(kind, f"{params.measure} by {columns}: largest difference {percent(widest)}", **numbers)


def _bounds(params: Fairness) -> list[tuple[str, float, bool]]:
    bounds = (
        ("difference", params.max_difference, True),
        ("ratio", params.min_ratio, False),
        ("worst", params.min_value, False),
    )
    return [(key, allowed, smaller) for key, allowed, smaller in bounds if allowed is not None]
