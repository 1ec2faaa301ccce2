"""The one entry to production: recorded evidence in, a moved or unmoved champion out.

Whoever asks (the graph, the command line, a review page), promotion reads the evidence of exactly this challenger from
the ledger, asks the gates again, and moves the champion only from the revision that the evidence was compared with.
"""

from __future__ import annotations

from mlops_assets import promotion, stages
from mlops_assets.artifacts import Decision, Evidence, TrainedModel, from_json
from mlops_assets.artifacts.rollouts import Rollout
from mlops_assets.errors import EvidenceError
from mlops_assets.ledger import ChampionState
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.approvals.hold import hold_on, with_hold
from mlops_assets.lifecycle.champions import mirror
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import PromotionRecord, ReportRecord
from mlops_assets.model_file import ModelSpec


def promote_model(spec: ModelSpec, platform: Platform, run: Run) -> PromotionRecord:
    """Apply the decision on the latest challenger: promote (at once or by a roll-out), keep, or refuse.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Decision and the champion after it.

    Raises:
        EvidenceError: When the evidence is missing, altered, stale, or refuses the challenger; the champion
            stays.
        LostRaceError: When another promotion moved the champion first.
    """
    report = record_of(platform, spec, stages.EVALUATION_REPORT, run.id, ReportRecord)
    latest = record_of(platform, spec, stages.TRAINED_MODEL, run.id, TrainedModel)
    if latest.version != report.version:
        raise EvidenceError(
            f"{spec.name}: version {latest.version} has no evaluation yet; materialize evaluation_report first"
        )
    record = apply_decision(spec, platform, run, report.version, report.evidence_hash)
    keep_record(platform, spec, stages.PRODUCTION_MODEL, run, record)
    if record.decision.outcome == "refuse":
        raise EvidenceError(f"{spec.name}: version {record.version} is refused: {record.decision.reason}")
    return record


def apply_decision(
    spec: ModelSpec, platform: Platform, run: Run, version: int, evidence_hash: str
) -> PromotionRecord:
    """Evaluate the gates again on the stored evidence, with present approvals and waivers, and act on the result.

    A challenger that only waits for a person stays a challenger: nothing is written until a person decides or
    another challenger supersedes it. A second call changes nothing.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        version: Version that the evidence is about.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

    Returns:
        Decision and the champion after it.

    Raises:
        EvidenceError: When the evidence is missing, altered, another version's, or the champion changed
            since.
        LostRaceError: When another promotion moved the champion first.
        BundleError: When the challenger's bundle is damaged.
    """
    evidence = stored_evidence(platform, evidence_hash, version)
    decision, waits = decision_on(spec, platform, evidence, evidence_hash, run)
    champion_state = platform.ledger.champion_state(spec.name)
    current = champion_state.champion.version if champion_state.champion else None
    if current == version:
        already = Decision("promote", "already the champion", "ledger")
        return PromotionRecord(version, already, version, champion_state.revision, evidence_hash)
    rollout = platform.ledger.rollout_of_evidence(evidence_hash)
    if rollout is not None and (decision.outcome == "promote" or not rollout.is_active):
        return _record_of(rollout, decision, champion_state)
    if waits:
        request_approval(spec, platform, run, evidence, evidence_hash, decision.reason)
        supersede(platform, run, spec.name, version)
        return PromotionRecord(version, decision, current, champion_state.revision, evidence_hash)
    if decision.outcome == "promote":
        if champion_state.revision != evidence.champion.revision:
            raise EvidenceError(
                f"{spec.name}: the champion changed since version {version} was compared with it; "
                "materialize evaluation_report again"
            )
        load_version(platform, spec.name, version)
        if spec.rollout.strategy != "instant" and current is not None:
            rollout = platform.ledger.start_rollout(
                spec.name,
                version,
                plan=spec.rollout,
                expected_revision=evidence.champion.revision,
                evidence_hash=evidence_hash,
                actor=run.actor,
                reason=decision.reason,
                at=run.now(),
            )
            run.progress(rollout.sentence)
            supersede(platform, run, spec.name, version)
            return _record_of(rollout, decision, champion_state)
        champion = platform.ledger.promote(
            spec.name,
            version,
            expected_revision=evidence.champion.revision,
            evidence_hash=evidence_hash,
            actor=run.actor,
            reason=decision.reason,
            at=run.now(),
        )
        supersede(platform, run, spec.name, version)
        mirror(platform, spec.name, run)
        return PromotionRecord(version, decision, champion.version, champion.revision, evidence_hash)
    record_outcome = platform.ledger.keep if decision.outcome == "keep" else platform.ledger.refuse
    record_outcome(
        spec.name, version, evidence_hash=evidence_hash, actor=run.actor, reason=decision.reason, at=run.now()
    )
    mirror(platform, spec.name, run)
    return PromotionRecord(version, decision, current, champion_state.revision, evidence_hash)


