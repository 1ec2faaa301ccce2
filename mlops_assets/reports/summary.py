"""The sentences of a gate report: its headline, how the numbers were obtained, and what to do next.

Comes in: evidence with gate results, and a decision. Goes out: text. Tables are in `tables`.
"""

from __future__ import annotations

from typing import Final

from mlops_assets.artifacts import Decision, Evidence, GateResult
from mlops_assets.promotion.approvals import SETTLED_BY_PEOPLE
from mlops_assets.promotion.gate_results import finite
from mlops_assets.reports.numbers import NOTHING, is_count, number

HEADLINES: Final = {"promote": "Promote", "keep": "Keep the champion", "refuse": "Refuse"}
WAITING: Final = "Waiting for approval"
VERDICT_NAMES: Final = {
    "pass": "pass",
    "fail": "fail",
    "not_enough_evidence": "not enough evidence",
    "not_applicable": "not applicable",
}


def headline(evidence: Evidence, decision: Decision) -> str:
    """Return the outcome in a few words; a challenger that only needs an approval is waiting, not rejected.

    Args:
        evidence: The evidence to report.
        decision: The decision on it.

    Returns:
        One of `HEADLINES`, or `WAITING`.
    """
    failed = [gate for gate in evidence.gates if gate.verdict in ("fail", "not_enough_evidence")]
    if decision.outcome == "keep" and failed and all(_needs_approval(gate) for gate in failed):
        return WAITING
    return HEADLINES[decision.outcome]


def verdict_name(gate: GateResult) -> str:
    """Return a verdict for display.

    Args:
        gate: Result of the gate.

    Returns:
        Text, with '(hard)' for a gate that refuses.
    """
    name = "asks a person" if _needs_approval(gate) else VERDICT_NAMES.get(gate.verdict, gate.verdict)
    return f"{name} (hard)" if gate.hard else name


def _needs_approval(gate: GateResult) -> bool:
    return gate.kind in SETTLED_BY_PEOPLE and gate.verdict == "not_enough_evidence"


def champion_name(evidence: Evidence) -> str:
    """Return the champion with its version and revision.

    Args:
        evidence: The evidence to report.

    Returns:
        Text; 'no champion yet' without one.
    """
    if evidence.champion.version is None:
        return "no champion yet"
    return f"champion v{evidence.champion.version} (revision {evidence.champion.revision})"


def method_notes(evidence: Evidence) -> list[str]:
    """Return how challenger and champion were compared, and further notes of the evaluation.

    Args:
        evidence: The evidence to report.

    Returns:
        Sentences.
    """
    comparisons = evidence.evaluation.comparisons
    if not comparisons:
        return [*evidence.evaluation.notes]
    first = comparisons[0]
    method = f"{first.rows:,} rows; {first.method}; {100 * first.confidence:.4g} % confidence"
    return [method, *evidence.evaluation.notes]


def importance_note(evidence: Evidence) -> str:
    """Return how the ranking was computed, and what it does not mean.

    Args:
        evidence: The evidence to report.

    Returns:
        A sentence with method and caveat.
    """
    explanation = evidence.evaluation.explanation
    if explanation is None:
        return "The challenger was not explained."
    note = f"On the holdout: {explanation.method}. An association inside the model, not causal."
    if (correlation := finite(evidence.importance_correlation)) is not None:
        note += f" Rank correlation with the champion: {correlation:.2f}."
    return note


def facts(evidence: Evidence, evidence_hash: str) -> list[tuple[str, str]]:
    """Return the values that are needed to reproduce the training.

    Args:
        evidence: The evidence to report.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

    Returns:
        Pairs of name and value.
    """
    split = evidence.split
    parts = ", ".join(
        f"{name} {split[name]:,}" for name in ("train", "validation", "test") if is_count(split.get(name))
    )
    latency = finite(evidence.evaluation.latency_ms)
    packages = ", ".join(f"{name} {version}" for name, version in evidence.environment.items())
    training = f"{evidence.training_rows:,} rows, {number(evidence.training_seconds)} s, seed {evidence.seed}"
    return [
        ("evidence", evidence_hash),
        ("as of", evidence.as_of.isoformat(timespec="seconds")),
        ("algorithm", evidence.algorithm),
        (
            "split",
            f"{split.get('strategy', NOTHING)}; {parts} rows; digest {str(split.get('digest', NOTHING))[:16]}",
        ),
        ("training", training),
        ("size", f"{evidence.evaluation.size_bytes / 1024:,.0f} KiB"),
        ("latency, one row", f"{latency:.3g} ms" if latency is not None else NOTHING),
        ("model file", evidence.spec_digest[:16]),
        ("model bundle", evidence.manifest_sha256[:16]),
        ("code", evidence.code_commit),
        ("environment", packages or NOTHING),
    ]


def commands(evidence: Evidence, decision: Decision, evidence_hash: str) -> list[tuple[str, str]]:
    """Return the next commands for the reader.

    Args:
        evidence: The evidence to report.
        decision: The decision on it.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

    Returns:
        Pairs of purpose and command.
    """
    name = evidence.model
    if headline(evidence, decision) == WAITING:
        return [
            (purpose, f"mlops {verb} {name} --evidence {evidence_hash[:16]} --comment '...'")
            for purpose, verb in (
                ("approve exactly this evidence", "approve"),
                ("or keep the champion", "reject"),
                ("or request another training", "defer"),
            )
        ]
    history = ("earlier decisions", f"mlops history {name}")
    if decision.outcome == "promote":
        return [("see the champion", f"mlops status {name}"), ("roll back", f"mlops rollback {name}")]
    if decision.outcome == "keep":
        return [("compare again with new readings", f"mlops run {name}"), history]
    return [("after fixing what is named above", f"mlops run {name}"), history]
