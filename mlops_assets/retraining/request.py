"""What is requested, and what the governor decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.artifacts import Cause, Signal, digest

Verdict = Literal["retrain", "wait", "no"]


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """Stored. A retrain to be recorded under `key` and run once. cause is that of the first of its signals."""

    model: str
    key: str
    cause: Cause
    reason: str
    at: datetime
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the governor decided about one model.

    Attributes:
        model: The model.
        verdict: `retrain`, `wait` (decided again later) or `no` (these reasons never suffice).
        rule: The rule that decided; `no_reason` without a signal, `granted` for a request.
        reason: One sentence for people.
        at: When.
        signals: The active signals that a retrain was decided on.
        until: When a wait ends, where that is known.
        request: The request that `retrain` grants.
        alerts: Signals to which the model file reacts with an alert.
        revalidations: Signals to which it reacts with a validation of the readings.
    """

    model: str
    verdict: Verdict
    rule: str
    reason: str
    at: datetime
    signals: tuple[Signal, ...] = ()
    until: datetime | None = None
    request: RetrainRequest | None = None
    alerts: tuple[Signal, ...] = ()
    revalidations: tuple[Signal, ...] = ()


def signal_key(signal: Signal) -> str:
    """Return `<cause>-<hash>` of the evidence: model, cause, subject, version, features and window.

    Time of the evaluation and wording do not enter: whoever sees the same evidence makes the same key.

    Args:
        signal: The signal.

    Returns:
        The key.
    """
    body = {
        "model": signal.model,
        "cause": signal.cause,
        "subject": signal.subject,
        "version": signal.version,
        "features": sorted(signal.features),
        "at": signal.at.isoformat(),
    }
    return f"{signal.cause}-{digest(body)[:16]}"
