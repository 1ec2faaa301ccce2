"""How gates read numbers and phrase results: nothing missing, infinite or textual ever counts as a number.

Comes in: values of an evidence record, which may have been stored by anyone. Goes out: `GateResult`s without a name
(`ask` names them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from mlops_assets.artifacts import Evidence, GateResult, Metrics, Part


def finite(value: object) -> float | None:
    """Return the value as a finite float.

    Args:
        value: Any value of a record.

    Returns:
        The float; None for missing, NaN, infinite, text, booleans, or an integer too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def metric_on(metrics: Mapping[Part, Metrics] | None, part: Part, metric: str) -> float | None:
    """Return a metric of one part.

    Args:
        metrics: Value by metric, by part; None when nothing was measured.
        part: `train`, `validation` or `test`.
        metric: Name of the metric.

    Returns:
        The value, or None when it is missing or not finite.
    """
    return finite(((metrics or {}).get(part) or {}).get(metric))


def stored(value: object) -> JsonValue:
    """Return a number in the form that a record can store.

    Args:
        value: Any value.

    Returns:
        The number; a value that is not finite as its name ('nan').
    """
    number = finite(value)
    if number is not None:
        return number
    return value if isinstance(value, str) else str(value)


def raw(metrics: Mapping[Part, Metrics] | None, part: Part, metric: str) -> Any:
    """Return the recorded value of a metric, whatever it is.

    Args:
        metrics: Value by metric, by part; None when nothing was measured.
        part: `train`, `validation` or `test`.
        metric: Name of the metric.

    Returns:
        The value, or 'missing'.
    """
    return ((metrics or {}).get(part) or {}).get(metric, "missing")


def passed(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Create the result 'pass'.

    Args:
        kind: Type of the gate.
        reason: Sentence for people: what was measured and the limit.
        **numbers: Measurements for the record, by name.

    Returns:
        The result; `evaluate` adds the gate's name.
    """
    return GateResult("", kind, "pass", reason, numbers)


def failed(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Create the result 'fail' without a hard failure: the champion stays.

    Args:
        kind: Type of the gate.
        reason: Sentence for people: what was measured and the limit.
        **numbers: Measurements for the record, by name.

    Returns:
        The result.
    """
    return GateResult("", kind, "fail", reason, numbers)


def hard_failure(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Create the result of a hard failure: something is wrong, and the challenger is refused.

    Args:
        kind: Type of the gate.
        reason: Sentence for people: what was measured and the limit.
        **numbers: Measurements for the record, by name.

    Returns:
        The result.
    """
    return GateResult("", kind, "fail", reason, numbers, hard=True)


def inconclusive(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Create the result 'not_enough_evidence': the champion stays.

    Args:
        kind: Type of the gate.
        reason: Sentence for people: what was measured and the limit.
        **numbers: Measurements for the record, by name.

    Returns:
        The result.
    """
    return GateResult("", kind, "not_enough_evidence", reason, numbers)


def not_applicable(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Create the result 'not_applicable', which is neither pass nor fail.

    Args:
        kind: Type of the gate.
        reason: Sentence for people: what was measured and the limit.
        **numbers: Measurements for the record, by name.

    Returns:
        The result.
    """
    return GateResult("", kind, "not_applicable", reason, numbers)


FEWEST_ROWS: Final = 20
"""Rows below which a comparison says nothing about a model."""


def few_comparable_rows(kind: str, evidence: Evidence) -> GateResult | None:
    """Return 'not enough evidence' where too few test rows are new to both models; None where they suffice.

    Args:
        kind: The gate's.
        evidence: What was measured.

    Returns:
        The result, or None.
    """
    rows = evidence.evaluation.comparable_rows
    if rows is None or rows >= FEWEST_ROWS:
        return None
    reason = (
        f"only {rows:,} of the test rows are new to champion v{evidence.champion.version}, which has learned from the "
        f"others or does not record from which; at least {FEWEST_ROWS} are needed"
    )
    return inconclusive(kind, reason, rows=rows, limit=FEWEST_ROWS)


def without_champion(kind: str, evidence: Evidence) -> GateResult | None:
    """Return the result of a comparison with the champion where there is none, or where the record contradicts itself.

    Args:
        kind: Type of the gate.
        evidence: The evidence record.

    Returns:
        The result, or None when there is a champion that was measured.
    """
    known, measured = evidence.champion.version is not None, evidence.evaluation.champion is not None
    if known and not measured:
        return hard_failure(kind, f"champion v{evidence.champion.version} was not measured on these rows")
    if measured and not known:
        return hard_failure(kind, "the evidence holds metrics of a champion but names none")
    return None if known else not_applicable(kind, "there is no champion yet")


def shown(value: float) -> str:
    """Format a number for a sentence, with four significant digits.

    Args:
        value: The number.

    Returns:
        Text.
    """
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Format a share for a sentence, in percent.

    Args:
        share: A share; 0.05 is 5 %.

    Returns:
        Text, for example '5 %'.
    """
    return f"{100 * share:.3g} %"
