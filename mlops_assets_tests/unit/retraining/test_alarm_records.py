"""What alarms were worth: those before a real rise of the error count, overlapping ones are one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlops_assets.artifacts import AlarmRecord, Cause, Signal
from mlops_assets.retraining import alarm_records

START = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def signal(cause: Cause, day: int, *, active: bool = True, mature: bool = True) -> Signal:
    return Signal("pump", cause, START + timedelta(days=day), active=active, mature=mature)


def test_alarms_before_a_rise_of_the_error_are_confirmed() -> None:
    drift = [signal("drift", day) for day in (0, 1, 2, 60, 61)]  # two alarms
    calm = [signal("drift", day, active=False) for day in (20, 30)]
    errors = [
        signal("error", 21),
        signal("error", 28),
        signal("error", 200),
        signal("error", 230, mature=False),
    ]
    # the error of two adjoining weeks rose once
    assert alarm_records([*errors, *calm, *drift], WEEK) == (AlarmRecord("drift", 2, 1, 2, 1),)


def test_a_rise_in_the_window_that_the_alarm_looked_at_counts_and_an_earlier_one_does_not() -> None:
    for day, confirmed in ((-8, 0), (-6, 1), (0, 1), (28, 1), (29, 0)):
        [record] = alarm_records([signal("drift", 0), signal("error", day)], WEEK)
        assert (record.confirmed, record.unannounced) == (confirmed, 1 - confirmed), day


def test_only_measured_causes_have_a_record() -> None:
    assert alarm_records([signal("error", 0), signal("staleness", 1)], WEEK) == ()
    assert alarm_records([signal("bias", 0, active=False)], WEEK) == (AlarmRecord("bias", 0, 0, 0, 0),)
