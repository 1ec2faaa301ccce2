"""Records that each stage passes to the next, in addition to the packages' own records. All of them are stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, Field, JsonValue

from mlops_assets.artifacts import (
    Comparison,
    Decision,
    DriftReport,
    GateResult,
    HealthReport,
    ImportanceReport,
    MonitoringReport,
    PerformanceReport,
    Repair,
    RuleResult,
    TableVersion,
    TrainedModel,
)


@dataclass(frozen=True, slots=True)
class ReadingsRecord:
    """Raw readings as a table version, with the repairs made on the way in."""

    table: TableVersion
    repairs: tuple[Repair, ...]
    source: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ValidatedRecord:
    """Rows that may be used, quarantined rows, and the result of every rule."""

    table: TableVersion
    quarantine: TableVersion | None
    rules: tuple[RuleResult, ...]
    passed: bool
    as_of: datetime


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """Great Expectations' results of the same rules, and the folder of its pages."""

    rules: tuple[RuleResult, ...]
    rows: int
    docs: str
    as_of: datetime

    @property
    def passed(self) -> bool:
        """True when a rule was checked and no critical rule failed."""
        return bool(self.rules) and all(rule.passed or not rule.critical for rule in self.rules)


@dataclass(frozen=True, slots=True)
class FeaturesRecord:
    """The feature table and the names of its feature columns; `data` lists every table it came from."""

    table: TableVersion
    names: tuple[str, ...]
    data: tuple[TableVersion, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """Where the evidence and the report of one challenger are, and what the gates lead to."""

    model: str
    version: int
    evidence_hash: str
    decision: Decision
    gates: tuple[GateResult, ...]
    metrics: tuple[dict[str, JsonValue], ...]
    folder: str
    plots: tuple[str, ...]
    features: TableVersion
    as_of: datetime
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class PromotionRecord:
    """What became of a challenger, and the champion afterwards (None when there is none).

    rollout: the state of its roll-out, None for a model that is promoted at once.
    """

    version: int
    decision: Decision
    champion: int | None
    revision: Annotated[int, Field(validation_alias=AliasChoices("revision", "epoch"))]
    evidence_hash: str
    rollout: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionsRecord:
    """A batch of predictions by one champion."""

    table: TableVersion
    version: int
    new_rows: int
    as_of: datetime


StageRecord = (
    ReadingsRecord
    | ValidatedRecord
    | FeaturesRecord
    | TrainedModel
    | ReportRecord
    | PromotionRecord
    | PredictionsRecord
    | QualityRecord
    | DriftReport
    | ImportanceReport
    | PerformanceReport
    | HealthReport
    | MonitoringReport
)
"""What the stages return."""
