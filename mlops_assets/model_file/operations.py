"""The sections that say how a model lives once trained: rollout, monitoring, schedules, alerts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Cron, Duration, Share, Timezone


class RolloutSpec(Section):
    """How a promoted model takes over in the prediction API."""

    strategy: Literal["instant", "canary", "blue_green", "shadow"] = "instant"


class PsiLimits(Section):
    """Population stability index per feature: below `warn` stable, up to `act` moderate, above it significant."""

    warn: Annotated[float, Field(gt=0)] = 0.10
    act: Annotated[float, Field(gt=0)] = 0.25


class MonitoringSpec(Section):
    """What is watched in production and when it asks for a retrain."""

    psi: PsiLimits = PsiLimits()
    window: Duration = Field(default="7d", validate_default=True)
    """How much of the newest readings is compared with the training data."""
    expected: tuple[Column, ...] = ()
    """Inputs that move by nature (wear, weather, season): their drift is reported, and asks for nothing."""
    stale_after: Duration | None = Field(default="14d", validate_default=True)
    """Age since the last comparison with a challenger after which a retrain is requested."""
    cooldown: Duration = Field(default="1d", validate_default=True)
    """Shortest time between two retrain requests, whatever their causes."""
    rise: Share = 0.15
    """Alert when the error rises by more than this share week over week."""


class SchedulesSpec(Section):
    """When the graph runs by itself; a line set to null is off."""

    retrain: Cron | None = "0 2 * * 0"
    data_quality: Cron | None = "30 0 * * *"
    drift: Cron | None = "0 1 * * *"
    predictions: Cron | None = None
    timezone: Timezone = "UTC"


class AlertsSpec(Section):
    """Where alerts go besides the log and the ledger."""

    notify: tuple[str, ...] = ()
    """Names of environment variables that hold Apprise addresses; the addresses are secrets and do not belong here."""
