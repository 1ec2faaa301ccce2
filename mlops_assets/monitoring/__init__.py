"""Monitoring: how far the inputs moved, how good the predictions are, what both say about the champion's health.

Comes in: a profile and feature rows; predictions and labels. Goes out: reports. Requesting a retrain because of them
belongs to `retraining`.
"""

from mlops_assets.monitoring.drift import drift
from mlops_assets.monitoring.health import Observations, broken_inputs, diagnose
from mlops_assets.monitoring.labels import SLICE, labeled, labels_of
from mlops_assets.monitoring.performance import MOST_WINDOWS, WEEK_OVER_WEEK, performance
from mlops_assets.monitoring.still_best import still_best

__all__ = [
    "MOST_WINDOWS",
    "SLICE",
    "WEEK_OVER_WEEK",
    "Observations",
    "broken_inputs",
    "diagnose",
    "drift",
    "labeled",
    "labels_of",
    "performance",
    "still_best",
]
