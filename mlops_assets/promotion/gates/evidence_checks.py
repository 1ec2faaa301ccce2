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
    """Check that no critical validation rule failed.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or hard failure.
    """
    count = finite(evidence.critical_quality_failures)
    if count is None or count < 0:
        return hard_failure(params.kind, "the open critical data checks were not counted")
    if count > 0:
        return hard_failure(params.kind, f"{count:,.0f} critical data checks are open", open=count)
    return passed(params.kind, "no critical data check is open", open=count)


def leakage(params: Leakage, evidence: Evidence) -> GateResult:
    """Check for target leakage: a proof is a hard failure, a suspicion needs a person.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, hard failure, or not enough evidence.
    """
    if evidence.leakage:
        return hard_failure(params.kind, f"the target leaks into the features: {'; '.join(evidence.leakage)}")
    if evidence.suspicions:
        question = "A person must say whether that is known before the target, and approve"
        return inconclusive(params.kind, f"{'; '.join(evidence.suspicions)}. {question}")
    return passed(params.kind, "no leakage check found anything")


def reproducible(params: Reproducible, evidence: Evidence) -> GateResult:
    """Check that everything needed to train again is on record.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass or fail.
    """
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
    """Check that challenger and champion rank the features similarly (Spearman correlation of SHAP ranks).

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Pass, fail, not enough evidence, or not applicable without a champion.
    """
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
    """Wait for a person. A verdict is bound to the hash of the evidence, so it cannot be in the evidence.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        Always not enough evidence; `with_people` applies the verdict.
    """
    return inconclusive(params.kind, f"waits for a person to approve version {evidence.version}")


def python(params: PythonGate, evidence: Evidence) -> GateResult:
    """Call a user's own function; an exception, and any result but true or false, is a hard failure.

    Args:
        params: Parameters of the gate, from the model file.
        evidence: The evidence record.

    Returns:
        The function's result.
    """
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
        params.kind, f"{params.function} returned {verdict!r}; return True, False or (result, reason)"
    )
