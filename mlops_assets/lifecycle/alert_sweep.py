"""The alert sweep: rules of a model file over its newest readings, to `alerts_log` and to people.

Comes in: a model file with `alerts.rules`, the stores, an instant. Goes out: lines of `alerts_log` and alerts. The key
of a line and of an alert depends on the readings only: a sweep that died before it recorded how far it came does the
same again, and two sweeps at once write each line once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from mlops_assets import readings
from mlops_assets.ledger import NewAlert, SensorAlert
from mlops_assets.lifecycle.alerts import close_alert, close_keys, send_alert, send_alerts
from mlops_assets.lifecycle.alerts.send import DELIVER_WITHIN
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.data import feed_simulated
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.operations import ReadingRule
from mlops_assets.monitoring.conditions import (
    EVERYTHING,
    LATE_WITHIN,
    MOST_CONDITIONS,
    Condition,
    Swept,
    sweep,
)

KIND: Final = "readings_condition"
STORM: Final = "readings_storm"
WATERMARK: Final = "alerts.rules"
FIRST_LOOK: Final = timedelta(hours=1)
"""How far the first sweep of a model looks back, besides the longest duration of a rule."""
SPAN: Final = timedelta(hours=6)
"""What one read covers after an outage."""
SPANS: Final = 2
"""Reads of one tick; the rest of an outage is swept at the next ticks."""


def sweep_alerts(spec: ModelSpec, platform: Platform, run: Run) -> str | None:
    """Sweep the readings since the last sweep of one model.

    Args:
        spec: The model file; without rules, what its former ones left open is closed.
        platform: The open stores and settings.
        run: The run: `as_of` is the instant up to which readings count.

    Returns:
        A sentence when a condition began or ended, else None.

    Raises:
        SourceError: The readings cannot be read.
    """
    if not spec.alerts.rules:  # before the lines, by which the sensor finds a model without rules
        close_alert(platform, STORM, spec.name, run.as_of)
    removed = platform.ledger.close_sensor_alerts(spec.name, tuple(spec.alerts.rules), run.as_of)
    close_keys(platform, removed, run.as_of)
    began, ended = 0, len(removed)
    if spec.alerts.rules:
        feed_simulated(spec, platform, run)
    for _ in range(SPANS if spec.alerts.rules else 0):
        before = _swept(spec, platform, run.as_of)
        until = min(run.as_of, before.until + SPAN)
        swept, touched = _sweep(spec, platform, before, until)
        counts = _record(spec, platform, touched, run.as_of)
        _report_storm(spec, platform, before.untracked, swept.untracked, run.as_of)
        began, ended = began + counts[0], ended + counts[1]
        platform.ledger.set_watermark(spec.name, WATERMARK, _to_text(swept), run.as_of)
        if until >= run.as_of:
            break
    return f"{spec.name}: {began} conditions began, {ended} ended" if began or ended else None


def _sweep(
    spec: ModelSpec, platform: Platform, before: Swept, until: datetime
) -> tuple[Swept, tuple[Condition, ...]]:
    slowest = min(before.newest.values(), default=before.until)
    start = max(min(slowest, before.until), before.until - LATE_WITHIN)
    rows = readings.read_span(spec, start=start, until=until, settings=platform.settings)
    return sweep(spec.alerts.rules, rows, str(spec.timestamp), spec.entity, before, until)


def _record(
    spec: ModelSpec, platform: Platform, touched: tuple[Condition, ...], now: datetime
) -> tuple[int, int]:
    """Write the lines of the log, tell people what is new, close what ended; return how many began and ended."""
    # one that began and ended in this sweep is there twice: what people read is how it ended
    by_key = {line.key: (one, line) for one in touched for line in [_line(spec, one)]}
    lines = [line for _, line in by_key.values()]
    began = platform.ledger.log_sensor_alerts(lines)
    rules = spec.alerts.rules
    new = [
        NewAlert(
            line.key,
            spec.name,
            KIND,
            line.severity,
            line.message,
            f"{KIND}/{spec.name}/{one.rule}/{one.entity}",
            rules[one.rule].notify or None,
        )
        for one, line in by_key.values()
        if one.closed_at is None or now - one.closed_at < DELIVER_WITHIN  # news so old is only logged
    ]
    sent = send_alerts(platform, new, at=now, spec=spec)
    ended = {line.key for line in lines if line.closed_at is not None}
    if over := ended & sent:  # their message said so
        platform.ledger.close_keys(over, now)
    close_keys(platform, ended - sent, now)
    return began, len(ended)


def _report_storm(spec: ModelSpec, platform: Platform, before: int, now: int, at: datetime) -> None:
    """Tell that more conditions began than are followed; over when a sweep follows every one again."""
    if now:
        message = (
            f"{now:,} more conditions began than the {MOST_CONDITIONS:,} that alerts_log follows at once; "
            f"a rule may be wrong: mlops alerts log {spec.name}"
        )
        group = f"{STORM}/{spec.name}"
        send_alert(platform, STORM, message, key=f"{group}/{at.isoformat()}", at=at, spec=spec, group=group)
    elif before:
        close_alert(platform, STORM, spec.name, at)


def _line(spec: ModelSpec, one: Condition) -> SensorAlert:
    rule = spec.alerts.rules[one.rule]
    about = "" if one.entity == EVERYTHING and spec.entity is None else f"{one.entity}: "
    first, last = f"{one.started_at:%Y-%m-%d %H:%M}", f"{one.ended_at:%Y-%m-%d %H:%M}"
    span = f"from {first} to {last}" if one.closed_at else f"since {first}"
    times = f", {one.times} times" if one.times > 1 else ""
    return SensorAlert(
        key=f"{KIND}/{spec.name}/{one.rule}/{one.entity}/{one.started_at.isoformat()}",
        model=spec.name,
        entity=one.entity,
        flag=one.rule,
        started_at=one.started_at,
        ended_at=one.ended_at,
        readings=one.readings,
        message=f"{about}{one.rule.replace('_', ' ')}: {_wording(rule)} {span} UTC{times}",
        severity=rule.severity,
        closed_at=one.closed_at,
        times=one.times,
    )


def _wording(rule: ReadingRule) -> str:
    parts = [f"above {rule.above:g}"] if rule.above is not None else []
    parts += [f"below {rule.below:g}"] if rule.below is not None else []
    parts += [" or ".join(str(value) for value in rule.equals)] if rule.equals is not None else []
    parts += ["missing"] if rule.missing else []
    return f"{rule.column} {' or '.join(parts)}"


def _swept(spec: ModelSpec, platform: Platform, now: datetime) -> Swept:
    text = platform.ledger.watermark(spec.name, WATERMARK)
    if text is None:
        longest = max(rule.sustained or timedelta(0) for rule in spec.alerts.rules.values())
        return Swept(now - longest - FIRST_LOOK, {})
    stored = json.loads(text)
    return Swept(
        datetime.fromisoformat(stored["until"]),
        {name: datetime.fromisoformat(at) for name, at in stored["newest"].items()},
        tuple(_condition(one) for one in stored["lasting"]),
        tuple(_condition(one) for one in stored.get("clearing", ())),  # absent in states of earlier releases
        stored.get("untracked", 0),
    )


def _condition(stored: Mapping[str, Any]) -> Condition:
    return Condition(
        stored["rule"],
        stored["entity"],
        datetime.fromisoformat(stored["started_at"]),
        datetime.fromisoformat(stored["ended_at"]),
        stored["readings"],
        None if stored.get("closed_at") is None else datetime.fromisoformat(stored["closed_at"]),
        stored.get("times", 1),
    )


def _to_text(swept: Swept) -> str:
    return json.dumps(
        {
            "until": swept.until.isoformat(),
            "newest": {name: at.isoformat() for name, at in swept.newest.items()},
            "lasting": [_stored(one) for one in swept.lasting],
            "clearing": [_stored(one) for one in swept.clearing],
            "untracked": swept.untracked,
        }
    )


def _stored(one: Condition) -> dict[str, object]:
    return {
        "rule": one.rule,
        "entity": one.entity,
        "started_at": one.started_at.isoformat(),
        "ended_at": one.ended_at.isoformat(),
        "readings": one.readings,
        "closed_at": None if one.closed_at is None else one.closed_at.isoformat(),
        "times": one.times,
    }
