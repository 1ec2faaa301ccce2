"""How gates read numbers and phrase answers: nothing missing, infinite or textual ever counts as a number.

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
    """Return the value as a finite float, or None for everything else.

    That is missing, NaN, infinite, text, true, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def metric_on(metrics: Mapping[Part, Metrics] | None, part: Part, metric: str) -> float | None:
    """Return a metric of one part, or None when it is not a finite number."""
    return finite(((metrics or {}).get(part) or {}).get(metric))


def stored(value: object) -> JsonValue:
    """Return a number as it may stand in a record; what is no finite number becomes its name."""
    number = finite(value)
    if number is not None:
        return number
    return value if isinstance(value, str) else str(value)


def raw(metrics: Mapping[Part, Metrics] | None, part: Part, metric: str) -> Any:
    """Return what stands in the record for a metric, whatever it is."""
    return ((metrics or {}).get(part) or {}).get(metric, "missing")


def passed(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Return the question is answered yes."""
    return GateResult("", kind, "pass", reason, numbers)


def failed(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Answered no, and nothing is wrong: the champion stays."""
    return GateResult("", kind, "fail", reason, numbers)


def hard_failure(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Answered no because something is wrong: the challenger is refused."""
    return GateResult("", kind, "fail", reason, numbers, hard=True)


def inconclusive(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Return the rows do not suffice to answer: the champion stays."""
    return GateResult("", kind, "not_enough_evidence", reason, numbers)


def not_applicable(kind: str, reason: str, **numbers: JsonValue) -> GateResult:
    """Return the question has no meaning here; neither pass nor fail."""
    return GateResult("", kind, "not_applicable", reason, numbers)


FEWEST_ROWS: Final = 20
"""Rows below which a comparison says nothing about a model."""


def few_comparable_rows(kind: str, evidence: Evidence) -> GateResult | None:
    """Return 'not enough evidence' where too few test rows are new to both models; None where they suffice.

    Args:
        kind: The gate's.
        evidence: What was measured.
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
    """Return the result of a gate that needs a champion where there is none, or where the record contradicts itself."""
    known, measured = evidence.champion.version is not None, evidence.evaluation.champion is not None
    if known and not measured:
        return hard_failure(kind, f"champion v{evidence.champion.version} was not measured on these rows")
    if measured and not known:
        return hard_failure(kind, "the evidence holds metrics of a champion but names none")
    return None if known else not_applicable(kind, "there is no champion yet")


def shown(value: float) -> str:
    """Return a number for a sentence."""
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share for a sentence."""
    return f"{100 * share:.3g} %"
