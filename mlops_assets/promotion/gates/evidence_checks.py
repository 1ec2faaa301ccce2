"""Gates that ask whether the evidence itself is sound: data quality, leakage, records, explanation, and people."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.model_file.gates import (
    Approval,
    DataQuality,
    ImportanceShift,
    Leakage,
    PythonGate,
    Reproducible,
)
from mlops_assets.promotion.gate_results import (
    failed,
    finite,
    hard_failure,
    inconclusive,
    passed,
    shown,
    without_champion,
)


def data_quality(params: DataQuality, evidence: Evidence) -> GateResult:
    """No critical validation rule is open."""
    count = finite(evidence.critical_quality_failures)
    if count is None or count < 0:
        return hard_failure(params.kind, "the open critical data checks were not counted")
    if count > 0:
        return hard_failure(params.kind, f"{count:,.0f} critical data checks are open", open=count)
    return passed(params.kind, "no critical data check is open", open=count)


def leakage(params: Leakage, evidence: Evidence) -> GateResult:
    """Return a hard failure for a proof of leakage, 'not enough evidence' for a suspicion: a person must say."""
    if evidence.leakage:
        return hard_failure(params.kind, f"the target leaks into the features: {'; '.join(evidence.leakage)}")
    if evidence.suspicions:
        return inconclusive(params.kind, f"{'; '.join(evidence.suspicions)} A person must approve")
    return passed(params.kind, "no leakage check found anything")


def reproducible(params: Reproducible, evidence: Evidence) -> GateResult:
    """Everything that training again needs is on record."""
    gaps = [
        name
        for name, there in {
            "data versions": bool(evidence.data) and all(one.content_hash for one in evidence.data),
            "split": bool(evidence.split.get("digest")),
            "model bundle": bool(evidence.manifest_sha256),
            "environment": bool(evidence.environment),
            "code commit": evidence.code_commit not in ("", "unknown"),
        }.items()
        if not there
    ]
    if gaps:
        return failed(params.kind, f"not on record: {', '.join(gaps)}")
    if evidence.code_commit.endswith("-dirty"):
        return failed(params.kind, "the code had changes that are in no commit", commit=evidence.code_commit)
    return passed(
        params.kind, "data, code, split, seed and environment are on record", commit=evidence.code_commit
    )


def importance_shift(params: ImportanceShift, evidence: Evidence) -> GateResult:
    """Return the challenger looks at much the same features as the champion."""
    if (outcome := without_champion(params.kind, evidence)) is not None:
        return outcome
    if evidence.importance_correlation is None:
        return inconclusive(params.kind, "the SHAP rankings of challenger and champion were not compared")
    agreement = finite(evidence.importance_correlation)
    if agreement is None:
        return hard_failure(params.kind, "the rank correlation of the SHAP rankings is no finite number")
    numbers = {"correlation": agreement, "least": params.least}
    if agreement >= params.least:
        return passed(
            params.kind, f"SHAP rank correlation with the champion is {shown(agreement)}", **numbers
        )
    reason = f"SHAP rank correlation with the champion is {shown(agreement)}, below {shown(params.least)}"
    if params.escalate:
        return inconclusive(params.kind, f"{reason}; a person must approve", **numbers)
    return failed(params.kind, reason, **numbers)


def approval(params: Approval, evidence: Evidence) -> GateResult:
    """Wait always: a person's verdict binds to the hash of the evidence, so it cannot stand inside it."""
    return inconclusive(params.kind, f"waits for a person to approve version {evidence.version}")


def python(params: PythonGate, evidence: Evidence) -> GateResult:
    """Return a user's own function; what it raises, and any answer but true or false, refuses."""
    module, _, name = params.function.partition(":")
    try:
        user_function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        return hard_failure(params.kind, f"{params.function} cannot be imported: {error}")
    outcome: Any = user_function(evidence, dict(params.params))
    if isinstance(outcome, GateResult):
        return outcome
    verdict, reason = outcome if isinstance(outcome, tuple) and len(outcome) == 2 else (outcome, "")
    if verdict is True:
        return passed(params.kind, str(reason) or f"{params.function} says yes")
    if verdict is False:
        return failed(params.kind, str(reason) or f"{params.function} says no")
    return hard_failure(
        params.kind, f"{params.function} answered {verdict!r}; give True, False or (answer, reason)"
    )
