"""The health of models from what the ledger holds: the newest signals and reports of each.

Comes in: the open stores and model files. Goes out: a `HealthReport` per model. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_assets import monitoring, stages
from mlops_assets.artifacts import Cause, DriftReport, HealthReport, PerformanceReport, Signal
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.model_file import ModelSpec

OF_READINGS = ""
"""Subject of the data-quality signal of validation; `lifecycle.stages.health` leaves another about the inputs."""


def health_of(platform: Platform, specs: Sequence[ModelSpec], now: datetime) -> dict[str, HealthReport]:
    """Return the health of models as of now.

    Args:
        platform: The open stores and settings.
        specs: The model files.
        now: Present instant, with a zone.

    Returns:
        Report by model.
    """
    names = [spec.name for spec in specs]
    if not names:
        return {}
    champions, signals = platform.ledger.champion_versions(names), platform.ledger.newest_signals(names, 1)
    return {
        spec.name: monitoring.diagnose(
            spec,
            champions.get(spec.name),
            _observations(platform, spec, signals.get(spec.name, [])),
            now,
        )
        for spec in specs
    }


def _observations(platform: Platform, spec: ModelSpec, signals: Sequence[Signal]) -> monitoring.Observations:
    def newest(cause: Cause, subject: str | None = None) -> Signal | None:
        return next((one for one in signals if one.cause == cause and subject in (None, one.subject)), None)

    return monitoring.Observations(
        quality=newest("data_quality", OF_READINGS),
        performance=known_record(platform, spec, stages.PERFORMANCE_REPORT, PerformanceReport),
        drift=known_record(platform, spec, stages.DRIFT_REPORT, DriftReport),
        importance=newest("importance"),
    )
