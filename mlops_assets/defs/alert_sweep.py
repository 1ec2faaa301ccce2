"""The sensor that sweeps the readings for the conditions of `alerts.rules`, every five minutes."""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensor_runs import for_each_model, sensor_run
from mlops_assets.model_file import ModelSpec


def alert_sweep_sensor(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    """Return the sensor over every model whose file has rules.

    Args:
        specs: All model files.

    Returns:
        The sensor.
    """

    @dg.sensor(
        name="alert_sweep",
        description="Applies `alerts.rules` to the newest readings: what begins, goes on or ends is in alerts_log.",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def tick(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
        from mlops_assets.lifecycle.alert_sweep import sweep_alerts

        opened = platform.open()
        left_open = opened.ledger.models_with_open_lines()
        watched = [spec for spec in specs if spec.alerts.rules or spec.name in left_open]
        if not watched:
            return dg.SkipReason("no model file has alerts.rules")
        sentences = for_each_model(watched, opened, sensor_run(context.log.info), sweep_alerts)
        return dg.SkipReason("; ".join(sentences) or "nothing began or ended")

    return tick
