"""The stages of a model's life, named once and in order. Everything else takes the names from here."""

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
