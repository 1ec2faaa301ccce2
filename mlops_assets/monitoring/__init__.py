"""Monitoring: have the inputs moved from what the champion was trained on, and how good are its predictions?

Comes in: a profile and feature rows; predictions and labels. Goes out: reports. Requesting a retrain because of them
belongs to `retraining`.
"""

from mlops_assets.monitoring.drift import drift
from mlops_assets.monitoring.labels import labels_of
from mlops_assets.monitoring.performance import MOST_WINDOWS, WEEK_OVER_WEEK, performance

__all__ = ["MOST_WINDOWS", "WEEK_OVER_WEEK", "drift", "labels_of", "performance"]
