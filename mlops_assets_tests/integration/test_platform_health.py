"""The platform's own week, measured on real runs, as the sensor reports it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from mlops_assets.defs.platform_health import KEY, health_sensor
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.ledger.reader import Reader
from mlops_assets.operations.platform_health import platform_health
from mlops_assets_tests.fleet import quick
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = pytest.mark.integration


@dg.op
def breaks() -> None:
    """A step that fails."""
    raise ValueError("on purpose")


@dg.job
def failing() -> None:
    """A run that fails."""
    breaks()


def test_the_week_counts_runs_failures_durations_and_events(local_platform: LocalPlatform) -> None:
    now = datetime.now(UTC)
    samples = {("mlops_cpu_load_ratio", ""): [(now, 0.5), (now, 2.5)]}
    with Reader.open(local_platform.stores.dagster_url) as reader, dg.DagsterInstance.get() as instance:
        before = platform_health(reader, {}, now)
        for _ in range(3):
            assert quick.execute_in_process(instance=instance).success
        assert not failing.execute_in_process(instance=instance, raise_on_error=False).success
        after = platform_health(reader, samples, datetime.now(UTC))
        later = platform_health(reader, {}, now + timedelta(days=30))
    assert (after.runs - before.runs, after.failed - before.failed) == (4, 1)
    assert after.success_rate is not None
    assert after.success_rate == (after.runs - after.failed) / after.runs
    assert after.mean_seconds is not None
    assert after.p95_seconds is not None
    assert 0 < after.mean_seconds <= after.p95_seconds * 2
    assert after.events_per_day > before.events_per_day
    assert after.event_log_bytes > 0
    assert (after.highest_load, after.least_memory_bytes) == (2.5, None)
    assert all(0 <= one.mean <= one.longest for one in after.slowest)
    assert len(after.slowest) > 0
    assert (later.runs, later.success_rate, later.sentence) == (0, None, "no run ended in the last week")


def test_the_sensor_reports_it_as_an_asset(local_platform: LocalPlatform) -> None:
    with dg.build_sensor_context(resources={"platform": PlatformResource()}) as context:
        result = health_sensor()(context)
    assert isinstance(result, dg.SensorResult)
    [event] = result.asset_events
    assert event.asset_key == KEY
    assert {"runs", "events_per_day", "event_log_bytes", "slowest_steps"} <= event.metadata.keys()
