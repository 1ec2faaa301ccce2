"""Records that packages exchange: frozen, without behavior beyond reading and writing themselves.

Records marked *stored* make the round trip through JSON (`to_json`, `from_json`): the ledger and the Dagster layer keep
them between steps and processes. Frames and matrices live for one step only. Logic belongs in the packages.
"""

from mlops_assets.artifacts.data import (
    ColumnProfile,
    FeatureMatrix,
    Profile,
    Readings,
    Repair,
    RuleResult,
    Split,
    TableVersion,
    Validation,
    WindowNull,
)
from mlops_assets.artifacts.drift import AlarmRecord, DriftReport, DriftStatistic, FeatureDrift
from mlops_assets.artifacts.evidence import (
    ChampionRef,
    ClassRow,
    Comparison,
    Decision,
    Delivery,
    Evaluation,
    Evidence,
    Explanation,
    Flips,
    GateResult,
    LaterRows,
    MetricInterval,
    Rival,
    SensorFailure,
    SequentialTest,
)
from mlops_assets.artifacts.health import Fact, HealthReport
from mlops_assets.artifacts.importance import FeatureImportance, ImportanceReport
from mlops_assets.artifacts.labels import class_labels, label_order
from mlops_assets.artifacts.models import Candidate, Interval, Predictor, RefitCheck, TrainedModel
from mlops_assets.artifacts.monitoring import MonitoringReport
from mlops_assets.artifacts.performance import Bias, PerformanceReport, SlicePerformance, WindowPerformance
from mlops_assets.artifacts.signals import CAUSES, Cause, Signal
from mlops_assets.artifacts.stored import digest, from_json, to_json
from mlops_assets.artifacts.terms import PARTS, QUIET_LOAD, Metrics, Outcome, Part, Verdict
from mlops_assets.artifacts.week import ModelWeek, OpenAlert, RunCost, StillBest, WeekReport
from mlops_assets.metrics import Bounds

__all__ = [
    "CAUSES",
    "PARTS",
    "QUIET_LOAD",
    "AlarmRecord",
    "Bias",
    "Bounds",
    "Candidate",
    "Cause",
    "ChampionRef",
    "ClassRow",
    "ColumnProfile",
    "Comparison",
    "Decision",
    "Delivery",
    "DriftReport",
    "DriftStatistic",
    "Evaluation",
    "Evidence",
    "Explanation",
    "Fact",
    "FeatureDrift",
    "FeatureImportance",
    "FeatureMatrix",
    "Flips",
    "GateResult",
    "HealthReport",
    "ImportanceReport",
    "Interval",
    "LaterRows",
    "MetricInterval",
    "Metrics",
    "ModelWeek",
    "MonitoringReport",
    "OpenAlert",
    "Outcome",
    "Part",
    "PerformanceReport",
    "Predictor",
    "Profile",
    "Readings",
    "RefitCheck",
    "Repair",
    "Rival",
    "RuleResult",
    "RunCost",
    "SensorFailure",
    "SequentialTest",
    "Signal",
    "SlicePerformance",
    "Split",
    "StillBest",
    "TableVersion",
    "TrainedModel",
    "Validation",
    "Verdict",
    "WeekReport",
    "WindowNull",
    "WindowPerformance",
    "class_labels",
    "digest",
    "from_json",
    "label_order",
    "to_json",
]
