"""The record behind a monitoring report: everything that is observed about one champion, and how its inputs moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlops_assets.artifacts.drift import DriftReport
from mlops_assets.artifacts.health import HealthReport
from mlops_assets.artifacts.performance import PerformanceReport


@dataclass(frozen=True, slots=True)
class MonitoringReport:
    """Stored. The newest reports of one model, and the drift reports before them.

    Attributes:
        model: The model.
        as_of: Instant of the report.
        health: The diagnosis.
        performance: None where it was never measured.
        drift: The drift reports of this champion, newest first.
    """

    model: str
    as_of: datetime
    health: HealthReport
    performance: PerformanceReport | None
    drift: tuple[DriftReport, ...]

    @property
    def version(self) -> int | None:
        """The champion's version; None without a champion."""
        return self.health.version
