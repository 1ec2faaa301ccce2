"""The gate about predictions that flip: a model that is better on average may be wrong where people rely on it."""

from __future__ import annotations

from mlops_assets.artifacts import Evidence, Flips, GateResult
from mlops_assets.model_file.gates import MaxFlips
from mlops_assets.promotion.gate_results import (
    failed,
    few_comparable_rows,
    finite,
    hard_failure,
    passed,
    percent,
    without_champion,
)


def max_flips(params: MaxFlips, evidence: Evidence) -> GateResult:
    """Check that few rows that the champion predicts right become wrong.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, not enough evidence, hard failure without counts, or not applicable without a champion.
    """
    kind = params.kind
    if (missing := without_champion(kind, evidence)) is not None:
        return missing
    if (few := few_comparable_rows(kind, evidence)) is not None:
        return few
    counts = evidence.evaluation.flips
    if not counts or counts[0].column:
        return hard_failure(kind, "the rows that flip were not counted; evaluate again")
    bad, limits = [], [(counts[0], params.limit)]
    if params.slice_limit is not None:
        limits += [(one, params.slice_limit) for one in counts[1:] if one.rows >= params.least_rows]
    for one, limit in limits:
        share = _share(one)
        if share is None:
            return hard_failure(kind, f"the count of flips {_where(one)} is no finite number")
        if share > limit:
            bad.append(
                f"{percent(share)} of {one.rows:,} rows {_where(one)} were right and become wrong, "
                f"more than {percent(limit)}"
            )
    numbers = {"share": _share(counts[0]) or 0.0, "moved": finite(counts[0].moved) or 0.0}
    if bad:
        return failed(kind, "; ".join(bad), **numbers)
    gained = counts[0].wrong_to_right
    return passed(
        kind,
        f"{percent(numbers['share'])} of {counts[0].rows:,} rows were right and become wrong, at most "
        f"{percent(params.limit)}; {gained:,} become right",
        **numbers,
    )


def _share(one: Flips) -> float | None:
    rows, flipped = finite(one.rows), finite(one.right_to_wrong)
    return flipped / rows if rows and flipped is not None and 0 <= flipped <= rows else None


def _where(one: Flips) -> str:
    return f"of {one.column} {one.value}" if one.column else "of the holdout"
