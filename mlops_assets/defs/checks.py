"""Validation rules as checks on `validated_data`, gates as checks on `evaluation_report`.

Dagster's severities carry our outcomes: ERROR stops the run (refused: something is wrong), WARN leaves it green while
`production_model` yields nothing (kept: the challenger did not earn it). Promotion asks again, from the ledger.
Dagster renders descriptions as Markdown: sentences with values from data are escaped there, and plain in the metadata.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import GateResult, RuleResult
from mlops_assets.defs.metadata import rows_table
from mlops_assets.lifecycle.records import ReportRecord, StageRecord, ValidatedRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import check_names
from mlops_assets.reports.markdown_text import plain_markdown
from mlops_assets.validation import rules


def specs(spec: ModelSpec, stage: str) -> list[dg.AssetCheckSpec]:
    """Return the checks that a stage declares before any data is read.

    Args:
        spec: The model file.
        stage: Name of the stage.

    Returns:
        Rules for validated data, gates for the evaluation report, else empty.
    """
    asset = dg.AssetKey([spec.name, stage])
    if stage == stages.VALIDATED_DATA:
        return [
            dg.AssetCheckSpec(
                rule.name, asset=asset, description=plain_markdown(rule.description), blocking=True
            )
            for rule in rules(spec)
        ]
    if stage == stages.EVALUATION_REPORT:
        return [
            dg.AssetCheckSpec(name, asset=asset, description=inspect.getdoc(type(gate)), blocking=True)
            for name, gate in zip(check_names(spec.gates), spec.gates, strict=True)
        ]
    return []


def results(spec: ModelSpec, stage: str, record: StageRecord) -> Iterator[dg.AssetCheckResult]:
    """Yield one result per declared check.

    Args:
        spec: The model file.
        stage: Name of the stage.
        record: The stage's record.

    Yields:
        Results; a failed critical rule or hard gate has severity ERROR.
    """
    if isinstance(record, ValidatedRecord):
        for rule in record.rules:
            yield _rule(spec, stage, rule)
    elif isinstance(record, ReportRecord):
        for gate in record.gates:
            yield _gate(spec, stage, gate)


def _rule(spec: ModelSpec, stage: str, rule: RuleResult) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"reason": rule.message, "failed_rows": rule.failed_rows}
    if rule.observed is not None:
        metadata["observed"] = rule.observed
    if rule.limit is not None:
        metadata["limit"] = rule.limit
    if rule.samples:
        metadata["samples"] = rows_table(rule.samples)
    return dg.AssetCheckResult(
        passed=rule.passed,
        asset_key=dg.AssetKey([spec.name, stage]),
        check_name=rule.rule,
        severity=dg.AssetCheckSeverity.ERROR if rule.critical else dg.AssetCheckSeverity.WARN,
        description=plain_markdown(rule.message),
        metadata=metadata,
    )


def _gate(spec: ModelSpec, stage: str, gate: GateResult) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=gate.verdict in ("pass", "not_applicable"),
        asset_key=dg.AssetKey([spec.name, stage]),
        check_name=gate.gate,
        severity=dg.AssetCheckSeverity.ERROR if gate.hard else dg.AssetCheckSeverity.WARN,
        description=plain_markdown(gate.reason),
        metadata={
            "reason": gate.reason,
            "verdict": gate.verdict,
            **{key: value for key, value in gate.numbers.items() if value is not None},
        },
    )
