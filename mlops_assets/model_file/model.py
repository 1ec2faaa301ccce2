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
    SchedulesSpec,
    WaiversSpec,
)
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.model_file.resources import ResourcesSpec
from mlops_assets.model_file.retraining import RetrainingSpec
from mlops_assets.model_file.rollout import RolloutSpec
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.serving import ServingSpec
from mlops_assets.model_file.source import Source
from mlops_assets.model_file.split import SplitSpec
from mlops_assets.model_file.training import TrainingSpec
from mlops_assets.model_file.validation import ValidationSpec
from mlops_assets.model_file.values import Column, Name, Owner


class ModelSpec(Section):
    """The whole lifecycle of one model."""

    name: Name
    """Lower-case letters, digits and underscores; also the asset group, the MLflow experiment and the API path."""
    description: Annotated[str, Field(min_length=1, max_length=2_000)]
    """What the model predicts, in one or two sentences; shown in Dagster, MLflow and the reports."""
    owners: Annotated[tuple[Owner, ...], Field(min_length=1)]
    """E-mail addresses, or teams as `team:name`."""
    problem: Problem
    """What is predicted: a number (regression), a class (classification) or a future value (forecasting)."""
    target: Column
    """The column to predict."""
    timestamp: Column | None = None
    """When a reading was taken; without it there is no freshness, no lag and no split by time."""
    entity: Column | None = None
    """What a reading is about (a pump, a shop); lags and windows never cross entities."""
    source: Source
    """Where the readings come from; `kind` selects the source."""
    repairs: RepairsSpec = RepairsSpec()
    """The cleaning steps that a run may apply to the readings; it counts each of them."""
    validation: ValidationSpec = ValidationSpec()
    """Rules that the readings must meet before training."""
    features: FeaturesSpec = FeaturesSpec()
    """How feature columns are computed from the readings."""
    split: SplitSpec = SplitSpec()
    """How rows are divided into training, validation and test parts."""
    training: TrainingSpec
    """The algorithms to train, their parameters and limits."""
    evaluation: EvaluationSpec
    """The metrics, baselines, slices and sensitive columns to measure."""
    gates: tuple[Gate, ...] = ()
    """A model file without gates never promotes by itself."""
    rollout: RolloutSpec = RolloutSpec()
    """How a promoted model takes over from the champion."""
    serving: ServingSpec = ServingSpec()
    """What the prediction API does when an input sensor or the champion fails."""
    monitoring: MonitoringSpec = MonitoringSpec()
    """What is watched in production: drift, performance and freshness."""
    retraining: RetrainingSpec = RetrainingSpec()
    """What each signal leads to, and the limits of the retrain governor."""
    schedules: SchedulesSpec = SchedulesSpec()
    """When the model is retrained, monitored and used for batch predictions."""
    alerts: AlertsSpec = AlertsSpec()
    """Where alerts are sent."""
    waivers: WaiversSpec = WaiversSpec()
    """Who may set a failed gate aside."""
    resources: ResourcesSpec = ResourcesSpec()
    """What the runs need of the machines, and which of them come first."""

    def digest(self) -> str:
        """Return the sha256 of the canonical JSON form: equal for two files that mean the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
