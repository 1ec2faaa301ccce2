"""`platform_health`: the platform's own week as an asset, reported by a sensor tick; a run would cost more."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from mlops_assets.defs.metadata import rows_table
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.ledger.reader import Reader
from mlops_assets.operations.platform_health import WEEK, PlatformHealth, platform_health

KEY = dg.AssetKey(["platform", "platform_health"])
EVERY = timedelta(hours=1)


def health_asset() -> dg.AssetSpec:
    """Return the asset, which the sensor reports."""
    return dg.AssetSpec(
        key=KEY,
        group_name="platform",
        description="Runs, their success and duration, the slowest steps, and the growth of the event log in a week.",
        kinds={"postgres"},
    )


def health_sensor() -> dg.SensorDefinition:
    """Return the sensor that measures the platform every hour."""

    @dg.sensor(
        name="platform_health_sensor",
        description="Measures the platform's own week every hour.",
        minimum_interval_seconds=int(EVERY.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def measure(_context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        opened, now = platform.open(), datetime.now(UTC)
        samples = opened.ledger.samples(now - WEEK, now)
        with Reader.open(opened.stores.dagster_url) as reader:
            health = platform_health(reader, samples, now)
        return dg.SensorResult(
            asset_events=[
                dg.AssetMaterialization(KEY, description=health.sentence, metadata=_metadata(health))
            ]
        )

    return measure


def _metadata(health: PlatformHealth) -> dict[str, dg.MetadataValue]:
    numbers = {
        "runs": health.runs,
        "failed_runs": health.failed,
        "success_rate": health.success_rate,
        "runs_per_day": health.runs_per_day,
        "mean_seconds": health.mean_seconds,
        "p95_seconds": health.p95_seconds,
        "events_per_day": health.events_per_day,
        "event_log_bytes": health.event_log_bytes,
        "highest_load_per_core": health.highest_load,
        "least_memory_bytes": health.least_memory_bytes,
    }
    steps = [
        {
            "step": one.step,
            "times": one.times,
            "mean seconds": round(one.mean, 2),
            "longest": round(one.longest, 2),
        }
        for one in health.slowest
    ]
    measured = {name: dg.MetadataValue.float(float(one)) for name, one in numbers.items() if one is not None}
    return {**measured, "slowest_steps": rows_table(steps)}
