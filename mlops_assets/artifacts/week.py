"""Records of the weekly report over all models: is each champion still the best one available, and at what cost?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from mlops_assets.artifacts.health import Diagnosis

StillBest: TypeAlias = Literal["yes", "no", "not_known"]


@dataclass(frozen=True, slots=True)
class RunCost:
    """Stored. What the runs of one model cost in a week.

    Attributes:
        runs: Runs that ended.
        failed: Those that failed.
        seconds: Time from start to end of all of them, in seconds.
        trainings: Challengers that were trained.
        training_seconds: Time of these trainings.
        cpu_seconds: Processor time of the runs that recorded it.
        cpu_runs: How many did; one that was killed does not.
    """

    runs: int = 0
    failed: int = 0
    seconds: float = 0.0
    trainings: int = 0
    training_seconds: float = 0.0
    cpu_seconds: float = 0.0
    cpu_runs: int = 0


@dataclass(frozen=True, slots=True)
class ModelWeek:
    """Stored. One model in one week.

    Attributes:
        model: The model.
        version: The champion's version; None without a champion.
        still_best: Whether the champion is the best model available.
        reason: Why, in one sentence that begins after 'because'.
        health: The diagnosis.
        delivery: What the promotion of the champion promised and delivered; empty where it was not measured.
        cost: What its runs cost.
        open_alerts: Alerts that nobody acknowledged.
    """

    model: str
    version: int | None
    still_best: StillBest
    reason: str
    health: Diagnosis
    delivery: str
    cost: RunCost
    open_alerts: int


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """Stored. A group of alerts that nobody acknowledged; model is None for the platform."""

    number: int
    model: str | None
    severity: str
    message: str
    times: int
    since: datetime


@dataclass(frozen=True, slots=True)
class WeekReport:
    """Stored. All models in the week from start to end.

    Attributes:
        start: First instant.
        end: End, exclusive.
        models: In the order of their names.
        alerts: Groups of open alerts, the oldest first; at most as many as a page can show.
        calibration: How often promotions delivered what they promised; empty without a measurement.
    """

    start: datetime
    end: datetime
    models: tuple[ModelWeek, ...]
    alerts: tuple[OpenAlert, ...]
    calibration: str = ""

    @property
    def sentence(self) -> str:
        """How many champions are the best available, in one sentence."""
        if not self.models:
            return "there are no models"
        counts = {verdict: sum(one.still_best == verdict for one in self.models) for verdict in ("yes", "no")}
        unknown = len(self.models) - sum(counts.values())
        return (
            f"Champions still the best available: {counts['yes']} yes, {counts['no']} no, {unknown} not known"
        )
