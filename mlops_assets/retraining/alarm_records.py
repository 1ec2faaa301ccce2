"""What alarms were worth: how many came before the error really rose.

Comes in: the signals of one model. Goes out: an `AlarmRecord` for each cause that announces an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.artifacts import AlarmRecord, Signal

ANNOUNCING: Final = ("drift", "importance", "bias")
WINDOWS_AHEAD: Final = 4
"""An alarm may be so many windows earlier than the rise that it announces."""

_Span = tuple[datetime, datetime]


def alarm_records(signals: Sequence[Signal], window: timedelta) -> tuple[AlarmRecord, ...]:
    """Count the alarms of each cause, and those that came before a rise of the error.

    Args:
        signals: Signals of one model, in any order.
        window: Length of the monitoring window.

    Returns:
        A record for each cause that was measured.
    """
    errors = _alarms([one for one in signals if one.cause == "error"], window)
    records = []
    for cause in ANNOUNCING:
        measured = [one for one in signals if one.cause == cause]
        if not measured:
            continue
        alarms = _alarms(measured, window)
        matches = [[_announces(alarm, error, window) for error in errors] for alarm in alarms]
        announced = sum(any(row[index] for row in matches) for index in range(len(errors)))
        confirmed = sum(any(row) for row in matches)
        records.append(AlarmRecord(cause, len(alarms), confirmed, len(errors), len(errors) - announced))
    return tuple(records)


def _announces(alarm: _Span, error: _Span, window: timedelta) -> bool:
    """Whether the error began to rise after the alarm, or in a window that the alarm looked at too."""
    return alarm[0] - window < error[0] <= alarm[1] + WINDOWS_AHEAD * window


def _alarms(signals: Sequence[Signal], window: timedelta) -> list[_Span]:
    """Return first and last instant of each alarm; active signals of overlapping or adjoining windows are one alarm."""
    alarms: list[_Span] = []
    for signal in sorted((one for one in signals if one.active and one.mature), key=lambda one: one.at):
        if alarms and signal.at - alarms[-1][1] <= window:
            alarms[-1] = alarms[-1][0], signal.at
        else:
            alarms.append((signal.at, signal.at))
    return alarms
