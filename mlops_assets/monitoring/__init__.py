"""Monitoring: have the inputs moved from what the champion was trained on, how good are its predictions, and
what do both say about its health?

Comes in: a profile and feature rows; predictions and labels. Goes out: reports. Requesting a retrain because of them
belongs to `retraining`.
"""

from mlops_assets.monitoring.drift import drift
from mlops_assets.monitoring.health import Observations, broken_inputs, diagnose
from mlops_assets.monitoring.labels import labels_of
from mlops_assets.monitoring.performance import MOST_WINDOWS, WEEK_OVER_WEEK, performance

__all__ = [
    "MOST_WINDOWS",
    "WEEK_OVER_WEEK",
    "Observations",
    "broken_inputs",
    "diagnose",
    "drift",
    "labels_of",
    "performance",
]
