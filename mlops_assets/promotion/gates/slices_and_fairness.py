"""Gates that look below the averages: slices of the holdout, and groups of people."""

from __future__ import annotations

from typing import Any

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.metrics import METRICS
from mlops_assets.model_file.gates import Fairness, SliceGuard
from mlops_assets.promotion.gate_results import (
    failed,
    few_comparable_rows,
    finite,
    hard_failure,
    not_applicable,
    passed,
    percent,
    shown,
)
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_keep


def slice_guard(params: SliceGuard, evidence: Evidence) -> GateResult:
    """Check that every large enough slice is within the limit, and not worse than the champion's there.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, hard failure for a slice without a finite value, or not applicable.
    """
    kind = params.kind
    rows_of_metric = [
        row
        for row in evidence.evaluation.slices
        if row.get("metric") == params.metric and params.column in (None, row.get("column"))
    ]
    if not rows_of_metric:
        return hard_failure(kind, f"no slice has {params.metric}; name its columns in evaluation.slices")
    few = few_comparable_rows(kind, evidence) if params.tolerance is not None else None
    if few is not None:
        return few
    large = [row for row in rows_of_metric if (finite(row.get("rows")) or 0) >= params.least_rows]
    if not large:
        return not_applicable(
            kind, f"no slice has {params.least_rows} holdout rows", slices=len(rows_of_metric)
        )
    bad: list[str] = []
    for row in large:
        where = f"{row.get('column')}={row.get('value')}"
        challenger_value = finite(row.get("challenger"))
        if challenger_value is None:
            return hard_failure(kind, f"{params.metric} of the slice {where} is no finite number")
        if params.limit is not None and not _within(params.metric, challenger_value, params.limit):
            bad.append(f"{where} {shown(challenger_value)} beyond {shown(params.limit)}")
        if params.tolerance is not None and evidence.champion.version is not None:
            champion_value = finite(row.get("champion"))
            if champion_value is None:
                return hard_failure(
                    kind, f"{params.metric} of the champion in the slice {where} is no finite number"
                )
            if not _within(
                params.metric,
                challenger_value,
                limit_to_keep(params.metric, champion_value, params.tolerance),
            ):
                bad.append(f"{where} {shown(challenger_value)} against {shown(champion_value)}")
    numbers = {"slices": len(large), "bad": len(bad)}
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        return failed(
            kind,
            f"{params.metric} is too bad in {len(bad)} slice{'s' if len(bad) > 1 else ''}: {'; '.join(bad[:5])}{more}",
            **numbers,
        )
    if params.limit is None and evidence.champion.version is None:
        return not_applicable(kind, "there is no champion yet, and no limit is set", **numbers)
    return passed(kind, f"{params.metric} is good enough in all {len(large)} slices", **numbers)


def _within(metric: str, value: float, limit: float) -> bool:
    size = abs(value) if METRICS[metric].direction == "zero" else value
    return size == limit or is_beyond(metric, value, limit)


def fairness(params: Fairness, evidence: Evidence) -> GateResult:
    """Check that difference, ratio and worst group are within bounds for every sensitive column.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, or not applicable without a sensitive column.
    """
    kind = params.kind
    rows = [
        row
        for row in evidence.evaluation.fairness
        if row.get("measure") == params.measure and params.column in (None, row.get("column"))
    ]
    if not rows:
        return not_applicable(
            kind, "no sensitive column is measured (evaluation.sensitive, classification only)"
        )
    measured = [row for row in rows if finite(row.get("groups"))]
    if not measured:
        return not_applicable(kind, f"{params.measure}: {rows[0].get('note')}")
    bad: list[str] = []
    for row in measured:
        for key, allowed, smaller_is_better in _bounds(params):
            value = finite(row.get(key))
            if value is None:
                return hard_failure(
                    kind, f"{params.measure} by {row.get('column')}: the {key} is no finite number"
                )
            if (value > allowed) if smaller_is_better else (value < allowed):
                sentence = f"{row.get('column')}: {key} {shown(value)}, allowed {shown(allowed)}"
                bad.append(f"{sentence} ({row.get('note')})")
    numbers: dict[str, Any] = {str(row.get("column")): row.get("difference") for row in measured}
    if bad:
        return failed(kind, f"{params.measure}: {'; '.join(bad)}", **numbers)
    widest = max(finite(row.get("difference")) or 0.0 for row in measured)
    columns = ", ".join(str(row.get("column")) for row in measured)
    return passed(kind, f"{params.measure} by {columns}: largest difference {percent(widest)}", **numbers)


def _bounds(params: Fairness) -> list[tuple[str, float, bool]]:
    bounds = (
        ("difference", params.max_difference, True),
        ("ratio", params.min_ratio, False),
        ("worst", params.min_value, False),
    )
    return [(key, allowed, smaller) for key, allowed, smaller in bounds if allowed is not None]
