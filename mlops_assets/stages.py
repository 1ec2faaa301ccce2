"""The stages of a model's lifecycle, named once and in order, and the sections of the model file that each reads."""

from __future__ import annotations

from typing import Final

RAW_READINGS: Final = "raw_readings"
VALIDATED_DATA: Final = "validated_data"
FEATURES: Final = "features"
TRAINED_MODEL: Final = "trained_model"
EVALUATION_REPORT: Final = "evaluation_report"
PRODUCTION_MODEL: Final = "production_model"
PREDICTIONS: Final = "predictions"

DRIFT_REPORT: Final = "drift_report"
IMPORTANCE_REPORT: Final = "importance_report"
PERFORMANCE_REPORT: Final = "performance_report"
MODEL_HEALTH: Final = "model_health"
MONITORING_REPORT: Final = "monitoring_report"
DATA_QUALITY_REPORT: Final = "data_quality_report"
RETRAIN_REQUEST: Final = "retrain_request"

STAGES: Final = (
    RAW_READINGS,
    VALIDATED_DATA,
    FEATURES,
    TRAINED_MODEL,
    EVALUATION_REPORT,
    PRODUCTION_MODEL,
    PREDICTIONS,
)

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    RAW_READINGS: ("source", "repairs", "timestamp", "entity"),
    VALIDATED_DATA: ("validation", "target"),
    FEATURES: ("features",),
    TRAINED_MODEL: ("problem", "training", "split"),
    EVALUATION_REPORT: ("evaluation", "gates"),
    PRODUCTION_MODEL: ("rollout",),
    PREDICTIONS: (),
}
"""Sections of the model file whose change makes a stage, and all stages after it, out of date."""
