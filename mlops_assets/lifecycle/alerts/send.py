"""Record an alert and tell people, in one call.

An alert is recorded before it is sent. A process that dies in between leaves a waiting alert, which `deliver_pending`
sends; a mail server that is down delays an alert and loses none within a day. An event that repeats is recorded every
time and sent once a day. Alerts of one model and type that wait together are one message. Whoever received an alert
that is more than information is told when its cause ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.ledger import Alert, NewAlert
from mlops_assets.lifecycle.alerts import apprise
from mlops_assets.lifecycle.alerts.kinds import ALERT_KINDS
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec

PLATFORM_VARIABLE: Final = "MLOPS_ALERTS"
"""Environment variable with the Apprise addresses for alerts about the platform itself."""
REPEAT_AFTER: Final = timedelta(days=1)
"""How long the repetitions of an open alert are recorded without being sent."""
DELIVER_WITHIN: Final = timedelta(days=1)
"""How long a pending alert is tried again; then it expires and is only listed."""
PER_CALL: Final = 10
"""Messages that one call tries: a mail server that does not respond costs seconds each."""
MOST_PENDING: Final = 5_000
MOST_LINES: Final = 40
"""Alerts that one message spells out."""
RECOVERED: Final = "/recovered"
"""End of the key of a notice that the cause of an alert ended."""
Waiting = Alert | NewAlert


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
    severity = ALERT_KINDS[kind].severity
    alert = NewAlert(key, name, kind, severity, message, group or f"{kind}/{name or 'platform'}/{message}")
    return bool(send_alerts(platform, [alert], at=at, spec=spec, progress=progress))


def send_alerts(
    platform: Platform,
    new: Sequence[NewAlert],
    *,
    at: datetime,
    spec: ModelSpec | None = None,
    progress: Callable[[str], None] = lambda _sentence: None,
) -> frozenset[str]:
    """Record alerts of one model and send what is new, those of one type and severity as one message.

    Args:
        platform: The open stores.
        new: The alerts; one whose key is recorded does nothing.
        at: When they happened, with a zone.
        spec: The model file, whose addresses receive the alerts.
        progress: Called with a sentence for each address that was not reached.

    Returns:
        The keys that were new.
    """
    recorded = platform.ledger.raise_alerts(new, at)
    for batch in _batches([one for one in new if one.key in recorded]):
        for sentence in _deliver(platform, batch, spec, at):
            progress(sentence)
    return recorded


def close_alert(platform: Platform, kind: str, model: str | None, at: datetime) -> int:
    """Close the open alerts of a type because their cause ended; `deliver_pending` tells whoever received them.

    Args:
        platform: The open stores and settings.
        kind: A key of `ALERT_KINDS`.
        model: Name of the model; None for alerts about the platform.
        at: Time at which the cause ended, with a zone.

    Returns:
        How many alerts were open.
    """
    closed = platform.ledger.close_alerts(kind, model, at)
    _record_recovery(platform, closed, at)
    return len(closed)


def close_keys(platform: Platform, keys: Collection[str], at: datetime) -> int:
    """Close alerts by key because the cause of each ended; `deliver_pending` tells whoever received them.

    Args:
        platform: The open stores and settings.
        keys: Keys of alerts, also acknowledged ones.
        at: Present time, with a zone.

    Returns:
        How many alerts were not closed before.
    """
    closed = platform.ledger.close_keys(keys, at) if keys else ()
    _record_recovery(platform, closed, at)
    return len(closed)


def deliver_pending(platform: Platform, specs: Sequence[ModelSpec], now: datetime) -> int:
    """Send the alerts of the last day that nobody received, the oldest first; older ones expire.

    Args:
        platform: The open stores and settings.
        specs: All model files of the installation.
        now: Present time, with a zone.

    Returns:
        How many alerts were tried, in at most `PER_CALL` messages.
    """
    by_name = {spec.name: spec for spec in specs}
    platform.ledger.expire_alerts(now - DELIVER_WITHIN, now)
    pending = platform.ledger.pending_alerts(now - DELIVER_WITHIN, now, limit=MOST_PENDING)
    batches = _batches(tuple(reversed(pending)))[:PER_CALL]
    for batch in batches:
        _deliver(platform, batch, by_name.get(batch[0].model or ""), now)
    return sum(len(batch) for batch in batches)


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


def _record_recovery(platform: Platform, closed: Sequence[Alert], at: datetime) -> None:
    """Record a notice for each closed alert that somebody received; it is closed itself and needs no person."""
    notices = [
        NewAlert(
            one.key + RECOVERED,
            one.model,
            one.kind,
            "info",
            f"over since {at:%Y-%m-%d %H:%M} UTC: {one.message}",
            one.group + RECOVERED,
            one.notify,
        )
        for one in closed
        if one.delivery == "sent" and one.severity != "info"
    ]
    if notices:
        platform.ledger.close_keys(platform.ledger.raise_alerts(notices, at), at)


def _batches(waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Return the alerts that one message tells about, in the order of their first."""
    batches: dict[tuple[object, ...], list[Waiting]] = {}
    for one in waiting:
        recovered = one.key.endswith(RECOVERED)
        batches.setdefault((one.model, one.kind, one.severity, one.notify, recovered), []).append(one)
    return list(batches.values())


def _deliver(
    platform: Platform, batch: Sequence[Waiting], spec: ModelSpec | None, now: datetime
) -> tuple[str, ...]:
    """Send one message about the alerts of one batch that no other process took, each group once."""
    ledger, first = platform.ledger, batch[0]
    repeated = ledger.repeated_groups({one.group for one in batch}, now - REPEAT_AFTER, now)
    claimed = ledger.claim_alerts([one.key for one in batch], now)
    names = first.notify or variables(first.kind, spec, platform)
    news: dict[str, Waiting] = {}
    for one in batch:
        if one.key in claimed and one.group not in repeated:
            news.setdefault(one.group, one)
    keys = frozenset(one.key for one in news.values())
    ledger.record_delivery(claimed - keys, "grouped")
    if not names:
        ledger.record_delivery(keys, "no_address")
    if not names or not keys:
        return ()
    title, text = _wording(list(news.values()))
    failures = apprise.send(names, platform.settings.environ, title, text, first.severity)
    ledger.record_delivery(keys, "pending" if len(failures) == len(names) else "sent")
    for sentence in failures:
        unsent = NewAlert(
            f"{first.key}-unsent-{sentence}",
            first.model,
            "alert_unsent",
            ALERT_KINDS["alert_unsent"].severity,
            sentence,
            f"alert_unsent/{sentence}",
        )
        ledger.record_delivery(ledger.raise_alerts([unsent], now), "no_address")
    return failures


def _wording(news: Sequence[Waiting]) -> tuple[str, str]:
    """Return title and text of one message."""
    first = news[0]
    title = ALERT_KINDS[first.kind].title + (" is over" if first.key.endswith(RECOVERED) else "")
    title = f"{first.model}: {title}" if first.model else title
    if len(news) == 1:
        return title, first.message
    lines = [one.message for one in news[:MOST_LINES]]
    if len(news) > MOST_LINES:
        lines.append(f"and {len(news) - MOST_LINES} more: mlops alerts --all")
    return f"{title} ({len(news)})", "\n".join(lines)
