"""Monitoring: how far the inputs moved, how good the predictions are, what both say about the champion's health.

Comes in: a profile and feature rows; predictions and labels. Goes out: reports. Requesting a retrain because of them
belongs to `retraining`.
"""

from mlops_assets.monitoring.drift import drift, inputs_alone, prediction_drift
from mlops_assets.monitoring.feature_drift import MIN_ROWS
from mlops_assets.monitoring.health import Observations, broken_inputs, diagnose
from mlops_assets.monitoring.kpis import COLUMNS as KPI_COLUMNS
from mlops_assets.monitoring.kpis import READING, kpi_columns
from mlops_assets.monitoring.labels import SLICE, labeled, labels_of
from mlops_assets.monitoring.performance import MOST_WINDOWS, WEEK_OVER_WEEK, performance
from mlops_assets.monitoring.still_best import still_best

__all__ = [
    "KPI_COLUMNS",
    "MIN_ROWS",
    "MOST_WINDOWS",
    "READING",
    "SLICE",
    "WEEK_OVER_WEEK",
    "Observations",
    "broken_inputs",
    "diagnose",
    "drift",
    "inputs_alone",
    "kpi_columns",
    "labeled",
    "labels_of",
    "performance",
    "prediction_drift",
    "still_best",
]
