"""Record an alert and tell people, in one call.

An alert is recorded before it is sent. A process that dies in between leaves a pending alert, which `deliver_pending`
sends; a mail server that is down delays an alert and loses none. An event that repeats is recorded every time and sent
once a day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.lifecycle.alerts import apprise
from mlops_assets.lifecycle.alerts.kinds import ALERT_KINDS
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec

PLATFORM_VARIABLE: Final = "MLOPS_ALERTS"
"""Environment variable with the Apprise addresses for alerts about the platform itself."""
REPEAT_AFTER: Final = timedelta(days=1)
"""How long the repetitions of an open alert are recorded without being sent."""
DELIVER_WITHIN: Final = timedelta(days=1)
"""How long a pending alert is tried again."""
PER_CALL: Final = 10
"""Pending alerts that one call tries: a mail server that does not respond costs seconds each."""


@dataclass(frozen=True, slots=True)
class _Message:
    key: str
    kind: str
    model: str | None
    message: str
    group: str


def send_alert(  # noqa: PLR0913
    platform: Platform,
    kind: str,
    message: str,
    *,
    key: str,
    at: datetime,
    spec: ModelSpec | None = None,
    model: str | None = None,
    group: str | None = None,
    progress: Callable[[str], None] = lambda _sentence: None,
) -> bool:
    """Record an alert and send it to whoever its kind names.

    Args:
        platform: The open stores.
        kind: A key of `ALERT_KINDS`.
        message: What people read.
        key: The event; a second alert with the same key does nothing.
        at: When it happened.
        spec: The model file, whose addresses receive the alert.
        model: Name of the model where there is no readable model file; default that of `spec`.
        group: Events that repeat share a group; default the kind, the model and the message.
        progress: Called with a sentence for each address that was not reached.

    Returns:
        True for the first alert with this key.
    """
    name = spec.name if spec else model
    alert = _Message(key, kind, name, message, group or f"{kind}/{name or 'platform'}/{message}")
    if not _record(platform, alert, at):
        return False
    for sentence in _deliver(platform, alert, spec, at):
        progress(sentence)
    return True


def close_alert(platform: Platform, kind: str, model: str | None, at: datetime) -> int:
    """Close the open alerts of a type because their cause ended.

    Args:
        platform: The open stores and settings.
        kind: A key of `ALERT_KINDS`.
        model: Name of the model; None for alerts about the platform.
        at: Time at which the cause ended, with a zone.

    Returns:
        How many alerts were open.
    """
    return platform.ledger.close_alerts(kind, model, at)


def deliver_pending(platform: Platform, specs: Sequence[ModelSpec], now: datetime) -> int:
    """Send the alerts of the last day that nobody received.

    Args:
        platform: The open stores and settings.
        specs: All model files of the installation.
        now: Present time, with a zone.

    Returns:
        How many alerts were tried, at most `PER_CALL`.
    """
    by_name = {spec.name: spec for spec in specs}
    pending = platform.ledger.pending_alerts(now - DELIVER_WITHIN, limit=PER_CALL)
    for one in reversed(pending):
        alert = _Message(one.key, one.kind, one.model, one.message, one.group)
        _deliver(platform, alert, by_name.get(one.model or ""), now)
    return len(pending)


def variables(kind: str, spec: ModelSpec | None, platform: Platform) -> tuple[str, ...]:
    """Return the environment variables whose addresses receive a type of alert.

    Args:
        kind: A key of `ALERT_KINDS`.
        spec: Model file of the alert's model; None for the platform.
        platform: The open stores and settings.

    Returns:
        Names of variables, without repetition; empty for a type that nobody receives.
    """
    recipients = ALERT_KINDS[kind].recipients
    if recipients == "nobody":
        return ()
    of_model = spec.alerts.notify if spec is not None and recipients in ("model", "both") else ()
    of_platform = (PLATFORM_VARIABLE,) if platform.settings.environ.get(PLATFORM_VARIABLE, "").strip() else ()
    if recipients == "model" and of_model:
        return tuple(of_model)
    return tuple(dict.fromkeys((*of_model, *of_platform)))


def _record(platform: Platform, alert: _Message, at: datetime) -> bool:
    return platform.ledger.raise_alert(
        alert.key,
        model=alert.model,
        kind=alert.kind,
        severity=ALERT_KINDS[alert.kind].severity,
        message=alert.message,
        at=at,
        group=alert.group,
    )


def _deliver(platform: Platform, alert: _Message, spec: ModelSpec | None, now: datetime) -> tuple[str, ...]:
    ledger = platform.ledger
    repeated = ledger.is_repetition(alert.group, now - REPEAT_AFTER)
    if not ledger.claim_alert(alert.key):
        return ()
    names = variables(alert.kind, spec, platform)
    if repeated or not names:
        ledger.record_delivery(alert.key, "grouped" if repeated else "no_address")
        return ()
    kind = ALERT_KINDS[alert.kind]
    title = f"{alert.model}: {kind.title}" if alert.model else kind.title
    failures = apprise.send(names, platform.settings.environ, title, alert.message, kind.severity)
    ledger.record_delivery(alert.key, "pending" if len(failures) == len(names) else "sent")
    for sentence in failures:
        key = f"{alert.key}-unsent-{sentence}"
        _record(
            platform, _Message(key, "alert_unsent", alert.model, sentence, f"alert_unsent/{sentence}"), now
        )
        ledger.record_delivery(key, "no_address")
    return failures
