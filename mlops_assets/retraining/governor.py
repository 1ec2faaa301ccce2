"""Merges reasons into at most one retrain request, so that no cause, repeated or renamed, becomes a storm.

Comes in: signals and the retrain history of one model. Goes out: a `Ruling`: retrain, wait or no, with the rule and the
reason. Pure: the ledger's unique keys make a request happen once, whatever is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_assets.artifacts import CAUSES, Cause, Signal
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.retraining import Reaction
from mlops_assets.retraining.past import RetrainHistory
from mlops_assets.retraining.request import RetrainRequest, Ruling, signal_key
from mlops_assets.retraining.rules import RULES, Case, Objection


def govern(signals: Sequence[Signal], history: RetrainHistory, spec: ModelSpec, now: datetime) -> Ruling:
    """Decide whether the signals of one model lead to a retrain now.

    Args:
        signals: The newest windows of every cause, inactive ones included, in any order.
        history: Earlier retrains and the present champion; signals about another version do not count.
        spec: The model file, with the reaction to each signal and the limits.
        now: The present instant.

    Returns:
        The ruling. A request names every active signal, also those that alone would have to wait: their data is in it.
    """
    current = [one for one in signals if one.version is None or one.version == history.champion]
    windows: dict[str, list[Signal]] = {}
    for one in sorted(current, key=lambda signal: (signal.at, signal.subject), reverse=True):
        windows.setdefault(one.cause, []).append(one)
    newest = [one for of_cause in windows.values() for one in of_cause if one.at == of_cause[0].at]
    newest += [one for one in _newest_of_subjects(windows.get("data_quality", ())) if one not in newest]
    cases = [
        Case(one, windows[one.cause], newest, history, spec, now)
        for one in newest
        if one.active and one.cause in CAUSES
    ]
    cases.sort(key=lambda case: (CAUSES.index(case.signal.cause), case.signal.subject))
    alerts = _confirmed(cases, "alert")
    revalidations = _confirmed(cases, "revalidate")
    asking = [case for case in cases if _reaction(spec, case.signal.cause) == "retrain"]
    reasons = tuple(case.signal for case in asking)

    def ruling(rule: str, objection: Objection) -> Ruling:
        return Ruling(
            spec.name,
            objection.verdict,
            rule,
            objection.reason,
            now,
            reasons,
            objection.until,
            None,
            alerts,
            revalidations,
        )

    if not asking:
        return ruling("no_reason", Objection("no", "no signal asks for a retrain"))
    objections = [_objection(case) for case in asking]
    if all(objections):
        waiting = [one for one in objections if one is not None]
        first = next((one for one in waiting if one[1].verdict == "wait"), waiting[0])
        return ruling(*first)
    untried = tuple(case.signal for case, one in zip(asking, objections, strict=True) if _counts(one))
    free = next(case.signal for case, one in zip(asking, objections, strict=True) if one is None)
    base = signal_key(free)
    tries = history.tries(base)
    request = RetrainRequest(
        model=spec.name,
        key=f"{base}~{tries + 1}" if tries else base,
        cause=free.cause,
        reason="; ".join(one.reason for one in untried),
        at=now,
        signals=untried,
    )
    return Ruling(
        spec.name, "retrain", "granted", request.reason, now, untried, None, request, alerts, revalidations
    )


def _newest_of_subjects(windows: Sequence[Signal]) -> list[Signal]:
    """Return the newest signal of each subject: readings that pass their rules do not excuse broken inputs."""
    newest: dict[str, Signal] = {}
    for one in windows:
        newest.setdefault(one.subject, one)
    return list(newest.values())


def _objection(case: Case) -> tuple[str, Objection] | None:
    for name, (rule, passing) in RULES.items():
        if case.signal.cause not in passing and (objection := rule(case)) is not None:
            return name, objection
    return None


def _counts(objection: tuple[str, Objection] | None) -> bool:
    """Return whether a signal is a reason of the request: it has no objection, or waits for something else."""
    return objection is None or (objection[1].verdict == "wait" and objection[0] != "immature")


def _reaction(spec: ModelSpec, cause: Cause) -> Reaction:
    """Return the model file's reaction; a person's wish always asks for a retrain."""
    reactions = spec.retraining.reactions
    by_cause: dict[Cause, Reaction] = {
        "schedule": reactions.schedule,
        "error": reactions.error,
        "bias": reactions.bias,
        "drift": reactions.drift,
        "importance": reactions.importance,
        "data_volume": reactions.data_volume,
        "upstream": reactions.upstream,
        "staleness": reactions.staleness,
    }
    return by_cause.get(cause, "retrain")


def _confirmed(cases: Sequence[Case], reaction: Reaction) -> tuple[Signal, ...]:
    """Select the signals with this reaction that enough windows show."""
    rule, _ = RULES["unconfirmed"]
    return tuple(
        case.signal
        for case in cases
        if _reaction(case.spec, case.signal.cause) == reaction and case.signal.mature and rule(case) is None
    )
