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
    """Create the result of one rule.

    Args:
        rule: The rule.
        passed: Whether the rule is satisfied.
        message: Sentence for people: the finding and the limit.
        observed: Measured value; None for none.
        limit: Limit of the rule; None for none.
        failed_rows: Number of rows that break the rule.
        samples: Some of these rows: keys and the columns at fault.

    Returns:
        The result.
    """
    return RuleResult(
        rule.name, rule.column, passed, rule.critical, observed, limit, failed_rows, message, samples
    )