def decision_on(
    spec: ModelSpec | None, platform: Platform, evidence: Evidence, evidence_hash: str, run: Run
) -> tuple[Decision, bool]:
    """Return the present decision on recorded evidence, and whether it only waits for a person.

    A person's rejection counts also when no gate required a person.

    Args:
        spec: The model file in force; None evaluates the recorded gates, whatever it says today.
        platform: The open stores and settings.
        evidence: The evidence as recorded.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The decision; True when only a person's verdict is missing.

    Raises:
        EvidenceError: As `promotion.recheck`.
    """
    now = run.now()
    approval = platform.ledger.approval(evidence_hash)
    waivers = platform.ledger.waivers(evidence.model, now)
    decision = promotion.recheck(spec, evidence, approval=approval, waivers=waivers, now=now)
    if decision.outcome == "promote" and approval is not None and approval.verdict != "approve":
        verb = {"reject": "rejected", "defer": "deferred"}[approval.verdict]
        decision = Decision("keep", f"{verb} by {approval.actor}: {approval.comment}", approval.actor)
    waits = decision.outcome == "keep" and promotion.waiting(evidence.gates, approval, waivers, now)
    decision, current = with_hold(
        decision, hold_on(platform, evidence.model), evidence.spec_digest, approval, now
    )
    return decision, waits or current


def request_approval(
    spec: ModelSpec, platform: Platform, run: Run, evidence: Evidence, evidence_hash: str, reason: str
) -> None:
    """Send the reviewers of the model file one request per evidence.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        evidence: Evidence to decide on.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.
        reason: Why a person is needed.
    """
    text = (
        f"{spec.name} version {evidence.version} waits for a person: {reason}. "
        f"mlops report {spec.name} shows the numbers; then: mlops approve {spec.name} --evidence {evidence_hash[:16]} "
        "--comment '...' (or reject, or defer)"
    )
    key = waiting_key(evidence_hash)
    if send_alert(platform, "approval", text, key=key, spec=spec, at=run.now(), progress=run.progress):
        run.progress(text)


def waiting_key(evidence_hash: str) -> str:
    """Return the key of the alert that requests a verdict on this evidence.

    Args:
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

    Returns:
        A text key.
    """
    return f"waiting-{evidence_hash}"


def _record_of(rollout: Rollout, decision: Decision, champion_state: ChampionState) -> PromotionRecord:
    """Return the record of a challenger whose roll-out decides: the champion stays until it has finished."""
    if not rollout.is_active:
        decision = Decision("keep", rollout.sentence, rollout.actor)
    current = champion_state.champion.version if champion_state.champion else None
    return PromotionRecord(
        rollout.version,
        decision,
        current,
        champion_state.revision,
        rollout.evidence_hash,
        rollout.sentence,
    )


def supersede(platform: Platform, run: Run, model: str, version: int) -> None:
    """Archive older challengers that still wait: their evidence compares with an earlier champion.

    A challenger whose roll-out is under way waits for nobody and stays.

    Args:
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        model: Name of the model.
        version: The version that takes their place.
    """
    rolling = {one.version for one in platform.ledger.active_rollouts() if one.model == model}
    for older in platform.ledger.versions(model, "challenger"):
        is_older = older.version < version and older.version not in rolling
        recorded = platform.ledger.evidence_of(model, older.version) if is_older else ()
        if recorded:
            reason = f"version {version} took its place before a person decided"
            platform.ledger.keep(
                model,
                older.version,
                evidence_hash=recorded[0].hash,
                actor=run.actor,
                reason=reason,
                at=run.now(),
            )
            platform.ledger.acknowledge_alert(waiting_key(recorded[0].hash), run.actor, run.now())


def stored_evidence(platform: Platform, evidence_hash: str, version: int) -> Evidence:
    """Return the evidence as recorded, its hash verified by the ledger.

    Args:
        platform: The open stores and settings.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.
        version: Version that the evidence must be about.

    Returns:
        The evidence.

    Raises:
        EvidenceError: When it is missing, altered or about another version.
    """
    evidence = from_json(Evidence, platform.ledger.evidence(evidence_hash).body)
    if evidence.version != version:
        raise EvidenceError(
            f"evidence {evidence_hash[:12]} belongs to version {evidence.version}, not {version}"
        )
    return evidence
