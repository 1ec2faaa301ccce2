"""`ModelSpec`: one whole model file. `loader` reads it, `consistency` checks it against itself."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

from mlops_assets.model_file.algorithms import Problem
from mlops_assets.model_file.evaluation import EvaluationSpec
from mlops_assets.model_file.features import FeaturesSpec
from mlops_assets.model_file.gates import Gate
from mlops_assets.model_file.operations import (
    AlertsSpec,
    MonitoringSpec,
    RolloutSpec,
    SchedulesSpec,
    WaiversSpec,
)
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.source import RepairsSpec, Source
from mlops_assets.model_file.split import SplitSpec
from mlops_assets.model_file.training import TrainingSpec
from mlops_assets.model_file.validation import ValidationSpec
from mlops_assets.model_file.values import Column, Name, Owner


class ModelSpec(Section):
    """The whole lifecycle of one model."""

    name: Name
    """Lower-case letters, digits and underscores; also the asset group, the MLflow experiment and the API path."""
    description: Annotated[str, Field(min_length=1, max_length=2_000)]
    owners: Annotated[tuple[Owner, ...], Field(min_length=1)]
    """E-mail addresses, or teams as `team:name`."""
    problem: Problem
    target: Column
    timestamp: Column | None = None
    """When a reading was taken; without it there is no freshness, no lag and no split by time."""
    entity: Column | None = None
    """What a reading is about (a pump, a shop); lags and windows never cross entities."""
    source: Source
    repairs: RepairsSpec = RepairsSpec()
    validation: ValidationSpec = ValidationSpec()
    features: FeaturesSpec = FeaturesSpec()
    split: SplitSpec = SplitSpec()
    training: TrainingSpec
    evaluation: EvaluationSpec
    gates: tuple[Gate, ...] = ()
    """A model file without gates never promotes by itself."""
    rollout: RolloutSpec = RolloutSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    schedules: SchedulesSpec = SchedulesSpec()
    alerts: AlertsSpec = AlertsSpec()
    waivers: WaiversSpec = WaiversSpec()

    def digest(self) -> str:
        """Return the sha256 of the canonical JSON form: equal for two files that mean the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
