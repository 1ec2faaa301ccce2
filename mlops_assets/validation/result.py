"""How a rule's result is written."""

from __future__ import annotations

from pydantic import JsonValue

from mlops_assets.artifacts import RuleResult
from mlops_assets.validation.rules import Rule


def rule_result(
    rule: Rule,
    *,
    passed: bool,
    message: str,
    observed: float | None = None,
    limit: float | None = None,
    failed_rows: int = 0,
    samples: tuple[dict[str, JsonValue], ...] = (),
) -> RuleResult:
    """Return the result of one rule."""
    return RuleResult(
        rule.name, rule.column, passed, rule.critical, observed, limit, failed_rows, message, samples
    )
