"""The retrain governor at work: reads the state of all models, decides about each, records every decision.

Comes in: the open stores and model files. Goes out: rulings; requests, decisions and alerts are in the ledger. The
decisions themselves are pure and belong to `retraining`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from mlops_assets import retraining
from mlops_assets.artifacts import Signal, from_json, to_json
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Comparison, RetrainDecision
from mlops_assets.ledger import RetrainRequest as RequestRow
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining import Outcome, PastRequest, RetrainHistory, Ruling

REMEMBERED: Final = timedelta(days=400)
"""Requests and signals so old no longer count."""
OUTCOMES: Final[Mapping[str, Outcome]] = {"promoted": "promoted", "kept": "kept", "refused": "refused"}


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision about one model rests on: its signals, its earlier retrains, the last decision."""

    spec: ModelSpec
    signals: tuple[Signal, ...]
    history: RetrainHistory
    last: RetrainDecision | None


def situations(platform: Platform, specs: Sequence[ModelSpec], now: datetime) -> list[Situation]:
    """Read the situation of every model; the number of queries does not depend on the number of models.

    Args:
        platform: The open stores and settings.
        specs: The model files.
        now: Present time, with a zone.

    Returns:
        One situation per model file, in their order.
    """
    names, ledger = [spec.name for spec in specs], platform.ledger
    if not names:
        return []
    since = now - REMEMBERED
    signals = ledger.newest_signals(names, max(spec.retraining.out_of for spec in specs))
    champions, compared = ledger.champion_versions(names), ledger.last_comparisons(names)
    requests, comparisons = ledger.requests_since(names, since), ledger.comparisons_since(names, since)
    last = ledger.newest_decisions(names)
    result = []
    for spec in specs:
        stale = retraining.staleness_signal(
            spec, champion=champions.get(spec.name), last_compared=compared.get(spec.name), now=now
        )
        outcomes = comparisons.get(spec.name, [])
        past = tuple(_past(row, outcomes) for row in requests.get(spec.name, []))
        result.append(
            Situation(
                spec,
                (
                    # a request so old is not remembered: its signal would ask again, under a key that is taken
                    *(one for one in signals.get(spec.name, ()) if one.at >= since),
                    *([stale] if stale else []),
                ),
                RetrainHistory(champions.get(spec.name), past),
                last.get(spec.name),
            )
        )
    return result


def situation(spec: ModelSpec, platform: Platform, now: datetime) -> Situation:
    """Read the situation of one model.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        now: Present time, with a zone.

    Returns:
        The situation.
    """
    [one] = situations(platform, [spec], now)
    return one


def preview(spec: ModelSpec, platform: Platform, now: datetime) -> Ruling:
    """Return what the governor would decide now; nothing is recorded.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        now: Present time, with a zone.

    Returns:
        The ruling.
    """
    one = situation(spec, platform, now)
    return retraining.govern(one.signals, one.history, spec, now)


def newest_of_each(one: Situation) -> list[Signal]:
    """Return the newest signal of every cause and subject, active ones first.

    Args:
        one: The situation of one model.

    Returns:
        Signals.
    """
    newest: dict[tuple[str, str], Signal] = {}
    for signal in sorted(one.signals, key=lambda signal: signal.at):
        newest[signal.cause, "" if signal.cause == "staleness" else signal.subject] = signal
    return sorted(newest.values(), key=lambda signal: (not signal.active, signal.cause, signal.subject))


def decide(one: Situation, platform: Platform, now: datetime) -> Ruling:
    """Let the governor decide about one model and record the decision.

    A decision that says what the last one said is not recorded again. A request that another process recorded first is
    theirs: the ruling then has no request.

    Args:
        one: The situation of one model.
        platform: The open stores and settings.
        now: Present time, with a zone.

    Returns:
        The ruling.
    """
    spec = one.spec
    ruling = retraining.govern(one.signals, one.history, spec, now)
    for signal in ruling.alerts:
        send_alert(
            platform,
            f"signal_{signal.cause}",
            signal.reason,
            key=f"{spec.name}/{retraining.signal_key(signal)}",
            spec=spec,
            group=f"signal_{signal.cause}/{spec.name}/{signal.subject}",
            at=now,
        )
    decision = RetrainDecision(
        model=spec.name,
        at=now,
        verdict=ruling.verdict,
        rule=ruling.rule,
        reason=ruling.reason,
        signals=tuple(to_json(signal) for signal in ruling.signals),
        request_key=ruling.request.key if ruling.request else None,
        until=ruling.until,
    )
    if ruling.request is None:
        if _is_news(decision, one.last):
            platform.ledger.record_decision(decision)
        return ruling
    detail: dict[str, Any] = {"reason": ruling.reason, "signals": list(decision.signals)}
    if platform.ledger.grant_retrain(decision, ruling.request.cause, detail):
        return ruling
    return replace(
        ruling, verdict="wait", rule="in_flight", reason="another process requested it first", request=None
    )


def request_retrain(spec: ModelSpec, platform: Platform, signal: Signal, now: datetime) -> Ruling:
    """Record a signal and decide about its model at once.

    Args:
        spec: The model file.
        platform: The open stores.
        signal: A person's wish, a scheduled instant.
        now: The present instant.

    Returns:
        The ruling. Where it is `wait`, the signal is recorded, and the governor decides again at every tick.
    """
    platform.ledger.record_signals([signal], now)
    return decide(situation(spec, platform, now), platform, now)


def finish_request(
    platform: Platform, model: str, key: str, *, succeeded: bool, now: datetime, run_id: str | None = None
) -> bool:
    """Close the request that a run was made for, so that the next cause may request a retrain.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        key: Key of the request.
        succeeded: Whether the run succeeded.
        now: Present time, with a zone.
        run_id: Id of the run.

    Returns:
        False when it was closed before, or another run works on it.
    """
    try:
        platform.ledger.finish_request(model, key, "done" if succeeded else "failed", now, run_id)
    except LedgerError:
        return False
    return True


def _is_news(decision: RetrainDecision, last: RetrainDecision | None) -> bool:
    if last is None:
        return decision.rule != "no_reason"
    return (decision.verdict, decision.rule, decision.reason) != (last.verdict, last.rule, last.reason)


def _past(row: RequestRow, comparisons: Sequence[Comparison]) -> PastRequest:
    """Return a request with its outcome: that of the challenger decided on between its record and its end."""
    inside = [
        one
        for one in comparisons
        if one.at >= row.requested_at and (row.finished_at is None or one.at <= row.finished_at)
    ]
    return PastRequest(
        key=row.key,
        signals=tuple(from_json(Signal, body) for body in row.detail.get("signals", ())),
        requested_at=row.requested_at,
        state=row.state,
        finished_at=row.finished_at,
        outcome=OUTCOMES[inside[-1].action] if inside else None,
    )
