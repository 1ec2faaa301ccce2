"""The one door to production: recorded evidence in, a moved or unmoved champion out.

Whoever asks (the graph, the command line, a review page), promotion reads the evidence of exactly this challenger from
the ledger, asks the gates again, and moves the champion only from the epoch that the evidence was compared with.
"""

from __future__ import annotations

from mlops_assets import promotion, stages
from mlops_assets.artifacts import Decision, Evidence, TrainedModel, from_json
from mlops_assets.errors import EvidenceError, LedgerError
from mlops_assets.ledger import Champion
from mlops_assets.lifecycle.champions import load_version
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import PromotionRecord, ReportRecord
from mlops_assets.spec import ModelSpec


def promote_model(spec: ModelSpec, platform: Platform, run: Run) -> PromotionRecord:
    """Settle the latest challenger: promote, keep, or refuse.

    Raises EvidenceError when the evidence is missing, altered, stale, or refuses the challenger; LostRaceError when
    another promotion moved the champion first. Either way the champion is untouched.
    """
    report = record_of(platform, spec, stages.EVALUATION_REPORT, run.id, ReportRecord)
    latest = record_of(platform, spec, stages.TRAINED_MODEL, run.id, TrainedModel)
    if latest.version != report.version:
        raise EvidenceError(
            f"{spec.name}: version {latest.version} has no evaluation yet; materialise evaluation_report first"
        )
    record = settle(spec, platform, run, report.version, report.evidence_hash)
    keep_record(platform, spec, stages.PRODUCTION_MODEL, run, record)
    if record.decision.outcome == "refuse":
        raise EvidenceError(f"{spec.name}: version {record.version} is refused: {record.decision.reason}")
    return record


def settle(
    spec: ModelSpec, platform: Platform, run: Run, version: int, evidence_hash: str
) -> PromotionRecord:
    """Ask the gates again on the stored evidence and act on the answer, once: settling twice changes nothing."""
    evidence = stored_evidence(platform, evidence_hash, version)
    decision = promotion.recheck(spec, evidence)
    standing = platform.ledger.standing(spec.name)
    if standing.champion is not None and standing.champion.version == version:
        return PromotionRecord(
            version,
            Decision("promote", "already the champion", "ledger"),
            version,
            standing.epoch,
            evidence_hash,
        )
    if decision.outcome == "promote":
        if standing.epoch != evidence.champion.epoch:
            raise EvidenceError(
                f"{spec.name}: the champion changed since version {version} was compared with it; "
                "materialise evaluation_report again"
            )
        load_version(platform, spec.name, version)
        champion = platform.ledger.promote(
            spec.name,
            version,
            seen_epoch=evidence.champion.epoch,
            evidence_hash=evidence_hash,
            actor=run.actor,
            reason=decision.reason,
            at=run.now(),
        )
        mirror(platform, spec.name, run)
        return PromotionRecord(version, decision, champion.version, champion.epoch, evidence_hash)
    settle_unpromoted = platform.ledger.keep if decision.outcome == "keep" else platform.ledger.refuse
    settle_unpromoted(
        spec.name, version, evidence_hash=evidence_hash, actor=run.actor, reason=decision.reason, at=run.now()
    )
    mirror(platform, spec.name, run)
    held = standing.champion.version if standing.champion else None
    return PromotionRecord(version, decision, held, standing.epoch, evidence_hash)


def stored_evidence(platform: Platform, evidence_hash: str, version: int) -> Evidence:
    """The evidence as recorded, its hash verified by the ledger. Raises EvidenceError when it is another version's."""
    evidence = from_json(Evidence, platform.ledger.evidence(evidence_hash).body)
    if evidence.version != version:
        raise EvidenceError(
            f"evidence {evidence_hash[:12]} belongs to version {evidence.version}, not {version}"
        )
    return evidence


def roll_back(platform: Platform, model: str, to_version: int | None, run: Run, reason: str) -> Champion:
    """Put an earlier version back in production: by default the last one that really served.

    Its bundle is loaded and its sample replayed before the champion moves. MLflow's mirror follows when MLflow answers.
    Raises LedgerError when there is nothing to go back to, BundleError when the target is damaged.
    """
    target = to_version if to_version is not None else platform.ledger.rollback_target(model)
    if target is None:
        raise LedgerError(
            f"{model} has no earlier version that served; 'mlops history {model}' lists every decision"
        )
    load_version(platform, model, target)
    champion = platform.ledger.rollback(
        model, actor=run.actor, reason=reason, at=run.now(), to_version=target
    )
    mirror(platform, model, run)
    return champion


def mirror(platform: Platform, model: str, run: Run) -> None:
    """Bring MLflow's alias and tags in line with the ledger. An MLflow that does not answer stops nothing."""
    try:
        platform.registry.mirror(model, platform.ledger.standing(model), platform.ledger.versions(model))
    except Exception as error:  # noqa: BLE001 - the ledger has decided; whatever ails the mirror must not undo that
        run.progress(f"MLflow does not mirror this yet ({type(error).__name__}); the ledger is the truth")
