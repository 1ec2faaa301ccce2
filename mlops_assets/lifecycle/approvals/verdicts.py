"""What people say about a challenger: approve, reject or defer exactly one evidence, set a gate aside.

Comes in: a model, a hash, a name and a comment. Goes out: the recorded verdict and what became of the challenger.
Every entry point (command line, approval file, review page) ends here; the ledger accepts one verdict per evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from mlops_assets import promotion
from mlops_assets.artifacts import ChampionRef, Decision, Evidence, Signal, from_json
from mlops_assets.errors import EvidenceError, LedgerError, MlopsError
from mlops_assets.ledger import Approval
from mlops_assets.ledger.records import Verdict
from mlops_assets.lifecycle import governing
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import PromotionRecord
from mlops_assets.lifecycle.stages.promote import apply_decision, decision_on, waiting_key
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining import RetrainRequest

APPROVAL_LASTS: Final = timedelta(days=7)
"""An approval that could not be acted on for so long is no longer one."""
SHORTEST_HASH: Final = 12
LONGEST_COMMENT: Final = 4_000


@dataclass(frozen=True, slots=True)
class Subject:
    """One evidence that a person may decide on. problem: why a verdict is no longer possible, None when it is."""

    model: str
    evidence_hash: str
    evidence: Evidence
    decision: Decision
    since: datetime
    waits: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class VerdictResult:
    """A verdict as recorded, the decision on the challenger, and the retrain that a 'defer' requested."""

    approval: Approval
    record: PromotionRecord
    request: RetrainRequest | None = None


def subject(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    version: int | None = None,
    evidence_hash: str | None = None,
) -> Subject:
    """Return the evidence that a person decides on: by hash, else the newest.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        version: Only evidence about this version; None for any.
        evidence_hash: The hash or its first characters, at least `SHORTEST_HASH`; None for the newest.

    Returns:
        The evidence with its decision, and its problem when it has lapsed.

    Raises:
        EvidenceError: When the hash is too short, unknown, altered or another version's.
    """
    versions = [one.version for one in platform.ledger.versions(spec.name)] if version is None else [version]
    if evidence_hash is not None and len(evidence_hash) < SHORTEST_HASH:
        raise EvidenceError(
            f"{evidence_hash!r} is too short: give at least {SHORTEST_HASH} characters of the hash"
        )
    for number in versions:
        for target in platform.ledger.evidence_of(spec.name, number):
            if evidence_hash is None or target.hash.startswith(evidence_hash):
                return _subject(spec, platform, run, target.hash, target.at)
    what = f"evidence {evidence_hash}" if evidence_hash else "evaluated version"
    where = spec.name if version is None else f"{spec.name} version {version}"
    raise EvidenceError(f"the ledger holds no {what} of {where}; 'mlops report {spec.name}' shows the newest")


def waiting(specs: Sequence[ModelSpec], platform: Platform, run: Run) -> tuple[Subject, ...]:
    """Return every challenger that waits for a person.

    Args:
        specs: All model files of the installation.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Newest first per model; lapsed ones with their problem.
    """
    target = [
        _subject(spec, platform, run, evidence[0].hash, evidence[0].at)
        for spec in specs
        for one in platform.ledger.versions(spec.name, "challenger")
        if (evidence := platform.ledger.evidence_of(spec.name, one.version))
    ]
    return tuple(one for one in target if one.waits or one.problem)


def with_verdicts(platform: Platform, target: Subject, now: datetime) -> Evidence:
    """Return the evidence with approvals and waivers in its gate results, for display.

    Args:
        platform: The open stores and settings.
        target: The evidence that a person decides on.
        now: Present time, with a zone.

    Returns:
        A copy; the hash stays that of the record.
    """
    approval = platform.ledger.approval(target.evidence_hash)
    gates, _ = promotion.with_people(
        target.evidence.gates, approval, platform.ledger.waivers(target.model, now), now
    )
    return replace(target.evidence, gates=gates)


def give_verdict(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    verdict: Verdict,
    comment: str,
    *,
    version: int | None = None,
    evidence_hash: str | None = None,
    expires_at: datetime | None = None,
) -> VerdictResult:
    """Record a person's verdict on one evidence and act on it at once; run.actor is the person.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        verdict: `approve`, `reject` or `defer`.
        comment: Reason; a rejection or deferral needs one.
        version: Version that is meant; None for any.
        evidence_hash: Hash (or its first characters) of the evidence; None for the newest.
        expires_at: End of an approval, with a zone; None: `APPROVAL_LASTS` from now.

    Returns:
        The approval, the promotion record and whether a person is still needed.

    Raises:
        EvidenceError: When the evidence has lapsed (evaluated again, champion moved, model file changed,
            altered) or an approval would change nothing. Nothing is recorded.
        LostRaceError: When another verdict came first.
        LedgerError: When the comment is missing or too long. Nothing is recorded.
    """
    comment = comment.strip()
    if verdict != "approve" and not comment:
        raise LedgerError(f"to {verdict} needs a comment: whoever trains the next version reads it")
    if len(comment) > LONGEST_COMMENT:
        raise LedgerError(
            f"the comment has {len(comment):,} characters, at most {LONGEST_COMMENT:,} are kept"
        )
    target = subject(spec, platform, run, version, evidence_hash)
    known = platform.ledger.approval(target.evidence_hash)
    if known is None:
        _require_open(spec, platform, target, verdict, run)
    if verdict == "approve" and expires_at is None:
        expires_at = run.now() + APPROVAL_LASTS
    approval = platform.ledger.record_verdict(
        target.evidence_hash, verdict, actor=run.actor, comment=comment, at=run.now(), expires_at=expires_at
    )
    return VerdictResult(approval, *_act(spec, platform, run, target, approval))


def apply_verdicts(spec: ModelSpec, platform: Platform, run: Run) -> tuple[str, ...]:
    """Decide about challengers whose verdict was recorded but not applied, because the process died in between.

    An approval that came too late keeps the champion.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        One sentence per challenger.
    """
    sentences = []
    for one in platform.ledger.versions(spec.name, "challenger"):
        for target in platform.ledger.evidence_of(spec.name, one.version)[:1]:
            approval = platform.ledger.approval(target.hash)
            if approval is None:
                continue
            who = replace(run, actor=approval.actor)
            about = _subject(spec, platform, who, target.hash, target.at)
            try:
                record, _ = _act(spec, platform, who, about, approval)
                sentences.append(f"{spec.name} version {one.version}: {record.decision.reason}")
            except EvidenceError as error:
                platform.ledger.keep(
                    spec.name,
                    one.version,
                    evidence_hash=target.hash,
                    actor=approval.actor,
                    reason=str(error),
                    at=run.now(),
                )
                sentences.append(f"{spec.name} version {one.version}: {error}")
    return tuple(sentences)


def _subject(spec: ModelSpec, platform: Platform, run: Run, evidence_hash: str, at: datetime) -> Subject:
    evidence = from_json(Evidence, platform.ledger.evidence(evidence_hash).body)
    try:
        decision, waits = decision_on(spec, platform, evidence, evidence_hash, run)
        problem = _lapsed(spec, platform, evidence, evidence_hash) if waits else None
    except EvidenceError as error:
        decision, waits, problem = Decision("keep", str(error), "ledger"), False, str(error)
    return Subject(spec.name, evidence_hash, evidence, decision, at, waits and problem is None, problem)


def _lapsed(spec: ModelSpec, platform: Platform, evidence: Evidence, evidence_hash: str) -> str | None:
    name = f"{spec.name} version {evidence.version}"
    newest = platform.ledger.evidence_of(spec.name, evidence.version)[0].hash
    if newest != evidence_hash:
        return f"{name} was evaluated again since; its newest evidence is {newest[:16]}"
    champion_state = platform.ledger.champion_state(spec.name)
    now = ChampionRef(
        champion_state.champion.version if champion_state.champion else None, champion_state.revision
    )
    if now != evidence.champion:
        return f"the champion changed since {name} was compared with it; run 'mlops run {spec.name}' again"
    return None


def _require_open(spec: ModelSpec, platform: Platform, target: Subject, verdict: Verdict, run: Run) -> None:
    if target.problem is not None:
        raise EvidenceError(f"this evidence has lapsed: {target.problem}")
    name = f"{spec.name} version {target.evidence.version}"
    lapsed = _lapsed(spec, platform, target.evidence, target.evidence_hash)
    champion = platform.ledger.champion(spec.name)
    if champion is not None and champion.version == target.evidence.version:
        raise EvidenceError(f"{name} is the champion already; to take it back: mlops rollback {spec.name}")
    if lapsed is not None:
        raise EvidenceError(f"this evidence has lapsed: {lapsed}")
    if verdict == "approve":
        assumed = Approval(target.evidence_hash, verdict, run.actor, "", run.now(), None)
        waivers = platform.ledger.waivers(spec.name, run.now())
        then = promotion.recheck(spec, target.evidence, approval=assumed, waivers=waivers, now=run.now())
        if then.outcome != "promote":
            raise EvidenceError(f"an approval would not promote {name}: {then.reason}")


def _act(
    spec: ModelSpec, platform: Platform, run: Run, target: Subject, approval: Approval
) -> tuple[PromotionRecord, RetrainRequest | None]:
    version = target.evidence.version
    request = None
    if approval.verdict == "defer":
        wish = Signal(
            model=spec.name,
            cause="manual",
            at=approval.at,
            active=True,
            subject=f"deferred {target.evidence_hash}",
            reason=f"{approval.actor} deferred version {version}: {approval.comment}",
        )
        request = governing.request_retrain(spec, platform, wish, run.now()).request
    try:
        record = apply_decision(spec, platform, run, version, target.evidence_hash)
    except MlopsError as error:
        raise type(error)(f"the verdict is recorded, but: {error}") from error
    platform.ledger.acknowledge_alert(waiting_key(target.evidence_hash), approval.actor, run.now())
    return record, request
