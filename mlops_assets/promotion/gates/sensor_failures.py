"""The gate about failing inputs: with one sensor broken the model is at least as good as the naive baseline."""

from __future__ import annotations

from mlops_assets.artifacts import Evidence, GateResult, SensorFailure
from mlops_assets.model_file.gates import DegradesGracefully
from mlops_assets.promotion.gate_results import failed, finite, hard_failure, passed, shown
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_keep

MOST_NAMED = 3
"""Failures that the sentence of the gate names."""


def degrades_gracefully(params: DegradesGracefully, evidence: Evidence) -> GateResult:
    """Check that no failing input makes the model worse than the naive baseline without being noticed.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or fail; a hard failure where the failures were not measured.
    """
    failures = evidence.evaluation.sensor_failures
    if not failures:
        return hard_failure(params.kind, "no input was made to fail; evaluate again")
    bad = [reason for one in failures if (reason := _problem(params, one)) is not None]
    inputs = len({one.input for one in failures})
    numbers = {"inputs": inputs, "failures": len(failures), "bad": len(bad)}
    if bad:
        more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        return failed(params.kind, "; ".join(bad[:MOST_NAMED]) + more, **numbers)
    metric = failures[0].metric
    return passed(
        params.kind,
        f"with each of {inputs} inputs missing, frozen, shifted or late in turn, {metric} stays within that of the "
        "naive baseline, or the prediction API steps down",
        **numbers,
    )


def _problem(params: DegradesGracefully, one: SensorFailure) -> str | None:
    """Return what is wrong under one failure, or None."""
    where = f"{one.input} {one.condition}"
    if one.rows < 1:
        return f"{where}: there are no rows"
    if one.fallback and (one.noticed + one.refused) / one.rows >= params.noticed:
        return None
    naive, error = finite(one.naive), finite(one.failing)
    if one.refused:
        return (
            f"{where}: {one.refused:,} of {one.rows:,} rows have no prediction, and nothing to step down to"
        )
    if naive is None or error is None:
        return f"{where}: {one.metric} is no finite number"
    limit = limit_to_keep(one.metric, naive, params.by)
    if is_beyond(one.metric, error, limit) or error == limit:
        return None
    return (
        f"{where}: {one.metric} becomes {shown(error)} ({shown(one.healthy)} without it), "
        f"naive baseline {shown(naive)}"
    )
